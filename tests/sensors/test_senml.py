"""All of RFC 8428's fields, by the standard's own examples, and its normalised form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sensors.senml import BadReadings, resolve, resolved

NOW = datetime(2026, 5, 3, 12, 0, tzinfo=UTC)
MOTE = "urn:dev:ow:10e2073a01080063"


def test_a_single_datapoint() -> None:
    # Section 5.1.1; without a time it was measured now.
    assert resolved([{"n": "urn:dev:ow:10e2073a01080063", "u": "Cel", "v": 23.1}], NOW) == [
        {"n": MOTE, "t": NOW.timestamp(), "u": "Cel", "v": 23.1}
    ]


def test_multiple_datapoints_in_the_normalised_form() -> None:
    # Section 5.1.2 as sent, section 5.1.4 as resolved.
    sent = [
        {"bn": "urn:dev:ow:10e2073a0108006:", "bt": 1.276020076001e9, "bu": "A", "bver": 5,
         "n": "voltage", "u": "V", "v": 120.1},
        {"n": "current", "t": -5, "v": 1.2},
        {"n": "current", "t": -4, "v": 1.3},
        {"n": "current", "t": -3, "v": 1.4},
        {"n": "current", "t": -2, "v": 1.5},
        {"n": "current", "t": -1, "v": 1.6},
        {"n": "current", "v": 1.7},
    ]  # fmt: skip
    name = "urn:dev:ow:10e2073a0108006:"
    normal = resolved(sent, NOW)
    assert [(each["t"], each["v"]) for each in normal] == [
        (pytest.approx(1.276020071001e9), 1.2),
        (pytest.approx(1.276020072001e9), 1.3),
        (pytest.approx(1.276020073001e9), 1.4),
        (pytest.approx(1.276020074001e9), 1.5),
        (pytest.approx(1.276020075001e9), 1.6),
        (pytest.approx(1.276020076001e9), 120.1),
        (pytest.approx(1.276020076001e9), 1.7),
    ]
    assert [(each["n"], each["u"]) for each in normal[4:]] == [
        (name + "current", "A"), (name + "voltage", "V"), (name + "current", "A"),
    ]  # fmt: skip
    assert all(each["bver"] == 5 and {"bn", "bt", "bu"}.isdisjoint(each) for each in normal)


def test_the_standards_version_stands_in_no_resolved_record() -> None:
    assert "bver" not in resolved([{"bver": 10, "n": "a", "v": 1}], NOW)[0]


def test_texts_flags_and_bytes() -> None:
    # Section 5.1.5, multiple data types.
    pack: list[dict[str, Any]] = [
        {"bn": "urn:dev:ow:10e2073a01080063:", "n": "temp", "u": "Cel", "v": 23.1},
        {"n": "label", "vs": "Machine Room"},
        {"n": "open", "vb": False},
        {"n": "nfc-reader", "vd": "aGkgCg"},
    ]
    normal = resolved(pack, NOW)
    assert [each.get("vs", each.get("vb", each.get("vd"))) for each in normal[1:]] == ["Machine Room", False, "aGkgCg"]
    # Bytes are understood, and are no reading.
    assert [sample.value for sample in resolve(pack, NOW)] == [23.1, "Machine Room", False]


def test_sums_stand_without_values_and_update_times_are_kept() -> None:
    # A meter like section 5.1.7's: the sum is an integral, and base sums add.
    pack: list[dict[str, Any]] = [
        {"bn": "meter:", "bs": 100, "n": "energy", "u": "W", "s": 12.5, "ut": 60},
        {"n": "power", "u": "W", "v": 5, "s": 1},
        {"bs": 0, "n": "energy", "u": "W", "s": 13},
    ]
    assert [(each["n"], each["s"]) for each in resolved(pack, NOW)] == [
        ("meter:energy", 112.5), ("meter:power", 101), ("meter:energy", 13),
    ]  # fmt: skip
    assert resolved(pack, NOW)[0]["ut"] == 60 and "v" not in resolved(pack, NOW)[0]
    assert [sample.value for sample in resolve(pack, NOW)] == [5]


def test_resolving_what_is_resolved_changes_nothing() -> None:
    pack = [{"bn": "a:", "bt": 1.7e9, "bv": 2, "n": "x", "t": 5, "v": 1}, {"n": "y", "t": -5, "v": 3}]
    once = resolved(pack, NOW)
    assert [each["n"] for each in once] == ["a:y", "a:x"]
    assert resolved(once, NOW) == once


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        ({"n": "x", "vd": "not base64!"}, "vd must be base64url"),
        ({"n": "x", "vd": "a"}, "vd must be base64url"),
        ({"n": "x", "vd": "aGkgCg=="}, "without padding"),
        ({"n": "x", "vd": 1}, "vd must be a text"),
        ({"n": "x", "vd": "aGkg", "vs": "hi"}, "more than one value"),
        ({"n": "x", "s": "1"}, "s must be a finite number"),
        ({"n": "x", "v": 1, "ut": "soon"}, "ut must be a finite number"),
        ({"n": "x", "v": 1, "bs": True}, "bs must be a finite number"),
        ({"n": "x", "v": 1, "bver": 1.5}, "positive whole number"),
        ({"n": "x", "v": 1, "bver": 0}, "positive whole number"),
        ({"n": "-x", "v": 1}, "no SenML name"),
        ({"n": "_x", "s": 1}, "no SenML name"),
    ],
)
def test_what_breaks_the_standard_is_refused(record: dict[str, Any], complaint: str) -> None:
    for reading in (resolve, resolved):
        with pytest.raises(BadReadings, match=complaint):
            reading([record], NOW)


def test_fields_of_other_standards_are_passed_over_unless_they_must_be_understood() -> None:
    assert resolved([{"n": "x", "v": 1, "note": {"any": "thing"}}], NOW)[0].keys() == {"n", "t", "v"}
    with pytest.raises(BadReadings, match="note_ must be understood"):
        resolved([{"n": "x", "v": 1, "note_": 1}], NOW)
