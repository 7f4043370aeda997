"""`shows`: whether the picture seems to show what was asked, by the opinions of judges that `sensors` never meets.

A judge is wrong at times and can be talked into things by writing in the picture, so this never fails: what it doubts
goes to a person.
"""

from __future__ import annotations

from sensors.evidence import Asked, Evidence, Opinion
from sensors.verdict import Check, Status, finding

UNASKED = "The task does not ask what the picture shows."
ABSENT = "What was asked for is said not to be there, so no picture has to show it."


def shows(asked: Asked, evidence: Evidence) -> Check:
    """One photo that shows it is enough; a photo that steered its judge outweighs any other.

    Opinions below min_confidence decide nothing. Only where the task declares the check is anybody asked.
    """
    wanted = None if asked.photos is None else asked.photos.shows
    if wanted is None or "shows" not in asked.checks:
        return finding("shows", "not_applicable", UNASKED)
    if evidence.outcome == "honest_negative":
        return finding("shows", "not_applicable", ABSENT)
    opinions = evidence.opinions
    data = {
        "subject": wanted.subject,
        "min_confidence": wanted.min_confidence,
        "opinions": [_told(each) for each in opinions],
    }
    status, detail = _weigh(opinions, wanted.subject, wanted.min_confidence)
    return finding("shows", status, detail, **data)


def _weigh(opinions: list[Opinion], subject: str, least: float) -> tuple[Status, str]:
    steered = [each.photo for each in opinions if each.steered]
    if steered:
        told = f"Whoever looked at photo {steered[0]} answered as if told what to say, so its answer is not used."
        return "inconclusive", told
    shown = [each for each in opinions if each.shows is True and each.confidence >= least]
    if shown:
        best = max(shown, key=lambda each: each.confidence)
        return "pass", f"Photo {best.photo} seems to show what was asked: “{subject}”."
    unsure = [each for each in opinions if each.shows is None or each.confidence < least]
    if unsure or not opinions:
        why = unsure[0].reason if unsure and unsure[0].undecided else "It cannot be told from the picture."
        return "inconclusive", f"Whether a picture shows what was asked was left open. {why}"
    return "warn", f"No picture seems to show what was asked: “{subject}”."


def _told(opinion: Opinion) -> dict[str, object]:
    told: dict[str, object] = {
        "photo": opinion.photo, "judge": opinion.judge, "shows": opinion.shows, "confidence": opinion.confidence,
    }  # fmt: skip
    if opinion.reason:
        told["reason"] = opinion.reason
    return told
