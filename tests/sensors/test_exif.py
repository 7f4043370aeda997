"""EXIF is read with suspicion: what is absent, malformed or implausible is None, and nothing takes long."""

from __future__ import annotations

import struct
import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.exif import read_exif
from sensors.inspection import ExifSummary
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
