"""Files that are two things at once: a photo to us and an archive, a page, a program or a film to somebody else."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator

from tests.bench.hostile import heic, jpeg, png, webp
from tests.bench.hostile.kinds import Hostile
from tests.sensors.pictures import chunk

PAGE = b"<!doctype html><script>alert(document.domain)</script>"
DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n%%EOF\n"
PHP = b"<?php system($_GET['c']); ?>"
FILM = heic.box(b"ftyp", b"isom" + bytes(4) + b"isommp42") + heic.box(b"moov", bytes(400))
GIF = b"GIF89a\x2f\x2a\0\0\0\0\0\x2a\x2f=1;alert(1)//"


def archive(name: str = "secret.txt", content: bytes = b"hello", comment: bytes = b"") -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        packed.comment = comment
    return written.getvalue()


def payloads() -> dict[str, bytes]:
    return {
        "zip": archive(),
        "zip with a comment": archive(comment=b"x" * 60_000),
        "jar": archive("META-INF/MANIFEST.MF"),
        "zip bomb": archive("0", bytes(100_000_000)),
        "page": PAGE,
        "page behind space": b" \r\n\t" * 50 + PAGE,
        "drawing": DRAWING,
        "pdf": PDF,
        "php": PHP,
        "program of Linux": b"\x7fELF\x02\x01\x01" + bytes(200),
        "program of Windows": b"MZ\x90\0" + bytes(200),
        "film": FILM,
        "gif": GIF,
        "rar": b"Rar!\x1a\x07\x01\0" + bytes(100),
        "7z": b"7z\xbc\xaf\x27\x1c\0\4" + bytes(100),
        "gzip": b"\x1f\x8b\x08" + bytes(7) + zlib.compress(bytes(9_999)),
        "script": b"#!/bin/sh\nrm -rf /\n",
        "tar": bytes(257) + b"ustar\0" + bytes(250),
        "another jpeg": jpeg.honest(),
        "bomb of a jpeg": jpeg.sized(jpeg.honest(), 65_500, 65_500),
        "png": png.honest(),
        "20 MB of noise": bytes(range(1, 256)) * 78_000,
    }


def files() -> Iterator[Hostile]:
    for name, hidden in payloads().items():
        for kind, whole in (
            ("jpg", jpeg.honest()),
            ("png", png.honest()),
            ("webp", webp.lossy()),
            ("heic", heic.plain()),
        ):
            yield Hostile("behind the picture", f"{name}.{kind}", whole + hidden)
        short = hidden[:60_000]
        yield Hostile(
            "within the picture", f"{name} as a comment.jpg", jpeg.within(jpeg.honest(), jpeg.segment(0xFE, short))
        )
        yield Hostile(
            "within the picture",
            f"{name} as EXIF.jpg",
            jpeg.within(jpeg.honest(), jpeg.segment(0xE1, b"Exif\0\0" + short)),
        )
        yield Hostile(
            "within the picture", f"{name} as text.png", png.within(png.honest(), chunk(b"tEXt", b"Comment\0" + short))
        )
        yield Hostile(
            "within the picture",
            f"{name} as XMP.webp",
            webp.riff(webp.canvas(64, 48, webp.XMP), webp.body(webp.lossy()), webp.part(b"XMP ", short)),
        )
        yield Hostile(
            "within the picture",
            f"{name} in a free box.heic",
            heic.FTYP + heic.box(b"free", short) + heic.plain()[len(heic.FTYP) :],
        )
        yield Hostile("before the picture", f"{name}.jpg", hidden[:400] + jpeg.honest())
