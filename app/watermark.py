"""PREVIEW drawn across a small picture, row above row, so that no part of it worth having is clean.

Drawn in the child that makes copies (app/decode_worker.py). Where the rows begin and how they slope follows from the
picture, so that one stencil does not take the marks off another. Whoever finds out how they lie could take letters off
that are only laid over a picture: so beneath them there is nothing but the mean of what was around, between them half
the detail that the size would have.
"""

import hashlib
import math
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

WORD = "PREVIEW"
QUALITY = 80
_SMALLEST, _OF_SIDE = 9, 15  # height of the letters: in pixels, and as a part of the longer side
_SLOPE = 24, 12  # degrees: at least, and how much more at most
_DARK, _LIGHT = 0.75, 0.7  # how much of the picture the outline and the letters cover
_DETAIL, _BENEATH = 2, 24  # pixels that become one: all over, and beneath the letters


def load() -> None:
    """Load what draws letters, for a process that may not take more memory later."""
    ImageFont.load_default(size=_SMALLEST)


def marked(copy: bytes) -> bytes:
    """A JPEG copy with the word across it, without metadata. `copy`: a picture of ours, see sensors/decode.render."""
    with Image.open(BytesIO(copy)) as opened:
        image = _coarse(opened.convert("RGB"), _DETAIL)
    seed = hashlib.sha256(copy).digest()
    letters, outline = _stencils(image.size, seed)
    image.paste(_coarse(image, _BENEATH), mask=outline.point([0] + [255] * 255))
    image.paste((0, 0, 0), mask=outline.point([round(_DARK * value) for value in range(256)]))
    image.paste((255, 255, 255), mask=letters.point([round(_LIGHT * value) for value in range(256)]))
    written = BytesIO()
    image.save(written, "JPEG", quality=QUALITY)
    return written.getvalue()


def _coarse(image: Image.Image, pixels: int) -> Image.Image:
    """The picture in its size, with one colour for so many pixels across and down."""
    small = image.resize([max(1, side // pixels) for side in image.size], Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.BICUBIC)


def _stencils(size: tuple[int, int], seed: bytes) -> tuple[Image.Image, Image.Image]:
    """Where the letters are, and where they and their outline are; as pictures of this size in grey."""
    height = max(_SMALLEST, max(size) // _OF_SIDE)
    font = ImageFont.load_default(size=height)
    across = math.ceil(font.getlength(WORD)) + height // 2
    pitch = round(height * 1.3)
    # Large enough that the picture lies within it however it is turned.
    side = math.ceil(math.hypot(*size)) + 2 * pitch
    sheets = [Image.new("L", (side, side)) for _ in range(2)]
    for row in range(side // pitch + 2):
        shift = (seed[0] + row * (across // 2 + seed[2] % height)) % across
        for column in range(side // across + 2):
            at = column * across - shift, row * pitch - seed[1] % pitch
            for sheet, stroke in zip(sheets, (0, 1), strict=True):
                ImageDraw.Draw(sheet).text(at, WORD, fill=255, font=font, stroke_width=stroke)
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    slope = _SLOPE[0] + _SLOPE[1] * seed[3] / 255
    turned = [sheet.rotate(slope, Image.Resampling.BICUBIC) for sheet in sheets]
    letters, outline = (sheet.crop((left, top, left + size[0], top + size[1])) for sheet in turned)
    return letters, outline
