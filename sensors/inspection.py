"""What reading one photo yields, apart from its pixels. Free of image libraries: any process can hold it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

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
    lat and lon are degrees (north and east positive). orientation is the EXIF code 1–8 (1 = upright).
    """

    taken_at: datetime | None = None
    offset: int | None = None
    lat: float | None = None
    lon: float | None = None
    software: str | None = None
    make: str | None = None
    model: str | None = None
    orientation: int = 1


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """One readable photo, seen upright.

    width, height in pixels after EXIF orientation · sha256 32 bytes of the file · pdq 32 bytes or None when the picture
    is too small to hash · pdq_quality 0–100 · brightness mean luma 0–1 · contrast standard deviation of luma 0–1 ·
    sharpness standard deviation of the Laplacian of luma (0–255 scale) on a copy of at most 512 px ·
    problems: oddities in words, none of them a reason to refuse.
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
