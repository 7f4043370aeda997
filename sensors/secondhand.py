"""Pictures that came by another way than a camera: off a phone's screen, or through a messenger. Grades, 0 to 1.

A file without a camera's name in it is what many honest people send, so that alone is nothing here. It takes a size
that screens give pictures, or one that messengers do and a second sign besides.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sensors.inspection import Inspection

SCREENS: Final = frozenset(
    {
        (640, 1136), (750, 1334), (768, 1366), (828, 1792), (1125, 2436), (1170, 2532), (1179, 2556), (1206, 2622),
        (1242, 2208), (1242, 2688), (1260, 2736), (1284, 2778), (1290, 2796), (1320, 2868),
        (720, 1440), (720, 1480), (720, 1520), (720, 1544), (720, 1560), (720, 1600), (720, 1640),
        (1080, 2160), (1080, 2220), (1080, 2244), (1080, 2246), (1080, 2248), (1080, 2280), (1080, 2310), (1080, 2312),
        (1080, 2316), (1080, 2340), (1080, 2376), (1080, 2388), (1080, 2392), (1080, 2400), (1080, 2408), (1080, 2412),
        (1080, 2424), (1080, 2460), (1080, 2520), (1116, 2484), (1176, 2400), (1200, 2640), (1200, 2652), (1200, 2670),
        (1220, 2712), (1224, 2700), (1240, 2772), (1256, 2760), (1260, 2800), (1264, 2780), (1280, 2856), (1344, 2992),
        (1080, 2636), (1440, 2880), (1440, 2960), (1440, 3040), (1440, 3088), (1440, 3120), (1440, 3200), (1440, 3216),
        (1644, 3840),
    }
)  # fmt: skip
"""Sizes in pixels of phones' screens (makers' data sheets, 2014 to 2026). Those that video has as well (720 x 1280,
1080 x 1920, 1440 x 2560) are left out: cameras do too."""
MESSENGER_SIDES: Final = frozenset((960, 1280, 1600, 2048, 2560))
"""Longer sides of what messengers pass on: Telegram 1280 and 2560, WhatsApp and Signal 1600 (4096 in their better
quality, which a camera's own may be), Facebook 960 and 2048."""
SUSPECT: Final = 0.6
"""From this grade on a person is told."""
STRIP: Final = 0.02
"""Share of the height from which a strip of one colour counts: a status bar has 0.03, bars around a photo more."""
_ALIKE: Final = 0.6
"""The share of a row that has its strip's colour: clock and battery stand in the rest."""


def strips(luma: NDArray[np.uint8]) -> float:
    """Share of the height that strips of one grey at the upper and lower edge take. luma (height, width), upright."""
    height = len(luma)
    total = 0
    for rows in (luma[: height // 2], luma[::-1][: height // 2]):
        colour = float(np.median(rows[0])) if len(rows) else 0.0
        for row in rows:
            if float(np.mean(np.abs(row - colour) <= 1)) < _ALIKE:
                break
            total += 1
    return round(total / max(1, height), 4)


def from_camera(seen: Inspection) -> bool:
    """Whether the file names a camera, as neither screens nor messengers let it."""
    return seen.exif.make is not None or seen.exif.model is not None


def screenshot(seen: Inspection) -> float:
    """How much it looks like a picture of one's own screen: by its own comment, or by size, format and bars."""
    if seen.exif.screenshot:
        return 1.0
    if from_camera(seen):
        return 0.0
    grade = 0.6 if (min(seen.width, seen.height), max(seen.width, seen.height)) in SCREENS else 0.0
    grade += 0.3 if seen.media_type == "image/png" else 0.0
    grade += 0.3 if seen.strips >= STRIP else 0.0
    return round(min(1.0, grade), 2)


def messenger(seen: Inspection) -> float:
    """How much it looks like a picture that was passed on: by a mark that Facebook leaves, or by size and header.

    Only JPEG, which is what messengers write. The IJG's own tables at the usual qualities are theirs too.
    """
    if seen.jpeg is None or from_camera(seen) or seen.exif.taken_at is not None:
        return 0.0
    if "APP13 FBMD" in seen.jpeg.applications:
        return 1.0
    grade = 0.4 if max(seen.width, seen.height) in MESSENGER_SIDES else 0.0
    grade += 0.15 if all(each == "APP0 JFIF" for each in seen.jpeg.applications) else 0.0
    grade += 0.15 if seen.jpeg.standard and 60 <= seen.jpeg.quality <= 93 else 0.0
    grade += 0.2 if seen.jpeg.progressive else 0.0
    return round(min(1.0, grade), 2)
