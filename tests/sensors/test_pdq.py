"""PDQ agrees with the reference implementation, and its index misses nothing."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.decode import inspect
from sensors.pdq import HASH_BYTES, distance, pdq_hash
from sensors.pdq_index import PdqIndex
from tests.sensors.pictures import encoded, pattern, photo, scene

# Hashes and qualities by pdqhash 0.2.8 (PyPI), which compiles the C++ of ThreatExchange/pdq, of
# tests.sensors.pictures.pattern(height, width, seed) in three equal channels.
BY_THE_REFERENCE = [
    (64, 64, 1, "83e187c10fe10f813fb17f03fcb1f907f8f0d15a000f01ff048f01ffab5dfe00", 100),
    (96, 96, 2, "c3d3c3e007d30be11ff2055bbe0fbd0bf00ff40b002f041f02af07dfad55f80b", 100),
    (128, 171, 3, "515ae08fc1db838f078b1f0f1f0b3c0ffc1bb00f801f300f115f357f6aaacaaa", 100),
    (240, 320, 4, "184b30e170cbe1c1c1cb87c30f031f037e0ffc07f00fe01f400fffffaaaa017f", 100),
    (384, 512, 5, "8c311c79386170ebe1e1c3cb07c30f8b3f07fe0ff807e00f000faaff00af555f", 100),
    (512, 288, 6, "c6398e211c79386170e1e1e1c3c387830f833f07fc0ff80f801faaaf015f55ff", 100),
    (333, 217, 7, "6319e7398e390c71386170e1e1e1c3d3078b1f037e0ff80fc00f007f0557afff", 100),
    (700, 1000, 8, "31997319e739ce391c71387170e1c1c383c30f833f03fc0fe00f405f007fabff", 100),
]


@pytest.mark.parametrize(("height", "width", "seed", "expected", "quality"), BY_THE_REFERENCE)
def test_hashes_are_the_references(height: int, width: int, seed: int, expected: str, quality: int) -> None:
    found = pdq_hash(pattern(height, width, seed))
    assert found is not None
    # A coefficient may lie so near the median that another order of additions tips it.
    assert distance(found[0], bytes.fromhex(expected)) <= 2
    assert found[1] == quality


def test_quality_falls_with_contrast() -> None:
    faint = 120 + pattern(128, 128, 1) // 32
    flat = np.full((128, 128), 77, dtype=np.uint8)
    qualities = [found[1] for each in (pattern(128, 128, 1), faint, flat) if (found := pdq_hash(each)) is not None]
    assert qualities[0] == 100 and 0 < qualities[1] < 50 and qualities[2] == 0


def test_a_tiny_picture_has_no_hash() -> None:
    assert pdq_hash(np.zeros((4, 100), dtype=np.uint8)) is None
    assert pdq_hash(np.zeros((5, 100), dtype=np.uint8)) is not None


def test_a_replay_stays_near_and_another_picture_far() -> None:
    original = inspect(photo(640, 480, seed=2))
    replays = {
        "compressed harder": encoded(scene(640, 480, 2), quality=40),
        "smaller": encoded(scene(640, 480, 2).resize((320, 240)), quality=85),
        "another format": encoded(scene(640, 480, 2), "WEBP", quality=70),
    }
    assert original.pdq is not None
    for way, data in replays.items():
        copy = inspect(data)
        assert copy.pdq is not None and copy.sha256 != original.sha256
        assert distance(original.pdq, copy.pdq) <= 16, way
    other = inspect(photo(640, 480, seed=9))
    assert other.pdq is not None and distance(original.pdq, other.pdq) > 60


def flipped(value: bytes, bits: list[int]) -> bytes:
    number = int.from_bytes(value, "big")
    for bit in bits:
        number ^= 1 << bit
    return number.to_bytes(HASH_BYTES, "big")


@given(
    base=st.binary(min_size=32, max_size=32),
    flips=st.lists(st.lists(st.integers(0, 255), max_size=256, unique=True), max_size=40),
    radius=st.integers(0, 256),
)
def test_the_index_finds_exactly_what_lies_within_the_radius(base: bytes, flips: list[list[int]], radius: int) -> None:
    hashes = [flipped(base, bits) for bits in flips]
    index = PdqIndex()
    index.add(range(len(hashes)), hashes)
    expected = sorted((len(bits), key) for key, bits in enumerate(flips) if len(bits) <= radius)
    assert index.search(base, radius) == [(key, apart) for apart, key in expected]


def test_the_index_grows_and_keeps_what_it_had() -> None:
    rows = [os.urandom(32) for _ in range(3000)]
    index = PdqIndex()
    for start in range(0, 3000, 700):
        part = rows[start : start + 700]
        index.add([10_000 + start + offset for offset in range(len(part))], part)
    assert len(index) == 3000
    for place in (0, 699, 700, 1400, 2999):
        assert index.search(rows[place], 0) == [(10_000 + place, 0)]


@pytest.mark.parametrize("sorted_part", [0, 3000, 5000])
def test_the_sorted_index_finds_everything_within_31_bits(monkeypatch: pytest.MonkeyPatch, sorted_part: int) -> None:
    monkeypatch.setattr("sensors.pdq_index.LONGEST_TAIL", 0)
    random = np.random.default_rng(7)
    rows = random.integers(0, 256, (5000, 32), dtype=np.uint8)
    # A family round one hash, at every distance up to 40, its differing bits anywhere.
    for apart in range(41):
        bits = np.unpackbits(rows[0])
        bits[random.choice(256, apart, replace=False)] ^= 1
        rows[100 + apart] = np.packbits(bits)
    hashes = [each.tobytes() for each in rows]
    index = PdqIndex()
    index.add(range(sorted_part), hashes[:sorted_part])
    index.sort()
    index.add(range(sorted_part, 5000), hashes[sorted_part:])
    for wanted in (hashes[0], hashes[131], hashes[4999], bytes(32)):
        expected = sorted((distance(wanted, each), key) for key, each in enumerate(hashes))
        assert index.search(wanted) == [(key, apart) for apart, key in expected if apart <= 31]
    assert index.nbytes / 5000 < 150 + 16 * 4 * 65_537 / 5000


def test_the_index_refuses_what_is_no_hash() -> None:
    index = PdqIndex()
    with pytest.raises(ValueError, match="32 bytes"):
        index.add([1], [b"short"])
    with pytest.raises(ValueError, match="2 keys for 32 bytes of hashes"):
        index.add([1, 2], [bytes(32)])
    with pytest.raises(ValueError, match="32 bytes"):
        index.search(b"")
    assert len(index) == 0 and index.search(bytes(32)) == []
