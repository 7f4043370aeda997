"""Does it fit together: the light against the sun, the kind of file against how it is said to have been made.

Signals, and never more: a floodlit stadium is bright at night, and an honest person may hand in a screenshot that was
asked for. What the app's own camera took has no EXIF and any size: only files from elsewhere are looked at for those.
"""

from __future__ import annotations

from typing import Final

from sensors.evidence import Photo, Place, Window
from sensors.inspection import Inspection
from sensors.place import capture_fix
from sensors.sun import elevation
from sensors.verdict import Check, finding

NIGHT: Final = -6.0
"""Degrees of the sun's elevation at the end of civil twilight."""
DAYLIGHT_EV: Final = 12.0
"""Exposure values (ISO 100) that only daylight needs: open shade is 12, sun 15 (ISO 2720); floodlit sport is 9."""

SCREENS: Final = frozenset(
    (
        (1080, 1920), (1080, 2160), (1080, 2220), (1080, 2280), (1080, 2340), (1080, 2400), (1080, 2408), (1080, 2412),
        (1080, 2460), (1080, 2640), (1170, 2532), (1179, 2556), (1206, 2622), (1220, 2712), (1242, 2208), (1242, 2688),
        (1260, 2736), (1260, 2800), (1284, 2778), (1290, 2796), (1320, 2868), (1344, 2992), (1440, 2560), (1440, 2960),
        (1440, 3040), (1440, 3088), (1440, 3120), (1440, 3200), (640, 1136), (720, 1280), (720, 1600), (750, 1334),
        (828, 1792), (1125, 2436), (1080, 2424), (1280, 2856),
    )
)  # fmt: skip
"""Sizes of phones' screens in pixels, upright; no camera takes pictures of these sizes, by makers' specifications."""
MESSENGERS: Final = frozenset((960, 1280, 1600, 2048, 2560))
"""Longest sides to which messengers shrink pictures (WhatsApp 1600 and 2048, Telegram 1280 and 2560, Facebook 960 and
2048, Signal 1600 and 2048), as seen in their files; they also take all EXIF away."""


def _stripped(seen: Inspection) -> bool:
    """Whether the file says nothing of a camera."""
    return seen.exif.make is None and seen.exif.model is None and seen.exif.taken_at is None


def _judge_file(photo: Photo, seen: Inspection) -> Check | None:
    if photo.capture is not None and photo.capture.nonce is not None:
        return None
    sides = min(seen.width, seen.height), max(seen.width, seen.height)
    if _stripped(seen) and sides in SCREENS:
        what = f"Photo {photo.n} has the size of a phone's screen and names no camera, as a screenshot does."
        return finding("consistent", "warn", what, photo=photo.n, kind="screenshot", width=seen.width)
    if _stripped(seen) and seen.media_type == "image/jpeg" and sides[1] in MESSENGERS:
        what = f"Photo {photo.n} looks as if it had come through a messenger. Send the original file."
        return finding("consistent", "warn", what, photo=photo.n, kind="messenger", longest=sides[1])
    return None


def _judge_light(photo: Photo, seen: Inspection, place: Place | None, window: Window) -> Check | None:
    fix, exposure = capture_fix(photo.capture), seen.exif.exposure_ev
    where = (fix.lat, fix.lon) if fix is not None else (place.lat, place.lon) if place is not None else None
    if where is None or exposure is None:
        return None
    taken = photo.capture.taken_at if photo.capture is not None and photo.capture.taken_at else window.received_at
    sun = elevation(*where, taken)
    if sun < NIGHT and exposure >= DAYLIGHT_EV:
        bright = f"Photo {photo.n} was exposed as in daylight, but it was night there then."
        return finding("consistent", "warn", bright, photo=photo.n, sun_deg=round(sun, 1), ev=round(exposure, 1))
    return finding(
        "consistent", "pass", f"The light of photo {photo.n} fits the hour.", sun_deg=round(sun, 1),
        ev=round(exposure, 1),
    )  # fmt: skip


def consistent(place: Place | None, photos: list[Photo], window: Window) -> list[Check]:
    """What speaks for and against each photo's story; inconclusive where nothing can be compared."""
    checks = []
    for photo in photos:
        if photo.inspection is None:
            continue
        found = (_judge_file(photo, photo.inspection), _judge_light(photo, photo.inspection, place, window))
        checks += [check for check in found if check is not None]
    if checks:
        return checks
    if not photos:
        return [finding("consistent", "not_applicable", "There is no photo to look at.")]
    return [finding("consistent", "inconclusive", "Nothing in the photos tells the hour or how they came about.")]
