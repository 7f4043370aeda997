"""What a buyer reads of each check: what is declared to pass, and of everything else the market's own words."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from market import terms
from market.verdicts import INAPPLICABLE, NONE, TOLD, for_buyer, rejection_for_buyer, sentence
from sensors.verdict import ALWAYS_DECLARED, DECLARABLE, Status

CHECKS: Final = sorted({*ALWAYS_DECLARED, *DECLARABLE, *get_args(terms.Check)})
WITHHELD: Final = {
    "at_place": {"distance_m", "accuracy_m", "speed_m_s", "exif_distance_m"},  # where else somebody was
    "live": {"signals"},  # among them: as in an earlier photo
    "not_duplicate": {"distance", "agreement", "of"},  # of photos for other tasks
    "consistent": {"kind", "grade", "width", "height", "claimed_from", "sent_from", "sun_deg", "ev"},  # journeys
    "answers": {"others"},
}
SECRET: Final = "255 km from where you were"


def verdict(name: str, status: str, data: dict[str, Any]) -> dict[str, Any]:
    found = {"name": name, "status": status, "weight": -1.0, "detail": SECRET, "data": data}
    return {"score": 0.5, "outcome": "review", "version": "sensors-2.0", "checks": [found]}


def test_every_check_is_declared_here() -> None:
    assert sorted(TOLD) == CHECKS


@pytest.mark.parametrize("status", get_args(Status))
@pytest.mark.parametrize("name", [*CHECKS, "of another version"])
def test_only_declared_members_pass(name: str, status: str) -> None:
    told = TOLD.get(name, NONE)
    data = dict.fromkeys(told.data, 1) | {"secret": 2} | dict.fromkeys(WITHHELD.get(name, ()), 3)
    joined = {"each": [data, {"secret": 2}]}
    (plain,), (each,) = (for_buyer(verdict(name, status, given))["checks"] for given in (data, joined))
    assert set(plain["data"]) == told.data
    assert each["data"] == ({"each": [plain["data"]]} if told.data else {})
    assert (plain["detail"] == SECRET) == told.own_words
    assert (plain["name"], plain["status"], plain["weight"]) == (name, status, -1.0)


@pytest.mark.parametrize("status", get_args(Status))
@pytest.mark.parametrize("name", [*CHECKS, "of another version"])
def test_nothing_of_what_was_refused_is_told(name: str, status: str) -> None:
    (found,) = for_buyer(verdict(name, status, dict.fromkeys(TOLD.get(name, NONE).data, 1)), refused=True)["checks"]
    assert found["data"] == {} and found["detail"] == sentence(name, status) != SECRET
    assert (found["detail"] == INAPPLICABLE) == (status == "not_applicable")


def test_the_stored_verdict_stays_as_it_is() -> None:
    given = verdict("at_place", "fail", {"distance_m": 3})
    for_buyer(given, refused=True)
    assert given == verdict("at_place", "fail", {"distance_m": 3})


def test_every_member_that_a_check_tells_is_decided_on() -> None:
    seen = 0
    for path in Path("sensors").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "finding":
                name, keys = node.args[0], {each.arg for each in node.keywords if each.arg is not None}
                if isinstance(name, ast.Constant):
                    known = TOLD[name.value].data | WITHHELD.get(name.value, set())
                    assert keys <= known, f"{path}:{node.lineno}: who may read {sorted(keys - known)}?"
                    seen += len(keys)
    assert seen > 30


def test_a_reason_of_the_markets_is_neutral_and_a_buyers_is_theirs() -> None:
    by_check = {"failed_check": "at_place", "reason_code": None, "comment": SECRET}
    assert rejection_for_buyer(by_check, "market")["comment"] == sentence("at_place", "fail")
    assert rejection_for_buyer(by_check, "account:1")["comment"] == SECRET
    withdrawn = {"failed_check": None, "reason_code": "withdrawn", "comment": "Gone."}
    assert rejection_for_buyer(withdrawn, "market") == withdrawn
