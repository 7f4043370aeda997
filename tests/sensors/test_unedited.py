"""Whether a picture is as the camera wrote it: a broken signature is a fact, the rest are signals, absence nothing."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from sensors.check import check
from sensors.decode import inspect
from sensors.evidence import Camera
from sensors.inspection import ExifSummary, JpegTraits, Provenance
from sensors.jpeg import read_header
from sensors.recompression import grade, recompression
from sensors.thumbnail import thumbnail_distance
from sensors.unedited import LIKELY, THUMBNAIL_DIFFERS, unedited
from sensors.verdict import Check
from tests.sensors.cast import asked, evidence, photo, seen, window
from tests.sensors.pictures import encoded, pattern, scene, text, tiff
from tests.sensors.pictures import photo as picture
from tests.sensors.test_exif import with_thumbnail


def told(**changes: Any) -> Check:
    return unedited([photo(1, seen(**changes))])


def exif(**fields: Any) -> Check:
    return told(exif=ExifSummary(**fields))


def signed(state: str, **fields: Any) -> Provenance:
    return msgspec.convert({"state": state, **fields}, Provenance)


def test_a_file_that_says_nothing_passes_and_earns_nothing() -> None:
    assert (told().status, told().weight) == ("pass", 0.0)
    assert unedited([]).status == "not_applicable"


@pytest.mark.parametrize(
    ("state", "status", "credit"),
    [("trusted", "pass", True), ("valid", "pass", False), ("unreadable", "pass", False), ("invalid", "fail", False)],
)
def test_only_a_trusted_signature_earns_credit_and_only_a_broken_one_fails(
    state: str, status: str, credit: bool
) -> None:
    found = told(provenance=signed(state))
    assert (found.status, found.weight > 0) == (status, credit)
    assert found.data["c2pa"] == state


def test_credit_needs_a_trusted_signature_on_every_photo() -> None:
    good = seen(provenance=signed("trusted"))
    assert unedited([photo(1, good), photo(2, good)]).weight > 0
    assert unedited([photo(1, good), photo(2, seen(2))]).weight == 0
    edited = seen(provenance=signed("trusted", actions=["c2pa.color_adjustments"]))
    assert unedited([photo(1, good), photo(2, edited)]).status == "warn"


def test_a_broken_signature_rejects_only_where_the_task_says_so() -> None:
    broken = evidence(photo(1, seen(provenance=signed("invalid", codes=["assertion.dataHash.mismatch"]))))
    verdict = check(broken, asked(checks=["unedited"]), window(), [])
    assert verdict.outcome == "fail" and [each.name for each in verdict.reasons] == ["unedited"]
    assert check(broken, asked(checks=["fresh"]), window(), []).outcome != "fail"


def test_a_picture_that_a_model_made_is_told() -> None:
    found = told(provenance=signed("valid", generated=True))
    assert found.status == "warn" and "model or a program made it" in found.detail


@pytest.mark.parametrize(
    "software",
    ["Adobe Photoshop CS5 Windows", "GIMP 2.8.10", "Snapseed 2.0", "Adobe Lightroom 5.3 (Macintosh)", "PicsArt",
     "Facetune2", "paint.net 5.0", "Pixelmator Pro 3", "www.meitu.com"],
)  # fmt: skip
def test_editors_names_are_known(software: str) -> None:
    assert exif(software=software).status == "warn"


@pytest.mark.parametrize(
    "software",
    ["14.4.2", "HDR+ 1.0.199571065z", "Nikon Transfer 1.1 W", "J320FXXU0AQL1", "00WW_3_380_SP02", "Ver.1.00", "8.3",
     "GR Firmware Ver 01.10", "SIGMA Photo Pro 5.4.1.0000", "DSC-RX1R v1.00", "Version F.0", "PMB Service Uploader",
     "A536BXXU4BVL2", "MediaTek Camera Application", "Canvas 5 firmware", "Lensation X"],
)  # fmt: skip
def test_a_cameras_firmware_is_no_editor(software: str) -> None:
    assert exif(software=software).status == "pass"


def test_a_size_unlike_the_noted_one_is_a_signal_whichever_way_it_is_turned() -> None:
    assert exif(width=900, height=1200).status == exif(width=1200, height=904).status == "pass"
    assert exif(width=1200).status == "pass"
    assert exif(width=4000, height=3000).status == "warn"


def shrunk(image: Image.Image, size: tuple[int, int] = (160, 120)) -> bytes:
    return encoded(image.resize(size, Image.Resampling.BOX), quality=80)


def test_the_small_copy_is_like_its_picture_and_unlike_another() -> None:
    whole = scene(640, 480)
    luma = np.asarray(whole.convert("L"))
    assert (thumbnail_distance(shrunk(whole), luma) or 0) < 0.02
    assert (thumbnail_distance(shrunk(whole.rotate(90, expand=True), (120, 160)), luma) or 0) < 0.02
    other = thumbnail_distance(shrunk(scene(640, 480, seed=7)), luma)
    assert other is not None and other > THUMBNAIL_DIFFERS
    cut = whole.crop((128, 96, 512, 384))
    apart = thumbnail_distance(shrunk(whole), np.asarray(cut.convert("L")))
    assert apart is not None and apart > THUMBNAIL_DIFFERS


def test_bars_and_cut_sides_of_the_small_copy_are_forgiven() -> None:
    wide = scene(640, 360)
    luma = np.asarray(wide.convert("L"))
    barred = Image.new("RGB", (160, 120))
    barred.paste(wide.resize((160, 90), Image.Resampling.BOX), (0, 15))
    assert (thumbnail_distance(encoded(barred), luma) or 0) < 0.02
    assert (thumbnail_distance(shrunk(wide.crop((80, 0, 560, 360))), luma) or 0) < 0.02


@pytest.mark.parametrize(
    "small", [b"", b"\xff\xd8\xff", picture(2000, 1500), picture(8, 8), picture()[:400], encoded(scene(), "PNG")]
)
def test_a_small_copy_that_is_none_says_nothing(small: bytes) -> None:
    assert thumbnail_distance(small, pattern(300, 400, 1)) is None


def test_a_flat_picture_is_compared_with_nothing() -> None:
    assert thumbnail_distance(shrunk(scene()), np.full((300, 400), 9, np.uint8)) is None


def grain(width: int = 512, height: int = 512) -> Image.Image:
    """A grey picture with the falling spectrum and the grain of a photo, which patterns have not."""
    chance = np.random.default_rng(5)
    across, down = np.meshgrid(np.fft.fftfreq(width), np.fft.fftfreq(height))
    spectrum = np.fft.fft2(chance.normal(size=(height, width))) / (0.005 + np.hypot(across, down))
    values = np.fft.ifft2(spectrum).real
    return Image.fromarray((128 + 40 * values / values.std()).clip(0, 255).astype(np.uint8))


def saved(image: Image.Image, *qualities: int) -> float:
    """The grade after saving it at each quality in turn."""
    data = b""
    for quality in qualities:
        data = encoded(image, quality=quality)
        image = Image.open(BytesIO(data)).convert("L")
    header = read_header(data)
    assert header is not None
    found = recompression(data, header)
    assert found is not None
    return found


def test_a_second_compression_leaves_traces() -> None:
    once = [saved(grain(), quality) for quality in (70, 80, 90, 95)]
    twice = [saved(grain(), *pair) for pair in ((60, 90), (75, 90), (75, 95), (95, 90), (85, 75), (70, 60))]
    assert max(once) < LIKELY < min(twice)


def test_a_grade_needs_enough_to_look_at() -> None:
    header = read_header(picture(64, 48))
    assert header is not None and recompression(picture(64, 48), header) is None
    flat = encoded(Image.new("L", (512, 512), 90))
    header = read_header(flat)
    assert header is not None and recompression(flat, header) is None
    assert grade(np.zeros((512, 512), np.uint8), np.ones(64, np.int64)) is None
    assert inspect(encoded(grain(), progressive=True)).recompression is None


def test_a_file_with_two_frame_headers_is_not_decoded_again() -> None:
    data = encoded(grain(1024, 1024))
    frame = data.index(b"\xff\xc0")
    small = data[frame : frame + 5] + (64).to_bytes(2, "big") * 2 + data[frame + 9 : frame + 13]
    header = read_header(data[:frame] + small + data[frame:])
    assert header is not None and (header.width, header.height) == (64, 64)
    assert recompression(data[:frame] + small + data[frame:], header) is None


def test_twice_saved_is_a_signal() -> None:
    assert told(recompression=LIKELY / 2).status == "pass"
    found = told(recompression=LIKELY * 2)
    assert found.status == "warn" and found.data["recompression"] == LIKELY * 2


TRAITS = JpegTraits(
    tables="ab" * 16, each=[], quality=93, standard=False, subsampling="4:2:0", progressive=False, restart_interval=0,
    segments="", applications=[],
)  # fmt: skip
PLOVER = Camera(make="Plover", model="P3", photos=40, people=5, lone=0, tables=["cd" * 16])


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "warn"),
        ({"tables": ["cd" * 16, "ab" * 16]}, "pass"),
        ({"photos": 19}, "pass"),
        ({"people": 2}, "pass"),
        # One loner is somebody's mischief; several mean that this camera writes others each time.
        ({"lone": 1}, "warn"),
        ({"lone": 2}, "pass"),
        ({"model": "P4"}, "pass"),
    ],
)
def test_tables_unlike_the_claimed_cameras_are_a_signal_where_it_is_well_known(
    changes: dict[str, Any], status: str
) -> None:
    claimed = photo(1, seen(jpeg=TRAITS, exif=ExifSummary(make="Plover", model="P3")))
    found = unedited([claimed], [msgspec.structs.replace(PLOVER, **changes)])
    assert found.status == status
    assert unedited([claimed]).status == "pass"


def test_everything_that_does_not_fit_is_told() -> None:
    first = photo(1, seen(exif=ExifSummary(software="GIMP 2.8")))
    second = photo(2, seen(2, thumbnail_distance=0.5))
    found = unedited([first, second])
    assert found.detail == (
        "Photo 1 was saved by GIMP 2.8. Photo 2 does not look like the small copy that the camera put into it."
    )
    assert [each["photo"] for each in found.data["each"]] == [1, 2]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_every_format_tells_its_editor_and_shows_its_small_copy(kind: str) -> None:
    whole = scene(640, 480)
    block = with_thumbnail(shrunk(whole))
    fine = inspect(encoded(whole, kind, exif=block))
    assert fine.thumbnail_distance is not None and fine.thumbnail_distance < 0.02
    strange = inspect(encoded(scene(640, 480, seed=9), kind, exif=block))
    assert strange.thumbnail_distance is not None and strange.thumbnail_distance > THUMBNAIL_DIFFERS
    edited = inspect(encoded(whole, kind, exif=tiff([text(0x0131, "GIMP 2.10")])))
    assert unedited([photo(1, edited)]).status == "warn"
    assert (edited.jpeg is None) == (kind != "JPEG")
