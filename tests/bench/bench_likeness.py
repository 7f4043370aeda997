"""What copies are found in which shape, and which photos are taken for copies that are none, on real photos.

python -m tests.bench likeness            some minutes: 200 photos, every change
python -m tests.bench.bench_likeness all  longer: every pair of the 7,900 photos as well

The stages are those of the service: hashes and numbers by `inspect`, candidates by app/likenesses.py's rule over all
photos of the two sets, `compare` on the pixels. Found: the check fails; noticed: it fails or warns.
"""

from __future__ import annotations

import math
import random
import sys
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

from app.duplicates import MOST_COMPARED
from app.likenesses import LEAST_HISTORY, LEAST_WEIGHT, MOST_PARTS, MOST_SHARERS
from sensors.decode import alike, inspect
from sensors.duplicates import SURELY_TURNED, searchable, settles
from sensors.inspection import ALIKE, Comparison
from sensors.pdq import MATCH_RADIUS, NEAR_RADIUS, distance
from tests.bench.evidence.honest import DATA

Change = Callable[[Image.Image], Image.Image]


class Marks(NamedTuple):
    """What the market keeps of a photo: sha256, hash (None where it says nothing), its quality, the seven turned, its
    numbers."""

    sha256: bytes
    pdq: bytes | None
    quality: int
    turned: list[bytes]
    words: list[int]
    mirrored: list[int]


def marks(data: bytes) -> Marks:
    seen = inspect(data)
    pdq = seen.pdq if searchable(seen) else None
    return Marks(seen.sha256, pdq, seen.pdq_quality, seen.turned if pdq else [], seen.words, seen.mirrored_words)


def _marks_of(path: Path) -> Marks:
    return marks(path.read_bytes())


def _cut(left: float, upper: float, right: float, lower: float) -> Change:
    def change(image: Image.Image) -> Image.Image:
        width, height = image.size
        box = (width * left, height * upper, width * (1 - right), height * (1 - lower))
        return image.crop(tuple(round(each) for each in box))  # type: ignore[arg-type]

    return change


def _sized(factor: float) -> Change:
    def change(image: Image.Image) -> Image.Image:
        size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
        return image.resize(size, Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.BICUBIC)

    return change


def _logo(image: Image.Image) -> Image.Image:
    image, (width, height) = image.copy(), image.size
    draw = ImageDraw.Draw(image)
    draw.rectangle((width * 0.65, height * 0.75, width * 0.97, height * 0.95), fill=(250, 250, 250))
    draw.text((width * 0.67, height * 0.8), "SHOP 24", fill=(200, 0, 0))
    return image


CHANGES: dict[str, list[Change]] = {
    "resized 0.3x": [_sized(0.3)],
    "resized 0.5x": [_sized(0.5)],
    "resized 2x": [_sized(2)],
    "turned 90, 180, 270": [lambda i, by=by: i.transpose(by) for by in (  # type: ignore[misc]
        Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270,
    )],
    "mirrored": [lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT)],
    "cropped 2.5 % a side": [_cut(*[0.025] * 4)],
    "cropped 5 % a side": [_cut(*[0.05] * 4)],
    "cropped 10 % a side": [_cut(*[0.1] * 4)],
    "cropped 20 % at one side": [_cut(0.2, 0, 0, 0), _cut(0, 0, 0, 0.2)],
    "turned 2 to 5 degrees": [lambda i, by=by: i.rotate(by, Image.Resampling.BICUBIC) for by in (2, -3.5, 5)],  # type: ignore[misc]
    "brightness, contrast 20 %": [lambda i, how=how, by=by: how(i).enhance(by)  # type: ignore[misc]
        for how in (ImageEnhance.Brightness, ImageEnhance.Contrast) for by in (0.8, 1.2)],
    "logo over it": [_logo],
    "mirrored and cropped 10 %": [lambda i: _cut(*[0.1] * 4)(i.transpose(Image.Transpose.FLIP_LEFT_RIGHT))],
}  # fmt: skip


def _encoded(image: Image.Image, quality: int) -> bytes:
    written = BytesIO()
    image.save(written, "JPEG", quality=quality)
    return written.getvalue()


def variants(data: bytes, seed: int) -> dict[str, bytes]:
    """Each change of a photo, written anew as a JPEG of quality 80; which of several of a kind goes by the seed."""
    with Image.open(BytesIO(data)) as opened:
        image = opened.convert("RGB")
    made = {"the same bytes": data}
    made |= {f"re-encoded q {quality}": _encoded(image, quality) for quality in (40, 60, 80, 95)}
    return made | {name: _encoded(ways[seed % len(ways)](image), 80) for name, ways in CHANGES.items()}


class History:
    """All photos of the two sets as the service would hold them."""

    def __init__(self, paths: list[Path], kept: list[Marks]) -> None:
        self.paths, self.kept = paths, kept
        self.digests = {each.sha256: at for at, each in enumerate(kept)}
        self.sharers: dict[int, list[int]] = defaultdict(list)
        for at, each in enumerate(kept):
            for word in each.words:
                self.sharers[word].append(at)
        self.hashes = np.frombuffer(b"".join(each.pdq or bytes(32) for each in kept), np.uint64).reshape(-1, 4)
        self.usable = np.array([each.pdq is not None for each in kept])

    def within(self, pdq: bytes, radius: int) -> list[tuple[int, int]]:
        """(bits, which) of every photo that near."""
        bits = np.bitwise_count(self.hashes ^ np.frombuffer(pdq, np.uint64)).sum(axis=1)
        return sorted((int(bits[at]), int(at)) for at in np.flatnonzero((bits <= radius) & self.usable))

    def sharing(self, words: list[int], without: int | None) -> list[int]:
        """The rule of app/likenesses.py."""
        weights: dict[int, float] = defaultdict(float)
        for word in words:
            found = self.sharers.get(word, [])
            if 0 < len(found) <= MOST_SHARERS:
                for at in found:
                    weights[at] += math.log(max(len(self.kept), LEAST_HISTORY) / len(found))
        weights.pop(-1 if without is None else without, None)
        best = sorted(weights.items(), key=lambda each: (-each[1], each[0]))[:MOST_PARTS]
        return [at for at, weight in best if weight >= LEAST_WEIGHT]

    def candidates(self, own: Marks, without: int | None) -> tuple[list[int], dict[int, bool]]:
        """Photos that the hashes settle; those to lay over it, in the service's order, with whether the frames' hashes
        are near."""
        all_near = [] if own.pdq is None else [e for e in self.within(own.pdq, NEAR_RADIUS) if e[1] != without]
        all_turned = [hit for each in own.turned for hit in self.within(each, MATCH_RADIUS) if hit[1] != without]
        near = [hit for hit in all_near if settles(own.quality, self.kept[hit[1]].quality)]
        turned_near = [hit for hit in all_turned if settles(own.quality, self.kept[hit[1]].quality)]
        faint = [at for hits, sure in ((all_near, near), (all_turned, turned_near)) for _, at in hits
                 if at not in {hit[1] for hit in sure}]  # fmt: skip
        settled = [at for bits, at in near if bits <= MATCH_RADIUS]
        settled += [at for bits, at in turned_near if bits <= SURELY_TURNED and at not in settled]
        turned = [at for _, at in turned_near]
        parts = faint + self.sharing(own.words, without) + self.sharing(own.mirrored, without)
        rest = [at for bits, at in near if bits > MATCH_RADIUS]
        frames = {at for _, at in (*all_near, *all_turned)}
        return settled, {at: at in frames for at in (*turned, *parts, *rest) if at not in settled}


_history: History | None = None


def _attack(at: int) -> list[tuple[str, str]]:
    """What becomes of each variant of one photo."""
    assert _history is not None
    data = _history.paths[at].read_bytes()
    found = []
    for name, changed in variants(data, at).items():
        own = marks(changed)
        settled, compared = _history.candidates(own, None)
        if _history.digests.get(own.sha256) == at or at in settled:
            found.append((name, "found"))
            continue
        laid = [
            alike(changed, _history.paths[each].read_bytes(), whole=whole)
            for each, whole in islice(compared.items(), MOST_COMPARED)
        ]
        best = max(laid, key=lambda each: (each.same, each.agreement), default=Comparison())
        # Another photo of the same history may be the nearest (the sets hold doubles): caught is caught.
        caught = "found" if best.same or settled else "noticed" if best.agreement >= ALIKE else "lost"
        found.append((name, caught))
    return found


def _false(at: int) -> list[tuple[int, int, float, bool]]:
    """(photo, earlier one, agreement; 2 where the hashes settle it, whether it fails) for all that resemble a photo."""
    assert _history is not None
    settled, compared = _history.candidates(_history.kept[at], at)
    data = _history.paths[at].read_bytes()
    found = [(at, other, 2.0, True) for other in settled if other < at]
    for other, whole in islice(compared.items(), MOST_COMPARED):
        if other > at:
            continue  # met from its side
        laid = alike(data, _history.paths[other].read_bytes(), whole=whole)
        if laid.same or laid.agreement >= ALIKE:
            found.append((at, other, laid.agreement, laid.same))
    return found


def main(everything: bool = False) -> None:
    global _history
    if not DATA.exists():
        print("needs the photos of ../shared/data")
        return
    paths = sorted((DATA / "photos_labelled").rglob("*.jpg"))
    with ProcessPoolExecutor(2) as pool:
        kept = list(pool.map(_marks_of, paths, chunksize=50))
    _history = History(paths, kept)
    print(f"{len(paths)} photos, {sum(len(each.words) for each in kept) / len(kept):.0f} numbers each")
    sample = random.Random(2).sample(range(len(paths)), 200)
    with ProcessPoolExecutor(2) as pool:  # forked now, so that each has the history
        outcomes = [each for found in pool.map(_attack, sample, chunksize=5) for each in found]
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for name, what in outcomes:
        counts[name][what] += 1
    print(f"{'change':28}{'found':>9}{'noticed':>9}   of {len(sample)}")
    for name, each in counts.items():
        share = each["found"] / len(sample), (each["found"] + each["noticed"]) / len(sample)
        print(f"{name:28}{share[0]:9.1%}{share[1]:9.1%}")
    if everything:
        _report_false(paths)


def _report_false(paths: list[Path]) -> None:
    with ProcessPoolExecutor(2) as pool:
        pairs = [each for found in pool.map(_false, range(len(paths)), chunksize=20) for each in found]
    all_pairs = len(paths) * (len(paths) - 1) // 2
    failed = sorted((each for each in pairs if each[3]), key=lambda each: -each[2])
    by_hash = sum(each[2] == 2.0 for each in failed)
    print(f"of {all_pairs / 1e6:.1f} million pairs {len(failed)} fail ({by_hash} by their hashes), "
          f"{1e5 * len(failed) / all_pairs:.2f} in 100,000; {len(pairs) - len(failed)} more warn")  # fmt: skip
    for one, other, agreement, _ in failed:
        bits = distance(_history.kept[one].pdq or b"", _history.kept[other].pdq or b"") if _history else 0
        print(f"  {paths[one].name} {paths[other].name} agreement {agreement:.3f}, {bits} bits")


if __name__ == "__main__":
    main(everything="all" in sys.argv[1:])
