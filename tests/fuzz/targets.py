"""What is fuzzed: a function of bytes for each parser, the seeds it starts from, and the refusals that it may raise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from market import standing
from sensors import (
    canonical,
    container,
    decode,
    exif,
    jpeg,
    motion,
    provenance,
    readings,
    receipt,
    senml,
    signatures,
    statement,
    tables,
    thumbnail,
)
from sensors.evidence import Capture, ReadingAsked
from sensors.inspection import Undecodable
from tests import keys
from tests.bench.hostile import corpus
from tests.bench.hostile.heic import plain
from tests.bench.hostile.jpeg import honest
from tests.bench.hostile.metadata import complete
from tests.bench.hostile.provenance import in_jpeg, store
from tests.sensors.pictures import encoded, pattern, photo, scene

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SMALL = 4_000
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
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


def _csv(data: bytes) -> None:
    found = tables.convert_table(data, offset_min=60)
    assert len(found.problems) <= tables.MAX_PROBLEMS
    if found.records:
        senml.resolved(found.records, NOW)


def _receipt(data: bytes) -> None:
    found = receipt.verify(data, [data[:64]], KEY.public_key().public_bytes_raw())
    assert found and all(each.detail for each in found)


def _canonical(data: bytes) -> None:
    said = canonical.canonical(msgspec.json.decode(data))
    assert canonical.canonical(msgspec.json.decode(said)) == said


def _batch(data: bytes) -> None:
    batch = msgspec.json.decode(data, type=standing.Batch)
    senml.resolved(batch.readings, NOW)
    signatures.spoken_for(signatures.BATCH, "dev_1", data)


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


def _batches() -> Iterator[bytes]:
    for each in _packs():
        yield b'{"sequence": 17, "readings": ' + each + b"}"


def _tables() -> Iterator[bytes]:
    yield b"time,pm25 (ug/m3),air_temperature (Cel)\n2026-11-25T11:59:00Z,12.5,7.1\n2026-11-25T11:58:00Z,-,6\n"
    yield b"time;name;value;unit\r\n2026-11-25 11:59:00;pm25;12,5;ug/m3\r\n1764071940;pm25;=1+1;ug/m3\r\n"
    yield "timestamp\thumidity [%RH]\n25.11.2026 11:59\t55\n".encode("utf-16")


def _receipts() -> Iterator[bytes]:
    point = {"lat": 52.5, "lon": 13.4, "accuracy_m": 8, "nonce": "abc"}
    signed = {"statement": point, "signature": "A" * 86, "public_key": "B" * 87}
    moments = {"claimed_at": "2026-11-25T11:00:00Z", "expires_at": "2026-11-25T12:00:00Z"}
    content = {
        "v": 1, "observation": "obs_1", "submission": "sub_1", "task": "task_1", "kind": "photo", "outcome": "answered",
        "claim": {"id": "claim_1", "nonce": "abc", **moments}, "submitted_at": "2026-11-25T11:30:00Z",
        "accepted_at": "2026-11-25T11:31:00Z", "accepted_by": "checks",
        "photos": [{"n": 1, "sha256": "00" * 32, "capture": signed}], "readings_sha256": None,
        "answers_sha256": "00" * 32,
        "verdict": {"outcome": "pass", "score": 0.97, "version": "sensors-2.0", "sha256": "00" * 32},
    }  # fmt: skip
    seal = KEY.sign(receipt.PURPOSE + canonical.canonical(content)).hex()
    key = KEY.public_key().public_bytes_raw().hex()
    whole = {"content": content, "signature": seal, "public_key": key, "algorithm": "Ed25519"}
    assert receipt.verify(json.dumps(whole).encode(), [], bytes.fromhex(key))[0].ok
    yield json.dumps(whole).encode()
    yield json.dumps({**whole, "content": {**content, "photos": []}}).encode()
    device = keys.Key(ec.derive_private_key(7, ec.SECP256R1()))
    batch = {
        "device": "dev_1", "sequence": 17, "sha256": keys.sha256(b"{}"), "public_key": keys.base64url(device.point),
        "signature": keys.base64url(device.sign(signatures.spoken_for(signatures.BATCH, "dev_1", b"{}"))),
    }  # fmt: skip
    pushed_whole = json.dumps({**whole, "content": {**content, "photos": [], "batch": batch}}).encode()
    assert [each.ok for each in receipt.verify(pushed_whole, [], bytes.fromhex(key)) if each.what == "batch"] == [True]
    yield pushed_whole


def _values() -> Iterator[bytes]:
    yield b'{"b": [1, -0.0, 1e21, 1e-7, true, null], "a": "\\u00e9\\ud83d\\ude00", "\\u20ac": 9007199254740993}'
    yield from _captures()


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
    "csv": Target(_csv, (tables.BadTable,), _tables),
    "receipt": Target(_receipt, (), _receipts),
    "canonical": Target(_canonical, (ValueError, *PACKED[1:]), _values),
    "batch": Target(_batch, PACKED, _batches),
    "provenance": Target(_provenance, (), _manifests),
}
