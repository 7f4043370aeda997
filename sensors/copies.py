"""Copies of photos for other people's eyes: colours as they were meant, what shall not be seen hidden, no metadata.

What is hidden is gone: each region is averaged into at most 4 x 4 cells of 16 steps a colour before it is blurred, so a
copy holds at most 16 coarse colours of it, however large it was. Nothing sharper can be computed back from those.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image, ImageCms

from sensors.regions import Region

CELLS: Final = 4
"""Along the longer side of a region; a region twice as long as high has two rows of them, and so on."""
STEP: Final = 16
MARGIN: Final = 0.08
"""Of a region's sides, added around it: who draws a box draws it tight."""
LARGEST_PROFILE: Final = 4_000_000
QUALITY: Final = 85
FULL_QUALITY: Final = 92
MAX_FULL_PIXELS: Final = 25_000_000
"""Larger photos are copied at half their sides: more would not fit into the memory of the child that does it."""


def full_side(size: tuple[int, int]) -> int:
    """The side in pixels, the shorter one, at which a photo of this size is copied in full."""
    return min(size) if size[0] * size[1] <= MAX_FULL_PIXELS else max(1, min(size) // 2)


def pixel_box(region: Region, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom in pixels of a region with its margin, within the picture; None: it lies outside."""
    width, height = size
    left = math.floor((region.x - MARGIN * region.w) * width)
    top = math.floor((region.y - MARGIN * region.h) * height)
    right = math.ceil((region.x + (1 + MARGIN) * region.w) * width)
    bottom = math.ceil((region.y + (1 + MARGIN) * region.h) * height)
    box = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    return box if box[2] > box[0] and box[3] > box[1] else None


def hide(image: Image.Image, regions: Iterable[Region]) -> None:
    """Replace each region of an RGB picture by a blur of a few coarse colours, in place."""
    for region in regions:
        box = pixel_box(region, image.size)
        if box is None:
            continue
        width, height = box[2] - box[0], box[3] - box[1]
        longest = max(width, height)
        cells = max(1, round(CELLS * width / longest)), max(1, round(CELLS * height / longest))
        # A mean over every pixel: a filter that looks at some of them would let those through.
        coarse = np.asarray(image.crop(box).resize(cells, Image.Resampling.BOX))
        coarse = (coarse // STEP) * STEP + STEP // 2
        image.paste(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), box[:2])


def to_srgb(image: Image.Image) -> None:
    """Turn an RGB picture's values, in place, into those that look the same without its colour profile.

    The profile is the photo's own, in `image.info`. One that cannot be used leaves the values as they are.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not 128 < len(profile) <= LARGEST_PROFILE or profile[16:20] != b"RGB ":
        return
    try:
        given = ImageCms.ImageCmsProfile(BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(given).lower():
            return
        ImageCms.profileToProfile(image, given, ImageCms.createProfile("sRGB"), inPlace=True)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return


def write(image: Image.Image, regions: Sequence[Region], quality: int) -> bytes:
    """An upright RGB picture as a JPEG that holds pixels and nothing else, the regions hidden."""
    to_srgb(image)
    hide(image, regions)
    # Pillow writes a picture's own comment and profile back into the file unless they are taken off it.
    image.info.clear()
    written = BytesIO()
    image.save(written, "JPEG", quality=quality, exif=b"", icc_profile=None)
    return written.getvalue()
