"""A photograph of a screen or a print, taken for one of the thing itself: signals, and never more."""

from __future__ import annotations

from typing import Final

from sensors.evidence import Photo
from sensors.verdict import Check, finding

MOIRE: Final = 7.5
"""From here on a picture is said to look like one of a screen; docs/evidence.md has the measured rates."""
OPEN: Final = "Whether it is the scene itself, or a screen or print of it, was left open"


def _judge_photo(photo: Photo) -> Check | None:
    if photo.inspection is None:
        return None
    n, seen = photo.n, photo.inspection.moire
    if photo.parallax is not None and photo.parallax.state == "plane":
        flat = f"The pictures taken around photo {n} move as one flat plane, as those of a screen or a print do."
        return finding("not_recaptured", "warn", flat, photo=n, points=photo.parallax.points)
    if seen is not None and seen >= MOIRE:
        return finding("not_recaptured", "warn", f"Photo {n} shows a fine grid, as screens and prints do.", moire=seen)
    if photo.parallax is not None and photo.parallax.state == "depth":
        return finding("not_recaptured", "pass", f"The pictures taken around photo {n} show a scene with depth.")
    if seen is None:
        return finding("not_recaptured", "not_applicable", f"Photo {n} is too small to tell.")
    neither = f"{OPEN} for photo {n}: it shows no grid, which says little, and no depth."
    return finding("not_recaptured", "inconclusive", neither, moire=seen)


def not_recaptured(photos: list[Photo]) -> list[Check]:
    """One finding a photo. It passes only where a burst shows depth; no sign of a screen proves nothing."""
    checks = [check for photo in photos if (check := _judge_photo(photo)) is not None]
    return checks or [finding("not_recaptured", "not_applicable", "There is no photo to look at.")]
