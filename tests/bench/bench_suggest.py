"""What suggesting faces and plates costs and finds, beside the way it was done before (1280 px, three cascades).

`python -m tests.bench suggest`. Processor time of this process for each sample photo, opened and looked at; the faces
that are in the samples; and three of them, and a drawn plate, pasted into four photos at growing widths (in per cent of
the longer side). A find is one whose middle lies within two fifths of the true one's width.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sensors import decode, suggest
from sensors.inspection import Undecodable
from sensors.regions import Region
from tests.bench.bench_copies import SAMPLES

Finder = Callable[[Image.Image], list[Region]]

# By eye: whose face it is, and where it is, in fractions of the upright picture.
FACES = {
    "exifr__issue-exifr-41-Error_Segment_Unreachable.jpg": Region(0.148, 0.172, 0.677, 0.508),
    "exifr__iptc-agency-photographer-example.jpg": Region(0.116, 0.337, 0.311, 0.469),
    "exif-samples__image01137.jpg": Region(0.114, 0.328, 0.409, 0.562),
    "exif-samples__Konica_Minolta_DiMAGE_Z3.jpg": Region(0.329, 0.12, 0.329, 0.23),
}
BACKGROUNDS = ("DSCN0010", "canon_hdr_NO", "33-type_error", "iphone_hdr_YES")
WIDTHS = (2.5, 3, 4, 5, 7, 12)
BEFORE = (
    ("haarcascade_frontalface_default.xml", "face", (30, 30), False),
    ("haarcascade_profileface.xml", "face", (30, 30), False),
    ("haarcascade_profileface.xml", "face", (30, 30), True),
    ("haarcascade_russian_plate_number.xml", "plate", (40, 12), False),
)


def before(kind: str) -> Finder:
    """As it was."""
    folder = os.path.join(os.path.dirname(cv2.__file__), "data")
    cascades = [
        (cv2.CascadeClassifier(os.path.join(folder, each[0])), *each[2:]) for each in BEFORE if kind in ("", each[1])
    ]

    def look(picture: Image.Image) -> list[Region]:
        even = np.asarray(cv2.equalizeHist(_small(picture, 1280)))
        height, width = even.shape
        found = []
        for cascade, smallest, flipped in cascades:
            seen = np.ascontiguousarray(even[:, ::-1]) if flipped else even
            for x, y, w, h in cascade.detectMultiScale(seen, scaleFactor=1.1, minNeighbors=5, minSize=smallest):
                found.append(Region((width - x - w if flipped else x) / width, y / height, w / width, h / height))
        return found

    return look


def now(kind: str) -> Finder:
    """As it is."""

    def look(picture: Image.Image) -> list[Region]:
        found = suggest.find(_small(picture, suggest.LOOK_SIDE))
        return [each.region for each in found if kind in ("", each.kind)]

    return look


def _small(picture: Image.Image, side: int) -> NDArray[np.uint8]:
    grey = picture.convert("L")
    grey.thumbnail((side, side), Image.Resampling.BOX)
    return np.asarray(grey)


def _there(found: list[Region], x: float, y: float, width: float, ratio: float) -> bool:
    """Whether one lies at (x, y), all in fractions of the picture; ratio: its width by its height."""
    return any(
        abs(each.x + each.w / 2 - x) < 0.4 * width
        and abs(each.y + each.h / 2 - y) < 0.4 * width * ratio
        and 0.4 < each.w / width < 2.5
        for each in found
    )


def _opened(name: str) -> Image.Image:
    return Image.open(BytesIO(decode.render((SAMPLES / name).read_bytes(), 1600))).convert("RGB")


def _face(name: str, face: Region) -> Image.Image:
    """Cut out with some of what is around it."""
    picture, around = _opened(name), 0.2
    corners = (face.x - around * face.w, face.y - around * face.h)
    far = (face.x + (1 + around) * face.w, face.y + (1 + around) * face.h)
    return picture.crop(tuple(int(each * side) for each, side in zip(corners + far, picture.size * 2, strict=True)))


def _plate() -> Image.Image:
    image = Image.new("RGB", (520, 112), (245, 245, 245))
    draw = ImageDraw.Draw(image)
    draw.rectangle((2, 2, 517, 109), outline=(10, 10, 10), width=5)
    draw.text((25, 2), "A123BC 77", fill=(10, 10, 10), font=ImageFont.load_default(95))
    return image


def pasted(kind: str, subjects: list[Image.Image], stretch: float, margin: float) -> None:
    """Print how many of the subjects are found at each width times `stretch`, before and now.

    margin: how much wider a subject is than what is to be found in it.
    """
    chance = np.random.default_rng(1)
    finders = {"before": before(kind), "now": now(kind)}
    counts = {name: dict.fromkeys(WIDTHS, 0) for name in finders}
    for background in BACKGROUNDS:
        scene = _opened(f"exif-samples__{background}.jpg")
        for width in WIDTHS:
            for subject in subjects:
                wide = int(width * stretch * margin / 100 * max(scene.size))
                small = subject.resize((wide, wide * subject.height // subject.width), Image.Resampling.LANCZOS)
                x, y = (int(chance.uniform(0, scene.size[axis] - small.size[axis])) for axis in (0, 1))
                picture = scene.copy()
                picture.paste(small, (x, y))
                at = (x + small.width / 2) / scene.width, (y + small.height / 2) / scene.height
                for name, look in finders.items():
                    counts[name][width] += _there(
                        look(picture), *at, small.width / margin / scene.width, scene.width / scene.height
                    )
    of = len(BACKGROUNDS) * len(subjects)
    for name, found in counts.items():
        print(f"{kind:6} {name:7}", *(f"{width * stretch:g} %: {count}/{of}" for width, count in found.items()))


def main() -> None:
    """Measure, and print."""
    suggest.load()
    finders = {"before": before(""), "now": now("")}
    spent: dict[str, list[float]] = {name: [] for name in finders}
    boxes, known = dict.fromkeys(finders, 0), dict.fromkeys(finders, 0)
    child: list[tuple[float, str]] = []
    for path in sorted(SAMPLES.iterdir()):
        try:
            picture = _opened(path.name)
        except Undecodable:
            continue
        began = time.process_time()
        decode.suggest(path.read_bytes())
        child.append((time.process_time() - began, path.name))
        for name, look in finders.items():
            began = time.process_time()
            found = look(picture)
            spent[name].append(time.process_time() - began)
            boxes[name] += len(found)
            face = FACES.get(path.name)
            if face is not None:
                middle = face.x + face.w / 2, face.y + face.h / 2
                known[name] += _there(found, *middle, face.w, picture.width / picture.height)
    print(f"opened and looked at, {len(child)} samples, processor s: mean {np.mean([s for s, _ in child]):.2f}, most:")
    for seconds, sample in sorted(child)[-4:]:
        print(f"  {seconds:.2f} {sample}")
    for name, times in spent.items():
        print(
            f"{name:7} the look alone: mean {np.mean(times):.2f} s, most {max(times):.2f} s; {boxes[name]} boxes, of"
            f" the {len(FACES)} faces {known[name]}"
        )
    pasted("face", [_face(*each) for each in list(FACES.items())[:3]], 1, 1.4)
    pasted("plate", [_plate()], 2, 1)


if __name__ == "__main__":
    main()
