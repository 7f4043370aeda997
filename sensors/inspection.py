"""What reading one photo yields, apart from its pixels. Free of image libraries: any process can hold it."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec

MAX_PIXELS: Final = 60_000_000
"""Larger pictures are refused before a pixel is decoded. Phones of 2026 send 12 to 50 million."""
MAX_BYTES: Final = 50_000_000
"""Longer files are refused unread; a 50-megapixel JPEG at best quality stays below 30 MB."""
ACCEPTED_MEDIA_TYPES: Final = ("image/jpeg", "image/png", "image/webp", "image/heic")


class Undecodable(Exception):
    """This file cannot be used as a photo."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ExifSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The few EXIF fields that checks use, each None when absent, malformed or implausible.

    taken_at is the camera's wall clock, without a zone; offset is seconds east of UTC when the file states it.
    gps_at is the time of the position in UTC, by satellite. lat and lon are degrees (north and east positive), altitude
    metres above the sea. orientation is the EXIF code 1–8 (1 = upright). width and height are what the file says of its
    own size in pixels, before any turning. exposure_ev is the exposure value at ISO 100: 15 in the sun, 6 in a room.
    screenshot: the file says so itself.
    """

    taken_at: datetime | None = None
    offset: int | None = None
    lat: float | None = None
    lon: float | None = None
    software: str | None = None
    make: str | None = None
    model: str | None = None
    orientation: int = 1
    gps_at: datetime | None = None
    altitude_m: float | None = None
    width: int | None = None
    height: int | None = None
    exposure_ev: float | None = None
    screenshot: bool = False


class JpegTraits(msgspec.Struct, frozen=True, kw_only=True):
    """How a JPEG was written, by its header (ITU-T T.81, annex B).

    tables: 32 hex digits for all quantisation tables, in the order of the components that use them · each: the same for
    each component's · quality: 1–100 of the Independent JPEG Group's scale whose luma table is nearest; standard: it is
    that very table · subsampling: such as 4:2:0 · restart_interval in MCUs, 0 for none · segments: 32 hex digits for
    the order of the segments · applications: the names that APPn segments begin with, at most 16.
    """

    tables: str
    each: list[str]
    quality: int
    standard: bool
    subsampling: str
    progressive: bool
    restart_interval: int
    segments: str
    applications: list[str]


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What a C2PA manifest in the file says, and whether it holds.

    none: there is no manifest · trusted: it holds, and its signer is vouched for by an anchor of ours · valid: it
    holds, whoever the signer is · invalid: the file or the manifest was changed after signing · unreadable: elsewhere
    on the network, of an unknown kind, damaged or too large; nothing follows from it.
    codes: the validator's failures · actions: what was done to the picture and to what it was made from · generated: a
    digital source type says that it was made by a trained model. All strings are the file's own, hence not to be
    trusted, and cut to 100 characters; lists to 20.
    """

    state: Literal["none", "trusted", "valid", "invalid", "unreadable"] = "none"
    codes: list[str] = []
    generator: str | None = None
    issuer: str | None = None
    signed_at: str | None = None
    actions: list[str] = []
    generated: bool = False
    problem: str | None = None


ALIKE: Final = 0.9
"""From this agreement on two photos show one scene in one way: copies, or a second shot a moment later."""
COPY: Final = 0.98
"""From this agreement on they are one photograph; docs/evidence.md has what lies on either side."""
COPY_CLOSELY: Final = 0.993
"""The same where both have pixels enough to be laid over each other in twice the size: there a copy still agrees to the
noise of its compression, and a second shot from half a step aside no longer does."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two photos laid over each other.

    spots: how many spots agree on how · overlap: the part of the second picture that the first covers, 0–1 ·
    agreement: the median over boxes of the local normalised correlation, −1 to 1; the median, because a logo covers
    less than half · mirrored: whether one of them had to be mirrored · same: they are one photograph.
    """

    spots: int = 0
    overlap: float = 0.0
    agreement: float = 0.0
    mirrored: bool = False
    same: bool = False


class Parallax(msgspec.Struct, frozen=True, kw_only=True):
    """What the pictures of a burst around a photo say of the scene, see sensors/parallax.py.

    depth: nearer things moved otherwise than farther ones · plane: the camera moved along, and all there is lies in one
    plane, as on a screen or a print · inconclusive: nothing follows. points: followed from the first picture on ·
    residual_px: the median distance from what one plane would do, in pixels of a picture of at most 320 ·
    off_plane: the share of points that are off it, 0–1 · turn_deg, pan_deg: how far the picture turned about the
    optical axis (clockwise positive), and how far it shifted to the right or left, up or down, as an angle of the
    lens, from the first to the last picture · spans: those two for each picture after the first, as (turn, pan).
    reason: why, in words.
    """

    state: Literal["depth", "plane", "inconclusive"] = "inconclusive"
    points: int = 0
    residual_px: float = 0.0
    off_plane: float = 0.0
    turn_deg: float = 0.0
    pan_deg: float = 0.0
    spans: list[tuple[float, float]] = []
    reason: str = ""


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """One readable photo, seen upright.

    width, height in pixels after EXIF orientation · sha256 32 bytes of the file · pdq 32 bytes or None when the picture
    is too small to hash · pdq_quality 0–100 · brightness mean luma 0–1 · contrast standard deviation of luma 0–1 ·
    sharpness standard deviation of the Laplacian of luma (0–255 scale) on a copy of at most 512 px ·
    problems: oddities in words, none of them a reason to refuse · jpeg: None for other formats · thumbnail_distance
    0 (the same) to 2 between the picture and the small one in its EXIF, None without one · recompression: how much the
    picture looks like one that was a JPEG before, see sensors/recompression.py; None where that cannot be told ·
    moire: how far a narrow peak stands out of its spectrum, see sensors/moire.py ·
    strips: share of the height that strips of one grey take, see sensors/secondhand.py · covered: share of the picture
    that something dark and blurred at its edge takes, see sensors/quality.py ·
    turned: PDQ hashes of the picture turned by 90, 180, 270 degrees and mirrored, seven in all · words, mirrored_words:
    numbers of its local features, see sensors/likeness.py.
    """

    width: int
    height: int
    format: str
    media_type: str
    sha256: bytes
    pdq: bytes | None
    pdq_quality: int
    brightness: float
    contrast: float
    sharpness: float
    exif: ExifSummary = ExifSummary()
    problems: list[str] = []
    jpeg: JpegTraits | None = None
    provenance: Provenance = Provenance()
    thumbnail_distance: float | None = None
    recompression: float | None = None
    moire: float | None = None
    strips: float = 0.0
    covered: float = 0.0
    turned: list[bytes] = []
    words: list[int] = []
    mirrored_words: list[int] = []
