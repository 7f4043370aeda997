"""What a verdict is made from: what was asked, what came, and what the market knows about the claim.

Field names are those of the HTTP API, so that a task's stored evidence object converts directly.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from sensors.inspection import Inspection, Parallax

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its zone; decoding refuses one without."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where to observe: degrees (WGS 84) and the radius in metres around them."""

    lat: float
    lon: float
    radius_m: float


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a picture should show: a label of a published model, or a question for whoever looks at it.

    min_confidence: the least confidence, 0–1, that decides.
    """

    model: str | None = None
    label: str | None = None
    question: str | None = None
    min_confidence: float = 0.6

    @property
    def subject(self) -> str:
        """It, in words."""
        return self.question or self.label or ""


class PhotosAsked(msgspec.Struct, frozen=True, kw_only=True):
    """How many photos, whether taken in the app during the claim, and the least quality where it matters.

    Sizes in pixels; sharpness and brightness as in sensors.inspection.Inspection. before: how many of the first numbers
    show how it was before something was done; work_s: how many seconds that takes at least.
    """

    min: int = 1
    max: int = 1
    live_capture: bool = False
    min_width: int | None = None
    min_height: int | None = None
    min_sharpness: float | None = None
    min_brightness: float | None = None
    max_brightness: float | None = None
    shows: Shown | None = None
    before: int | None = None
    work_s: int | None = None


class ReadingAsked(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity to measure: its name, the unit the buyer wants it in, and how many samples at least."""

    name: str
    unit: str
    min_samples: int = 1


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One question. choices for a choice; min, max, unit for a number; max_length in characters for a text."""

    id: str
    type: Literal["choice", "number", "text", "boolean"]
    choices: list[str] | None = None
    min: float | None = None
    max: float | None = None
    unit: str | None = None
    required: bool = True
    max_length: int | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A task as far as evidence goes. checks: the declared names; min_score: the least score that passes by itself."""

    place: Place | None = None
    photos: PhotosAsked | None = None
    readings: list[ReadingAsked] = []
    questions: list[Question] = []
    checks: list[str] = []
    min_score: float = 0.7


class CaptureCamera(msgspec.Struct, frozen=True, kw_only=True):
    """The camera as the app names it, and the size in pixels of the pictures that it gave."""

    label: str = ""
    facing: str = ""
    width: int | None = None
    height: int | None = None


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """What the app reported with a photo: the phone's time, fix (degrees, metres), heading in degrees, claim nonce.

    A signed one also names what it was made for, what belongs to it (SHA-256 in hexadecimal), and the device with its
    signature over all that: sensors/statement.py. Only the camera is outside the signature.
    """

    taken_at: Moment | None = None
    lat: float | None = None
    lon: float | None = None
    accuracy_m: float | None = None
    heading: float | None = None
    nonce: str | None = None
    claim: str | None = None
    n: int | None = None
    photo_sha256: str | None = None
    motion_sha256: str | None = None
    frames_sha256: list[str] = []
    device: str | None = None
    signature: str | None = None
    camera: CaptureCamera | None = None


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One picture of the burst around a photo, a JPEG of at most 1280 px: its number from 1, its SHA-256 (32 bytes)."""

    k: int
    sha256: bytes


class Photo(msgspec.Struct, frozen=True, kw_only=True):
    """One uploaded photo: its number, then either what was read from it or why it was refused.

    motion: the record as uploaded, for sensors.motion.read. motion_repeated: the same samples came with another photo
    before. frames: the burst as uploaded, by k; their bytes lie in the object storage at their SHA-256. What counts of
    both is what the capture names by hash: `live` fails where something else lies there. parallax: what the frames say
    of the scene's depth; None where fewer than three came, or they were not looked at. country: of the address that
    uploaded it (ISO 3166-1, two capital letters), where that is known. uploaded_at: by the market's clock.
    """

    n: int
    inspection: Inspection | None = None
    refused: str | None = None
    capture: Capture | None = None
    motion: bytes | None = None
    motion_repeated: bool = False
    frames: list[Frame] = []
    parallax: Parallax | None = None
    country: str | None = None
    uploaded_at: Moment | None = None


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What a judge says of one photo: whether it shows what was asked (None: it does not say), and how sure it is, 0–1.

    judge: its name and version. steered: it answered as if writing in the picture had told it what to say. undecided:
    there is no answer to weigh, and `reason` says why in our own words; else it is the judge's, not to be trusted.
    """

    photo: int
    judge: str
    shows: bool | None = None
    confidence: float = 0.0
    reason: str = ""
    steered: bool = False
    undecided: bool = False


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A submission. readings: a SenML pack (RFC 8428) as decoded from JSON, or None. Times carry a zone.

    opinions: what judges say of the photos, where the task declares `shows`.
    """

    submitted_at: Moment
    photos: list[Photo] = []
    readings: list[dict[str, Any]] | None = None
    answers: dict[str, Any] = {}
    outcome: Literal["done", "honest_negative"] = "done"
    opinions: list[Opinion] = []


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """A position in degrees, with its accuracy in metres (68 %) and its time where they are known."""

    lat: float
    lon: float
    accuracy_m: float | None = None
    at: Moment | None = None


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """A device that a capture names: its key (65 bytes), whether it is this person's, when it was revoked if it was."""

    id: str
    public_key: bytes
    own: bool
    revoked_at: Moment | None = None


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How one sensor's values become true ones: true = gain × value + offset, in its unit; since when, and who says so.

    quantity: the name of its readings.
    """

    quantity: str
    unit: str
    gain: float = 1.0
    offset: float = 0.0
    date: date
    certificate: str = ""


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """The registered device that measured: its height above the sea in metres, and its sensors' calibrations."""

    altitude_m: float | None = None
    calibrations: list[Calibration] = []


class Pack(NamedTuple):
    """A SenML pack and when it came, which is what its relative times count from."""

    received_at: Moment
    readings: list[dict[str, Any]]


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What the market knows about the claim, by its own clock.

    claim_fix: where the person claimed from; earlier: where they said to be for other claims, each with its time, in
    the day before.
    others: the accepted answers of other people to the same task of the last day. claim: its public id.
    devices: those that captures name and that exist. recent: the fixes of the person's captures for other claims of the
    last 30 days, each with the time when it arrived. instrument: the device that measured, where a registered one did.
    beside: what other people's instruments measured for the same task in the last day. country: of the address that
    claimed, as a photo's.
    """

    claimed_at: Moment
    expires_at: Moment
    received_at: Moment
    nonce: str
    claim_fix: Fix | None = None
    earlier: list[Fix] = []
    others: list[dict[str, Any]] = []
    claim: str = ""
    devices: list[Enrolled] = []
    recent: list[Fix] = []
    instrument: Instrument | None = None
    beside: list[Pack] = []
    country: str | None = None


class Camera(msgspec.Struct, frozen=True, kw_only=True):
    """What accepted photos of other people taught about a camera, by the make and model that the files claim.

    photos, people: how many · tables: digests of the quantisation tables that they were saved with · lone: how many of
    the people have tables that nobody else has.
    """

    make: str
    model: str
    photos: int
    people: int
    lone: int
    tables: list[str]


class Duplicate(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier photo like this submission's photo n, found by the market.

    kind: exact (same bytes), near (PDQ within NEAR_RADIUS bits, of qualities that settle it), turned (the same once
    one of them is mirrored or turned by right angles) or part (shares local features: cropped, turned by some degrees,
    written over). agreement: how well the two agree where one is laid over the other, −1 to 1, see sensors/likeness.py;
    None where they were not compared, because the earlier one's bytes are gone or the hashes suffice. same: compared
    so, they are one photograph. undecided: they should have been compared, and could not. same_person and same_task: it
    is of this submission, as photo number `within`, or of an earlier answer to the task that was not refused; a refused
    one is none. of: the market's own id of the earlier one; it appears in no verdict unless the earlier
    one is the same person's. used_at: when.
    """

    photo: int
    kind: Literal["exact", "near", "turned", "part"]
    distance: int = 0
    agreement: float | None = None
    same: bool = False
    same_person: bool = False
    same_task: bool = False
    undecided: bool = False
    within: int = 0
    of: str = ""
    used_at: Moment | None = None
