"""One way to write a JSON value down, so that what a phone signed and what the market checks are the same bytes.

The JSON Canonicalization Scheme, RFC 8785: members sorted by their UTF-16 code units, no white space, strings and
numbers as ECMAScript writes them. In a browser that is `JSON.stringify` over sorted members.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

LARGEST_INTEGER: Final = 2**53 - 1
"""Beyond it ECMAScript reads an integer as the nearest double, and so does the canonical form."""


def number(value: float) -> str:
    """A finite double as ECMAScript's Number::toString (ECMA-262, 6.1.6.1.20): the fewest digits that read back."""
    if not math.isfinite(value):
        raise ValueError("JSON has no number for this")
    if value == 0:
        return "0"
    sign, text = "-" * (value < 0), repr(abs(float(value)))
    mantissa, _, exponent = text.partition("e")
    whole, _, part = mantissa.partition(".")
    part = "" if part == "0" else part
    point = len(whole) + int(exponent or 0)
    digits = whole + part
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    digits = stripped.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return sign + digits[0] + (f".{digits[1:]}" if count > 1 else "") + power


def _double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError("JSON has no number for this") from None


def canonical(value: Any) -> bytes:
    """A JSON value (None, bool, int, float, str, list, dict with texts for names) as UTF-8 in its one form.

    Raises ValueError for what JSON cannot hold: NaN, infinities, lone surrogates.
    """
    return _text(value).encode()


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(value) if abs(value) <= LARGEST_INTEGER else number(_double(value))
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return f"{{{','.join(f'{_text(name)}:{_text(value[name])}' for name in names)}}}"
    raise ValueError(f"JSON has no {type(value).__name__}")
