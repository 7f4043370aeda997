"""Was this photo used before: the same bytes, or the same picture in any shape. Candidates are the market's to find."""

from __future__ import annotations

from typing import Any, Final

from sensors.evidence import Duplicate, Photo
from sensors.inspection import ALIKE, Inspection
from sensors.pdq import HALF_QUALITY, LEAST_QUALITY, MATCH_RADIUS, MIN_QUALITY, NEAR_RADIUS
from sensors.verdict import Check, finding

SURELY_TURNED: Final = 20
"""Bits up to which a turned picture's hash suffices, seven of which are compared; farther ones are laid over it."""


def settles(quality: int, earlier: int) -> bool:
    """Whether the PDQ hashes of two photos, of these qualities, settle anything by themselves.

    Flat pictures resemble each other by accident, a flat and a rich one do not; much reduced copies are flatter.
    """
    return max(quality, earlier) >= MIN_QUALITY and min(quality, earlier) >= HALF_QUALITY


def searchable(inspection: Inspection) -> bool:
    """Whether a photo's PDQ hash may lead to candidates at all, if not settle anything."""
    return inspection.pdq is not None and inspection.pdq_quality >= LEAST_QUALITY


def _same_picture(duplicate: Duplicate) -> bool:
    """Whether it is one photograph: by its hash as it stands, or in another shape by its pixels."""
    if duplicate.kind == "near" and duplicate.distance <= MATCH_RADIUS:
        return True
    if duplicate.kind == "turned" and duplicate.distance <= SURELY_TURNED:
        return True
    return duplicate.same


def _resembles(duplicate: Duplicate) -> bool:
    """Whether it is worth a second look: alike by its pixels, or by a hash where the pixels are gone."""
    if duplicate.agreement is not None:
        return duplicate.agreement >= ALIKE
    return duplicate.kind == "turned" or (duplicate.kind == "near" and duplicate.distance <= NEAR_RADIUS)


def _judge_earlier(duplicate: Duplicate) -> Check | None:
    """One earlier photo, None when it does not matter: of one's own for the same task only the same picture does."""
    what = f"Photo {duplicate.photo}"
    when = "" if duplicate.used_at is None else f" on {duplicate.used_at.day} {duplicate.used_at:%B}"
    data: dict[str, Any] = {"photo": duplicate.photo, "kind": duplicate.kind, "distance": duplicate.distance}
    if duplicate.agreement is not None:
        data["agreement"] = duplicate.agreement
    if duplicate.same_person:
        data["of"] = duplicate.of
    if duplicate.kind == "exact":
        return finding("not_duplicate", "fail", f"{what} was already used{when}. Take a new one.", **data)
    if duplicate.undecided:
        unknown = f"Whether {what.lower()} is new was left open: it is much like one that cannot be compared."
        return finding("not_duplicate", "inconclusive", unknown, **data)
    if duplicate.within and duplicate.same:
        shown = f"{what} is the same picture as photo {duplicate.within}. Take a new one."
        return finding("not_duplicate", "fail", shown, **data)
    if duplicate.same_person and duplicate.same_task and not duplicate.same:
        return None
    if _same_picture(duplicate):
        how = "shows the same picture as" if duplicate.kind == "near" else "is cropped, turned or changed from"
        shown = f"{what} {how} one that was already used{when}. Take a new one."
        return finding("not_duplicate", "fail", shown, **data)
    if _resembles(duplicate):
        return finding("not_duplicate", "warn", f"{what} looks much like one that was already used{when}.", **data)
    return None


def _repeated(photos: list[Photo]) -> list[Check]:
    """Photos of one submission that are the same file twice."""
    seen: dict[bytes, int] = {}
    checks = []
    for photo in photos:
        if photo.inspection is None:
            continue
        first = seen.setdefault(photo.inspection.sha256, photo.n)
        if first != photo.n:
            detail = f"Photo {photo.n} is the same file as photo {first}. Take a new one."
            checks.append(finding("not_duplicate", "fail", detail, photo=photo.n, kind="exact", distance=0))
    return checks


def not_duplicate(photos: list[Photo], duplicates: list[Duplicate]) -> list[Check]:
    """Findings about reuse: failures and warnings, or one pass when nothing was found."""
    if not photos:
        return [finding("not_duplicate", "not_applicable", "There is no photo to compare.")]
    numbers = {photo.n for photo in photos}
    earlier = (_judge_earlier(duplicate) for duplicate in duplicates if duplicate.photo in numbers)
    found = [check for check in earlier if check is not None] + _repeated(photos)
    return found or [finding("not_duplicate", "pass", "These photos were not used before.")]
