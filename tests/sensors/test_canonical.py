"""The canonical form: the bytes that JSON.stringify over sorted members gives in a browser."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sensors.canonical import canonical, number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # RFC 8785, appendix B, and what ECMAScript gives for the values of a capture.
        (0.0, "0"), (-0.0, "0"), (5e-324, "5e-324"), (-5e-324, "-5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740992.0, "9007199254740992"), (295147905179352830000.0, "295147905179352830000"),
        (1e21, "1e+21"), (1e23, "1e+23"), (9.999999999999997e22, "9.999999999999997e+22"), (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (333333333.3333332, "333333333.3333332"), (52.0, "52"), (52.52, "52.52"), (-13.405, "-13.405"),
        (1.5e-9, "1.5e-9"), (0.00123, "0.00123"), (1e20, "100000000000000000000"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_ecmascript_writes_them(value: float, text: str) -> None:
    assert number(value) == text


@given(some.floats(allow_nan=False, allow_infinity=False))
def test_every_number_reads_back(value: float) -> None:
    assert float(number(value)) == value


def test_members_are_sorted_by_utf_16_and_nothing_is_padded() -> None:
    # The example of RFC 8785, 3.2.3: by UTF-16 units an emoji comes before U+FB33, by code points behind it.
    names = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(json.loads(canonical(names)).values()) == [2, 4, 6, 7, 1, 5, 3]
    assert canonical({"b": [True, None, 2.50, []], "a": {}}) == b'{"a":{},"b":[true,null,2.5,[]]}'


def test_texts_are_escaped_no_more_than_json_must() -> None:
    text = '€$\u000f\nA\'B"\\\\"/'
    assert canonical(text).decode() == '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", 10**400, b"x"])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        canonical([value])


def test_large_integers_are_what_a_browser_reads() -> None:
    assert canonical(2**53 + 1) == b"9007199254740992" and canonical(-(2**60)) == b"-1152921504606847000"
