"""What a buyer reads of a verdict: names, statuses and weights of all checks, and of the rest only what is theirs.

A check sees more than a buyer may: where else the person was, what others handed in for other tasks, and evidence that
nobody has paid for. The person reads all of it, in the checks' own words.
"""

from typing import Any, NamedTuple


class Told(NamedTuple):
    """What a buyer reads of one check. data: the members that pass; all others are left out.

    own_words: the check's own sentence speaks of nothing but this evidence and passes too; else, and wherever the
    evidence was refused, it is the market's for the finding's status.
    """

    data: frozenset[str]
    own_words: bool
    passed: str
    warns: str
    failed: str
    undecided: str


def _told(data: str, passed: str, warns: str, failed: str, undecided: str, *, own_words: bool = True) -> Told:
    return Told(frozenset(data.split()), own_words, passed, warns, failed, undecided)


TOLD = {
    "complete": _told(
        "", "Everything that was asked is there.", "Something may be missing.", "Something that was asked is missing.",
        "Whether everything is there was left open.",
    ),
    "decodes": _told(
        "photo", "The photos open.", "A photo opens with an oddity.", "A photo cannot be opened.",
        "Whether the photos open was left open.",
    ),
    "fresh": _told(
        "after_claim_s exif_gap_s gps_gap_s camera_clock_off_s", "The photos were taken during the claim.",
        "When a photo was taken is in doubt.", "A photo was not taken during the claim.",
        "When the photos were taken was left open.",
    ),
    "before_after": _told(
        "apart_s", "The photos of before were taken before those of after.",
        "Whether the photos of before were taken first, and long enough before the others, is in doubt.",
        "The photos of before are missing, were not taken first, or too short before the others.",
        "Whether the photos of before were taken first was left open.",
    ),
    "at_place": _told(
        "radius_m", "It was taken at the place.", "Whether it was taken at the place is in doubt.",
        "Its position is not at the place, or not to be believed.",
        "Whether it was taken at the place was left open.",
        own_words=False,
    ),
    "live": _told(
        "photo fact", "The photos were taken in the app for this claim, and signed.",
        "Whether a photo was taken in the app for this claim is in doubt.",
        "A photo was not taken in the app for this claim, or not as it was signed.",
        "Whether the photos were taken in the app was left open.", own_words=False,
    ),
    "not_duplicate": _told(
        "photo kind", "These photos were not used before.", "A photo looks much like one that was already used.",
        "A photo was already used.", "Whether a photo was already used was left open.", own_words=False,
    ),
    "quality": _told(
        "width height brightness sharpness covered", "The photos are clear.", "A photo is not clear.",
        "A photo is below what was asked.", "How clear the photos are was left open.",
    ),
    "unedited": _told(
        "photo c2pa c2pa_codes c2pa_generator c2pa_actions issuers software thumbnail_distance declared_size size "
        "recompression quality", "Nothing says that the photos were edited.", "A photo may have been edited.",
        "A photo was changed after its signed record of origin was made.",
        "Whether the photos were edited was left open.",
    ),
    "not_recaptured": _told(
        "photo points moire", "The photos show a scene with depth.", "A photo may be one of a screen or a print.",
        "A photo is one of a screen or a print.", "Whether a photo is one of a screen or a print was left open.",
    ),
    "consistent": _told(
        "photo", "The photos fit the hour.", "A photo does not fit what is said of it.",
        "A photo does not fit what is said of it.", "Nothing in the photos tells how they came about.", own_words=False,
    ),
    "shows": _told(
        "subject min_confidence opinions", "A photo seems to show what was asked.",
        "No photo seems to show what was asked.", "No photo shows what was asked.",
        "Whether a photo shows what was asked was left open.",
    ),
    "readings": _told(
        "quantity samples mean unit raw_mean calibration labels value", "The readings are plausible.",
        "Something about the readings is odd.", "The readings cannot be as they were sent.",
        "The readings were left undecided.",
    ),
    "answers": _told(
        "question questions", "The answers fit the questions.", "An answer is unlike what others say.",
        "An answer does not fit its question.", "The answers were left undecided.", own_words=False,
    ),
}  # fmt: skip
NONE = _told(
    "", "Nothing was found.", "There is a doubt.", "It was not passed.", "It was left undecided.", own_words=False
)
INAPPLICABLE = "It does not apply here."


def sentence(check: str, status: str) -> str:
    """The market's own words for a finding."""
    told = TOLD.get(check, NONE)
    words = {"pass": told.passed, "warn": told.warns, "fail": told.failed, "inconclusive": told.undecided}
    return words.get(status, INAPPLICABLE)


def for_buyer(verdict: dict[str, Any], *, refused: bool = False) -> dict[str, Any]:
    """A verdict as whoever asked reads it. refused: the evidence is not paid for, so nothing of it is told."""
    return {**verdict, "checks": [_check(each, refused) for each in verdict["checks"]]}


def rejection_for_buyer(rejection: dict[str, Any], decided_by: str | None) -> dict[str, Any]:
    """Why evidence was refused: the market's reason in neutral words, anybody else's as they gave it."""
    if decided_by != "market" or rejection["failed_check"] is None:
        return rejection
    return {**rejection, "comment": sentence(rejection["failed_check"], "fail")}


def _check(found: dict[str, Any], refused: bool) -> dict[str, Any]:
    told = TOLD.get(found["name"], NONE)
    own_words = told.own_words and not refused
    detail = found["detail"] if own_words else sentence(found["name"], found["status"])
    return {**found, "detail": detail, "data": {} if refused else _members(found.get("data", {}), told.data)}


def _members(data: dict[str, Any], passing: frozenset[str]) -> dict[str, Any]:
    """What passes of a finding's data; where several findings were joined, of each of them."""
    kept = {name: value for name, value in data.items() if name in passing}
    if "each" in data:
        each = [_members(one, passing) for one in data["each"]]
        kept |= {"each": [one for one in each if one]} if any(each) else {}
    return kept
