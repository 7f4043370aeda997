"""The outside of a picture file: what it is by its first bytes, where it ends, what else hides in it.

Image readers stop at the end of the picture and ignore the rest, so a file can be a photo to us and an archive or a
web page to somebody else (a polyglot), or carry motion that a still reader never shows.
"""

from __future__ import annotations

import re
import struct
from typing import Final

from sensors.inspection import Undecodable

_HEIC_BRANDS: Final = frozenset((b"heic", b"heix", b"heim", b"heis"))
_SEQUENCE_BRANDS: Final = frozenset((b"hevc", b"hevx", b"hevm", b"hevs", b"msf1", b"avis"))
_FOREIGN: Final = (
    (b"GIF8", "a GIF"),
    (b"II*\0", "a TIFF or raw photo"),
    (b"MM\0*", "a TIFF or raw photo"),
    (b"BM", "a BMP"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"\x00\x00\x00\x0cjP", "a JPEG 2000"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"<", "a web page or drawing"),
)
MAX_SEGMENTS: Final = 2_000
"""Of a JPEG: a manifest of 25 MB takes 400, a profile 255, all else a few dozen."""
MAX_SCANS: Final = 64
"""Of a JPEG: encoders make some ten; each further one costs a reader another walk over all coefficients."""
MAX_EXIF_BLOCKS: Final = 16
MAX_BETWEEN: Final = 65_536
"""Bytes of padding and junk between the segments before a JPEG's pixels: readers step over them one at a time."""
MAX_CHUNKS: Final = 20_000
"""Of a PNG: 50 MB in the usual pieces of 8 kB are 6,100."""
MAX_BOXES: Final = 1_000
"""Of a HEIC, at the top: phones write three, or a few dozen with a film."""
TOO_MANY_PARTS: Final = "The file is in more pieces than any camera makes. Send the photo as it was taken."
ACCEPTED_IN_WORDS: Final = "Send a JPEG, PNG, WebP or HEIC photo."
_SEGMENT = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# What other programs would take the bytes behind a picture for. Web pages and programs count only at their very start:
# their marks are so short that long films contain them by accident.
_HIDDEN_AT_START = re.compile(rb"\s*(<(!doctype|script|html|svg|iframe|\?php)|\x7fELF|MZ)", re.IGNORECASE)
_HIDDEN_ANYWHERE: Final = (b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"%PDF-1.", b"%PDF-2.")


def _brands(data: bytes) -> frozenset[bytes]:
    """Major and compatible brands of an ISO media file (ISO/IEC 14496-12), empty when it is none."""
    if data[4:8] != b"ftyp":
        return frozenset()
    size = min(int.from_bytes(data[:4], "big"), 256, len(data))
    return frozenset((data[8:12], *(data[place : place + 4] for place in range(16, size - 3, 4))))


def sniff(data: bytes) -> str | None:
    """The media type of an accepted photo by its first bytes, None for anything else (never by name or header)."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    brands = _brands(data)
    if brands & _HEIC_BRANDS and data[8:12] not in _SEQUENCE_BRANDS:
        return "image/heic"
    return None


def refuse_foreign(data: bytes) -> Undecodable:
    """The refusal for a file that sniff() does not know, naming what it seems to be."""
    if not data:
        return Undecodable("The file is empty.")
    brands = _brands(data)
    if brands & _SEQUENCE_BRANDS:
        return Undecodable("This is a moving picture. Send a still photo.")
    if brands:
        kind = "an AVIF picture" if b"avif" in brands else "a video or another media file"
        return Undecodable(f"This is {kind}, which is not accepted. {ACCEPTED_IN_WORDS}")
    for magic, kind in _FOREIGN:
        if data.startswith(magic):
            return Undecodable(f"This is {kind}, which is not accepted. {ACCEPTED_IN_WORDS}")
    return Undecodable(f"This file is not a photo that can be read. {ACCEPTED_IN_WORDS}")


def _jpeg_end(data: bytes) -> int | None:
    """Just after the end-of-image marker, or None when there is none (ITU-T T.81, annex B).

    Raises Undecodable for more segments, scans, EXIF blocks or bytes between segments than readers can take.
    """
    place, segments, scans, blocks, between = 2, 0, 0, 0, 0
    while (found := _SEGMENT.search(data, place)) is not None:
        between += 0 if scans else found.start() - place
        marker, place = data[found.start() + 1], found.end()
        if marker == 0xD9:
            return place
        segments, scans = segments + 1, scans + (marker == 0xDA)
        blocks += marker == 0xE1 and data.startswith(b"Exif", place + 2)
        if segments > MAX_SEGMENTS or scans > MAX_SCANS or blocks > MAX_EXIF_BLOCKS or between > MAX_BETWEEN:
            raise Undecodable(TOO_MANY_PARTS)
        if marker not in (0x01, 0xD8):
            if place + 2 > len(data):
                return None
            place += max(2, int.from_bytes(data[place : place + 2], "big"))
    return None


def _png_end(data: bytes) -> int | None:
    """Just after the IEND chunk; raises Undecodable for an animation (PNG, third edition, acTL) or too many chunks."""
    place, chunks = 8, 0
    while place + 12 <= len(data):
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise Undecodable(TOO_MANY_PARTS)
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"acTL":
            raise Undecodable("This is a moving picture. Send a still photo.")
        place += 12 + length
        if kind == b"IEND":
            return place if place <= len(data) else None
    return None


def png_exif(data: bytes) -> bytes:
    """The EXIF chunk of a PNG, wherever it stands (readers stop before one that follows the pixels), or nothing."""
    place = 8
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"eXIf":
            return data[place + 8 : place + 8 + length]
        place += 12 + length
    return b""


def _webp_end(data: bytes) -> int | None:
    """The end that the RIFF header states; raises Undecodable for an animation (RFC 9649, section 2.7)."""
    if data[12:16] == b"VP8X" and len(data) > 20 and data[20] & 0x02:
        raise Undecodable("This is a moving picture. Send a still photo.")
    end = 8 + int.from_bytes(data[4:8], "little")
    return end if end <= len(data) else None


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height by the first chunk of a WebP (RFC 9649, section 2), None when it is malformed."""
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        return None
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L" and body[0] == 0x2F:
        packed = int.from_bytes(body[1:5], "little")
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return None


def _heic_end(data: bytes) -> int | None:
    """The end of the last top-level box that lies whole in the file; raises Undecodable for too many of them."""
    place, boxes = 0, 0
    while place + 8 <= len(data):
        boxes += 1
        if boxes > MAX_BOXES:
            raise Undecodable(TOO_MANY_PARTS)
        size, header = int.from_bytes(data[place : place + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        elif size == 0:
            return len(data)
        if size < header:
            return place
        if place + size > len(data):
            return None
        place += size
    return place


_ENDS: Final = {"image/jpeg": _jpeg_end, "image/png": _png_end, "image/webp": _webp_end, "image/heic": _heic_end}


def _ends_as_zip(data: bytes) -> bool:
    """Whether a ZIP reader would open the file: an end-of-central-directory record whose comment reaches the end."""
    place = data.rfind(b"PK\x05\x06", max(0, len(data) - 65_557))
    return (
        place >= 0
        and place + 22 <= len(data)
        and place + 22 + int.from_bytes(data[place + 20 : place + 22], "little") == len(data)
    )


def _usual_appendix(data: bytes, end: int) -> bool:
    """Whether what follows a picture is what phones append: a second exposure or depth map (JPEG), a short film (ISO
    media), Samsung's trailer, or padding."""
    start = data[end : end + 12]
    return (
        start.startswith(b"\xff\xd8\xff")
        or start[4:8] == b"ftyp"
        or data.endswith(b"SEFT")
        or not data[end:].strip(b"\0\xff\r\n ")
    )


def examine(data: bytes, media_type: str) -> list[str]:
    """Oddities of an accepted photo's wrapping, in words; raises Undecodable when it is cut short, moves, or is two
    things at once.

    Bytes after the picture are not wrong in themselves.
    """
    end = _ENDS[media_type](data)
    if end is None:
        raise Undecodable("The photo is cut short: its end is missing. Send it again.")
    if _ends_as_zip(data):
        raise Undecodable("This file is a photo and an archive at once. Send the photo alone.")
    if re.search(rb"%PDF-\d", data[:1024]):
        raise Undecodable("This file is a photo and a PDF at once. Send the photo alone.")
    if end < len(data):
        if _HIDDEN_AT_START.match(data, end) or any(data.find(mark, end) >= 0 for mark in _HIDDEN_ANYWHERE):
            raise Undecodable("Something else is hidden behind this photo. Send the photo alone.")
        if not _usual_appendix(data, end):
            return [f"{len(data) - end} bytes of an unknown kind follow the picture."]
    return []
