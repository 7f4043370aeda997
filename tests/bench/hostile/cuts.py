"""Honest pictures cut at every place where a part of them begins or ends, and one byte before and behind it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.hostile import heic, metadata, png, webp
from tests.bench.hostile.kinds import Hostile
from tests.sensors.pictures import chunk, encoded, photo, scene


def of_jpeg(whole: bytes) -> list[int]:
    places, place = [2], 2
    while place + 4 <= len(whole) and whole[place] == 0xFF and whole[place + 1] != 0xD9:
        marker = whole[place + 1]
        place += 2 + int.from_bytes(whole[place + 2 : place + 4], "big")
        places.append(place)
        if marker == 0xDA:
            following = [whole.find(bytes((0xFF, kind)), place) for kind in (0xC4, 0xDA, 0xD9)]
            place = min((each for each in following if each >= 0), default=len(whole))
            places.append(place)
    return places


def of_png(whole: bytes) -> list[int]:
    places, place = [8], 8
    while place + 8 <= len(whole):
        places += [place + 4, place + 8]
        place += 12 + int.from_bytes(whole[place : place + 4], "big")
        places += [place - 4, place]
    return places


def of_webp(whole: bytes) -> list[int]:
    places, place = [4, 8, 12], 12
    while place + 8 <= len(whole):
        length = int.from_bytes(whole[place + 4 : place + 8], "little")
        places += [place + 4, place + 8, place + 8 + length]
        place += 8 + length + length % 2
    return places


def of_heic(whole: bytes, start: int = 0, end: int | None = None) -> list[int]:
    places, place, end = [], start, len(whole) if end is None else end
    while place + 8 <= end:
        size, kind = int.from_bytes(whole[place : place + 4], "big"), whole[place + 4 : place + 8]
        if size < 8:
            break
        places += [place, place + 8, place + size]
        head = {b"meta": 12, b"iprp": 8, b"ipco": 8, b"iinf": 14, b"iref": 12}.get(kind)
        if head is not None:
            places += of_heic(whole, place + head, place + size)
        place += size
    return places


def files() -> Iterator[Hostile]:
    exif = metadata.complete()
    wholes = {
        "baseline.jpg": (photo(64, 48, exif=exif), of_jpeg),
        "progressive.jpg": (photo(64, 48, exif=exif, progressive=True), of_jpeg),
        "plain.png": (png.within(encoded(scene(64, 48), "PNG"), chunk(b"eXIf", exif[6:])), of_png),
        "lossy.webp": (encoded(scene(64, 48), "WEBP", exif=exif), of_webp),
        "lossless.webp": (webp.lossless(), of_webp),
        "plain.heic": (heic.plain(), of_heic),
        "grid.heic": (heic.grid(2, 2, 1_280, 960), of_heic),
    }
    for name, (whole, find) in wholes.items():
        places = {place + step for place in find(whole) for step in (-1, 0, 1)}
        for place in sorted(each for each in places if 0 < each < len(whole)):
            yield Hostile("cut", f"{place:06} {name}", whole[:place])
