"""Numbers and words made to hurt: SenML packs (RFC 8428), what phones say of a photo, answers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from tests.bench.hostile.kinds import Hostile, damaged

NUMBERS = (
    "1e400",
    "-1e400",
    "1e308",
    "-0.0",
    "1e-400",
    "9" * 400,
    "0." + "9" * 5_000,
    "NaN",
    "Infinity",
    "-Infinity",
    "1e",
    "01",
    "0x10",
    "true",
    "null",
    '"12"',
    "[]",
    "{}",
    "9223372036854775808",
    "1" + "0" * 100_000,
)
WORDS = (
    "",
    "a" * 100_000,
    "\\u0000",
    "\\ud800",
    "\\udfff\\ud800",
    "\u202e",
    "pm25\\n",
    "..",
    "/etc/passwd",
    "'; DROP TABLE claim; --",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "%s%s%n",
    "=cmd|' /C calc'!A0",
    "\U0001f4a9" * 5_000,
    "pm25\u0301",
    "ｐｍ25",
    "9**9**9**9",
)


def body(readings: str) -> bytes:
    """A submission with a pack, as JSON."""
    return b'{"answers":{"open":"open"},"readings":' + readings.encode("utf-8", "surrogatepass") + b"}"


def record(**fields: str) -> str:
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"


def packs() -> Iterator[tuple[str, str]]:
    honest = {"n": '"pm25"', "u": '"ug/m3"', "v": "12.5"}
    for place, number in enumerate(NUMBERS):
        for field in ("v", "t", "bt", "bv", "bver", "s", "ut"):
            if field in ("v", "t", "bt") or place % 4 == 0:
                yield f"{field} is {number[:20]}", f"[{record(**honest | {field: number})}]"
    for word in WORDS:
        for field in ("n", "u", "bn", "bu", "vs"):
            fields = honest | {field: f'"{word}"'}
            if field == "vs":
                fields.pop("v")
            yield f"{field} is {word[:16]!a}", f"[{record(**fields)}]"
    one = record(**honest)
    long = f'"{"a" * 150}"'
    yield "10,000 records", "[" + ",".join([one] * 10_000) + "]"
    yield "10,001 records", "[" + ",".join([one] * 10_001) + "]"
    yield "100,000 empty records", "[" + ",".join(["{}"] * 100_000) + "]"
    yield (
        "storm of bases",
        "[" + ",".join([record(bn=long, bt="1e9", bu='"Cel"', bv="1e300")] * 4_000) + "," + one + "]",
    )
    yield (
        "bases that grow without end",
        "[" + ",".join(record(bt=f"1e{n % 300}", bv=f"1e{n % 300}", **honest) for n in range(5_000)) + "]",
    )
    yield "values that overflow together", f"[{record(bv='1e300', **honest | {'v': '1e300'})}]"
    yield "times that overflow together", f"[{record(bt='1e300', t='-1e300', **honest)}]"
    yield (
        "a base name as long as the body",
        f"[{record(bn=chr(34) + 'a' * 400_000 + chr(34))}," + ",".join([one] * 3_000) + "]",
    )
    yield "ten thousand units", "[" + ",".join(record(**honest | {"u": f'"u{n}"'}) for n in range(9_000)) + "]"
    yield "ten thousand names", "[" + ",".join(record(**honest | {"n": f'"n{n}"'}) for n in range(9_000)) + "]"
    yield "a field that must be understood", f'[{{"n":"pm25","v":1,"{"x" * 50_000}_":1}}]'
    yield "50,000 fields", "[{" + ",".join(f'"f{n}":0' for n in range(50_000)) + "}]"
    yield "the same field 50,000 times", "[{" + ",".join(['"n":"pm25"'] * 50_000) + "}]"
    yield "lists 100,000 deep", "[" * 100_000 + "]" * 100_000
    yield "objects 50,000 deep", '[{"v":' * 50_000 + "1" + "}]" * 50_000
    yield "a value 400 deep", "[" + record(n='"pm25"', vd="[" * 400 + "]" * 400) + "]"
    yield "never closed", "[" + one + ","
    yield "no list", one
    yield "numbers for records", "[1,2,3]"
    yield "every value at once", f"[{record(n=honest['n'], v='1', vs=long, vb='true', vd=long)}]"
    yield "half of a letter", '[{"n":"pm25","vs":"\udcff"}]'
    yield "a mark at the start", "\ufeff[" + one + "]"
    yield (
        "1990 to 2030",
        "[" + ",".join(record(**honest | {"t": str(631152000 + 400_000 * n)}) for n in range(3_000)) + "]",
    )


def captures() -> Iterator[tuple[str, str]]:
    for number in NUMBERS:
        short = number[:3_000]
        for field in ("lat", "lon", "accuracy_m", "heading"):
            if field == "lat" or len(short) < 12:
                yield f"{field} is {short[:20]}", f'{{"{field}":{short}}}'
    for word in WORDS:
        quoted = (
            word[:3_000].encode("ascii", "backslashreplace").decode().replace("\\U000", "\\u").replace("\\x", "\\u00")
        )
        for field in ("nonce", "signature", "taken_at"):
            yield f"{field} is {word[:16]!a}", f'{{"{field}":"{quoted}"}}'
    for moment in (
        "2026-05-04",
        "2026-05-04T10:20:30",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "2026-05-04T10:20:60Z",
        "2026-05-04T10:20:30+99:99",
        "-2026-05-04T10:20:30Z",
        "2026-W19-1T00:00:00Z",
    ):
        yield f"taken at {moment}", f'{{"taken_at":"{moment}"}}'
    yield "objects 900 deep", '{"lat":' * 900 + "1" + "}" * 900
    yield "lists 3,000 deep", "[" * 3_000
    yield "twice", '{"lat":1,"lat":"2"}'
    yield "unknown", '{"is_admin":true}'
    yield "no object", "[]"
    yield "letters of another alphabet", '{"nonce":"\xe9\xff\x80"}'
    for name in ("motion", "statement", "key", "position"):
        for value in (
            "[" * 400 + "]" * 400,
            "[1e400]",
            '{"x":NaN}',
            '"' + "A" * 3_000 + '"',
            "[" + "0," * 1_200 + "0]",
            "null",
            "-1",
        ):
            yield f"{name} is {value[:12]}", f'{{"{name}":{value}}}'


def answers() -> Iterator[tuple[str, bytes]]:
    for number in NUMBERS:
        yield f"answer is {number[:20]}", b'{"answers":{"open":' + number.encode() + b"}}"
    for word in WORDS:
        raw = word.encode("utf-8", "surrogatepass")
        yield f"answer is {word[:16]!a}", b'{"answers":{"open":"' + raw + b'"}}'
        yield f"question is {word[:16]!a}", b'{"answers":{"' + raw + b'":"open"}}'
    yield "nothing", b""
    yield "no text", b"\xff\xfe\0\0"
    yield "deep", b'{"answers":{"open":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    for seed in range(12):
        yield (
            f"damaged {seed}",
            damaged(b'{"answers":{"open":"open"},"readings":[{"n":"pm25","u":"ug/m3","v":12.5}],"notes":""}', seed),
        )


def files() -> Iterator[Hostile]:
    for n, (name, pack) in enumerate(packs()):
        yield Hostile("senml", f"{n:03} {name}.json", body(pack), "readings")
    honest = body(
        '[{"bn":"urn:dev:mac:0024be:","bt":1764075600,"bu":"ug/m3"},{"n":"pm25","v":12.5},{"n":"pm25","v":13,"t":60}]'
    )
    for seed in range(60):
        yield Hostile("senml damage", f"{seed}.json", damaged(honest, seed, first=10), "readings")
    for n, (name, given) in enumerate(captures()):
        yield Hostile("capture", f"{n:03} {name}", given.encode("latin-1", "replace"), "capture")
    for n, (name, content) in enumerate(answers()):
        yield Hostile("answers", f"{n:03} {name}.json", content, "answers")
    chance = random.Random(9)
    for n in range(10):
        noise = json.dumps("".join(chr(chance.choice((0x41, 0x300, 0x202E, 0xFFFF, 0x1F4A9))) for _ in range(200)))
        yield Hostile("answers", f"noise {n}.json", b'{"answers":{"open":' + noise.encode() + b"}}", "answers")
