"""Tables of readings: what instruments and spreadsheets write becomes SenML, or is refused with its row and column."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors import tables
from sensors.senml import resolve
from sensors.tables import BadTable, convert_table

NOON = datetime(2026, 5, 3, 12, 0, tzinfo=UTC).timestamp()
PM = {"n": "pm25", "u": "ug/m3", "v": 12.5, "t": NOON}


@pytest.mark.parametrize(
    "table",
    [
        "time,pm25 (ug/m3)\n2026-05-03T12:00:00Z,12.5\n",
        "\ufefftime;pm25 [µg/m³]\r\n2026-05-03 14:00:00+02:00;12,5\r\n",
        "Time\tpm25 (ug/m3)\n2026-05-03T12:00Z\t12.5",
        'timestamp,pm25 (ug/m3)\n2026-05-03T12:00:00.000Z,"12,5"\n',
        "name;unit;value;time\npm25;ug/m3;12,5;2026-05-03T12:00:00Z\n",
        "time,quantity,reading,units\n\n1777809600,pm25,1.25e1,ug/m3\n",
    ],
)
def test_one_reading_in_every_common_dress(table: str) -> None:
    found = convert_table(table.encode())
    assert (found.records, found.problems, found.missing) == ([PM], [], 0)


def test_other_encodings_of_spreadsheets() -> None:
    table = "time;pm25 (µg/m³)\n2026-05-03T12:00:00Z;12,5\n"
    assert convert_table(table.encode("cp1252")).records == convert_table(table.encode("utf-16")).records == [PM]


def test_what_is_converted_is_senml_and_empty_cells_are_counted() -> None:
    table = "time,air temperature (°C),RH (%RH)\n2026-05-03T12:00:00Z,20.5,\n2026-05-03T12:01:00Z,NaN,41\n"
    found = convert_table(table.encode())
    samples = resolve(found.records, datetime.fromtimestamp(NOON, UTC))
    assert [(each.name, each.unit, each.value) for each in samples] == [
        ("air_temperature", "Cel", 20.5), ("RH", "%RH", 41.0),
    ]  # fmt: skip
    assert found.missing == 2 and found.problems == []


def test_times_without_a_zone_need_one() -> None:
    table = b"time,pm25 (ug/m3)\n2026-05-03 14:00:00,12.5\n"
    refused = convert_table(table)
    assert refused.records == [] and "has no zone" in refused.problems[0].detail
    assert convert_table(table, offset_min=120).records == [PM]
    # A zone that is said wins.
    assert convert_table(b"time,pm25 (ug/m3)\n2026-05-03T12:00:00Z,12.5\n", offset_min=120).records == [PM]


@pytest.mark.parametrize(
    ("table", "row", "column", "detail"),
    [
        ("time,pm25 (ug/m3)\n2026-05-03T12:00:00Z,=1+1\n", 2, "pm25 (ug/m3)", "'=1+1' is no number"),
        ("time,pm25 (ug/m3)\n2026-05-03T12:00:00Z,9**9**9\n", 2, "pm25 (ug/m3)", "no number"),
        ("time,pm25 (ug/m3)\n2026-05-03T12:00:00Z,inf\n", 2, "pm25 (ug/m3)", "no number"),
        ("time;pm25 (ug/m3)\n2026-05-03T12:00:00Z;1.234,5\n", 2, "pm25 (ug/m3)", "no number"),
        ("time,pm25 (ug/m3)\n2026-13-03T12:00:00Z,1\n", 2, "time", "month"),
        ("time,pm25 (ug/m3)\n03/05/2026,1\n", 2, "time", "is no time"),
        ("time,pm25 (ug/m3)\n2026-05-03T12:00:00Z,1,2\n", 2, None, "3 cells, the header has 2"),
        ("time,pm25\n2026-05-03T12:00:00Z,1\n", 1, "pm25", "no unit"),
        ("time,pm25 (furlong)\n2026-05-03T12:00:00Z,1\n", 1, "pm25 (furlong)", "'furlong' is not known"),
        ("time,* (Cel)\n2026-05-03T12:00:00Z,1\n", 1, "* (Cel)", "no name"),
        ("time,name,value,unit\n2026-05-03T12:00:00Z,pm25,1,x\n", 2, "unit", "'x' is not known"),
    ],
)
def test_what_cannot_be_read_is_named_by_row_and_column(table: str, row: int, column: str | None, detail: str) -> None:
    found = convert_table(table.encode())
    assert found.records == [] and len(found.problems) == 1
    (problem,) = found.problems
    assert (problem.row, problem.column) == (row, column) and detail in problem.detail


def test_one_bad_cell_leaves_the_others() -> None:
    table = "time;a (Cel);b (Cel)\n2026-05-03T12:00:00Z;1,5;x\n2026-05-03T12:01:00Z;2,5;3.5\n"
    found = convert_table(table.encode())
    assert [(each["n"], each["v"]) for each in found.records] == [("a", 1.5), ("a", 2.5)]
    assert [(each.row, each.column) for each in found.problems] == [(2, "b (Cel)"), (3, "b (Cel)")]
    assert "another decimal mark" in found.problems[1].detail


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "header"),
        (b"pm25 (ug/m3)\n1\n", "header"),
        (b"when,pm25 (ug/m3)\n1,1\n", "No column is called 'time'"),
        (b"time,a (Cel)\n" + b"x\0y,1\n", "no text"),
        (b"time,a (Cel)\n" + b"1777809600,1\n" * 10_001, "at most 10000 rows"),
        (b"time,a (Cel),b (Cel)\n" + b"1777809600,1,2\n" * 5_001, "more than 10000 readings"),
        (b"time,a (Cel)\n" + b" " * 1_000_001, "at most 1000000 bytes"),
        (b"time" + b",a (Cel)" * 60 + b"\n", "2 to 50 columns"),
        (b'time,a (Cel)\n1777809600,"' + b"1" * 200_000 + b'"\n', "no CSV"),
    ],
)
def test_what_is_no_table_is_refused_whole(content: bytes, detail: str) -> None:
    with pytest.raises(BadTable, match=re.escape(detail)):
        convert_table(content)


def test_only_the_first_problems_are_listed_and_all_are_counted() -> None:
    found = convert_table(b"time,a (Cel)\n" + b"1777809600,x\n" * 500)
    assert len(found.problems) == tables.MAX_PROBLEMS and found.found == 500


@given(st.binary(max_size=300) | st.text(alphabet='time,;\t\n"() Cel0123456789.-:TZ=', max_size=300).map(str.encode))
def test_any_bytes_are_a_table_or_are_refused(content: bytes) -> None:
    try:
        found = convert_table(content)
    except BadTable as refused:
        assert str(refused)
    else:
        resolve(found.records, datetime.fromtimestamp(NOON, UTC))
