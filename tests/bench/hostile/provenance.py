"""Content credentials made to hurt (C2PA, JUMBF): boxes in boxes, lengths that lie, CBOR without end."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.bench.hostile.heic import box, nested, plain
from tests.bench.hostile.jpeg import honest, segment, within
from tests.bench.hostile.kinds import Hostile, damaged
from tests.bench.hostile.png import honest as honest_png
from tests.bench.hostile.png import within as within_png
from tests.bench.hostile.webp import body, lossy, part, riff
from tests.sensors.pictures import chunk

TAIL = b"\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71"
UUID_C2PA = b"\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c\x92\x97\x58\x28\x87\x7e\xc4\x81"


def jumbf(kind: bytes, label: bytes, *inside: bytes) -> bytes:
    """A superbox: its description (type and label), then what is in it."""
    return box(b"jumb", box(b"jumd", kind + TAIL + b"\3" + label + b"\0") + b"".join(inside))


def text(word: str) -> bytes:
    raw = word.encode()
    return (bytes([0x60 + len(raw)]) if len(raw) < 24 else b"\x78" + bytes([len(raw)])) + raw


def table(**entries: bytes) -> bytes:
    """A CBOR map of names to values that are CBOR already."""
    return bytes([0xA0 + len(entries)]) + b"".join(text(name) + value for name, value in entries.items())


def store(
    claim: bytes = b"", assertion: bytes = b"", signature: bytes = b"", label: bytes = b"urn:uuid:1", times: int = 1
) -> bytes:
    """A manifest store with a manifest of one assertion, a claim and a signature."""
    link = table(url=text("self#jumbf=c2pa.assertions/c2pa.actions"), hash=b"\x58\x20" + bytes(32))
    claim = claim or table(
        instanceID=text("xmp:iid:1"),
        claim_generator=text("x"),
        signature=text("self#jumbf=c2pa.signature"),
        assertions=b"\x81" + link,
        alg=text("sha256"),
    )
    assertion = assertion or table(actions=b"\x81" + table(action=text("c2pa.created")))
    signature = signature or b"\xd2\x84\x43\xa1\x01\x26\xa1\x18\x21\x40\xf6\x58\x40" + bytes(64)
    one = jumbf(
        b"c2ma",
        label,
        jumbf(b"c2as", b"c2pa.assertions", jumbf(b"cbor", b"c2pa.actions", box(b"cbor", assertion))),
        jumbf(b"c2cl", b"c2pa.claim", box(b"cbor", claim)),
        jumbf(b"c2cs", b"c2pa.signature", box(b"cbor", signature)),
    )
    return jumbf(b"c2pa", b"c2pa", *[one] * times)


def in_jpeg(raw: bytes, *, instance: int = 1, first: int = 1) -> bytes:
    """In segments of 64 kB, each of which repeats the box's head (C2PA, appendix A.3)."""
    head, rest = raw[:8], raw[8:]
    pieces = [rest[place : place + 65_000] for place in range(0, len(rest), 65_000)] or [b""]
    return within(
        honest(),
        *(
            segment(0xEB, b"JP" + struct.pack(">HI", instance, first + n) + head + each)
            for n, each in enumerate(pieces)
        ),
    )


def everywhere(raw: bytes) -> Iterator[tuple[str, bytes]]:
    yield "jpg", in_jpeg(raw)
    yield "png", within_png(honest_png(), chunk(b"caBX", raw))
    yield "webp", riff(body(lossy()), part(b"C2PA", raw))
    head = UUID_C2PA + bytes(4) + b"manifest\0" + bytes(8)
    yield "heic", plain() + box(b"uuid", head + raw)


def _stores() -> Iterator[tuple[str, bytes]]:
    whole = store()
    yield "a store that nobody signed", whole
    yield "of nothing", b""
    yield "a head alone", whole[:8]
    for share in (1, 3, 5, 7):
        yield f"cut at {share} eighths", whole[: len(whole) * share // 8]
    for claims in (0, 1, 7, 9, 2**31, 2**32 - 1):
        yield f"claims {claims} bytes", struct.pack(">I", claims) + whole[4:]
    yield "100,000 boxes deep", nested(b"jumb", 100_000)
    each = box(b"jumd", b"c2pa" + TAIL + b"\3c2pa\0")
    yield "10,000 described boxes deep", nested(b"jumb", 10_000, each)
    yield "3,000 manifests", store(times=3_000)
    yield "a label of 60 kB", store(label=b"urn:uuid:" + b"a" * 60_000)
    yield "a storm of boxes", box(b"jumb", each + box(b"free", b"") * 500_000)
    yield "5 MB of an assertion", store(assertion=b"\x5a\x00\x4c\x4b\x40" + bytes(5_000_000))


def _codes() -> Iterator[tuple[str, bytes]]:
    for name, raw in (
        ("lists 60,000 deep", b"\x81" * 60_000 + b"\0"),
        ("maps 30,000 deep", b"\xa1\0" * 30_000 + b"\0"),
        ("tags 60,000 deep", b"\xc0" * 60_000 + b"\0"),
        ("a list of 2^63", b"\x9b\x7f" + b"\xff" * 7),
        ("a text of 2^63", b"\x7b\x7f" + b"\xff" * 7),
        ("bytes of 2^63", b"\x5b\x7f" + b"\xff" * 7),
        ("a map of 2^63", b"\xbb\x7f" + b"\xff" * 7),
        ("endless lists", b"\x9f" * 60_000),
        ("endless bytes", b"\x5f" * 60_000),
        ("not a number", b"\xf9\x7e\0"),
        ("a reserved code", b"\xfc" * 9),
    ):
        yield f"claim of {name}", store(claim=raw)
        yield f"assertion of {name}", store(assertion=raw)
        yield f"signature of {name}", store(signature=raw)
    itself = table(url=text("self#jumbf=c2pa.signature"), hash=b"\x58\x20" + bytes(32))
    yield (
        "claim that is its own assertion",
        store(
            claim=table(
                instanceID=text("1"),
                claim_generator=text("x"),
                signature=text("self#jumbf=c2pa.claim"),
                assertions=b"\x98\xff" + itself * 255,
            )
        ),
    )


def files() -> Iterator[Hostile]:
    for name, raw in _stores():
        for suffix, content in everywhere(raw):
            yield Hostile("c2pa stores", f"{name}.{suffix}", content)
    for name, raw in _codes():
        yield Hostile("c2pa codes", f"{name}.jpg", in_jpeg(raw))
    for seed in range(24):
        for suffix, content in list(everywhere(damaged(store(), seed, hits=6)))[seed % 4 : seed % 4 + 1]:
            yield Hostile("c2pa damage", f"{seed}.{suffix}", content)
    whole = segment(0xEB, b"JP" + struct.pack(">HI", 1, 1) + store())
    yield Hostile("c2pa stores", "the same part 400 times.jpg", within(honest(), *[whole] * 400))
    yield Hostile(
        "c2pa stores",
        "400 stores.jpg",
        within(honest(), *(whole[:6] + struct.pack(">H", n) + whole[8:] for n in range(400))),
    )
    yield Hostile("c2pa stores", "parts out of order.jpg", in_jpeg(store(times=90), first=2**32 - 3))
    yield Hostile(
        "c2pa stores", "storm of empty parts.jpg", within(honest(), *[segment(0xEB, b"JP\0\1\0\0\0\1")] * 300_000)
    )
