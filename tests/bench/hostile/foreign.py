"""Files of kinds that are not accepted, by their own names and in the disguise of a photo's first bytes."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from PIL import Image

from tests.bench.hostile.kinds import Hostile
from tests.bench.hostile.polyglots import DRAWING, FILM, GIF, PAGE, PDF, archive
from tests.sensors.pictures import scene

DISGUISES = {
    "jpg": b"\xff\xd8\xff",
    "png": b"\x89PNG\r\n\x1a\n",
    "webp": b"RIFF\xff\xff\xff\xffWEBP",
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
}


def saved(kind: str, **options: object) -> bytes:
    written = io.BytesIO()
    picture = scene(64, 48).convert("P") if kind in ("GIF", "PCX") else scene(64, 48)
    picture.save(written, kind, **options)  # type: ignore[arg-type]
    return written.getvalue()


def kinds() -> dict[str, bytes]:
    laughs = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
    frames = [Image.new("P", (9, 9), shade) for shade in range(200)]
    return {
        "svg": DRAWING,
        "svg of entities": b'<!DOCTYPE s [<!ENTITY l0 "lol">' + laughs + b"]><svg>&l9;</svg>",
        "svg from outside": b'<!DOCTYPE s [<!ENTITY e SYSTEM "file:///etc/passwd">]><svg><text>&e;</text></svg>',
        "svg of a gigapixel": b'<svg width="1e9" height="1e9"><use href="#a"/></svg>',
        "svg behind a mark": b"\xef\xbb\xbf  <?xml version='1.0'?>" + DRAWING,
        "html": PAGE,
        "pdf": PDF,
        "zip": archive(),
        "zip bomb": archive("0", bytes(200_000_000)),
        "film": FILM,
        "gif as script": GIF,
        "gif of 200 frames": saved("GIF", save_all=True, append_images=frames),
        "tiff": saved("TIFF"),
        "bmp": saved("BMP"),
        "bmp of 2^31": b"BM" + struct.pack("<IIIIiiHHI", 99, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, 0) + bytes(99),
        "gif of 65,535": b"GIF89a\xff\xff\xff\xff\xf7\0\0" + bytes(900),
        "ico": saved("ICO"),
        "pcx": saved("PCX"),
        "tga": saved("TGA"),
        "ppm of 2^31": b"P6 2147483647 2147483647 255\n",
        "ppm": saved("PPM"),
        "sgi": saved("SGI"),
        "icns": b"icns" + struct.pack(">I", 2**32 - 1) + b"ic10",
        "psd": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 300_000, 300_000, 8, 3) + bytes(99),
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n(%pipe%id) (r) file\n",
        "fits": b"SIMPLE  =                    T" + b" " * 3_000,
        "dds": b"DDS " + bytes(124) + b"\xff" * 99,
        "exr": b"\x76\x2f\x31\x01\2\0\0\0" + bytes(99),
        "jpeg 2000": saved("JPEG2000"),
        "jpeg xl": b"\xff\x0a" + bytes(99),
        "avif": saved("AVIF"),
        "wmf": b"\xd7\xcd\xc6\x9a" + bytes(99),
        "tiff in a ring": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
        "bigtiff": b"II+\0\x08\0\0\0" + b"\xff" * 64,
        "matroska": b"\x1aE\xdf\xa3" + bytes(99),
        "pickle": b"\x80\x04cos\nsystem\n(S'id'\ntR.",
        "script": b"#!/bin/sh\nid\n",
        "words": b"This is a photo of the bakery. " * 999,
        "nothing": b"",
        "one byte": b"\xff",
        "zeros": bytes(2_000_000),
        "ones": b"\xff" * 2_000_000,
        "mvg": b"push graphic-context\nimage over 0,0 0,0 'https://example.com/x'\npop graphic-context\n",
        "xbm": b"#define a_width 99999\n#define a_height 99999\n",
    }


def files() -> Iterator[Hostile]:
    for name, content in kinds().items():
        yield Hostile("foreign", f"{name}", content)
        for suffix, start in DISGUISES.items():
            if len(content) < 100_000:
                yield Hostile("disguised", f"{name}.{suffix}", start + content)
