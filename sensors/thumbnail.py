"""The small picture that cameras put into EXIF, against the picture itself: who edits one often forgets the other."""

from __future__ import annotations

from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from sensors.jpeg import read_header

MAX_SIDE: Final = 640
MIN_SIDE: Final = 24
SIDE: Final = 32
"""Both are compared at SIDE x SIDE, where neither sharpening nor compression tells."""
FLAT: Final = 4.0
"""Standard deviation of luma (0–255) below which there is nothing to compare."""


def _decoded(thumbnail: bytes) -> Image.Image | None:
    header = read_header(thumbnail)
    if header is None or not all(MIN_SIDE <= side <= MAX_SIDE for side in (header.width, header.height)):
        return None
    try:
        image = JpegImageFile(BytesIO(thumbnail))
        if max(image.size) > MAX_SIDE:
            return None
        image.draft("L", image.size)
        return image.convert("L")
    except Exception:
        # Hostile bytes: OSError, SyntaxError, struct.error, …
        return None


def _unlike(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """1 minus the correlation: 0 for the same but for brightness and contrast, 1 for unrelated, 2 for the negative."""
    one, other = one - one.mean(), other - other.mean()
    return float(1 - (one * other).mean() / (one.std() * other.std() or 1))


def _small(image: Image.Image, box: tuple[float, float, float, float] | None = None) -> NDArray[np.float64]:
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX, box=box), dtype=np.float64)


def _inside(size: tuple[int, int], aspect: float) -> tuple[float, float, float, float]:
    """The largest centred box of an aspect ratio (width by height)."""
    width, height = size
    wide, high = min(width, height * aspect), min(height, width / aspect)
    return (width - wide) / 2, (height - high) / 2, (width + wide) / 2, (height + high) / 2


def thumbnail_distance(thumbnail: bytes, luma: NDArray[np.uint8]) -> float | None:
    """How unlike the picture (height, width) its small copy is: 0 the same to 2, see _unlike; None: nothing to compare.

    Cameras keep 160 x 120 whatever the picture's shape, with bars or cut at the sides, and turn one without the other;
    of all these readings the best counts.
    """
    small = _decoded(thumbnail)
    if small is None or luma.std() < FLAT or min(luma.shape) < MIN_SIDE:
        return None
    picture = Image.fromarray(luma)
    whole = _small(picture)
    best = 2.0
    for turn in range(4):
        turned = small if not turn else small.transpose(Image.Transpose(turn + 1))
        aspect, own = picture.width / picture.height, turned.width / turned.height
        pairs = [(_small(turned), whole)]
        if abs(aspect / own - 1) > 0.02:
            pairs.append((_small(turned, _inside(turned.size, aspect)), whole))
            pairs.append((_small(turned), _small(picture, _inside(picture.size, own))))
        for one, other in pairs:
            if one.std() >= FLAT and other.std() >= FLAT:
                best = min(best, _unlike(one, other))
        if not turn and best < 0.05:
            break
    return round(max(best, 0.0), 4) if small and np.asarray(small).std() >= FLAT else None
