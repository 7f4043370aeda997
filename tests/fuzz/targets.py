"""What is fuzzed: a function of bytes for each parser, the seeds it starts from, and the refusals that it may raise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from sensors import container, decode, exif, jpeg, motion, provenance, readings, senml, signatures, statement, thumbnail
from sensors.evidence import Capture, ReadingAsked
from sensors.inspection import Undecodable
from tests.bench.hostile import corpus
from tests.bench.hostile.heic import plain
from tests.bench.hostile.jpeg import honest
from tests.bench.hostile.metadata import complete
from tests.bench.hostile.provenance import in_jpeg, store
from tests.sensors.pictures import encoded, pattern, photo, scene

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SMALL = 4_000
GREY = pattern(96, 128, 3)


class Target(NamedTuple):
    """One parser: what runs it, what it may raise, what the search starts from."""

    run: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    seeds: Callable[[], Iterator[bytes]]


def _examine(data: bytes) -> None:
    kind = container.sniff(data)
    if kind is None:
        assert container.refuse_foreign(data).reason
        return
    container.png_exif(data)
    container.webp_size(data)
    container.examine(data, kind)


def _exif(data: bytes) -> None:
    found = exif.read_exif(data)
    assert 1 <= found.orientation <= 8
    assert found.lat is None or -90 <= found.lat <= 90
    assert found.lon is None or -180 <= found.lon <= 180


def _inspect(data: bytes) -> None:
    seen = decode.inspect(data)
    assert seen.width > 0 and seen.height > 0


def _render(data: bytes) -> None:
    assert decode.render(data, 64).startswith(b"\xff\xd8\xff")


def _pack(data: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(data, type=list[dict[str, Any]])
    return found


def _readings(data: bytes) -> None:
    asked = [ReadingAsked(name="pm25", unit="ug/m3"), ReadingAsked(name="air_temperature", unit="Cel")]
    pack = _pack(data)
    gathered = readings.gather(asked, pack, NOW)
    list(readings.misreadings(gathered))
    readings.missing_samples(gathered)
    readings.canonical(pack, asked[0], NOW)
    senml.resolved(pack, NOW)


def _statement(data: bytes) -> None:
    capture = msgspec.json.decode(data, type=Capture)
    said = statement.statement(capture)
    statement.message(said)
    statement.is_signed(said, data.decode("latin-1"), data[:65])


def _signature(data: bytes) -> None:
    signatures.verify(data[:65], data[65:], data[-64:])
    statement.signature(data.decode("latin-1"))


def _motion(data: bytes) -> None:
    found = motion.read(data)
    motion.shape(found)
    motion.oddities(found)


def _thumbnail(data: bytes) -> None:
    distance = thumbnail.thumbnail_distance(data, GREY)
    assert distance is None or -1e-6 <= distance <= 2.001


def _jpeg(data: bytes) -> None:
    header = jpeg.read_header(data)
    if header is not None:
        jpeg.estimate_quality(header.luma)


def _provenance(data: bytes) -> None:
    kind = container.sniff(data) or "image/jpeg"
    provenance.read_provenance(data, kind, jpeg.read_header(data))


def _of(suffix: str, *modules: str) -> Callable[[], Iterator[bytes]]:
    def seeds() -> Iterator[bytes]:
        for each in corpus(modules):
            if each.name.endswith(suffix) and each.way == "photo" and 16 < len(each.content) < SMALL:
                yield each.content

    return seeds


def _packs() -> Iterator[bytes]:
    for each in corpus(("texts",)):
        if each.way == "readings" and len(each.content) < SMALL:
            yield each.content[each.content.find(b"[") : -1]


def _captures() -> Iterator[bytes]:
    yield json.dumps(
        {"taken_at": "2026-11-25T12:00:00Z", "lat": 52.5, "lon": 13.4, "accuracy_m": 8, "nonce": "abc", "heading": 90}
    ).encode()
    yield from (each.content for each in corpus(("texts",)) if each.way == "capture")


def _blocks() -> Iterator[bytes]:
    yield complete()
    yield complete()[6:]


def _all() -> Iterator[bytes]:
    yield from (honest(), encoded(scene(64, 48), "PNG"), encoded(scene(64, 48), "WEBP"), plain())
    yield from _of("", "foreign", "cuts")()


def _small_copies() -> Iterator[bytes]:
    yield from (photo(160, 120), photo(64, 48, progressive=True), honest())


def _motions() -> Iterator[bytes]:
    yield json.dumps({"v": 1, "samples": [[0, 0.1, 9.8, 0.2, 0.01, 0.0, 0.02]] * 4}).encode()
    yield json.dumps({"v": 1, "samples": [[20 * n, n % 3, 9.8, n % 5, n % 7, 1, 2] for n in range(60)]}).encode()
    yield b'{"v":1,"samples":[[0,0.1,9.8,0.2],[20,0.1,9.7,0.3]]}'


def _manifests() -> Iterator[bytes]:
    yield in_jpeg(store())
    yield from _of(".jpg", "provenance")()


PACKED = (senml.BadReadings, msgspec.DecodeError, RecursionError, UnicodeDecodeError)
TARGETS = {
    "container": Target(_examine, (Undecodable,), _all),
    "exif": Target(_exif, (), _blocks),
    "jpeg_header": Target(_jpeg, (), _of(".jpg", "metadata", "cuts")),
    "jpeg": Target(_inspect, (Undecodable,), _of(".jpg", "metadata", "cuts")),
    "png": Target(_inspect, (Undecodable,), _of(".png", "cuts", "png")),
    "webp": Target(_inspect, (Undecodable,), _of(".webp", "cuts", "webp")),
    "heic": Target(_inspect, (Undecodable,), _of(".heic", "heic")),
    "copies": Target(_render, (Undecodable,), _all),
    "senml": Target(_readings, PACKED, _packs),
    "statement": Target(_statement, PACKED[1:], _captures),
    "motion": Target(_motion, (motion.BadMotion,), _motions),
    "thumbnail": Target(_thumbnail, (), _small_copies),
    "signature": Target(_signature, (), _captures),
    "provenance": Target(_provenance, (), _manifests),
}
