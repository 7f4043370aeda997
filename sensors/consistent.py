"""Does it fit together: the light against the sun, the kind of file against how it is said to have been made.

Signals, and never more: a floodlit stadium is bright at night, and an honest person may hand in a screenshot that was
asked for. What the app's own camera took has no EXIF and any size: only files from elsewhere are looked at for those.
"""

from __future__ import annotations

from typing import Final

from sensors.evidence import Photo, Place, Window
from sensors.inspection import Inspection
from sensors.place import capture_fix
from sensors.secondhand import SUSPECT, messenger, screenshot
from sensors.sun import elevation, highest
from sensors.verdict import Check, finding

NIGHT: Final = -6.0
"""Degrees of the sun's elevation at the end of civil twilight."""
UNTOLD: Final = "Whether the photos fit together was left open: nothing in them tells the hour or how they came about."
DAYLIGHT_EV: Final = 12.0
"""Exposure values (ISO 100) that only daylight needs: open shade is 12, sun 15 (ISO 2720); floodlit sport is 9."""


def _judge_file(photo: Photo, seen: Inspection, window: Window) -> Check | None:
    # The page's camera draws on a canvas: no EXIF, and the size of a video, which may well be a screen's. Nobody but it
    # may say the claim's nonce; whether that is true is for `live` to find out.
    if photo.capture is not None and photo.capture.nonce == window.nonce:
        return None
    grades = {"screenshot": screenshot(seen), "messenger": messenger(seen)}
    size = {"photo": photo.n, "width": seen.width, "height": seen.height}
    if grades["screenshot"] >= SUSPECT:
        what = f"Photo {photo.n} looks like a picture of a phone's own screen."
        return finding("consistent", "warn", what, kind="screenshot", grade=grades["screenshot"], **size)
    if grades["messenger"] >= SUSPECT:
        what = f"Photo {photo.n} looks as if it had come through a messenger. Send the original file."
        return finding("consistent", "warn", what, kind="messenger", grade=grades["messenger"], **size)
    return None


def _judge_country(photo: Photo, window: Window) -> Check | None:
    """Whether the photo came from another country than the claim, by the addresses; absence says nothing."""
    if photo.country is None or window.country is None or photo.country == window.country:
        return None
    what = f"Photo {photo.n} was sent from another country ({photo.country}) than your claim ({window.country})."
    countries = {"claimed_from": window.country, "sent_from": photo.country}
    return finding("consistent", "warn", what, photo=photo.n, kind="country", **countries)


def _judge_light(photo: Photo, seen: Inspection, place: Place | None, window: Window) -> Check | None:
    fix, exposure = capture_fix(photo.capture), seen.exif.exposure_ev
    where = (fix.lat, fix.lon) if fix is not None else (place.lat, place.lon) if place is not None else None
    if where is None or exposure is None:
        return None
    taken = None if photo.capture is None else photo.capture.taken_at
    # Where nobody says when, the best of the claim's time counts: one may photograph by day and send at night.
    sun = highest(*where, window.claimed_at, window.received_at) if taken is None else elevation(*where, taken)
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
        found = (
            _judge_file(photo, photo.inspection, window),
            _judge_country(photo, window),
            _judge_light(photo, photo.inspection, place, window),
        )
        checks += [check for check in found if check is not None]
    if checks:
        return checks
    if not photos:
        return [finding("consistent", "not_applicable", "There is no photo to look at.")]
    return [finding("consistent", "inconclusive", UNTOLD)]
