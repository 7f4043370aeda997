"""HEICs that hurt (ISO/IEC 23008-12, 14496-12): grids without measure, boxes in boxes, pictures made of themselves.

The pixels are those of the one HEIC at hand; everything around them is built here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from tests.bench.hostile.kinds import Hostile, damaged
from tests.sensors.difficult import SCENE_HEIC

ROOM = 20_000_000
FTYP = b"\0\0\0\x1cftypheic\0\0\0\0heicmif1miaf"


def box(kind: bytes, body: bytes, *, claims: int | None = None) -> bytes:
    return struct.pack(">I", len(body) + 8 if claims is None else claims) + kind + body


def full(kind: bytes, body: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, bytes([version]) + flags.to_bytes(3, "big") + body)


class Coded(NamedTuple):
    """The HEVC configuration and the data of a coded picture, 640 by 480."""

    settings: bytes
    data: bytes


@cache
def tile() -> Coded:
    whole = SCENE_HEIC.read_bytes()
    place = whole.find(b"hvcC") - 4
    settings = whole[place : place + int.from_bytes(whole[place : place + 4], "big")]
    base, _, offset, length = struct.unpack_from(">IHII", whole, whole.find(b"iloc") + 16)
    return Coded(settings, whole[base + offset : base + offset + length])


class Item(NamedTuple):
    """One item: its type, where its data lies (extents of offset and length within the data), its properties by
    number from 1, and the items it is made of."""

    kind: bytes
    extents: list[tuple[int, int]]
    properties: list[int] = []
    made_of: list[int] = []
    hidden: bool = False


def heif(
    items: dict[int, Item],
    properties: list[bytes],
    data: bytes,
    *,
    primary: int = 1,
    extra: bytes = b"",
    more: bytes = b"",
) -> bytes:
    """A whole file; `extra` goes into the meta box, `more` behind everything."""

    def meta(start: int) -> bytes:
        located = b"".join(
            struct.pack(">HHH", n, 0, len(item.extents))
            + b"".join(struct.pack(">II", (start + at) % 2**32, length) for at, length in item.extents)
            for n, item in items.items()
        )
        named = b"".join(
            full(b"infe", struct.pack(">HH", n, 0) + item.kind + b"\0", 2, int(item.hidden))
            for n, item in items.items()
        )
        bound = b"".join(
            struct.pack(">HB", n, len(item.properties))
            + b"".join(struct.pack(">H", 0x8000 | each) for each in item.properties)
            for n, item in items.items()
        )
        linked = b"".join(
            box(b"dimg", struct.pack(f">HH{len(item.made_of)}H", n, len(item.made_of), *item.made_of))
            for n, item in items.items() if item.made_of
        )  # fmt: skip
        return full(
            b"meta",
            full(b"hdlr", bytes(4) + b"pict" + bytes(13))
            + full(b"pitm", struct.pack(">H", primary))
            + full(b"iloc", b"\x44\0" + struct.pack(">H", len(items)) + located)
            + full(b"iinf", struct.pack(">H", len(items)) + named)
            + (full(b"iref", linked) if linked else b"")
            + box(
                b"iprp", box(b"ipco", b"".join(properties)) + full(b"ipma", struct.pack(">I", len(items)) + bound, 0, 1)
            )
            + extra,
        )

    start = len(FTYP) + len(meta(0)) + 8
    return FTYP + meta(start) + box(b"mdat", data) + more


def ispe(width: int, height: int) -> bytes:
    return full(b"ispe", struct.pack(">II", width, height))


def grid_of(rows: int, columns: int, width: int, height: int) -> bytes:
    return struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)


def grid(rows: int, columns: int, width: int, height: int, *, tiles: int | None = None, distinct: bool = True) -> bytes:
    """A grid all of whose tiles are one coded picture, or items that share its bytes."""
    coded, said = tile(), grid_of(rows, columns, width, height)
    count = min(rows * columns if tiles is None else tiles, 65_533)
    numbers = list(range(2, 2 + count)) if distinct else [2] * count
    items = {1: Item(b"grid", [(0, len(said))], [3], numbers)}
    for number in dict.fromkeys(numbers):
        items[number] = Item(b"hvc1", [(len(said), len(coded.data))], [1, 2], hidden=True)
    return heif(items, [coded.settings, ispe(640, 480), ispe(width, height)], said + coded.data)


def plain(
    *more: bytes, bound: list[int] | None = None, extents: list[tuple[int, int]] | None = None, size: bytes = b"",
    extra: bytes = b"", kind: bytes = b"hvc1", settings: bytes = b"", data: bytes = b"",
) -> bytes:  # fmt: skip
    """One coded picture with more properties, or with something of it replaced."""
    coded = tile()
    data = data or coded.data
    properties = [settings or coded.settings, size or ispe(640, 480), *more]
    places = [(0, len(data))] if extents is None else extents
    return heif({1: Item(kind, places, bound or list(range(1, len(properties) + 1)))}, properties, data, extra=extra)


def _grids() -> Iterator[tuple[str, bytes]]:
    for rows, columns in ((1, 1), (2, 2), (12, 16), (64, 64), (256, 255), (256, 256)):
        width, height = min(columns * 640, 7_700), min(rows * 480, 7_700)
        yield f"{rows}x{columns} of one tile", grid(rows, columns, width, height, distinct=False)
        yield f"{rows}x{columns} tiles that share bytes", grid(rows, columns, width, height)
    yield "12x16 of tiles that share bytes, 59 MP", grid(12, 16, 10_240, 5_760)
    yield "16x16 of tiles that share bytes, 59 MP", grid(16, 16, 7_700, 7_680)
    yield "2^32-1 wide", grid(2, 2, 2**32 - 1, 2**32 - 1)
    yield "65,535 wide", grid(2, 2, 65_535, 65_535)
    yield "0 wide", grid(2, 2, 0, 0)
    yield "too few tiles", grid(16, 16, 7_700, 7_000, tiles=3)
    yield "too many tiles", grid(1, 1, 640, 480, tiles=60_000)
    coded = tile()
    for name, links in (("itself", [1]), ("itself 65,535 times", [1] * 65_535), ("nothing", [99]), ("a ring", [2])):
        items = {1: Item(b"grid", [(0, 12)], [3], links), 2: Item(b"grid", [(0, 12)], [3], [1])}
        yield (
            f"made of {name}",
            heif(
                items,
                [coded.settings, ispe(640, 480), ispe(640, 480)],
                grid_of(1, max(1, min(len(links), 255)), 640, 480),
            ),
        )
    for depth, width in ((12, 2), (40, 1), (2_000, 1)):
        said = grid_of(1, width, 640, 480)
        items = {n: Item(b"grid", [(0, len(said))], [3], [n + 1] * width) for n in range(1, depth)}
        items[depth] = Item(b"hvc1", [(len(said), len(coded.data))], [1, 2])
        yield (
            f"grids {depth} deep, each of {width}",
            heif(items, [coded.settings, ispe(640, 480), ispe(640, 480)], said + coded.data),
        )


def _derived() -> Iterator[tuple[str, bytes]]:
    coded = tile()
    for kind, said in ((b"iden", b""), (b"iovl", struct.pack(">BB4H II", 0, 1, 0, 0, 0, 0, 640, 480) + bytes(8))):
        for depth in (1, 30, 5_000):
            items = {n: Item(kind, [(0, len(said))], [2], [n + 1]) for n in range(1, depth + 1)}
            items[depth + 1] = Item(b"hvc1", [(len(said), len(coded.data))], [1, 2])
            yield f"{kind.decode()} {depth} deep", heif(items, [coded.settings, ispe(640, 480)], said + coded.data)
        ring = {1: Item(kind, [(0, len(said))], [1], [1])}
        yield f"{kind.decode()} of itself", heif(ring, [ispe(640, 480)], said)
    for count, side in ((500, 640), (20_000, 640), (500, 7_700)):
        said = struct.pack(">BB4H II", 0, 1, 0, 0, 0, 0, side, side) + bytes(8) * count
        items = {1: Item(b"iovl", [(0, len(said))], [3], [2] * count)}
        items[2] = Item(b"hvc1", [(len(said), len(coded.data))], [1, 2])
        yield (
            f"overlay of {count} on {side}x{side}",
            heif(items, [coded.settings, ispe(640, 480), ispe(side, side)], said + coded.data),
        )
    for kind in (
        b"av01",
        b"avc1",
        b"jpeg",
        b"j2k1",
        b"unci",
        b"mski",
        b"tili",
        b"vvc1",
        b"mime",
        b"uri ",
        b"Exif",
        b"\0" * 4,
    ):
        yield f"item of type {kind.decode(errors='replace').strip() or 'nothing'}".replace("\0", "0"), plain(kind=kind)


def _properties() -> Iterator[tuple[str, bytes]]:
    for width, height in ((2**32 - 1, 2**32 - 1), (7_700, 7_700), (1, 1), (0, 0), (65_535, 65_535), (16_384, 3_600)):
        yield f"claims {width}x{height}", plain(size=ispe(width, height))
    yield "turned 240 times", plain(*[box(b"irot", b"\1")] * 120, bound=[1, 2, *range(3, 123), *range(3, 123)])
    yield "turned by 255", plain(box(b"irot", b"\xff"))
    yield "mirrored by 255", plain(box(b"imir", b"\xff"))
    for name, numbers in (
        ("nothing", (0, 1, 0, 1, 0, 1, 0, 1)), ("over nothing", (640, 0, 480, 0, 0, 0, 0, 0)),
        ("all", (2**32 - 1, 1, 2**32 - 1, 1, 0, 1, 0, 1)), ("far away", (10, 1, 10, 1, 2**31 - 1, 1, 2**31 - 1, 1)),
        ("less than nothing", (2**32 - 640, 1, 2**32 - 480, 1, 2**32 - 1, 1, 2**32 - 1, 1)),
        ("a hair", (1, 2**32 - 1, 1, 2**32 - 1, 1, 2**32 - 1, 1, 2**32 - 1)),
    ):  # fmt: skip
        yield f"clipped to {name}", plain(box(b"clap", struct.pack(">8I", *numbers)))
    yield "60 clips", plain(*[box(b"clap", struct.pack(">8I", 600, 1, 400, 1, 0, 1, 0, 1))] * 60)
    yield "20,000 properties", plain(*[ispe(640, 480)] * 20_000, bound=[1, 2])
    yield "a million properties", plain(*[box(b"free", b"")] * 1_000_000, bound=[1, 2])
    yield "bound to properties that are not there", plain(bound=[1, 2, 0x7FFF, 0x7FFE])
    yield "no size", plain(bound=[1])
    yield "no settings", plain(bound=[2])
    yield "profile of 10 MB", plain(box(b"colr", b"prof" + bytes(ROOM // 2)))
    yield "profile of nothing", plain(box(b"colr", b"prof"))
    yield "colours unknown", plain(box(b"colr", b"nclx" + b"\xff" * 7))
    yield "255 channels", plain(full(b"pixi", b"\xff" + bytes(255)))
    yield "pixels oblong", plain(box(b"pasp", bytes(8)))
    head = tile().settings[8:30]
    yield "settings of 255 arrays", plain(settings=box(b"hvcC", head + b"\xff" + b"\x21\xff\xff" * 255))
    yield "settings of 65,535 units", plain(settings=box(b"hvcC", head + b"\1\x21\xff\xff" + bytes(2) * 65_535))
    yield "settings of nothing", plain(settings=box(b"hvcC", b""))


def _places() -> Iterator[tuple[str, bytes]]:
    data = tile().data
    yield "65,535 extents of everything", plain(extents=[(0, len(data))] * 65_535)
    yield "5,000 extents of a megabyte", plain(extents=[(0, 1_000_000)] * 5_000, data=data + bytes(1_000_000))
    yield "32 extents of 12 MB", plain(extents=[(0, 12_000_000)] * 32, data=data + bytes(12_000_000))
    yield "65,535 extents of nothing", plain(extents=[(0, 0)] * 65_535)
    yield "an extent of 4 GB", plain(extents=[(0, 2**32 - 1)])
    yield "an extent far away", plain(extents=[(2**31, 100)])
    yield "an extent before the file", plain(extents=[(-2_000, 2**31)])
    yield "no extent", plain(extents=[])
    yield "data of nothing", plain(extents=[(0, 1)])
    items = {n: Item(b"hvc1", [(0, len(data))], [1, 2]) for n in range(1, 20_001)}
    yield "20,000 items", heif(items, [tile().settings, ispe(640, 480)], data)
    exif = {1: items[1], **{n: Item(b"Exif", [(0, 10_000_000)]) for n in range(2, 60)}}
    yield "58 EXIF items of 10 MB each", heif(exif, [tile().settings, ispe(640, 480)], data + bytes(10_000_000))
    mime = {1: items[1], **{n: Item(b"mime", [(0, 10_000_000)]) for n in range(2, 60)}}
    yield "58 texts of 10 MB each", heif(mime, [tile().settings, ispe(640, 480)], data + bytes(10_000_000))
    yield "primary is not there", heif({1: items[1]}, [tile().settings, ispe(640, 480)], data, primary=77)
    yield (
        "primary is EXIF",
        heif({**exif, 1: items[1]}, [tile().settings, ispe(640, 480)], data + bytes(100), primary=2),
    )


def nested(kind: bytes, depth: int, head: bytes = b"") -> bytes:
    """A box in a box in a box, made from outside inwards so that a million of them take no square of the time."""
    each = 8 + len(head)
    return b"".join(struct.pack(">I", each * (depth - n)) + kind + head for n in range(depth))


def _boxes() -> Iterator[tuple[str, bytes]]:
    whole = plain()
    for kind, head in ((b"meta", bytes(4)), (b"iprp", b""), (b"ipco", b""), (b"moov", b""), (b"trak", b""),
                       (b"dinf", b""), (b"grpl", b""), (b"free", b""), (b"uuid", b"u" * 16)):  # fmt: skip
        yield f"{kind.decode()} 100,000 deep", whole + nested(kind, 100_000, head)
    for kind in (b"iprp", b"ipco", b"iinf"):
        yield f"{kind.decode()} 50,000 deep in meta", plain(extra=nested(kind, 50_000))
    yield "storm of free boxes", whole + box(b"free", b"") * (ROOM // 8)
    yield "storm of free boxes in meta", plain(extra=box(b"free", b"") * (ROOM // 8))
    yield "storm of metas", FTYP + full(b"meta", b"") * (ROOM // 12)
    yield "storm of types", FTYP * (ROOM // len(FTYP)) + whole
    yield "a million brands", box(b"ftyp", b"heic" + bytes(4) + b"heic" * 1_000_000) + whole[len(FTYP) :]
    for claims in (0, 1, 2, 7, 2**31, 2**32 - 1):
        yield f"meta claims {claims} bytes", FTYP + struct.pack(">I", claims) + whole[len(FTYP) + 4 :]
        yield (
            f"data claims {claims} bytes",
            FTYP
            + whole[len(FTYP) :].replace(
                struct.pack(">I", len(tile().data) + 8) + b"mdat", struct.pack(">I", claims) + b"mdat"
            ),
        )
    yield "a box of 2^64-1", whole + b"\0\0\0\1free" + b"\xff" * 8
    yield "a film", whole + box(b"moov", box(b"mvhd", bytes(108)) + box(b"trak", bytes(400)))
    yield "a film, by its brand", FTYP.replace(b"mif1", b"msf1") + whole[len(FTYP) :]
    yield "only a type", FTYP


def files() -> Iterator[Hostile]:
    for family, made in (("heic grids", _grids), ("heic derived", _derived), ("heic properties", _properties),
                         ("heic places", _places), ("heic boxes", _boxes)):  # fmt: skip
        for name, content in made():
            yield Hostile(family, f"{name}.heic", content)
    whole = plain()
    end = len(whole) - len(tile().data)
    for seed in range(16):
        yield Hostile("heic damage", f"boxes {seed}.heic", damaged(whole, seed, first=28, last=end, hits=4))
        yield Hostile("heic damage", f"pixels {seed}.heic", damaged(whole, seed, first=end, hits=60))
    settings = tile().settings
    for seed in range(8):
        yield Hostile("heic damage", f"settings {seed}.heic", plain(settings=damaged(settings, seed, first=8)))
