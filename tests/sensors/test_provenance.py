"""Signed provenance: it holds or it does not, and only an anchor of ours makes it trusted. Nothing is fetched."""

from __future__ import annotations

import csv
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensors import provenance
from sensors.container import sniff
from sensors.inspection import Provenance
from sensors.jpeg import read_header
from tests.sensors.pictures import encoded, photo, scene
from tests.sensors.signer import PAINTED, TAKEN, maker, signed

SAMPLES = Path(__file__).parents[2].parent / "shared" / "data" / "photos_exif"


@pytest.fixture(autouse=True)
def _without_anchors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object) -> None:
        raise AssertionError("somebody wants the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    provenance.load()
    yield
    provenance.load()


def read(data: bytes) -> Provenance:
    media_type = sniff(data)
    assert media_type is not None
    return provenance.read_provenance(data, media_type, read_header(data) if media_type == "image/jpeg" else None)


def test_most_pictures_have_none() -> None:
    for data in (photo(), encoded(scene(), "PNG"), encoded(scene(), "WEBP")):
        assert read(data) == Provenance()


def test_a_signature_holds_and_is_trusted_only_with_its_makers_anchor() -> None:
    data = signed(photo(), maker())
    assert read(data).state == "valid" and read(data).codes == ["signingCredential.untrusted"]
    assert (read(data).generator, read(data).issuer) == ("Plover 3", "Plover Cameras")
    provenance.load(maker(2).anchor)
    assert read(data).state == "valid"
    provenance.load(maker(2).anchor + maker().anchor)
    assert read(data).state == "trusted" and read(data).codes == []


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "HEIC"])
def test_every_format_carries_it(kind: str) -> None:
    heic = (Path(__file__).parent / "scene.heic").read_bytes()
    plain = heic if kind == "HEIC" else encoded(scene(), kind)
    provenance.load(maker().anchor)
    data = signed(plain, maker(), f"image/{kind.lower()}")
    assert read(data).state == "trusted"
    assert read(data[:-40] + bytes(40) if kind == "WEBP" else data.replace(b"Plover 3", b"Plover 4")).state != "trusted"


def test_one_changed_byte_is_found() -> None:
    provenance.load(maker().anchor)
    data = bytearray(signed(photo(), maker()))
    data[-100] ^= 1
    assert read(bytes(data)).state == "invalid" and "assertion.dataHash.mismatch" in read(bytes(data)).codes


def test_what_was_done_to_the_picture_and_to_what_it_was_made_from_is_told() -> None:
    painted = signed(photo(seed=2), maker(), actions=(PAINTED,))
    assert read(painted).generated
    mixed = signed(photo(), maker(), actions=(TAKEN, {"action": "c2pa.color_adjustments"}), parents=(painted,))
    seen = read(mixed)
    assert seen.generated and seen.actions == ["c2pa.color_adjustments", "c2pa.created"]
    assert not read(signed(photo(), maker())).generated


def test_what_a_hostile_manifest_says_is_cut() -> None:
    many = tuple({"action": f"c2pa.{'x' * 500}{index}"} for index in range(300))
    seen = read(signed(photo(), maker(), actions=(TAKEN, *many), generator="y\u202e" + "z" * 5000))
    assert len(seen.actions) <= 20 and all(len(action) <= 100 for action in seen.actions)
    assert seen.generator is None or (len(seen.generator) <= 100 and "\u202e" not in seen.generator)


def test_a_long_chain_of_parents_is_followed_and_a_huge_manifest_is_not() -> None:
    data = photo(64, 48)
    for step in range(12):
        data = signed(photo(64, 48, seed=step), maker(), parents=(data, data))
    assert read(data).state == "valid"
    segment = b"\xff\xeb\xff\xff" + b"JP\x00\x01\x00\x00\x00\x01" + bytes(7) + b"\x20jumb"
    huge = data[:2] + (segment + bytes(65_537 - len(segment))) * 40 + data[2:]
    assert read(huge).state == "unreadable" and "bytes" in (read(huge).problem or "")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_whatever_is_changed_behind_the_manifest_is_found(kind: str) -> None:
    provenance.load(maker().anchor)
    chance = random.Random(3)
    data = signed(encoded(scene(64, 48), kind), maker(), f"image/{kind.lower()}")
    mark = b"\xff\xeb" if kind == "JPEG" else b"caBX"
    start = data.index(mark)
    end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    if kind == "PNG":
        end = start + 8 + int.from_bytes(data[start - 4 : start], "big")
    assert read(data).state == "trusted"
    for _ in range(200):
        place = chance.randrange(end, len(data))
        broken = bytearray(data)
        broken[place] ^= 1 << chance.randrange(8)
        assert read(bytes(broken)).state != "trusted", place


def test_a_damaged_manifest_never_raises() -> None:
    provenance.load(maker().anchor)
    data, chance = signed(photo(64, 48), maker()), random.Random(4)
    start = data.index(b"\xff\xeb")
    end = data.index(b"\xff\xdb")
    states = set()
    for _ in range(300):
        broken = bytearray(data)
        for _ in range(chance.choice((1, 1, 4, 32))):
            broken[chance.randrange(start + 4, end)] = chance.randrange(256)
        states.add(read(bytes(broken)).state)
        cut = chance.randrange(start, end)
        assert read(data[:cut] + data[end:]).state != "trusted"
    # Trusted stays possible: a signature leaves room for time stamps that nobody signs, and nothing shows.
    assert {"invalid", "unreadable"} <= states


def samples() -> list[dict[str, str]]:
    """What the validator said of each sample, nothing where the samples are not at hand."""
    listed = SAMPLES / "MANIFEST.csv"
    return list(csv.DictReader(listed.open())) if listed.exists() else []


def test_every_sample_is_what_the_validator_said() -> None:
    wanted = {"Valid": "valid", "Invalid": "invalid", "error": "unreadable", "": "none"}
    for row in samples():
        data = (SAMPLES / row["file"]).read_bytes()
        if sniff(data) is not None:
            assert (row["file"], read(data).state) == (row["file"], wanted[row["c2pa_state"].split(" ")[0]])
