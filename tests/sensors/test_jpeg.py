"""The header of a JPEG tells how it was written, and a broken one tells nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.jpeg import Header, estimate_quality, read_header
from tests.sensors.pictures import encoded, photo, scene


def header(data: bytes) -> Header:
    found = read_header(data)
    assert found is not None
    return found


@pytest.mark.parametrize("quality", [1, 10, 50, 75, 90, 95, 100])
def test_the_quality_of_a_standard_table_is_known(quality: int) -> None:
    traits = header(encoded(scene(), quality=quality)).traits
    assert (traits.quality, traits.standard) == (max(quality, 1), True)


def test_a_table_of_somebodys_own_is_placed_among_the_standard_ones() -> None:
    own = [max(1, value - 1) for value in header(photo()).luma]
    assert estimate_quality(tuple(own))[1] is False
    assert 88 <= estimate_quality(tuple(own))[0] <= 93


@pytest.mark.parametrize(("code", "name"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_sampling_and_order_are_read(code: int, name: str) -> None:
    assert header(encoded(scene(), subsampling=code)).traits.subsampling == name
    assert header(encoded(scene().convert("L"))).traits.subsampling == "grey"
    assert header(encoded(scene(), progressive=True)).traits.progressive
    assert not header(encoded(scene())).traits.progressive
    assert header(encoded(scene(), restart_marker_blocks=7)).traits.restart_interval == 7
    assert header(photo(321, 123)).width == 321 and header(photo(321, 123)).height == 123


def test_the_same_tables_have_the_same_digest_whatever_is_in_the_picture() -> None:
    one, other = header(photo(seed=1)).traits, header(photo(640, 480, seed=5)).traits
    assert one.tables == other.tables and one.segments == other.segments and len(one.each) == 3
    assert one.each[1] == one.each[2] != one.each[0]
    assert header(encoded(scene(), quality=91)).traits.tables != one.tables


def test_the_height_stands_where_it_is_said_to() -> None:
    data = photo(640, 480)
    place = header(data).height_at
    assert int.from_bytes(data[place : place + 2], "big") == 480


def test_names_of_applications_are_bounded_and_harmless() -> None:
    mark = b"\xff\xed" + (2 + 40).to_bytes(2, "big") + b"<script>alert(1)</script>" + bytes(15)
    data = photo()
    traits = header(data[:2] + mark * 50 + data[2:]).traits
    assert len(traits.applications) == 16 and not any("<" in name for name in traits.applications)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8" + b"\xff\xe0\x00\x02" * 5000,
        b"\xff\xd8\xff\xdb\x00\x00",
        b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x10\x00\x10\x01\x01\x11\x00\xff\xda\x00\x02",
        b"\xff\xd8" + b"\xff" * 100_000,
        b"\xff\xd8\xff\xdb\x00\x05\x00\x01\x02\xff\xc0\x00\x08\x08\x00\x10\x00\x10\xff\xff\xda\x00\x02",
    ],
)
def test_a_broken_header_tells_nothing(data: bytes) -> None:
    assert read_header(data) is None


@given(st.data())
def test_no_change_of_bytes_makes_it_fail(data: st.DataObject) -> None:
    raw = bytearray(photo(64, 48)[:700])
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(2, len(raw) - 1))] = data.draw(st.integers(0, 255))
    found = read_header(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    assert found is None or 1 <= found.traits.quality <= 100
