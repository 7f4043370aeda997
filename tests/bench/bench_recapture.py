"""How well a photograph of a screen or a print is told from one of the thing itself. The attacks are simulated.

python -m tests.bench recapture

Honest: the photos of ../shared/data/photos_exif with a megapixel or more, and made-up fences, fabrics and tiles.
Attacks: the same photos shown on a display (stripes of red, green and blue with dark gaps) or printed (a halftone),
photographed at several distances and angles: resampled, blurred by a lens, with noise, written as JPEG. No real
recaptures are at hand.
"""

from __future__ import annotations

import math
import random
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sensors.moire import moire
from sensors.recapture import MOIRE
from tests.bench.evidence.honest import DATA

SIDE = 1400  # of the camera's picture that is simulated at full resolution; seen at half
Picture = NDArray[np.float32]


def _written(picture: Picture, rng: random.Random) -> float | None:
    """A picture as the camera's JPEG, looked at as `inspect` does: in grey, at half size."""
    noisy = picture + np.random.default_rng(rng.randrange(2**32)).normal(0, 2.5, picture.shape)
    written = BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(written, "JPEG", quality=rng.choice((85, 90, 95)))
    with Image.open(written) as opened:
        opened.draft("L", (opened.width // 2, opened.height // 2))
        return moire(np.asarray(opened.convert("L")))


def _laid(picture: Picture, scale: float, rng: random.Random) -> Picture:
    """The display or print as the camera sees it: each of its cells `scale` camera pixels wide, turned and tilted."""
    angle, tilt = math.radians(rng.uniform(-8, 8)), rng.uniform(-6e-5, 6e-5)
    height, width = picture.shape[:2]
    turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [tilt, -tilt, 1]])
    centre = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    place = np.array([[scale, 0, SIDE / 2], [0, scale, SIDE / 2], [0, 0, 1]])
    # Sampled four times as finely and averaged: each sensor cell gathers the light of its whole area.
    fine = cv2.warpPerspective(
        picture, np.diag([2.0, 2.0, 1.0]) @ place @ turn @ centre, (2 * SIDE, 2 * SIDE), flags=cv2.INTER_LINEAR
    )
    blurred = cv2.GaussianBlur(fine, (0, 0), 2 * rng.uniform(0.4, 0.8))
    return np.asarray(cv2.resize(blurred, (SIDE, SIDE), interpolation=cv2.INTER_AREA), dtype=np.float32)


def screen(photo: Picture, scale: float, rng: random.Random) -> Picture:
    """The photo on a display whose pixel is `scale` camera pixels wide: three stripes and gaps, six cells a pixel."""
    cells = 6
    size = math.ceil(SIDE / scale * 1.15)
    shown = cv2.resize(photo, (size, size), interpolation=cv2.INTER_AREA)
    large = np.repeat(np.repeat(shown, cells, 0), cells, 1)
    mask = np.zeros((cells, cells, 3), np.float32)
    for stripe in range(3):
        mask[: cells - 1, 2 * stripe : 2 * stripe + 2, stripe] = 3.0 * cells / (cells - 1) * 0.8
    lit = large * np.tile(mask, (size, size, 1))
    return np.minimum(_laid(lit, scale / cells, rng), 255)


def printed(photo: Picture, scale: float, rng: random.Random) -> Picture:
    """The photo as a halftone of dots `scale` camera pixels apart, at 45 degrees."""
    cells = 6
    size = math.ceil(SIDE / scale * 1.15)
    grey = cv2.resize(photo, (size * cells, size * cells), interpolation=cv2.INTER_LINEAR).mean(axis=2)
    y, x = np.mgrid[: size * cells, : size * cells] * (math.pi / cells)
    threshold = 127.5 + 60 * (np.cos(x + y) + np.cos(x - y))
    dots = np.where(grey > threshold, 235.0, 30.0).astype(np.float32)
    mixed = 0.6 * dots + 0.4 * grey.astype(np.float32)
    return np.repeat(_laid(mixed, scale / cells, rng)[..., None], 3, axis=2)


def texture(kind: str, rng: random.Random) -> Picture:
    """A fence, a fabric or tiles, with light that varies and a little disorder: honest and periodic."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    period, angle = rng.uniform(10, 60), rng.uniform(0, math.pi)
    u = x * math.cos(angle) + y * math.sin(angle) + 3 * np.sin(y / rng.uniform(80, 200))
    v = -x * math.sin(angle) + y * math.cos(angle) + 3 * np.sin(x / rng.uniform(80, 200))
    if kind == "fence":
        pattern = np.clip(3 * np.sin(2 * math.pi * u / period), -1, 1)
    elif kind == "fabric":
        pattern = np.sin(2 * math.pi * u / period) * np.sin(2 * math.pi * v / period)
    else:
        pattern = np.clip(4 * np.cos(2 * math.pi * u / (4 * period)), -1, 1) * np.clip(
            4 * np.cos(2 * math.pi * v / (4 * period)), -1, 1
        )
    light = 120 + 40 * np.sin(x / 700 + rng.random()) + 60 * pattern
    rough = cv2.GaussianBlur(np.random.default_rng(rng.randrange(2**32)).normal(0, 30, (SIDE, SIDE)), (0, 0), 2)
    return np.repeat((light + rough).astype(np.float32)[..., None], 3, axis=2)


def _auc(honest: list[float], attacks: list[float]) -> float:
    pairs = [(a > h) + 0.5 * (a == h) for a in attacks for h in honest]
    return sum(pairs) / len(pairs)


def main() -> None:
    if not DATA.exists():
        print("needs the photos of ../shared/data")
        return
    rng = random.Random(5)
    photos: list[Picture] = []
    for path in sorted((DATA / "photos_exif").iterdir()):
        try:
            with Image.open(path) as opened:
                if min(opened.size) >= 1024:
                    photos.append(np.asarray(opened.convert("RGB"), dtype=np.float32))
        except Exception:
            continue  # hostile or of another kind: other measurements are about those
    crops = []
    for photo in photos:
        for _ in range(4):
            height, width = photo.shape[:2]
            top, left = rng.randrange(max(1, height - SIDE)), rng.randrange(max(1, width - SIDE))
            crops.append(photo[top : top + SIDE, left : left + SIDE])
    honest = [each for crop in crops if (each := _written(crop, rng)) is not None]
    textures = {
        kind: [each for _ in range(15) if (each := _written(texture(kind, rng), rng)) is not None]
        for kind in ("fence", "fabric", "tiles")
    }
    print(f"{len(photos)} honest photos, {len(honest)} crops; flagged {_share(honest):.1%}")
    for kind, found in textures.items():
        print(f"  honest {kind:8} flagged {_share(found):.1%}")
    limits = {rate: float(np.quantile(honest, 1 - rate)) for rate in (0.01, 0.05)}
    print(f"{'attack':26}{'AUC':>7}{'at 1 %':>8}{'at 5 %':>8}{'flagged':>9}")
    for name, make in (("screen", screen), ("print", printed)):
        for scale in (1.3, 1.8, 2.5, 3.5, 5.0, 8.0):
            found = []
            for crop in crops[::4] * 2:
                seen = _written(make(crop, scale, rng), rng)
                if seen is not None:
                    found.append(seen)
            at = [sum(each > limit for each in found) / len(found) for limit in limits.values()]
            rates = f"{at[0]:8.1%}{at[1]:8.1%}{_share(found):9.1%}"
            print(f"{name + f', {scale} px a cell':26}{_auc(honest, found):7.3f}{rates}")


def _share(values: list[float]) -> float:
    return sum(each >= MOIRE for each in values) / max(1, len(values))


if __name__ == "__main__":
    main()
