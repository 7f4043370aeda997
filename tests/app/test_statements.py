"""Statements over HTTP: they reconcile, as JSON, CSV and page; tax years; and hostile questions get clear answers."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from app import statement_tables
from market import account_statements, csv_cells, ids, ledger, statements
from tests.app.conftest import Caller, Json, World, answer, is_problem, ok, operator, person, post_task
from tests.app.stripe_sandbox import Desk, desk

__all__ = ["desk"]
OWN = "/v1/people/earnings/statement"
ACCOUNT = "/v1/account/statement"
RUNS = "/v1/operator/payout-runs"
PARTS = ("pending", "payable", "held", "owed", "total")


def reconciles(found: Json) -> bool:
    """Opening and every change make the closing balance, part by part."""
    return all(
        found["opening"][part] + sum(line["change"][part] for line in found["lines"]) == found["closing"][part]
        for part in found["opening"]
    )


def table(text: str) -> list[dict[str, str]]:
    header, *rows = csv_cells.read(text.splitlines(keepends=True))
    return [dict(zip(header, row, strict=True)) for row in rows]


async def year_of(world: World) -> str:
    """A span of a year that holds the market's today."""
    async with world.services.database.read() as connection:
        now = await connection.fetchval("SELECT market_now()")
    today = now.astimezone(UTC).date()
    return f"from={today.replace(day=1, month=1)}&to={today.replace(day=31, month=12)}"


async def test_a_whole_life_of_earnings_reconciles_in_every_form(desk: Desk) -> None:
    world = desk.world
    olu, pia = await operator(world, "Olu"), await operator(world, "Pia")
    ada = await agent_with_card(desk)
    bo = await person(world, "Bo")
    await desk.onboard(bo)
    task = await post_task(ada, title="=HYPERLINK(bakery)")
    assert (await answer(bo, task))["status"] == "accepted"
    query = await year_of(world)
    await world.later(8 * 86_400)
    await world.jobs()
    run = ok(await olu.post(RUNS, {"minimum": 1}), 201)
    ok(await olu.post(f"{RUNS}/{run['id']}/submit"))
    ok(await pia.post(f"{RUNS}/{run['id']}/approve"))
    ok(await olu.post(f"{RUNS}/{run['id']}/execute"))
    await desk.rest()
    found = ok(await bo.get(f"{OWN}?{query}"))
    assert [line["kind"] for line in found["lines"]] == ["earned", "released", "payout"]
    payout = found["lines"][-1]
    line = ok(await olu.get(f"{RUNS}/{run['id']}"))["lines"][0]
    assert payout["transfer"]["id"] == line["transfer_id"] and payout["about"] == line["id"]
    assert reconciles(found) and found["closing"] == dict.fromkeys(PARTS, 0)

    rows = await bo.get(f"{OWN}?{query}&format=csv")
    assert rows.headers["content-type"] == "text/csv; charset=utf-8"
    span = dict(pair.split("=") for pair in query.split("&"))
    assert f"earnings-{span['from']}-{span['to']}-usd.csv" in rows.headers["content-disposition"]
    assert "'=HYPERLINK" in rows.text
    read = table(rows.text)
    assert [row["kind"] for row in read] == ["opening", "earned", "released", "payout", "closing"]
    assert [row["balance"] for row in read] == ["0.00", "3.00", "3.00", "0.00", "0.00"]
    assert read[3]["change"] == "-3.00" and read[3]["transfer_id"] == line["transfer_id"]
    assert read[1]["title"] == "=HYPERLINK(bakery)"

    for page in (await bo.get(f"{OWN}?{query}&format=html"), await bo.get(f"/w/earnings/statement?{query}")):
        assert page.headers["content-type"].startswith("text/html")
        for words in ("Statement of earnings", "Answer accepted: =HYPERLINK(bakery)", "Closing balance", "−$3.00"):
            assert words in page.text
    years = ok(await bo.get("/v1/people/earnings/tax-years"))
    (year,) = years["years"]
    assert (year["earned"]["amount"], year["answers"], year["paid"]["amount"]) == (300, 1, 300)
    assert "no tax certificate" in years["note"]

    spent = ok(await ada.get(f"{ACCOUNT}?{query}"))
    assert {line["kind"] for line in spent["lines"]} == {"funded", "held_for_tasks", "spent"}
    assert reconciles(spent)
    balance = ok(await ada.get("/v1/account"))["balance"]["available"]["amount"]
    assert spent["closing"]["available"] == balance and spent["closing"]["in_tasks"] == 0
    read = table((await ada.get(f"{ACCOUNT}?{query}&format=csv")).text)
    assert read[0]["kind"] == "opening" and read[-1]["balance"] == f"{balance / 100:.2f}"
    page = (await ada.get(f"{ACCOUNT}?{query}&format=html")).text
    assert "Statement of account" in page and "Paid for answers" in page and 'class="tabs"' not in page

    await desk.control(f"/transfers/{line['transfer_id']}/reverse", amount=100)
    await desk.rest()
    found = ok(await bo.get(f"{OWN}?{query}"))
    assert found["lines"][-1]["kind"] == "payout_reversed" and found["lines"][-1]["change"]["payable"] == 100
    assert reconciles(found) and found["closing"]["total"] == 100
    (year,) = ok(await bo.get("/v1/people/earnings/tax-years"))["years"]
    assert (year["earned"]["amount"], year["paid"]["amount"], year["came_back"]["amount"]) == (300, 300, 100)
    await desk.agrees()


async def agent_with_card(desk: Desk) -> Caller:
    opened = ok(
        await desk.world.client.post("/v1/accounts", json={"name": "Ada", "email": "ada@example.com"}), 201
    )  # fmt: skip
    ada = Caller(desk.world, opened["account"]["id"], opened["api_key"], "Ada")
    await desk.fund(ada, 10_000)
    return ada


@pytest.mark.parametrize("path", [OWN, ACCOUNT])
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("from=2026-03-02&to=2026-03-01", "/to"),
        ("from=2020-01-01&to=2026-03-01", "/from"),
        ("from=0001-01-01", "/from"),
        ("from=9999-12-31", "/from"),
        ("to=9999-12-31", "/to"),
        ("from=2026-02-30", "/from"),
        ("from=today", "/from"),
        ("from=2026-03-01T00:00:00Z", "/from"),
        ("to=", "/to"),
        ("to=%00", "/to"),
        ("format=pdf", "/format"),
        ("currency=USD", "/currency"),
        ("currency=xxx", "/currency"),
        ("person=prsn_1", "/person"),
    ],
)
async def test_a_question_that_makes_no_sense_is_told_which_part(
    ada: Caller, bo: Caller, path: str, query: str, pointer: str
) -> None:
    who = bo if path == OWN else ada
    refused = is_problem(await who.get(f"{path}?{query}"), 422, "validation")
    assert pointer in [error["pointer"] for error in refused["errors"]]
    is_problem(await who.get(f"{path}?from=2026-01-01&from=2026-01-02"), 422, "validation")


async def test_others_see_only_what_is_theirs(world: World, ada: Caller, cy: Caller, bo: Caller) -> None:
    task = await post_task(ada)
    await answer(bo, task)
    query = await year_of(world)
    assert len(ok(await bo.get(f"{OWN}?{query}"))["lines"]) == 1
    dee = await person(world, "Dee")
    empty = ok(await dee.get(f"{OWN}?{query}"))
    assert empty["lines"] == [] and empty["closing"] == dict.fromkeys(PARTS, 0) and empty["currency"] == "usd"
    assert ok(await cy.get(f"{ACCOUNT}?{query}"))["lines"] == []
    assert ok(await dee.get("/v1/people/earnings/tax-years"))["years"] == []
    is_problem(await cy.get(OWN), 403, "forbidden")
    is_problem(await bo.get(ACCOUNT), 403, "forbidden")


async def test_without_a_word_it_is_this_month_in_the_currency_that_there_is(world: World, bo: Caller) -> None:
    async with world.services.database.transaction() as connection:
        payable = ledger.person(ids.read("person", bo.id), "pending")
        await ledger.post(
            connection, "earned", "test:1", [(ledger.CLEARING, 1_200), (payable, -1_200)], currency="jpy", actor="test"
        )
    found = ok(await bo.get(OWN))
    today = datetime.now(UTC).date()
    assert (found["currency"], found["from"][:8], found["closing"]["total"]) == ("jpy", f"{today:%Y-%m-}", 1_200)
    assert table((await bo.get(f"{OWN}?format=csv")).text)[-1]["balance"] == "1200"
    assert "JPY 1,200" in (await bo.get(f"{OWN}?format=html")).text
    assert ok(await bo.get(f"{OWN}?currency=usd"))["lines"] == []


def test_every_kind_of_line_has_words() -> None:
    for sql, words in (
        (statements._STATEMENT, statement_tables.PERSON_KINDS),
        (account_statements._STATEMENT, statement_tables.ACCOUNT_KINDS),
    ):
        kinds = set(re.findall(r"(?:THEN|ELSE) '(\w+)'", sql))
        assert kinds - {"frozen", "available"} <= set(words) and len(kinds) > 10
