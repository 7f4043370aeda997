"""Was it taken now: the phone's time and the file's own time against the claim's, by the market's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sensors.evidence import Photo, Window
from sensors.inspection import ExifSummary
from sensors.verdict import Check, Status, finding

SLACK: Final = timedelta(minutes=5)
"""How far an honest phone's clock may be off."""
CONTRADICTION: Final = timedelta(hours=24)
EASTMOST, WESTMOST = timedelta(hours=14), timedelta(hours=-12)
"""The zones that a clock without a stated zone may be in."""


def spoken(span: timedelta) -> str:
    """A duration in the largest unit that fits: "3 days", "2 hours", "7 minutes"."""
    seconds = abs(span.total_seconds())
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


def exif_span(exif: ExifSummary) -> tuple[datetime, datetime] | None:
    """Earliest and latest moment in UTC that the camera's clock reading can mean, None without one."""
    if exif.taken_at is None:
        return None
    wall = exif.taken_at.replace(tzinfo=UTC)
    if exif.offset is not None:
        return wall - timedelta(seconds=exif.offset), wall - timedelta(seconds=exif.offset)
    return wall - EASTMOST, wall - WESTMOST


def exif_gap(exif: ExifSummary, window: Window) -> timedelta:
    """How long before the claim (positive) or after arrival (negative) the file says it was taken; zero if neither."""
    span = exif_span(exif)
    if span is None:
        return timedelta(0)
    earliest, latest = span
    if latest < window.claimed_at:
        return window.claimed_at - latest
    if earliest > window.received_at:
        return window.received_at - earliest
    return timedelta(0)


def _judge_exif(photo: Photo, window: Window) -> Check | None:
    """A finding when the file's own date lies outside the claim, in whichever zone it may be; absence says nothing."""
    gap = timedelta(0) if photo.inspection is None else exif_gap(photo.inspection.exif, window)
    if abs(gap) <= SLACK:
        return None
    side = "before you claimed the task" if gap > timedelta(0) else "after it reached us"
    detail = f"Photo {photo.n} says in its own data that it was taken {spoken(gap)} {side}."
    status: Status = "fail" if abs(gap) > CONTRADICTION else "warn"
    return finding("fresh", status, detail, exif_gap_s=round(gap.total_seconds()))


def _judge_capture(photo: Photo, window: Window) -> Check:
    """One photo by the time that the app noted when taking it."""
    what = f"Photo {photo.n}"
    taken_at = None if photo.capture is None else photo.capture.taken_at
    if taken_at is None:
        return finding("fresh", "warn", f"{what} came without the time it was taken.")
    data = {"after_claim_s": round((taken_at - window.claimed_at).total_seconds())}
    if taken_at < window.claimed_at - SLACK:
        early = spoken(window.claimed_at - taken_at)
        return finding(
            "fresh", "fail", f"{what} was taken {early} before you claimed the task. Take a new one.", **data
        )
    if taken_at > window.expires_at + SLACK:
        late = spoken(taken_at - window.expires_at)
        return finding("fresh", "fail", f"{what} was taken {late} after your claim had run out.", **data)
    if taken_at > window.received_at + SLACK:
        ahead = spoken(taken_at - window.received_at)
        return finding("fresh", "warn", f"The clock of your phone is {ahead} ahead of ours.", **data)
    return finding("fresh", "pass", f"{what} was taken during your claim.", **data)


def fresh(photos: list[Photo], window: Window) -> list[Check]:
    """One or two findings a photo; without photos nothing bears a time of its own and nothing is judged."""
    if not photos:
        return [finding("fresh", "not_applicable", "There is no photo to date.")]
    noted = [_judge_capture(photo, window) for photo in photos]
    return noted + [check for photo in photos if (check := _judge_exif(photo, window)) is not None]
