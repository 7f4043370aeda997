"""What the check `readings` tells of a series: labels by record, calibrations in the open, quantities side by side."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from sensors.calibration import calibrated, calibration_of, expired
from sensors.evidence import Calibration, Instrument, Pack, ReadingAsked, Window
from sensors.measured import MOST_LISTED
from sensors.readings import canonical, gather, labelled_samples, readings
from sensors.verdict import Check
from tests.sensors.cast import NOON

NOW = NOON + timedelta(days=2)
WINDOW = Window(claimed_at=NOON, expires_at=NOW + timedelta(hours=1), received_at=NOW, nonce="n")
AIR = ReadingAsked(name="temperature", unit="Cel")
HUMID = ReadingAsked(name="humidity", unit="%RH")
GAS = Calibration(quantity="co2", unit="ppm", gain=1.1, offset=-20, date=date(2025, 6, 1), certificate="C 7")


def pack(name: str, unit: str, values: Any, every_s: float = 600) -> list[dict[str, Any]]:
    last = len(values) - 1
    return [
        {"n": name, "u": unit, "v": float(value), "t": (index - last) * every_s} for index, value in enumerate(values)
    ]


def judged(given: list[dict[str, Any]], *asked: ReadingAsked, **changes: Any) -> list[Check]:
    return readings(gather(list(asked), given, NOW), msgspec.structs.replace(WINDOW, **changes))


def weather(seed: int = 1) -> Any:
    moments = np.arange(240)
    return 15 + 4 * np.sin(moments * 2 * np.pi / 144) + np.random.default_rng(seed).normal(0, 0.05, moments.size)


def test_labels_stand_beside_the_values_and_nothing_is_dropped() -> None:
    values = weather()
    values[100] += 9
    values[150:160] = values[150:160] * 1.8 + 32
    (check,) = judged(pack("temperature", "Cel", values), AIR)
    assert check.status == "fail"  # 60 °C and more cannot be
    values[150:160] = weather()[150:160]
    given = pack("temperature", "Cel", values)
    (check,) = judged(given, AIR)
    assert check.status == "warn" and check.data["labels"] == {"spike": {"count": 1, "records": [100]}}
    assert "1 sample of temperature stood far out" in check.detail
    samples = labelled_samples(given, AIR, NOW)
    assert [each.record for each in samples if each.labels] == [100] and samples[100].labels == ("spike",)
    assert [(each.at, each.value) for each in samples] == canonical(given, AIR, NOW) and len(samples) == 240


def test_labels_name_records_as_they_were_sent_whatever_their_order() -> None:
    values = weather()
    values[100] += 9
    given = pack("temperature", "Cel", values)[::-1]
    (check,) = judged([{"bn": "a:"}, *given], AIR)
    assert check.data["labels"]["spike"]["records"] == [1 + 239 - 100]


def test_many_records_are_counted_and_the_first_listed() -> None:
    (check,) = judged(pack("pm25", "ug/m3", np.linspace(501, 700, 200)), ReadingAsked(name="pm25", unit="ug/m3"))
    assert check.data["labels"]["range"] == {"count": 200, "records": list(range(MOST_LISTED))}


def test_a_refusal_for_an_impossible_value_says_what_unit_it_looks_like() -> None:
    (check,) = judged(pack("temperature", "Cel", weather() + 273.15), AIR)
    assert check.status == "fail" and "K as Cel" in check.detail


def test_exchanged_temperature_and_humidity() -> None:
    air, wet = weather(), 45 - (weather(2) - 15)
    quiet = pack("temperature", "Cel", air) + pack("humidity", "%RH", wet)
    assert [each.status for each in judged(quiet, AIR, HUMID)] == ["pass", "pass"]
    part = slice(80, 120)
    air[part], wet[part] = wet[part].copy(), air[part].copy()
    exchanged = pack("temperature", "Cel", air) + pack("humidity", "%RH", wet)
    told = {each.data["quantity"]: each for each in judged(exchanged, AIR, HUMID)}
    assert told["temperature"].data["labels"]["swapped"] == {"count": 40, "records": list(range(80, 120))}
    assert told["humidity"].data["labels"]["swapped"] == {"count": 40, "records": list(range(320, 360))}
    assert "another quantity's name" in told["humidity"].detail


def test_a_dew_point_above_the_temperature_or_above_any_is_a_signal() -> None:
    dew = ReadingAsked(name="dew_point", unit="Cel")
    given = pack("temperature", "Cel", [20.0, 20.1]) + pack("dew_point", "Cel", [21.0, 15.0])
    told = judged(given, AIR, dew)
    assert [each.status for each in told] == ["pass", "warn"]
    assert told[1].data["labels"] == {"dew_point": {"count": 1, "records": [2]}}
    steam = pack("temperature", "Cel", [45.0]) + pack("humidity", "%RH", [80.0])
    assert [each.data["labels"].keys() for each in judged(steam, AIR, HUMID)] == [{"dew_point"}, {"dew_point"}]


def test_pressure_against_the_height_of_the_device() -> None:
    asked = ReadingAsked(name="pressure", unit="hPa")
    given = pack("pressure", "kPa", [91.0])
    assert judged(given, asked)[0].status == "pass"
    assert judged(given, asked, instrument=Instrument(altitude_m=1017))[0].status == "pass"
    (check,) = judged(given, asked, instrument=Instrument(altitude_m=30))
    assert check.status == "warn" and "at that height" in check.detail


def test_a_calibration_is_visible_and_both_values_are_kept() -> None:
    asked, given = ReadingAsked(name="co2", unit="ppb"), pack("co2", "ppm", [400.0, 500.0])
    known = Instrument(calibrations=[GAS])
    (check,) = judged(given, asked, instrument=known)
    assert check.status == "pass" and (check.data["raw_mean"], check.data["mean"]) == (450, pytest.approx(475))
    assert check.data["calibration"]["certificate"] == "C 7" and check.data["calibration"]["date"] == "2025-06-01"
    first, second = labelled_samples(given, asked, NOW, known)
    assert (first.raw, first.value) == (pytest.approx(400e3), pytest.approx(420e3)) and second.raw == pytest.approx(
        500e3
    )
    assert "calibration" not in judged(given, asked)[0].data


def test_a_calibration_is_valid_for_two_years_and_only_for_its_own_quantity() -> None:
    assert not expired(GAS, NOW) and expired(msgspec.structs.replace(GAS, date=date(2024, 5, 1)), NOW)
    assert calibration_of(Instrument(calibrations=[GAS]), "pm25") is None and calibration_of(None, "co2") is None
    # In a unit of something else it says nothing about these values.
    foreign = Instrument(calibrations=[msgspec.structs.replace(GAS, unit="Cel")])
    asked, given = ReadingAsked(name="co2", unit="ppm"), pack("co2", "ppm", [450.0])
    assert labelled_samples(given, asked, NOW, foreign)[0].value == 450
    assert judged(given, asked, instrument=foreign)[0].data["mean"] == 450


def test_an_offset_counts_in_the_calibrations_own_unit() -> None:
    assert calibrated(20.0, "Cel", msgspec.structs.replace(GAS, unit="K", gain=1.0, offset=-1.5)) == pytest.approx(18.5)
    assert calibrated(20.0, "Cel", msgspec.structs.replace(GAS, unit="Cel", gain=2.0, offset=1)) == 41


def test_what_stands_beside_tells_a_wrong_clock_and_a_drift() -> None:
    times = np.arange(240)
    beside = [Pack(NOW, pack("temperature", "Cel", weather(seed))) for seed in (2, 3)]
    assert judged(pack("temperature", "Cel", weather()), AIR, beside=beside)[0].status == "pass"
    late = pack("temperature", "Cel", 15 + 4 * np.sin((times - 18) * 2 * np.pi / 144) + (weather() - weather(4)))
    (check,) = judged(late, AIR, beside=beside)
    assert check.status == "warn" and check.data["labels"] == {"time_shift": {"count": 240, "records": list(range(50))}}
    # One alone may itself be wrong.
    assert judged(late, AIR, beside=beside[:1])[0].status == "pass"
    (check,) = judged(pack("temperature", "Cel", weather() + times / 100), AIR, beside=beside)
    assert check.status == "warn" and list(check.data["labels"]) == ["drift"]
    # Those that are no SenML, or measured something else, say nothing.
    useless = [Pack(NOW, [{"n": "x y", "v": 1}]), Pack(NOW, pack("pm10", "ug/m3", [1.0]))]
    assert judged(pack("temperature", "Cel", weather()), AIR, beside=useless)[0].status == "pass"
