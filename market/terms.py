"""What a task may ask for and promise: the shapes of a posting, with their bounds. Pure data, shared with the API."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from market.money import Price

Check = Literal[
    "decodes", "fresh", "at_place", "live", "not_duplicate", "quality", "readings", "answers", "shows", "unedited",
    "not_recaptured", "consistent", "before_after",
]  # fmt: skip
Name = Annotated[
    str,
    msgspec.Meta(
        pattern="^[a-z][a-z0-9_]{0,63}$(?!\\n)",
        description="A name of lower-case letters, digits and _ that begins with a letter; at most 64 of them.",
        examples=["open"],
    ),
]
Choice = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=5000)]


MOST_PHOTOS = 20
LONGEST_ROUND_S = 7 * 86_400


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Input that refuses what it does not know."""


class Place(Strict, frozen=True, kw_only=True):
    """A point (WGS 84, degrees) and how far from it an answer counts (metres)."""

    lat: Annotated[float, msgspec.Meta(ge=-90, le=90, examples=[52.52])]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180, examples=[13.405])]
    radius_m: Annotated[float, msgspec.Meta(ge=5, le=100_000, examples=[80])] = 100


class Shown(Strict, frozen=True, kw_only=True):
    """What a picture should show: a label of a model that the account has published, or a question about the picture.

    It is judged by machine with the check `shows`, which never rejects: what is in doubt goes to the buyer.
    """

    model: Annotated[str, msgspec.Meta(examples=["model_0199a7c26d1e7c4b9a530f2b8e6d4c11"])] | None = None
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=200, examples=["bakery"])] | None = None
    question: (
        Annotated[
            str,
            msgspec.Meta(
                pattern=r"^[^\x00-\x1f\x7f]{8,300}$(?!\n)",
                description="A question to be answered by yes or no, in one line of 8 to 300 characters.",
                examples=["Is a bakery's shop front visible?"],
            ),
        ]
        | None
    ) = None
    min_confidence: Annotated[float, msgspec.Meta(ge=0.5, le=1)] = 0.6


class PhotosAsked(Strict, frozen=True, kw_only=True):
    """How many photos, and how good. A photo below a minimum is rejected where the check `quality` is declared.

    min_sharpness: standard deviation of the Laplacian on a copy of at most 512 px; below 3 a photo is plainly blurred,
    most have 8 to 40. min_brightness, max_brightness: the mean, from 0 (black) to 1 (white).

    originals: the buyer gets the files as they came, with all metadata; people see that before they claim, and can hide
    nothing in them. Else the buyer gets copies in full size, upright and without metadata.

    before: of a task of kind action, how many of the photos, those with the first numbers, show how it was before.
    work_s: at least so many seconds lie between those and the others, the time that the work itself takes.
    """

    min: Annotated[int, msgspec.Meta(ge=1, le=MOST_PHOTOS)] = 1
    max: Annotated[int, msgspec.Meta(ge=1, le=MOST_PHOTOS)] = 1
    live_capture: bool = False
    min_width: Annotated[int, msgspec.Meta(ge=1, le=20_000)] | None = None
    min_height: Annotated[int, msgspec.Meta(ge=1, le=20_000)] | None = None
    min_sharpness: Annotated[float, msgspec.Meta(ge=0, le=100, examples=[6])] | None = None
    min_brightness: Annotated[float, msgspec.Meta(ge=0, le=1, examples=[0.15])] | None = None
    max_brightness: Annotated[float, msgspec.Meta(ge=0, le=1, examples=[0.9])] | None = None
    shows: Shown | None = None
    originals: bool = False
    before: Annotated[int, msgspec.Meta(ge=1, le=MOST_PHOTOS - 1, examples=[1])] | None = None
    work_s: Annotated[int, msgspec.Meta(ge=1, le=86_400, examples=[300])] | None = None

    @property
    def has_minima(self) -> bool:
        """Whether a photo may be too small, too blurred, too dark or too bright."""
        bounds = (self.min_width, self.min_height, self.min_sharpness, self.min_brightness, self.max_brightness)
        return any(each is not None for each in bounds)


class ReadingAsked(Strict, frozen=True, kw_only=True):
    """A quantity to be measured, in a unit of the allow-list."""

    name: Name
    unit: Annotated[str, msgspec.Meta(min_length=1, max_length=16, examples=["ug/m3"])]
    min_samples: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1


class Question(Strict, frozen=True, kw_only=True):
    """A question with the shape of its answer."""

    id: Name
    type: Literal["choice", "number", "text", "boolean"]
    text: Annotated[str, msgspec.Meta(max_length=500)] = ""
    choices: Annotated[list[Choice], msgspec.Meta(max_length=2000)] = []
    min: float | None = None
    max: float | None = None
    max_length: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 1000
    required: bool = True


class Evidence(Strict, frozen=True, kw_only=True):
    """What an answer must contain."""

    photos: PhotosAsked | None = None
    readings: Annotated[list[ReadingAsked], msgspec.Meta(max_length=20)] = []
    questions: Annotated[list[Question], msgspec.Meta(max_length=50)] = []


class Acceptance(Strict, frozen=True, kw_only=True):
    """How an answer is judged. auto: accepted when its score reaches min_score; manual: the buyer decides in time.

    checks: those whose failure rejects. Left out, they follow from what is asked: fresh and not_duplicate for photos,
    at_place for a place, live for live_capture, quality for a declared minimum (or max_brightness), readings for
    readings, shows for what a picture should show, before_after for photos of before. Given, they are all there is.
    honest_negative_percent: of the price, for evidence that there is nothing to answer, such as a shop that is gone.
    """

    mode: Literal["auto", "manual"] = "auto"
    checks: Annotated[list[Check], msgspec.Meta(max_length=16)] | None = None
    min_score: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.7
    review_deadline_s: Annotated[int, msgspec.Meta(ge=60, le=30 * 86_400)] = 86_400
    pay_honest_negative: bool = True
    honest_negative_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 100

    def of_negative(self, reward: int) -> int:
        """What is paid where there is nothing to answer, of what an answer pays: minor units, at least one."""
        return max(1, reward * self.honest_negative_percent // 100)

    @property
    def declared(self) -> list[Check]:
        """The checks, those of the task once it is posted."""
        return self.checks or []


Kind = Literal["photo", "reading", "action", "answer"]
LEAST_ROYALTY_PERCENT = 10  # of each sale, to whoever observed it


class License(Strict, frozen=True, kw_only=True):
    """Whether the observation may be sold again, and after how long."""

    exclusive_s: Annotated[int, msgspec.Meta(ge=0, le=10 * 365 * 86_400)] = 0
    resale: bool = True


class Standing(Strict, frozen=True, kw_only=True):
    """A question that stays: each round of `every_s` seconds it is asked anew, and `per_round` answers are bought.

    `quantity` caps all rounds together. `per_person`: answers of one person in a round, with all their devices.
    Registered devices that measure what is asked answer it by themselves, with each signed batch that they push.
    """

    every_s: Annotated[int, msgspec.Meta(ge=60, le=LONGEST_ROUND_S, examples=[3600])]
    per_round: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    per_person: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1


class PriceSchedule(Strict, frozen=True, kw_only=True):
    """How the price rises while nobody takes it: every `step_s` seconds by `step_percent` of `reward` (rounded down, at
    least one unit), up to `max`. Whoever claims has the price of that moment."""

    max: Price
    step_s: Annotated[int, msgspec.Meta(ge=60, le=30 * 86_400, examples=[1800])]
    step_percent: Annotated[int, msgspec.Meta(ge=1, le=100, examples=[15])]


class TaskDraft(Strict, frozen=True, kw_only=True):
    """A task to be posted. `reward` is what the person earns for each accepted answer; the fee comes on top.

    price_schedule: how it rises; the worst case is held. expected_minutes: of work at the place, where it is more than
    the market's own estimate; the minimum pay counts by it.
    """

    kind: Kind
    title: Annotated[str, msgspec.Meta(min_length=3, max_length=200, examples=["Is the bakery at 12 Main St open?"])]
    instructions: Text
    purpose: Annotated[str, msgspec.Meta(min_length=3, max_length=1000, examples=["Opening hours for a planner."])]
    place: Place | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    evidence: Evidence
    reward: Price
    price_schedule: PriceSchedule | None = None
    expected_minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] | None = None
    quantity: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    acceptance: Acceptance = Acceptance()
    license: License = License()
    claim_ttl_s: Annotated[int, msgspec.Meta(ge=60, le=7 * 86_400)] = 3600
    standing: Standing | None = None
    external_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    metadata: Annotated[dict[str, Any], msgspec.Meta(max_length=50)] = {}

    def __post_init__(self) -> None:
        """Fill in the checks that were left out: whoever names a place wants the photo from there."""
        if self.acceptance.checks is None:
            checks = _implied(self.evidence, self.place)
            msgspec.structs.force_setattr(self, "acceptance", msgspec.structs.replace(self.acceptance, checks=checks))


def _implied(evidence: Evidence, place: Place | None) -> list[Check]:
    """The checks without which what is asked would be a wish."""
    photos = evidence.photos
    asked: dict[Check, bool] = {
        "fresh": photos is not None,
        "at_place": place is not None,
        "not_duplicate": photos is not None,
        "live": photos is not None and photos.live_capture,
        "quality": photos is not None and photos.has_minima,
        "readings": bool(evidence.readings),
        "shows": photos is not None and photos.shows is not None,
        "before_after": photos is not None and photos.before is not None,
    }
    return [name for name, wanted in asked.items() if wanted]


class TaskChange(Strict, frozen=True, kw_only=True):
    """What may be changed while a task is open: only to the better for whoever has claimed it.

    reward: not below the price now; the schedule goes on from it. price_schedule: from the price now, not to less.
    """

    reward: Price | None = None
    price_schedule: PriceSchedule | None = None
    closes_at: datetime | None = None
    add_quantity: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
