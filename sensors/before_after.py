"""Before and after: the photos that should show how it was were taken before one that shows how it is then."""

from __future__ import annotations

from datetime import datetime, timedelta

from sensors.evidence import Evidence, Photo, PhotosAsked
from sensors.freshness import spoken
from sensors.verdict import Check, Status, finding

NAME = "before_after"


def before_after(asked: PhotosAsked | None, evidence: Evidence) -> Check:
    """One finding. The photos with the first `asked.before` numbers are those of before, all others those of after.

    Times are compared only where all come from one kind of clock: the app's notes, or the files' own dates. Everything
    of before must be earlier than everything of after to pass; where nothing of before is earlier than all of after, it
    fails; between the two it warns, as it does where a time is not known. So it is with `asked.work_s`: it passes where
    all of before and all of after are so many seconds apart, and fails where the farthest are not.
    """
    if asked is None or asked.before is None or evidence.outcome == "honest_negative":
        return finding(NAME, "not_applicable", "Nothing was asked of before and after.")
    before = [photo for photo in evidence.photos if photo.n <= asked.before]
    after = [photo for photo in evidence.photos if photo.n > asked.before]
    if len(before) < asked.before or not after:
        missing = "after" if not after else "before"
        told = f"Photos 1 to {asked.before} show" if asked.before > 1 else "Photo 1 shows"
        detail = f"{told} how it was before, those that follow how it is after. What is missing is {missing}."
        return finding(NAME, "fail", detail)
    times = _times([*before, *after])
    if times is None:
        return finding(NAME, "warn", "When the photos were taken is not known of all, so their order is not certain.")
    of_before, of_after = times[: len(before)], times[len(before) :]
    apart = round((min(of_after) - max(of_before)).total_seconds())
    if min(of_before) >= min(of_after):
        return finding(NAME, "fail", "No photo of before was taken before those of after.", apart_s=apart)
    if max(of_before) >= min(of_after):
        return finding(NAME, "warn", "Not every photo of before was taken before those of after.", apart_s=apart)
    work = timedelta(seconds=asked.work_s or 0)
    if min(of_after) - max(of_before) < work:
        status: Status = "fail" if max(of_after) - min(of_before) < work else "warn"
        took = f"The work takes {spoken(work)} at least; {spoken(timedelta(seconds=apart))} lie between the photos."
        return finding(NAME, status, took, apart_s=apart)
    return finding(NAME, "pass", "The photos of before were taken before those of after.", apart_s=apart)


def _times(photos: list[Photo]) -> list[datetime] | None:
    """When each photo was taken, by the first kind of clock that knows it of all; None where none does."""
    noted = [None if photo.capture is None else photo.capture.taken_at for photo in photos]
    known = [each for each in noted if each is not None]
    if len(known) == len(photos):
        return known
    files = [None if photo.inspection is None else photo.inspection.exif for photo in photos]
    walls = [exif.taken_at for exif in files if exif is not None and exif.taken_at is not None]
    # One camera's wall clock: without its zone it is the same zone for all, or it cannot be compared.
    zones = {exif.offset for exif in files if exif is not None}
    return walls if len(walls) == len(photos) and len(zones) == 1 else None
