"""Signs of editing, measured on real photos: `python -m tests.bench edits`. Needs ../shared beside the checkout.

Once-compressed pictures are made from camera photos halved in size, which removes what the camera's own compression
left; twice-compressed ones go through a first quality as well. All figures are over crops of 512 x 512.
"""

from __future__ import annotations

import csv
import random
import time
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sensors.decode import inspect
from sensors.evidence import Photo
from sensors.exif import read_thumbnail
from sensors.inspection import Undecodable
from sensors.jpeg import read_header
from sensors.provenance import read_provenance
from sensors.recompression import recompression
from sensors.thumbnail import thumbnail_distance
from sensors.unedited import EDITORS, LIKELY, THUMBNAIL_DIFFERS, unedited

SAMPLES: Final = Path(__file__).parents[2].parent / "shared" / "data" / "photos_exif"
CAMERAS: Final = (
    "exif-samples__jolla.jpg", "exif-samples__HMD_Nokia_8.3_5G.jpg", "exif-samples__iphone_hdr_YES.jpg",
    "exif-samples__canon_hdr_NO.jpg", "exif-samples__canon_hdr_YES.jpg", "exif-samples__87_OSError.jpg",
    "exifr__IMG_20180725_163423-tiny.jpg", "exifr__door-knocker.jpg", "exif-samples__45-gps_ifd.jpg",
    "exif-samples__DSCN0010.jpg",
)  # fmt: skip
SIDE: Final = 512
CROPS_EACH: Final = 5
ONCE: Final = (70, 75, 80, 85, 90, 93, 95, 98)
TWICE: Final = (
    (60, 70), (75, 70), (75, 90), (75, 95), (85, 75), (85, 95), (90, 70), (90, 80), (90, 95), (95, 90), (95, 85),
    (95, 98), (90, 90),
)  # fmt: skip


def saved(image: Image.Image, quality: int) -> bytes:
    written = BytesIO()
    image.save(written, "JPEG", quality=quality)
    return written.getvalue()


def reopened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data)).convert("RGB")


def graded(data: bytes) -> float:
    header = read_header(data)
    found = None if header is None else recompression(data, header)
    return np.nan if found is None else found


def fresh_pictures() -> list[Image.Image]:
    """Crops without a trace of an earlier compression, the same in every run."""
    chance, found = random.Random(1), []
    for name in CAMERAS:
        whole = Image.open(SAMPLES / name).convert("RGB")
        factor = max(0.5, (SIDE + 8) / min(whole.size))
        if factor > 0.85:
            continue
        small = whole.resize((int(whole.width * factor), int(whole.height * factor)), Image.Resampling.LANCZOS)
        for _ in range(CROPS_EACH):
            x, y = chance.randint(0, small.width - SIDE), chance.randint(0, small.height - SIDE)
            found.append(small.crop((x, y, x + SIDE, y + SIDE)))
    return found


def area_under(once: NDArray[np.float64], twice: NDArray[np.float64]) -> float:
    """The chance that a twice-compressed picture has the higher grade, ties counting half."""
    above = (twice[:, None] > once).mean() + 0.5 * (twice[:, None] == once).mean()
    return float(above)


def second_compression() -> None:
    pictures = fresh_pictures()
    rows = np.array([graded(saved(each, quality)) for each in pictures for quality in ONCE])
    once = rows[~np.isnan(rows)]
    limit = float(np.percentile(once, 99))
    print(f"\nsecond compression: {len(once)} pictures compressed once, {np.isnan(rows).sum()} more show too little")
    print(f"  limit at 1 % false alarms {limit:.4f}; above the limit in use ({LIKELY}): {(once > LIKELY).mean():.1%}")
    print(f"  {'first, second quality':24}{'AUC':>7}{'found at 1 % FPR':>18}{'at the limit in use':>21}")
    for first, second in TWICE:
        grades = np.array([graded(saved(reopened(saved(each, first)), second)) for each in pictures])
        seen = grades[~np.isnan(grades)]
        print(f"  {f'{first}, {second}':24}{area_under(once, seen):7.3f}{(seen > limit).mean():18.0%}"
              f"{(seen > LIKELY).mean():21.0%}")  # fmt: skip
    cut = [reopened(saved(each, 75)).crop((3, 5, SIDE, SIDE)) for each in pictures]
    grades = np.array([graded(saved(each, 90)) for each in cut])
    seen = grades[~np.isnan(grades)]
    print(f"  {'75, cut by 3 x 5, 90':24}{area_under(once, seen):7.3f}{(seen > limit).mean():18.0%}"
          f"{(seen > LIKELY).mean():21.0%}")  # fmt: skip
    shrunk = [reopened(saved(each, 75)).resize((450, 450), Image.Resampling.LANCZOS) for each in pictures]
    grades = np.array([graded(saved(each, 90)) for each in shrunk])
    seen = grades[~np.isnan(grades)]
    print(f"  {'75, shrunk to 88 %, 90':24}{area_under(once, seen):7.3f}{(seen > limit).mean():18.0%}"
          f"{(seen > LIKELY).mean():21.0%}")  # fmt: skip


def small_copies() -> None:
    """Distances of samples' own small copies, and after the picture alone was cut or exchanged."""
    own: list[float] = []
    cut: dict[int, list[float]] = {5: [], 10: [], 20: []}
    strange: list[float] = []
    before: bytes = b""
    for file in sorted(SAMPLES.glob("*.jp*g")):
        try:
            image = Image.open(file)
            small = read_thumbnail(image.info.get("exif") or b"")
            grey = image.convert("L")
        except OSError:
            continue
        distance = thumbnail_distance(small, np.asarray(grey)) if small else None
        if distance is None:
            continue
        own.append(distance)
        for percent, found in cut.items():
            x, y = grey.width * percent // 100, grey.height * percent // 100
            inner = np.asarray(grey.crop((x, y, grey.width - x, grey.height - y)))
            found.append(thumbnail_distance(small, inner) or 0.0)
        if before:
            strange.append(thumbnail_distance(before, np.asarray(grey)) or 0.0)
        before = small
    above = sum(each > THUMBNAIL_DIFFERS for each in own)
    print(f"\nsmall copies in EXIF, limit {THUMBNAIL_DIFFERS}, {len(own)} samples: {above} of their own above it")
    print(f"  median {np.median(own):.4f}, the highest {sorted(own)[-3:]}")
    for percent, found in cut.items():
        print(f"  picture cut by {percent} % on each side: {np.mean(np.array(found) > THUMBNAIL_DIFFERS):.0%} above")
    print(f"  another picture: {np.mean(np.array(strange) > THUMBNAIL_DIFFERS):.0%} above")


def samples() -> None:
    """What the check says of every sample that opens."""
    rows = list(csv.DictReader((SAMPLES / "MANIFEST.csv").open()))
    names = {"Valid": "valid", "Invalid": "invalid", "error": "unreadable", "": "none"}
    counted: Counter[str] = Counter()
    equal = carriers = 0
    grades: list[float] = []
    for row in rows:
        try:
            seen = inspect((SAMPLES / row["file"]).read_bytes())
        except Undecodable:
            continue
        state = names[row["c2pa_state"].split(" ")[0]]
        carriers += state != "none"
        equal += state != "none" and seen.provenance.state == state
        edited = bool(EDITORS.search(row["software"])) or state in ("valid", "invalid")
        counted[f"{'said to be edited or signed by tests' if edited else 'others'}: "
                f"{unedited([Photo(n=1, inspection=seen)]).status}"] += 1  # fmt: skip
        if seen.recompression is not None and not edited:
            grades.append(seen.recompression)
    print(f"\nsamples: {sum(counted.values())} open; C2PA state equals the validator's on {equal} of {carriers}")
    for name, count in sorted(counted.items()):
        print(f"  {name} {count}")
    above = np.mean(np.array(grades) > LIKELY)
    print(
        f"  grade of the {len(grades)} others that have one: {above:.1%} above {LIKELY}, highest {sorted(grades)[-3:]}"
    )


def best_ms(work: Callable[[], object], times: int = 9) -> float:
    spent = []
    for _ in range(times):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent) * 1000


def costs() -> None:
    picture = Image.open(SAMPLES / CAMERAS[1]).convert("RGB").resize((4000, 3000), Image.Resampling.LANCZOS)
    data = saved(picture, 90)
    header = read_header(data)
    assert header is not None
    exif = Image.open(SAMPLES / CAMERAS[3]).info["exif"]
    luma = np.asarray(picture.convert("L").resize((512, 384)))
    signed = (SAMPLES / "c2pa-rs__ocsp.jpg").read_bytes()
    signed_header = read_header(signed)
    bare = best_ms(lambda: reopened(data))
    parts = {
        "bare RGB decode": bare,
        "inspect, whole": best_ms(lambda: inspect(data)),
        "header": best_ms(lambda: read_header(data)),
        "second compression": best_ms(lambda: recompression(data, header)),
        "small copy": best_ms(lambda: thumbnail_distance(read_thumbnail(exif), luma)),
        "C2PA, none there": best_ms(lambda: read_provenance(data, "image/jpeg", header)),
        "C2PA, two manifests": best_ms(lambda: read_provenance(signed, "image/jpeg", signed_header)),
    }
    print(f"\nprocessor time on a 12-megapixel JPEG of {len(data) // 1000} kB, best of 9")
    for name, spent in parts.items():
        print(f"  {name:24}{spent:8.2f} ms{spent / bare:8.2f} of a bare decode")


def main() -> None:
    if not SAMPLES.exists():
        print("the shared samples are not here: nothing is measured")
        return
    samples()
    small_copies()
    second_compression()
    costs()
