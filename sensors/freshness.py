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
    return timedelta(0) if span is None else _outside(*span, window)


def _outside(earliest: datetime, latest: datetime, window: Window) -> timedelta:
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


def _judge_gps(photo: Photo, window: Window) -> Check | None:
    """A finding when the time of the file's position, by satellite, lies outside the claim or contradicts its camera.

    It fails only where the camera's own clock does not speak for the claim: phones write the time of an old position
    when they find no new one.
    """
    exif = None if photo.inspection is None else photo.inspection.exif
    if exif is None or exif.gps_at is None:
        return None
    what = f"Photo {photo.n}"
    gap = _outside(exif.gps_at, exif.gps_at, window)
    if abs(gap) > SLACK:
        side = "before you claimed the task" if gap > timedelta(0) else "after it reached us"
        supported = exif.taken_at is not None and abs(exif_gap(exif, window)) <= SLACK
        status: Status = "fail" if abs(gap) > CONTRADICTION and not supported else "warn"
        detail = f"{what} says in its own data that its position is from {spoken(gap)} {side}."
        return finding("fresh", status, detail, gps_gap_s=round(gap.total_seconds()))
    span = exif_span(exif)
    if span is not None and not span[0] - SLACK <= exif.gps_at <= span[1] + SLACK:
        off = min(abs(exif.gps_at - each) for each in span)
        detail = f"The clock of the camera of photo {photo.n} is {spoken(off)} or more off its satellites' time."
        return finding("fresh", "warn", detail, camera_clock_off_s=round(off.total_seconds()))
    return None


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
    """One to three findings a photo; without photos nothing bears a time of its own and nothing is judged."""
    if not photos:
        return [finding("fresh", "not_applicable", "There is no photo to date.")]
    noted = [_judge_capture(photo, window) for photo in photos]
    told = [judge(photo, window) for judge in (_judge_exif, _judge_gps) for photo in photos]
    return noted + [check for check in told if check is not None]
