"""How often files are taken for screenshots or messengers' copies, rightly and wrongly; what light and lenses say.

python -m tests.bench consistent

Honest: the photos of ../shared/data as they are, sent as files from the gallery. Attacks are made from the same photos:
shown on a phone's screen between bars and captured (PNG, JPEG), passed on as messengers do it (shrunk, stripped, saved
with the usual tables), exposed as by day and sent at night. No messenger and no phone took part.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from sensors.consistent import DAYLIGHT_EV, NIGHT
from sensors.decode import inspect
from sensors.inspection import Inspection
from sensors.quality import COVERED
from sensors.secondhand import SCREENS, SUSPECT, messenger, screenshot
from sensors.sun import elevation
from tests.bench.evidence.honest import DATA, Sample, decodable

Made = Callable[[Image.Image, random.Random], bytes | None]


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    written = BytesIO()
    image.save(written, kind, **options)  # type: ignore[arg-type]
    return written.getvalue()


def _on_screen(photo: Image.Image, rng: random.Random) -> Image.Image:
    """A gallery app that shows the photo: bars above and below, a clock and a battery in the upper one."""
    width, height = rng.choice(sorted(SCREENS))
    shown = Image.new("RGB", (width, height), rng.choice(((0, 0, 0), (255, 255, 255), (18, 18, 20))))
    fitted = photo.resize((width, max(1, min(height, photo.height * width // photo.width))))
    shown.paste(fitted, (0, (height - fitted.height) // 2))
    draw = ImageDraw.Draw(shown)
    draw.text((width // 12, height // 60), "12:41", fill=(128, 128, 128), font_size=height // 50)
    return shown


def screenshot_png(photo: Image.Image, rng: random.Random) -> bytes:
    return _saved(_on_screen(photo, rng), "PNG", compress_level=1)


def screenshot_jpeg(photo: Image.Image, rng: random.Random) -> bytes:
    return _saved(_on_screen(photo, rng), "JPEG", quality=rng.choice((90, 95)))


def passed_on(side: int, quality: int, progressive: bool) -> Made:
    def made(photo: Image.Image, rng: random.Random) -> bytes | None:
        if max(photo.size) < side:
            return None  # messengers enlarge nothing: it keeps a size that tells nothing
        small = photo.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        return _saved(small, "JPEG", quality=quality, progressive=progressive)

    return made


ATTACKS: dict[str, Made] = {
    "screenshot, PNG": screenshot_png,
    "screenshot, JPEG": screenshot_jpeg,
    "1600 px, q 80 (as WhatsApp, Signal)": passed_on(1600, 80, False),
    "1600 px, q 70, progressive": passed_on(1600, 70, True),
    "1280 px, q 87 (as Telegram)": passed_on(1280, 87, False),
    "2048 px, q 85, progressive (as Facebook)": passed_on(2048, 85, True),
    "960 px, q 72 (as Facebook)": passed_on(960, 72, False),
}


def without_tags(data: bytes) -> bytes:
    """A JPEG without its application segments but JFIF: what a tool for privacy leaves."""
    kept, place = bytearray(data[:2]), 2
    while data[place] == 0xFF and data[place + 1] != 0xDA:
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if not 0xE1 <= data[place + 1] <= 0xEF:
            kept += data[place:end]
        place = end
    return bytes(kept) + data[place:]


def doubted(seen: Inspection) -> bool:
    return screenshot(seen) >= SUSPECT or messenger(seen) >= SUSPECT


def files(samples: list[Sample], labelled: list[Sample]) -> None:
    """Who is doubted, of the honest and of the made."""
    for name, honest in (("photos_exif", samples), ("photos_labelled", labelled)):
        wrongly = [each.name for each in honest if doubted(each.inspection)]
        print(f"honest, {name:16}{len(honest):5} photos, doubted {len(wrongly) / len(honest):6.1%} {wrongly[:5]}")
    rng = random.Random(7)
    jpegs = [each for each in samples if each.inspection.format == "JPEG"]
    bare = [inspect(without_tags(each.data)) for each in jpegs]
    print(f"honest, photos_exif with all tags cut off: {len(bare)}, doubted {sum(map(doubted, bare)) / len(bare):.1%}")
    large = [each for each in jpegs if max(each.inspection.width, each.inspection.height) >= 960]
    photos = [Image.open(BytesIO(each.data)).convert("RGB") for each in large]
    for name, made in ATTACKS.items():
        written = [data for photo in photos if (data := made(photo, rng)) is not None]
        found = sum(doubted(inspect(data)) for data in written)
        print(f"made: {name:44}{len(written):4}, doubted {found / len(written):6.1%}")


def light(samples: list[Sample]) -> None:
    """The exposure of photos with place and time against the sun there then; and the same at every hour of that day."""
    wrongly, known, caught, nights = 0, 0, 0, 0
    for each in samples:
        exif = each.inspection.exif
        if exif.exposure_ev is None or exif.lat is None or exif.lon is None or exif.taken_at is None:
            continue
        zone = exif.offset if exif.offset is not None else round(exif.lon / 15) * 3600
        taken = exif.taken_at.replace(tzinfo=UTC) - timedelta(seconds=zone)
        known += 1
        wrongly += elevation(exif.lat, exif.lon, taken) < NIGHT and exif.exposure_ev >= DAYLIGHT_EV
        for hour in range(24):
            if elevation(exif.lat, exif.lon, taken + timedelta(hours=hour)) < NIGHT:
                nights += 1
                caught += exif.exposure_ev >= DAYLIGHT_EV
    print(f"light: {known} photos with place, time and exposure, doubted {wrongly}")
    print(
        f"light: the same moved to the night hours of their day: {nights} cases, doubted {caught / max(1, nights):.1%}"
    )


def sun_at_equinoxes() -> None:
    """Published moments (USNO) against where the sun is then: over the equator at equinoxes."""
    moments = ("2024-03-20T03:06", "2024-09-22T12:44", "2025-03-20T09:01", "2025-09-22T18:19", "2026-03-20T14:46")
    worst = 0.0
    for text in moments:
        at = datetime.fromisoformat(text).replace(tzinfo=UTC)
        # Seen from the pole, the elevation is the declination.
        worst = max(worst, abs(elevation(90, 0, at)))
    print(f"sun: declination at {len(moments)} published equinoxes, off by at most {worst:.4f} degrees")


def lenses(samples: list[Sample], labelled: list[Sample]) -> None:
    """A finger in a corner, soft and dark, by how much of the picture it covers."""
    honest = [*samples, *labelled]
    wrongly = [each.name for each in honest if each.inspection.covered >= COVERED]
    print(f"covered lens: honest {len(honest)}, warned {len(wrongly) / len(honest):.1%}")
    rng = random.Random(9)
    photos = [Image.open(BytesIO(each.data)).convert("RGB") for each in rng.sample(labelled, min(60, len(labelled)))]
    for radius in (0.5, 0.7, 0.9, 1.1):
        found, area = 0, 0.0
        for photo in photos:
            small = photo.resize((640, 480))
            mask = Image.new("L", small.size, 0)
            reach = radius * 480
            corner = (rng.choice((0, 640)), rng.choice((0, 480)))
            box = (corner[0] - reach, corner[1] - reach, corner[0] + reach, corner[1] + reach)
            ImageDraw.Draw(mask).ellipse(box, fill=255)
            mask = mask.filter(ImageFilter.GaussianBlur(25))
            area += float(np.asarray(mask).mean()) / 255
            small.paste((46, 18, 14), mask=mask)
            found += inspect(_saved(small, "JPEG", quality=90)).covered >= COVERED
        print(f"covered lens: a finger over {area / len(photos):.0%} of the picture: warned {found / len(photos):.1%}")


def main() -> None:
    sun_at_equinoxes()
    if not Path(DATA).exists():
        print("needs the photos of ../shared/data")
        return
    samples, _ = decodable(DATA / "photos_exif")
    labelled, _ = decodable(DATA / "photos_labelled", limit=400)
    files(samples, labelled)
    light(samples)
    lenses(samples, labelled)


if __name__ == "__main__":
    main()
