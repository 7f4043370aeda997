"""From the bytes of a photo to numbers and pixels, safely: allow-listed formats, size checked before any decoding.

Each format is opened by its own reader, never by guessing among all that Pillow knows. Memory and time are bounded by
whoever runs this (app/decode_pool.py); here every failure becomes one Undecodable with a reason for people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Final, NamedTuple, TypeVar

import msgspec
import numpy as np
import pi_heif
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from sensors.container import examine, png_exif, refuse_foreign, sniff, webp_size
from sensors.copies import FULL_QUALITY, QUALITY, full_side
from sensors.copies import write as write_copy
from sensors.exif import read_exif, read_thumbnail
from sensors.inspection import MAX_BYTES, MAX_PIXELS, Comparison, ExifSummary, Inspection, Parallax, Undecodable
from sensors.jpeg import read_header
from sensors.likeness import compare, enlarged, words
from sensors.moire import centre, moire
from sensors.parallax import SIDE as BURST_SIDE
from sensors.parallax import parallax
from sensors.pdq import MIN_SIDE, pdq_hashes
from sensors.provenance import read_provenance
from sensors.quality import covered, exposure, sharpness
from sensors.recompression import recompression
from sensors.regions import Found, Region
from sensors.secondhand import strips
from sensors.suggest import HEIC_LOOK_SIDE, LOOK_SIDE, find
from sensors.thumbnail import thumbnail_distance

__all__ = ["Inspection", "Undecodable", "inspect", "pixels", "render", "sniff", "suggest"]

# One thread: each thread of libheif reserves 64 MB of address space, and the worker's limit counts that.
pi_heif.options.DECODE_THREADS = 1

_FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WebP", "image/heic": "HEIC"}
MAX_PROGRESSIVE_PIXELS: Final = 40_000_000
"""A progressive JPEG keeps all its coefficients in memory (up to 6 bytes a pixel) whatever size it is decoded to."""
MAX_WEBP_PIXELS: Final = 24_000_000
MAX_ASPECT: Final = 30
"""Longer strips are no photos; a panorama has at most 10."""
_STUDY_SIDE: Final = 512
_FINE_SIDE: Final = 1024
"""A screen's grid is still seen at this size; decoding less costs next to nothing less."""
DAMAGED: Final = "The photo is damaged and cannot be read. Take or send it again."
TOO_MUCH_MEMORY: Final = "The photo needs too much memory to open. Send a smaller one."
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


Result = TypeVar("Result")


class _Opened(NamedTuple):
    """A photo whose header is read: stored size in pixels, decoder not yet run."""

    media_type: str
    size: tuple[int, int]
    exif: ExifSummary
    raw_exif: bytes
    problems: list[str]
    decode: Callable[[str, int], Image.Image]
    """decode("L" or "RGB", wanted side): the stored picture, or a cheaper smaller one with no side below the wanted."""

    @property
    def turned(self) -> bool:
        return self.exif.orientation >= 5


def _refuse_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise Undecodable(
            f"The picture has {width * height / 1e6:.0f} million pixels; the limit is {MAX_PIXELS // 10**6} million."
        )
    if width < 1 or height < 1:
        raise Undecodable("The picture is empty.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise Undecodable(f"The picture is {width} by {height}: too narrow for a photo.")


def _refuse_webp_size(data: bytes) -> None:
    """Judge a WebP by its header, because the reader reserves 12 bytes a pixel as soon as it is opened."""
    size = webp_size(data)
    if size is None:
        raise Undecodable(DAMAGED)
    _refuse_size(*size)
    if size[0] * size[1] > MAX_WEBP_PIXELS:
        raise Undecodable(f"A WebP may have at most {MAX_WEBP_PIXELS // 10**6} million pixels. Send a JPEG.")


def _flatten(image: Image.Image, mode: str) -> Image.Image:
    """Any mode as 8-bit "L" or "RGB"; what is transparent becomes white, 16-bit values keep their upper byte."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif "transparency" in image.info and image.mode in ("1", "L", "RGB"):
        image = image.convert("RGBA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=image.getchannel("A"))
        image = white
    return image if image.mode == mode else image.convert(mode)


def _open_jpeg(data: bytes) -> tuple[JpegImageFile, Callable[[str, int], Image.Image]]:
    image = JpegImageFile(BytesIO(data))

    def decode(mode: str, side: int) -> Image.Image:
        if image.info.get("progressive") and image.size[0] * image.size[1] > MAX_PROGRESSIVE_PIXELS:
            raise Undecodable(f"A progressive JPEG may have at most {MAX_PROGRESSIVE_PIXELS // 10**6} million pixels.")
        image.draft(mode, (side, side))
        return _flatten(image, mode)

    return image, decode


def _open_plain(
    data: bytes, reader: type[PngImageFile] | type[WebPImageFile]
) -> tuple[Image.Image, Callable[[str, int], Image.Image]]:
    image = reader(BytesIO(data))

    def decode(mode: str, side: int) -> Image.Image:
        image.load()
        factor = min(image.size) // max(side, 1)
        # Shrinking before the conversion keeps one large copy in memory instead of two.
        small = (
            image.reduce(factor)
            if factor > 1 and image.mode in ("L", "RGB") and "transparency" not in image.info
            else image
        )
        return _flatten(small, mode)

    return image, decode


def _open_heic(data: bytes) -> tuple[tuple[int, int], bytes, Callable[[str, int], Image.Image]]:
    container = pi_heif.open_heif(BytesIO(data), convert_hdr_to_8bit=True)
    primary = container[container.primary_index]

    def decode(mode: str, side: int) -> Image.Image:
        image = Image.frombytes(primary.mode, primary.size, primary.data, "raw", primary.mode, primary.stride)
        image.info["icc_profile"] = primary.info.get("icc_profile")
        return _flatten(image, mode)

    return primary.size, primary.info.get("exif") or b"", decode


def _open(data: bytes) -> _Opened:
    """Read the header of an accepted photo and check its size; raises Undecodable, or whatever the readers raise."""
    if len(data) > MAX_BYTES:
        raise Undecodable(f"The file has {len(data) / 1e6:.0f} MB; at most {MAX_BYTES // 10**6} MB are accepted.")
    media_type = sniff(data)
    if media_type is None:
        raise refuse_foreign(data)
    problems = examine(data, media_type)
    if media_type == "image/webp":
        _refuse_webp_size(data)
    if media_type == "image/heic":
        size, raw_exif, decode = _open_heic(data)
        _refuse_size(*size)
        # libheif has already turned the picture as the container says; its EXIF orientation must not turn it again.
        exif = msgspec.structs.replace(read_exif(raw_exif), orientation=1)
        return _Opened(media_type, size, exif, raw_exif, problems, decode)
    image: Image.Image
    if media_type == "image/jpeg":
        image, decode = _open_jpeg(data)
    else:
        image, decode = _open_plain(data, PngImageFile if media_type == "image/png" else WebPImageFile)
    _refuse_size(*image.size)
    found = png_exif(data) if media_type == "image/png" else image.info.get("exif")
    raw_exif = found if isinstance(found, bytes) else b""
    return _Opened(media_type, image.size, read_exif(raw_exif), raw_exif, problems, decode)


def _guarded(work: Callable[[_Opened], Result], data: bytes) -> Result:
    """Open a photo and work on it; whatever goes wrong in a reader is the file's fault, not ours."""
    try:
        return work(_open(data))
    except Undecodable:
        raise
    except MemoryError as error:
        raise Undecodable(TOO_MUCH_MEMORY) from error
    except Exception as error:
        # Readers meet hostile bytes with almost any exception: OSError, SyntaxError, struct.error, KeyError, …
        reason = str(error)
        if "truncated" in reason.lower():
            raise Undecodable("The photo is cut short: part of it is missing. Send it again.") from error
        raise Undecodable(DAMAGED) from error


def _decoded(photo: _Opened, mode: str, side: int) -> Image.Image:
    """The picture upright, in the mode, with no side below the wanted one unless the photo itself is smaller."""
    image = photo.decode(mode, side)
    turn = _UPRIGHT.get(photo.exif.orientation)
    return image if turn is None else image.transpose(turn)


def _with_history(seen: Inspection, photo: _Opened, data: bytes, luma: NDArray[np.uint8]) -> Inspection:
    """The inspection with what the file says of its own making, and whether that fits the picture."""
    header = read_header(data) if photo.media_type == "image/jpeg" else None
    thumbnail = read_thumbnail(photo.raw_exif)
    return msgspec.structs.replace(
        seen,
        jpeg=None if header is None else header.traits,
        provenance=read_provenance(data, photo.media_type, header),
        thumbnail_distance=thumbnail_distance(thumbnail, luma) if thumbnail else None,
        recompression=None if header is None else recompression(data, header),
    )


def inspect(data: bytes) -> Inspection:
    """Decode a photo once, small and in grey, and measure it; raises Undecodable(reason)."""

    def study(photo: _Opened) -> Inspection:
        grey = _decoded(photo, "L", _FINE_SIDE)
        grid = moire(np.asarray(grey.crop(centre(*grey.size))))
        # Whole steps first: a tenth of the time of the filter that does the rest.
        grey = grey.reduce(max(1, max(grey.size) // _STUDY_SIDE))
        grey.thumbnail((_STUDY_SIDE, _STUDY_SIDE), Image.Resampling.BOX)
        luma = np.asarray(grey)
        hashed = None if min(luma.shape) < MIN_SIDE else pdq_hashes(enlarged(luma))
        spots, mirrored = words(luma)
        brightness, contrast = exposure(luma)
        width, height = photo.size[::-1] if photo.turned else photo.size
        seen = Inspection(
            width=width,
            height=height,
            format=_FORMATS[photo.media_type],
            media_type=photo.media_type,
            sha256=hashlib.sha256(data).digest(),
            pdq=None if hashed is None else hashed[0][0],
            pdq_quality=0 if hashed is None else hashed[1],
            brightness=brightness,
            contrast=contrast,
            sharpness=sharpness(luma),
            exif=photo.exif,
            problems=photo.problems,
            moire=grid,
            strips=strips(luma),
            covered=covered(luma),
            turned=[] if hashed is None else hashed[0][1:],
            words=spots,
            mirrored_words=mirrored,
        )
        return _with_history(seen, photo, data, luma)

    return _guarded(study, data)


def alike(data: bytes, other: bytes, *, whole: bool = False) -> Comparison:
    """Lay one photo over another, see sensors/likeness.py; raises Undecodable when either is refused."""

    def grey(photo: _Opened) -> NDArray[np.uint8]:
        image = _decoded(photo, "L", _STUDY_SIDE)
        image.thumbnail((_STUDY_SIDE, _STUDY_SIDE), Image.Resampling.BOX)
        return np.asarray(image)

    return compare(_guarded(grey, data), _guarded(grey, other), whole=whole)


def burst(photo: bytes, frames: Sequence[bytes]) -> Parallax:
    """What the pictures of a burst, in order, say of the depth of the photo's scene; raises Undecodable.

    Nothing where the photo is not one of the same scene: a room filmed beside a screen speaks for no photo of that.
    """

    def grey(photo: _Opened) -> NDArray[np.uint8]:
        image = _decoded(photo, "L", BURST_SIDE)
        image.thumbnail((BURST_SIDE, BURST_SIDE), Image.Resampling.BOX)
        return np.asarray(image)

    small = [_guarded(grey, each) for each in frames]
    found = parallax(small)
    if found.state == "inconclusive" or compare(_guarded(grey, photo), small[0]).spots:
        return found
    return msgspec.structs.replace(found, state="inconclusive", reason="The photo shows another scene than the burst.")


def pixels(data: bytes, width: int, height: int, channels: int) -> NDArray[np.uint8]:
    """The photo as a model sees it: (height, width, channels) uint8, channels 1 (grey) or 3 (RGB).

    Upright, cropped about its centre to the wanted aspect ratio, then resized by an antialiasing Lanczos filter. The
    same bytes give the same pixels wherever the same Pillow runs. Raises Undecodable, or ValueError for a wrong size.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels is 1 or 3, not {channels}")
    if not (1 <= width <= 4096 and 1 <= height <= 4096):
        raise ValueError(f"width and height are 1 to 4096, not {width} and {height}")

    def shrink(photo: _Opened) -> NDArray[np.uint8]:
        image = _decoded(photo, "L" if channels == 1 else "RGB", 2 * max(width, height))
        scale = min(image.width / width, image.height / height)
        crop_width, crop_height = width * scale, height * scale
        left, top = (image.width - crop_width) / 2, (image.height - crop_height) / 2
        box = (max(left, 0.0), max(top, 0.0), min(left + crop_width, image.width), min(top + crop_height, image.height))
        small = image.resize((width, height), Image.Resampling.LANCZOS, box=box)
        return np.array(small, dtype=np.uint8).reshape(height, width, channels)

    return _guarded(shrink, data)


def render(data: bytes, max_side: int, regions: Sequence[Region] = ()) -> bytes:
    """A fresh JPEG of the photo for other people's eyes: upright, in sRGB, no metadata at all, the regions hidden.

    max_side: in pixels, 0 for the photo's own size (sensors/copies.py says how large). Raises Undecodable.
    """
    if not 0 <= max_side <= 8192:
        raise ValueError(f"max_side is 0 to 8192, not {max_side}")

    def copy(photo: _Opened) -> bytes:
        image = _decoded(photo, "RGB", max_side or full_side(photo.size))
        if max_side:
            image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, reducing_gap=2.0)
        return write_copy(image, regions, QUALITY if max_side else FULL_QUALITY)

    return _guarded(copy, data)


def suggest(data: bytes) -> list[Found]:
    """Where faces and number plates may be, see sensors/suggest.py; raises Undecodable(reason)."""

    def look(photo: _Opened) -> list[Found]:
        side = HEIC_LOOK_SIDE if photo.media_type == "image/heic" else LOOK_SIDE
        grey = _decoded(photo, "L", side)
        grey.thumbnail((side, side), Image.Resampling.BOX)
        return find(np.asarray(grey))

    return _guarded(look, data)
