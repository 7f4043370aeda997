"""What served copies of all sample photos still hold beside pixels, and what making one costs.

`python -m tests.bench copies`. Each variant of every photo that can be opened is searched for the marks of EXIF, XMP,
GPS, C2PA, colour profiles and multi-picture files outside the coded pixels (in which three letters stand by chance now
and then), and for segments that hold no pixels. Times are of this process.
"""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from sensors.decode import render
from sensors.inspection import Undecodable
from tests.sensors.test_copies import MARKERS, beside_pixels, laden

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "photos_exif"
VARIANTS = {"full": 0, "display": 1600, "thumb": 320}


def upright(data: bytes) -> tuple[int, int]:
    """Width and height as Pillow's own reading of the orientation has them."""
    with Image.open(BytesIO(data)) as image:
        return ImageOps.exif_transpose(image).size


def main() -> None:
    """Count, and print one table."""
    photos = {kind: laden(kind) for kind in ("JPEG", "PNG", "WEBP")}
    if SAMPLES.is_dir():
        photos |= {path.name: path.read_bytes() for path in sorted(SAMPLES.iterdir()) if path.is_file()}
    refused = turned_wrongly = 0
    carried = dict.fromkeys(MARKERS, 0)
    left = dict.fromkeys(VARIANTS, 0)
    spent = dict.fromkeys(VARIANTS, 0.0)
    for data in photos.values():
        try:
            copies = {}
            for variant, side in VARIANTS.items():
                began = time.process_time()
                copies[variant] = render(data, side)
                spent[variant] += time.process_time() - began
        except Undecodable:
            refused += 1
            continue
        for marker in MARKERS:
            carried[marker] += marker in data
        for variant, copy in copies.items():
            left[variant] += beside_pixels(copy)
        if not data[4:12].startswith(b"ftyp"):  # a HEIC is turned by its reader
            wide, high = upright(data)
            with Image.open(BytesIO(copies["full"])) as copy_image:
                turned_wrongly += (wide > high) != (copy_image.width > copy_image.height)
    served = len(photos) - refused
    print(f"{len(photos)} files, {served} served, {refused} refused as no photo that is taken here")
    print("carried before: " + ", ".join(f"{marker.decode()} in {count}" for marker, count in carried.items() if count))
    print(f"served lying on their side: {turned_wrongly}")
    for variant in VARIANTS:
        print(
            f"{variant:8} bytes of metadata left: {left[variant]}   mean {1000 * spent[variant] / served:.0f} ms of CPU"
        )


if __name__ == "__main__":
    main()
