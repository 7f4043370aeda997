"""SenML is resolved as RFC 8428 says, units come from a list, and physics has the last word."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors import readings as sensed
from sensors.evidence import ReadingAsked
from sensors.limits import QUANTITIES
from sensors.readings import BadReadings, canonical, gather, misreadings, missing_samples, readings, resolve, usable
from sensors.units import CANONICAL, UNITS, convert, find_unit
from sensors.verdict import Check
from tests.sensors.cast import NOON, WINDOW

NOW = WINDOW.received_at
PM25 = ReadingAsked(name="pm25", unit="ug/m3")
AIR = ReadingAsked(name="temperature", unit="Cel")


def judged(pack: list[dict[str, Any]] | None, *asked: ReadingAsked) -> list[Check]:
    return readings(gather(list(asked), pack, NOW), WINDOW)


def status(pack: list[dict[str, Any]], asked: ReadingAsked = PM25) -> str:
    (check,) = judged(pack, asked)
    return check.status


def series(values: list[float], every_s: float, name: str = "temperature", unit: str = "Cel") -> list[dict[str, Any]]:
    """Values ending now, so many seconds apart."""
    last = len(values) - 1
    return [{"bn": "urn:dev:ow:10e2:", "bu": unit}] + [
        {"n": name, "v": value, "t": (index - last) * every_s} for index, value in enumerate(values)
    ]


def test_the_standards_own_example_resolves() -> None:
    # RFC 8428, section 5.1.3, with its resolved form in 5.1.4.
    pack = [
        {"bn": "urn:dev:ow:10e2073a01080063:", "bt": 1.320067464e9, "bu": "%RH", "v": 20},
        {"u": "lon", "v": 24.30621},
        {"u": "lat", "v": 60.07965},
        {"t": 60, "v": 20.3},
        {"u": "lon", "t": 60, "v": 24.30622},
        {"u": "lat", "t": 60, "v": 60.07965},
        {"u": "%EL", "t": 150, "v": 98},
    ]
    samples = resolve(pack, NOW)
    assert {sample.name for sample in samples} == {"urn:dev:ow:10e2073a01080063:"}
    assert [sample.value for sample in samples] == [20, 24.30621, 60.07965, 20.3, 24.30622, 60.07965, 98]
    assert [sample.unit for sample in samples] == ["%RH", "lon", "lat", "%RH", "lon", "lat", "%EL"]
    start = datetime(2011, 10, 31, 13, 24, 24, tzinfo=UTC)
    assert [(sample.at - start).total_seconds() for sample in samples] == [0, 0, 0, 60, 60, 60, 150]


def test_base_values_add_and_later_bases_replace() -> None:
    pack = [
        {"bn": "a", "bv": 10, "n": "1", "v": 5},
        {"n": "2"},
        {"bn": "b", "n": "3", "v": 1},
        {"bv": 0, "n": "4", "v": 2},
    ]
    assert [(sample.name, sample.value) for sample in resolve(pack, NOW)] == [("a1", 15), ("b3", 11), ("b4", 2)]


def test_small_times_count_from_now_and_large_ones_from_1970() -> None:
    relative, absolute, default = resolve(
        [{"n": "x", "v": 1, "t": -30}, {"n": "x", "v": 1, "t": NOON.timestamp()}, {"n": "x", "vs": "ok"}], NOW
    )
    assert (relative.at, absolute.at, default.at) == (NOW - timedelta(seconds=30), NOON, NOW)


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        ({"n": "x", "v": "1"}, "finite number"),
        ({"n": "x", "v": True}, "finite number"),
        ({"n": "x", "v": math.inf}, "finite number"),
        ({"n": "x", "v": 1, "vs": "a"}, "more than one value"),
        ({"n": "x", "v": 1, "t": 1e300}, "out of range"),
        ({"n": "x", "v": 1, "t": -1e300}, "out of range"),
        ({"n": "x y", "v": 1}, "no SenML name"),
        ({"v": 1}, "no SenML name"),
        ({"n": 5, "v": 1}, "must be a text"),
        ({"n": "x", "vb": "yes"}, "true or false"),
        ({"bver": 11, "n": "x", "v": 1}, "version 11"),
        ({"n": "x", "v": 1, "new_": 1}, "new_ must be understood"),
        ("text", "not an object"),
    ],
)
def test_what_is_no_senml_is_refused_with_its_place(record: Any, complaint: str) -> None:
    with pytest.raises(BadReadings, match=complaint):
        resolve([{"n": "fine", "v": 1}, record], NOW)
    with pytest.raises(BadReadings, match="record 1"):
        resolve([{"n": "fine", "v": 1}, record], NOW)
    (check,) = judged([{"n": "fine", "v": 1}, record], PM25)
    assert check.status == "fail" and "SenML" in check.detail


def test_too_many_records_are_refused() -> None:
    with pytest.raises(BadReadings, match="10001 records"):
        resolve([{"n": "x", "v": 1}] * 10_001, NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2),
)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["bn", "bt", "bu", "bv", "bver", "n", "u", "v", "vs", "vb", "vd", "t", "s", "z", "z_"]),
            JSON,
        ),
        max_size=4,
    )
)
def test_any_json_resolves_or_is_refused(pack: list[dict[str, Any]]) -> None:
    try:
        samples = resolve(pack, NOW)
    except BadReadings as refused:
        assert str(refused)
    else:
        assert all(sample.at.tzinfo is not None for sample in samples)
    assert judged(pack, PM25)[0].status in ("pass", "warn", "fail", "inconclusive")


def test_a_reading_counts_by_its_last_name_in_any_fitting_unit() -> None:
    pack = [
        {"bn": "urn:dev:mac:0024befffe804ff1:", "n": "pm25", "u": "mg/m3", "v": 0.012},
        {"n": "pm10", "u": "ug/m3", "v": 50},
    ]
    assert canonical(pack, PM25, NOW) == [(NOW, pytest.approx(12.0))]
    (check,) = judged(pack, PM25)
    assert check.status == "pass" and check.data == {"quantity": "pm25", "samples": 1, "mean": 12.0, "unit": "ug/m3"}


def test_an_instruments_error_band_is_clipped() -> None:
    pack = [{"n": "rh", "u": "%RH", "v": 102.5}, {"n": "rh", "u": "%RH", "v": 97, "t": -60}]
    asked = ReadingAsked(name="rh", unit="%RH")
    assert [value for _, value in canonical(pack, asked, NOW)] == [97, 100]
    assert judged(pack, asked)[0].data["mean"] == 98.5


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [
        ("ug/m3", 12, "pass"),
        ("µg/m³", 12, "pass"),
        ("ug/m3", 600, "warn"),
        ("ug/m3", 1001, "fail"),
        ("ug/m3", -1, "fail"),
        ("Cel", 12, "fail"),
        ("9**9**9**9", 12, "fail"),
        (None, 12, "fail"),
    ],
)
def test_units_and_hard_ranges_are_facts(unit: str | None, value: float, expected: str) -> None:
    record: dict[str, Any] = {"n": "pm25", "v": value}
    pack = [record if unit is None else {**record, "u": unit}]
    assert status(pack) == expected
    assert usable(gather([PM25], pack, NOW), PM25) == (1 if unit in ("ug/m3", "µg/m³") else 0)


def test_a_quantity_nobody_knows_still_obeys_physics() -> None:
    assert status([{"n": "pool", "u": "K", "v": -1}], ReadingAsked(name="pool", unit="Cel")) == "fail"
    assert status([{"n": "pool", "u": "K", "v": 300}], ReadingAsked(name="pool", unit="Cel")) == "pass"


def test_readings_belong_to_the_claim() -> None:
    assert status([{"n": "pm25", "u": "ug/m3", "v": 9, "t": -600}]) == "pass"
    assert status([{"n": "pm25", "u": "ug/m3", "v": 9, "t": -3600}]) == "fail"
    assert status([{"n": "pm25", "u": "ug/m3", "v": 9, "t": 3600}]) == "fail"


def test_a_jump_is_a_signal() -> None:
    assert status(series([20, 20.5, 21], 300), AIR) == "pass"
    (check,) = judged(series([20, 20.5, 26], 300), AIR)
    assert check.status == "warn" and "within 1 h" in check.detail


def test_a_stuck_sensor_is_a_signal_unless_it_is_saturated() -> None:
    long = WINDOW.received_at - timedelta(hours=9)
    window = type(WINDOW)(claimed_at=long, expires_at=NOW, received_at=NOW, nonce="n")
    still = series([50.0] * 30, 1000, "humidity", "%RH")
    foggy = series([99.0] * 30, 1000, "humidity", "%RH")
    asked = [ReadingAsked(name="humidity", unit="%RH")]
    (stuck,) = readings(gather(asked, still, NOW), window)
    assert stuck.status == "warn" and "did not change" in stuck.detail
    assert readings(gather(asked, foggy, NOW), window)[0].status == "pass"


def test_the_largest_pack_costs_one_look_at_each_record(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: Counter[str] = Counter()

    def counting(name: str) -> None:
        real = getattr(sensed, name)

        def count(*given: Any) -> Any:
            counted[name] += 1
            return real(*given)

        monkeypatch.setattr(sensed, name, count)

    for name in ("resolve", "last_segment", "_judge_unit"):
        counting(name)
    asked = [ReadingAsked(name=f"q{index}", unit="Cel", min_samples=10_000) for index in range(20)]
    pack: list[dict[str, Any]] = [{"bn": ("a:" * 100)[:198], "n": "1", "v": 1}] + [{"n": "q3", "v": 1}] * 9_999
    gathered = gather(asked, pack, NOW)
    assert counted == {"resolve": 1, "last_segment": 10_000}
    assert len(missing_samples(gathered)) == 20 and len(list(misreadings(gathered))) == 9_999
    readings(gathered, WINDOW)
    # No more than each sample that has an asked name, once for each of the three, whatever else is asked.
    assert counted["_judge_unit"] <= 3 * 10_000 and counted["resolve"] == 1


def test_a_name_found_alone_and_behind_a_prefix_counts_in_the_order_of_the_records() -> None:
    pack = [{"n": name, "u": "ug/m3", "v": 1} for name in ("pm25", "a/pm25", "a:b/c:pm25", "pm25:a", "pm25/", "xpm25")]
    assert [sample.record for sample in gather([PM25], pack, NOW).by_name["pm25"]] == [0, 1, 2]


class Text(str):
    """A text that counts how often it is read as a whole."""

    copied = 0

    def __add__(self, other: str) -> str:
        Text.copied += 1
        return str(self) + other

    def strip(self, chars: str | None = None, /) -> str:
        Text.copied += 1
        return super().strip(chars)


def test_an_endless_base_name_or_unit_is_not_copied_for_each_record() -> None:
    no_values: list[dict[str, Any]] = [{"bn": Text("a" * 100_000)}] + [{"n": "a"}] * 1_000
    assert resolve(no_values, NOW) == []
    with pytest.raises(BadReadings, match=r"record 1001: .* is no SenML name"):
        resolve([*no_values, {"n": "a", "v": 1}, {"n": "a", "v": 1}], NOW)
    assert Text.copied == 1
    for field in ("u", "bu"):
        (check,) = judged([{"n": "pm25", "v": 1, field: Text(" " * 100_000 + "ug/m3")}], PM25)
        assert check.status == "fail" and f"{field} has more than 100 characters" in check.detail
    assert Text.copied == 1


def test_what_did_not_come_is_undecided_here() -> None:
    assert judged(None, PM25)[0].status == "inconclusive"
    assert judged([{"n": "co2", "u": "ppm", "v": 400}], PM25)[0].status == "inconclusive"
    assert judged(None)[0].status == "not_applicable"


# Units


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (0, "Cel", "K", 273.15),
        (-40, "°F", "Cel", -40),
        (212, "[degF]", "Cel", 100),
        (1013.25, "hPa", "Pa", 101_325),
        (1, "Sv/s", "uSv/h", 3.6e9),
        (36, "km/h", "m/s", 10),
        (math.pi, "rad", "deg", 180),
        (1, "S/m", "uS/cm", 10_000),
    ],
)
def test_known_conversions(value: float, unit: str, to: str, expected: float) -> None:
    assert convert(value, unit, to) == pytest.approx(expected)


@given(st.sampled_from(sorted(UNITS)), st.floats(-1e6, 1e6))
def test_every_unit_goes_to_its_canonical_one_and_back(symbol: str, value: float) -> None:
    base = CANONICAL[UNITS[symbol].dimension]
    assert UNITS[base].factor == 1 and UNITS[base].offset == 0
    assert convert(convert(value, symbol, base), base, symbol) == pytest.approx(value, rel=1e-9, abs=1e-6)


@given(st.text(max_size=12))
def test_a_unit_is_on_the_list_or_is_none(symbol: str) -> None:
    found = find_unit(symbol)
    assert (found is None) == (symbol.strip() not in UNITS)
    if found is None:
        with pytest.raises(ValueError, match="unknown unit"):
            convert(1, symbol, "m")


def test_lengths_are_no_weights() -> None:
    with pytest.raises(ValueError, match="measures"):
        convert(1, "m", "kg")


def test_the_table_of_quantities_is_sound() -> None:
    for quantity in QUANTITIES.values():
        assert quantity.unit in CANONICAL.values() and quantity.low < quantity.high and quantity.source
        assert quantity.soft_low is None or quantity.low <= quantity.soft_low
        assert quantity.soft_high is None or quantity.soft_high <= quantity.high
