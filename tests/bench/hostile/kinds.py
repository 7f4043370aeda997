"""What a hostile file is, and the damage that any of them may take."""

from __future__ import annotations

import random
from typing import Literal, NamedTuple

Way = Literal["photo", "readings", "capture", "answers"]


class Hostile(NamedTuple):
    """One file: its family, its name within it, its bytes, and the way it comes in.

    photo: the body of an upload · readings, answers: the body of a submission · capture: the value of the header that
    goes with a photo.
    """

    family: str
    name: str
    content: bytes
    way: Way = "photo"


def damaged(content: bytes, seed: int, *, first: int = 0, last: int | None = None, hits: int = 8) -> bytes:
    """The same bytes with some of them changed, doubled, cut out or repeated, between two places."""
    chance = random.Random(seed)
    hurt = bytearray(content)
    end = len(hurt) if last is None else min(last, len(hurt))
    for _ in range(chance.randint(1, hits)):
        place = chance.randrange(first, max(first + 1, min(end, len(hurt))))
        match chance.randrange(5):
            case 0:
                hurt[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                hurt[place : place + 1] = bytes([chance.choice((0, 1, 0x7F, 0x80, 0xFF))])
            case 2:
                width = chance.choice((2, 4))
                hurt[place : place + width] = chance.choice(
                    (b"\xff" * width, bytes(width), b"\x7f" + b"\xff" * (width - 1))
                )
            case 3:
                del hurt[place : place + chance.randint(1, 16)]
            case _:
                hurt[place:place] = hurt[place : place + chance.randint(1, 64)]
    return bytes(hurt)
