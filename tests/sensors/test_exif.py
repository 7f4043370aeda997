"""EXIF is read with suspicion: what is absent, malformed or implausible is None, and nothing takes long."""

from __future__ import annotations

import struct
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.exif import read_exif, read_thumbnail
from sensors.inspection import ExifSummary
from tests.sensors import pictures
from tests.sensors.pictures import rationals, short, text, tiff

BERLIN = [
    text(1, "N"),
    rationals(2, (52, 1), (31, 1), (1200, 100)),
    text(3, "E"),
    rationals(4, (13, 1), (24, 1), (18, 1)),
]


@pytest.mark.parametrize("order", ["<", ">"])
def test_all_fields_are_read_in_both_byte_orders(order: str) -> None:
    position = [
        text(1, "N"),
        rationals(2, (52, 1), (31, 1), (1200, 100), order=order),
        text(3, "W"),
        rationals(4, (13, 1), (24, 1), (18, 1), order=order),
    ]
    block = tiff(
        [text(0x010F, "Maker"), text(0x0110, "Model 7"), text(0x0131, "Darkroom 3"), short(0x0112, 8, order)],
        [text(0x9003, "2026:05:03 14:05:06"), text(0x9011, "-03:30")],
        position,
        order,
    )
    seen = read_exif(block)
    assert (seen.make, seen.model, seen.software, seen.orientation) == ("Maker", "Model 7", "Darkroom 3", 8)
    assert (seen.taken_at, seen.offset) == (datetime(2026, 5, 3, 14, 5, 6), -12_600)
    assert seen.lat == pytest.approx(52.52) and seen.lon == pytest.approx(-13.405)


@pytest.mark.parametrize(
    "date",
    [
        "0000:00:00 00:00:00",
        "2099:09:29 10:10:10",
        "1970:01:01 00:00:00",
        "2000:01:01 00:00:00",
        "2026:13:40 10:00:00",
        "    :  :     :  :  ",
        "x",
    ],
)
def test_dates_of_unset_clocks_are_no_dates(date: str) -> None:
    assert read_exif(tiff([text(0x0132, date)])).taken_at is None


def test_the_first_sound_date_counts_with_its_own_zone() -> None:
    detail = [
        text(0x9003, "0000:00:00 00:00:00"),
        text(0x9004, "2026:05:03 10:00:00"),
        text(0x9011, "+09:00"),
        text(0x9012, "+02:00"),
    ]
    seen = read_exif(tiff([text(0x0132, "2026:05:04 10:00:00")], detail))
    assert (seen.taken_at, seen.offset) == (datetime(2026, 5, 3, 10), 7200)
    assert read_exif(tiff([], [text(0x9003, "2026:05:03 10:00:00"), text(0x9011, "+25:00")])).offset is None


@pytest.mark.parametrize(
    "gps",
    [
        [text(1, "N"), rationals(2, (0, 1), (0, 1), (0, 1)), text(3, "E"), rationals(4, (0, 1), (0, 1), (0, 1))],
        [text(1, "N"), rationals(2, (91, 1)), text(3, "E"), rationals(4, (13, 1))],
        [text(1, "X"), rationals(2, (52, 1)), text(3, "E"), rationals(4, (13, 1))],
        [text(1, "N"), rationals(2, (52, 0)), text(3, "E"), rationals(4, (13, 1))],
        [rationals(2, (52, 1)), rationals(4, (13, 1))],
        [text(1, "N"), text(2, "52"), text(3, "E"), rationals(4, (13, 1))],
        BERLIN[:2],
    ],
)
def test_positions_that_cannot_be_are_no_positions(gps: list[tuple[int, int, int, bytes]]) -> None:
    seen = read_exif(tiff([], gps=gps))
    assert seen.lat is None and seen.lon is None


def test_positions_of_the_signed_type_are_read() -> None:
    gps = [(tag, 10 if kind == 5 else kind, count, value) for tag, kind, count, value in BERLIN]
    assert read_exif(tiff([], gps=gps)).lat == pytest.approx(52.52)


def test_texts_are_short_and_printable() -> None:
    seen = read_exif(tiff([text(0x010F, "a\x1b[31m\u202eb" + "c" * 500), (0x0110, 2, 4, b"\xff\xfe\0\0")]))
    assert seen.make is not None and seen.make.startswith("a[31mb") and len(seen.make) == 100 and seen.model is None


def test_orientations_that_do_not_exist_are_upright() -> None:
    for value in (0, 9, 65_535):
        assert read_exif(tiff([short(0x0112, value)])).orientation == 1


def test_a_directory_made_to_cost_time_costs_none() -> None:
    entries = 65_535
    greedy = struct.pack("<HHII", 0x010F, 2, 0xFFFFFFF, 8) * entries
    block = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", entries) + greedy
    loop = b"II*\0" + struct.pack("<I", 8) + struct.pack("<HHHII", 1, 0x8769, 4, 1, 8) + b"\0\0\0\0"
    started = time.perf_counter()
    assert read_exif(block).lat is None and read_exif(loop) == ExifSummary()
    assert time.perf_counter() - started < 0.05


@given(st.binary(max_size=400), st.sampled_from([b"II*\0", b"MM\0*", b"Exif\0\0II*\0", b""]))
def test_any_bytes_are_survived(noise: bytes, start: bytes) -> None:
    seen = read_exif(start + noise)
    assert 1 <= seen.orientation <= 8
    assert (seen.lat is None) == (seen.lon is None)


@given(st.data())
def test_a_damaged_block_is_survived(data: st.DataObject) -> None:
    block = bytearray(tiff([text(0x010F, "Maker"), short(0x0112, 3)], [text(0x9003, "2026:05:03 14:05:06")], BERLIN))
    for _ in range(data.draw(st.integers(1, 6))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    seen = read_exif(bytes(block))
    assert seen.lat is None or abs(seen.lat) <= 90


def integers(tag: int, *values: int, kind: int = 4, order: str = "<") -> tuple[int, int, int, bytes]:
    return tag, kind, len(values), struct.pack(order + {1: "B", 3: "H", 4: "I"}[kind] * len(values), *values)


def test_more_is_read_where_it_makes_sense() -> None:
    detail = [text(0x9003, "2026:05:03 14:05:06"), text(0x9291, "25"), integers(0xA002, 4000), integers(0xA003, 3000)]
    clock = rationals(7, (12, 1), (5, 1), (650, 100))
    gps = [integers(5, 1, kind=1), rationals(6, (425, 10)), clock, text(29, "2026:05:03")]
    seen = read_exif(tiff([], detail, [*BERLIN, *gps]))
    assert seen.taken_at == datetime(2026, 5, 3, 14, 5, 6, 250_000)
    assert seen.gps_at == datetime(2026, 5, 3, 12, 5, 6, tzinfo=UTC)
    assert (seen.altitude_m, seen.width, seen.height) == (-42.5, 4000, 3000)


@pytest.mark.parametrize(
    "gps",
    [
        [rationals(6, (0, 0)), rationals(7, (12, 0), (0, 0), (0, 0)), text(29, "2026:05:03")],
        [rationals(6, (4_000_000_000, 1)), rationals(7, (24, 1), (0, 1), (0, 1)), text(29, "2026:05:03")],
        [rationals(7, (1, 1), (0, 1), (0, 1))],
        [rationals(7, (1, 1), (0, 1)), text(29, "2026:05:03")],
        [rationals(7, (1, 1), (0, 1), (0, 1)), text(29, "0000:00:00")],
        [rationals(7, (1, 1), (0, 1), (0, 1)), text(29, "2026:02:30")],
        [text(29, "2026:05:03")],
    ],
)
def test_satellites_that_say_nothing_sensible_say_nothing(gps: list[tuple[int, int, int, bytes]]) -> None:
    seen = read_exif(tiff([], [], gps))
    assert seen.gps_at is None and seen.altitude_m is None


def with_thumbnail(small: bytes, length: int | None = None, start: int | None = None) -> bytes:
    """An EXIF block whose second directory points to a small picture, or wherever it is told."""
    stated = len(small) if length is None else length
    place = 8 + 2 + 4 + 2 + 2 * 12 + 4 if start is None else start
    entries = struct.pack("<HHIIHHII", 0x0201, 4, 1, place, 0x0202, 4, 1, stated)
    return b"Exif\0\0II*\0" + struct.pack("<IHIH", 8, 0, 14, 2) + entries + b"\0\0\0\0" + small


def test_the_small_picture_is_found_within_bounds() -> None:
    small = pictures.photo(160, 120)
    assert read_thumbnail(with_thumbnail(small)) == small
    for block in (
        with_thumbnail(small, length=65_537),
        with_thumbnail(small, start=2**32 - 1),
        with_thumbnail(small, length=0),
        with_thumbnail(b"<html>" + small),
        with_thumbnail(small)[:30],
        tiff([]),
        b"",
    ):
        assert read_thumbnail(block) == b""


def test_directories_that_point_at_each_other_end() -> None:
    around = b"II*\0" + struct.pack("<IHI", 8, 0, 8)
    assert read_thumbnail(around) == b"" and read_exif(around) == ExifSummary()


@given(st.binary(max_size=400))
def test_no_bytes_at_all_make_the_small_picture_fail(raw: bytes) -> None:
    assert isinstance(read_thumbnail(b"II*\0" + raw), bytes)
    assert isinstance(read_exif(b"MM\0*" + raw), ExifSummary)
