"""What people read on the pages is true, in words and units of their own, and no address leads out of the site."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import get_args

import pytest

from app.pages import words
from market import earnings, payout_accounts
from market.terms import Kind
from sensors.units import UNITS
from tests.app.conftest import Caller, World, answer, claim, is_problem, ok, post_task
from tests.app.phone import phone
from tests.app.test_erasure import leave

HTML = {"accept": "text/html"}
TO_STRIPE = "is paid to your account at Stripe as before"
NEVER = "named no account to pay it to"


async def test_who_leaves_reads_one_thing_about_their_money(
    ada: Caller, bo: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (await bo.get("/w/me", headers=HTML)).text
    assert TO_STRIPE not in page and NEVER not in page  # nothing is owed
    await answer(bo, await post_task(ada))
    page = (await bo.get("/w/me", headers=HTML)).text
    assert "$3.00" in page and NEVER in page and TO_STRIPE not in page and "leave_unpaid" in page

    async def named(*given: object) -> str:
        return "acct_bo"

    monkeypatch.setattr(payout_accounts, "find", named)
    page = (await bo.get("/w/me", headers=HTML)).text
    assert "$3.00" in page and TO_STRIPE in page and NEVER not in page and "leave_unpaid" not in page


@pytest.mark.parametrize("path", ["/w/claims", "/w/nothing", "/w/tasks/x/y/z"])
async def test_an_unknown_address_shows_the_sites_own_page(world: World, path: str) -> None:
    found = await world.client.get(path, headers=HTML)
    assert found.status_code == 404 and found.headers["content-type"] == "text/html; charset=utf-8"
    for part in ('class="brand"', 'class="tabs"', 'href="/w"', "style"):
        assert part in found.text
    assert f'href="{path}"' not in found.text
    is_problem(await world.client.get(path), 404, "not-found")


def test_every_kind_and_state_has_its_words() -> None:
    assert set(words.KINDS) == set(get_args(Kind))
    assert set(words.EARNED) == set(get_args(earnings.Status))


async def test_a_question_alone_has_its_page(ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, kind="answer", place=None, evidence={"questions": [{"id": "open", "type": "boolean"}]},
                           acceptance={"checks": []})  # fmt: skip
    page = await bo.get(f"/w/tasks/{task['id']}", headers=HTML)
    assert page.status_code == 200 and "Question" in page.text


async def test_earnings_are_shown_while_one_is_disputed(ada: Caller, bo: Caller) -> None:
    submitted = await answer(bo, await post_task(ada))
    words = {"words": "The shop next door.", "reason_code": "not_what_was_asked"}
    ok(await ada.post(f"/v1/submissions/{submitted['id']}/dispute", words), 201)
    page = await bo.get("/w/earnings", headers=HTML)
    assert page.status_code == 200 and "disputed by the buyer" in page.text


async def test_readings_are_named_as_people_name_them(ada: Caller, bo: Caller) -> None:
    readings = [
        {"name": "pm25", "unit": "ug/m3"},
        {"name": "temperature", "unit": "Cel"},
        {"name": "soil_moisture", "unit": "/100"},
    ]
    acceptance = {"mode": "auto", "checks": ["readings"]}
    task = await post_task(ada, kind="reading", evidence={"readings": readings}, acceptance=acceptance)
    claimed = await claim(bo, task)
    for path in (f"/w/tasks/{task['id']}", f"/w/claims/{claimed['id']}"):
        page = (await bo.get(path, headers=HTML)).text
        for said in ("Fine particles (PM2.5) in µg/m³", "Temperature in °C", "Soil moisture in %"):
            assert said in page, (path, said)
        assert "Pm25" not in page and " in Cel" not in page and " in /100" not in page


def test_no_unit_is_shown_as_a_code() -> None:
    shown = {words.unit(symbol) for symbol in UNITS}
    assert not [each for each in shown if "[" in each or each.startswith("u") or each in ("Cel", "/", "/100", "deg")]
    assert words.unit("µg/m³") == words.unit("ug/m3") == "µg/m³" and words.unit("furlong") == "furlong"


async def test_an_erased_receipt_says_that_it_is_the_receipt(ada: Caller, bo: Caller) -> None:
    await answer(bo, await post_task(ada))
    [seen] = ok(await ada.get("/v1/observations"))["items"]
    ok(await ada.get(f"/v1/observations/{seen['id']}/receipt"))
    ok(await leave(bo))
    problem = is_problem(await ada.get(f"/v1/observations/{seen['id']}/receipt"), 410, "erased")
    assert problem["detail"].startswith("The receipt has been erased") and "photo" not in problem["title"]


async def test_ones_own_keys_are_exported_as_they_were_enrolled(bo: Caller) -> None:
    own = await phone(bo)
    [device] = ok(await bo.get("/v1/people/me/export"))["tables"]["devices"]
    [listed] = ok(await bo.get("/v1/devices"))["items"]
    assert device["public_key"] == listed["public_key"]
    assert urlsafe_b64decode(device["public_key"] + "=") == own.key.point
