"""The one entry: evidence, what was asked and what is known about the claim in; a Verdict out. No clock is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sensors.answers import answers, missing_answers
from sensors.before_after import before_after
from sensors.consistent import consistent
from sensors.duplicates import not_duplicate
from sensors.evidence import Asked, Camera, Duplicate, Evidence, Photo, Window
from sensors.freshness import fresh
from sensors.live import live
from sensors.place import at_place
from sensors.quality import quality
from sensors.readings import Gathered, gather, missing_samples, readings
from sensors.recapture import not_recaptured
from sensors.shows import shows
from sensors.unedited import unedited
from sensors.verdict import OPEN, Check, Status, Verdict, conclude, finding

__all__ = ["check"]

_GRAVITY: Final[tuple[Status, ...]] = ("not_applicable", "pass", "warn", "inconclusive", "fail")
_OPEN_GRAVITY: Final[tuple[Status, ...]] = ("not_applicable", "pass", "inconclusive", "warn", "fail")
"""Where being left open is nothing unusual, a photo that leaves it open must not hide another that is in doubt."""


def worst(checks: list[Check]) -> Check:
    """Several findings of one name as one: the gravest status, with every sentence and all numbers of that status.

    Where that is to be left open, the other sentences follow, so that what was found stands beside what was not.
    """
    order = _OPEN_GRAVITY if checks[0].name in OPEN else _GRAVITY
    gravest = max(checks, key=lambda each: order.index(each.status)).status
    chosen = [each for each in checks if each.status == gravest]
    beside = [each for each in checks if each.status != gravest] if gravest == "inconclusive" else []
    sentences = list(dict.fromkeys(each.detail for each in [*chosen, *beside]))
    details: list[dict[str, Any]] = [each.data for each in chosen if each.data]
    data = {} if not details else details[0] if len(details) == 1 else {"each": details}
    return finding(chosen[0].name, gravest, " ".join(sentences), **data)


def complete(evidence: Evidence, asked: Asked, gathered: Gathered) -> Check:
    """Whether everything required is there. An honest negative ("the shop is gone") owes one photo where photos were
    asked, and neither answers nor readings."""
    missing = []
    negative = evidence.outcome == "honest_negative"
    if asked.photos is not None:
        least = min(1, asked.photos.max) if negative else asked.photos.min
        if len(evidence.photos) < least:
            missing.append(
                f"{least} photos are asked, {len(evidence.photos)} came" if least > 1 else "A photo is missing"
            )
        if len(evidence.photos) > asked.photos.max:
            missing.append(f"At most {asked.photos.max} photos are asked, {len(evidence.photos)} came")
    if not negative:
        missing += missing_samples(gathered)
        unanswered = missing_answers(asked.questions, evidence.answers)
        if unanswered:
            missing.append(f"No answer to: {', '.join(unanswered)}")
    if missing:
        return finding("complete", "fail", ". ".join(missing) + ".")
    return finding("complete", "pass", "Everything that was asked is there.")


def decodes(photos: list[Photo]) -> list[Check]:
    """One finding a photo: readable, readable with oddities, or refused with the reader's reason."""
    checks = []
    for photo in photos:
        if photo.inspection is None:
            reason = photo.refused or "It could not be read."
            checks.append(finding("decodes", "fail", f"Photo {photo.n}: {reason}", photo=photo.n))
        elif photo.inspection.problems:
            oddities = " ".join(photo.inspection.problems)
            checks.append(
                finding("decodes", "warn", f"Photo {photo.n} opens, with an oddity: {oddities}", photo=photo.n)
            )
        else:
            checks.append(finding("decodes", "pass", f"Photo {photo.n} opens."))
    return checks or [finding("decodes", "not_applicable", "There is no photo.")]


def check(
    evidence: Evidence, asked: Asked, window: Window, duplicates: list[Duplicate], cameras: Sequence[Camera] = ()
) -> Verdict:
    """Judge one submission. duplicates: earlier photos that the market found by SHA-256 or PDQ; cameras: what it has
    learned about those that the photos claim.

    Every check appears once in the verdict, in a fixed order, also when it does not apply.
    """
    photos = evidence.photos
    gathered = gather(asked.readings, evidence.readings, evidence.submitted_at)
    findings = [
        complete(evidence, asked, gathered),
        worst(decodes(photos)),
        worst(fresh(photos, window)),
        before_after(asked.photos, evidence),
        worst(at_place(asked.place, photos, window)),
        worst(live(asked.photos, photos, window)),
        worst(not_duplicate(photos, duplicates)),
        worst(quality(asked.photos, photos)),
        unedited(photos, cameras),
        worst(not_recaptured(photos)),
        worst(consistent(asked.place, photos, window)),
        shows(asked, evidence),
        worst(readings(gathered, window, owed=evidence.outcome == "done")),
        answers(asked.questions, evidence.answers, window.others),
    ]
    return conclude(findings, asked.checks, asked.min_score)
