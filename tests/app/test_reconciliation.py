"""Stripe's books beside ours: lines that explain themselves, lines that wait, suspense, and webhooks that got lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.money import mirror
from app.reconciliation import reconcile
from market import clock, funding, ids, ledger, matching, stripe_balance, suspense
from market.stripe_balance import BalanceLine
from tests.app.conftest import Caller, Json, is_problem, ok
from tests.app.stripe_sandbox import Desk, desk, world

__all__ = ["desk", "world"]
BOOKS, LINES = "/v1/operator/reconciliation", "/v1/operator/balance-lines"


async def value(desk: Desk, query: str, *values: object) -> Any:
    async with desk.world.services.database.read() as connection:
        return await connection.fetchval(query, *values)


async def balance(desk: Desk, code: str) -> int:
    async with desk.world.services.database.read() as connection:
        return await ledger.derived(connection, code, "usd")


async def time_passes(desk: Desk, seconds: int) -> None:
    """Only the market's clock moves; no sweep runs."""
    async with desk.world.services.database.transaction() as connection:
        await clock.advance(connection, seconds)


async def look(desk: Desk) -> int:
    """One look at Stripe's balance, and what is overdue goes into suspense; how many lines were new."""
    new = await mirror.mirror_balance(desk.world.services.database, desk.sandbox.gateway())
    await mirror.put_into_suspense(desk.world.services.database)
    return new


async def in_suspense(desk: Desk, olu: Caller) -> Json:
    """A payment taken in the dashboard, an hour later."""
    await desk.control("/charge_elsewhere", amount=2_000)
    await look(desk)
    await time_passes(desk, suspense.SUSPENSE_AFTER_S)
    await look(desk)
    [line] = ok(await olu.get(BOOKS))["suspense"]
    found: Json = line
    return found


async def test_fees_bank_payouts_and_those_that_come_back_explain_themselves_once(
    desk: Desk, cy: Caller, olu: Caller
) -> None:
    await desk.fund(cy, 10_000)
    await desk.control("/fee", amount=150)
    payout = await desk.control("/platform_payout", amount=3_000)
    assert [await look(desk), await look(desk)] == [2, 0]  # the charge's line came with its event
    assert [await balance(desk, code) for code in ("stripe:fees", "platform:bank", "stripe:clearing")] == [
        320 + 150, 3_000, 10_000 - 320 - 150 - 3_000,
    ]  # fmt: skip
    await desk.agrees()
    await desk.control(f"/payouts/{payout['id']}/fail")
    books = ok(await olu.get(BOOKS))
    assert (books["agrees"], books["unmatched"], books["suspense"]) == (True, [], [])
    assert await balance(desk, "platform:bank") == 0
    assert books["states"] == {"matched": 1, "explained": 3, "suspense": 0, "unmatched": 0, "contradictory": 0}
    await desk.agrees()


async def test_a_line_whose_event_is_late_waits_an_hour_and_then_goes_into_suspense(desk: Desk, olu: Caller) -> None:
    await desk.control("/charge_elsewhere", amount=2_000)
    waiting = ok(await olu.get(BOOKS))
    assert (waiting["agrees"], waiting["explained"], waiting["states"]["unmatched"]) == (False, True, 1)
    [side] = waiting["sides"]
    assert (side["difference"], side["under_way"], side["unexplained"]) == (1_912, 1_912, 0)
    await time_passes(desk, suspense.SUSPENSE_AFTER_S - 60)
    await look(desk)
    assert await balance(desk, "suspense") == 0
    await time_passes(desk, 60)
    await look(desk)
    await look(desk)
    put = ok(await olu.get(BOOKS))
    assert (put["agrees"], put["unmatched"], put["states"]["suspense"]) == (True, [], 1)
    [line] = put["suspense"]
    assert (line["net"], line["state"], line["age_s"] >= 3600, line["transaction"]) == (1_912, "suspense", True, None)
    opened = ok(await olu.get(f"/v1/operator/ledger/transactions/{line['suspense_transaction']}"))
    assert (opened["kind"], opened["stripe_lines"]) == ("suspense.put", [line["id"]])
    assert await balance(desk, "suspense") == 1_912
    await desk.agrees()


async def test_the_true_cause_of_what_is_in_suspense_is_posted_against_it(desk: Desk, cy: Caller, olu: Caller) -> None:
    body = {"amount": {"amount": 5_000, "currency": "usd"}, "payment_method": "pm_card_visa"}
    ok(await cy.post("/v1/funding", body), 201)
    await desk.rest(deliver=False)  # the webhooks are on their way, for more than an hour
    assert await look(desk) == 1
    await time_passes(desk, 2 * suspense.SUSPENSE_AFTER_S)
    await look(desk)
    assert [await balance(desk, code) for code in ("suspense", "stripe:clearing")] == [4_825, 4_825]
    await desk.rest()
    assert [await balance(desk, code) for code in ("suspense", "stripe:clearing")] == [0, 4_825]
    assert ok(await cy.get("/v1/account"))["balance"]["available"]["amount"] == 5_000
    [line] = ok(await olu.get(LINES))["items"]
    assert (line["state"], line["about"].split("_")[0]) == ("matched", "fund")
    await desk.agrees()


def a_line(net: int = 970, **changes: Any) -> BalanceLine:
    at = "2026-03-01T12:00:00+00:00"
    return BalanceLine(
        **{
            "id": "txn_1", "type": "charge", "source": "ch_1", "currency": "usd", "amount": 1_000, "fee": 1_000 - net,
            "net": net, "created_at": mirror.datetime.fromisoformat(at), **changes,
        }
    )  # fmt: skip


async def test_whoever_comes_first_the_event_or_the_mirror_a_line_moves_clearing_once(desk: Desk, cy: Caller) -> None:
    """The event's transaction has asked where to post, and has not committed, when the mirror sees the same line."""
    database, account = desk.world.services.database, ids.read("account", cy.id)
    async with database.transaction() as connection:
        await connection.execute(
            "INSERT INTO funding (id, account_id, amount, currency) VALUES ($1, $2, 1000, 'usd')",
            about := ids.new(), account,
        )  # fmt: skip
    asked, seen = asyncio.Event(), asyncio.Event()

    async def event() -> None:
        async with database.transaction() as connection:
            assert await stripe_balance.counter(connection, a_line()) == ledger.CLEARING
            asked.set()
            await asyncio.sleep(0.2)
            assert not seen.is_set()  # the mirror waits for us
            await funding.credit(connection, about, funding.Paid("pi_1", 1_000, a_line(), "ch_1"))

    async def mirrored() -> None:
        await asked.wait()
        async with database.transaction() as connection:
            await matching.see(connection, [a_line()])
            seen.set()
        await time_passes(desk, 2 * suspense.SUSPENSE_AFTER_S)
        await mirror.put_into_suspense(database)

    await asyncio.gather(event(), mirrored())
    assert [await balance(desk, code) for code in ("suspense", "stripe:clearing")] == [0, 970]
    assert await value(desk, "SELECT suspense_key IS NULL AND ledger_key IS NOT NULL FROM stripe_balance_txn")


async def test_webhooks_that_never_come_are_found_in_the_list_of_events_once(
    desk: Desk, cy: Caller, bo: Caller
) -> None:
    body = {"amount": {"amount": 5_000, "currency": "usd"}, "payment_method": "pm_card_visa"}
    ok(await cy.post("/v1/funding", body), 201)
    ok(await bo.post("/v1/people/payout-account"), 201)
    await desk.rest(deliver=False)
    assert ok(await cy.get("/v1/account"))["balance"]["available"]["amount"] == 0
    database, stripe = desk.world.services.database, desk.sandbox.gateway()
    found = [await mirror.mirror_events(database, stripe), await mirror.mirror_notices(database, stripe)]
    assert min(found) > 0
    assert [await mirror.mirror_events(database, stripe), await mirror.mirror_notices(database, stripe)] == [0, 0]
    await desk.rest(deliver=False)
    assert ok(await cy.get("/v1/account"))["balance"]["available"]["amount"] == 5_000
    assert await value(desk, "SELECT bool_and(source = 'list' AND handled_at IS NOT NULL) FROM stripe_event")
    await desk.rest()  # now they come after all
    assert ok(await cy.get("/v1/account"))["balance"]["available"]["amount"] == 5_000
    await desk.agrees()


async def test_a_look_that_breaks_off_keeps_what_it_has_read_and_the_next_one_reads_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for amount in range(100, 110):
        await desk.control("/fee", amount=amount)
    monkeypatch.setattr(mirror, "AT_ONCE", 4)
    see, calls = matching.see, 0

    async def dies(*given: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RuntimeError("killed")
        return await see(*given)

    monkeypatch.setattr(matching, "see", dies)
    with pytest.raises(RuntimeError):
        await look(desk)
    assert await value(desk, "SELECT count(*) FROM stripe_balance_txn") == 8
    assert await value(desk, "SELECT count(*) FROM stripe_cursor") == 0
    assert await look(desk) == 2
    assert await value(desk, "SELECT read_to FROM stripe_cursor WHERE name = 'balance'") is not None
    await desk.agrees()


async def test_two_operators_say_what_a_line_in_suspense_was(desk: Desk, cy: Caller, olu: Caller, pia: Caller) -> None:
    line = await in_suspense(desk, olu)
    path, buyer = f"{LINES}/{line['id']}/resolution", f"buyer:{cy.id}:available"
    for target in ("suspense", "person:x:payable", f"buyer:acct_{'0' * 32}:available", "buyer::available"):
        answer = is_problem(await olu.post(path, {"target": target, "reason": "paid by wire"}), 422, "validation")
        assert answer["errors"][0]["pointer"] == "/target"
    is_problem(await olu.post(f"{LINES}/txn_no/resolution", {"target": buyer, "reason": "x"}), 404, "not-found")
    asked = ok(await olu.post(path, {"target": buyer, "reason": "paid by wire"}), 201)
    assert (asked["status"], asked["subject"], asked["amount"]["amount"]) == ("asked", line["id"], 2_000)
    is_problem(await olu.post(path, {"target": "platform:losses", "reason": "again"}), 409, "wrong-state")
    approve = f"/v1/operator/decisions/{asked['id']}/approve"
    is_problem(await olu.post(approve), 403, "policy-refused")
    assert await balance(desk, "suspense") == 1_912
    assert ok(await pia.post(approve))["status"] == "approved"
    assert await balance(desk, "suspense") == 0
    assert ok(await cy.get("/v1/account"))["balance"]["available"]["amount"] == 2_000  # the fee is Stripe's, as always
    assert ok(await olu.get(f"{LINES}/{line['id']}"))["state"] == "explained"
    is_problem(await olu.post(path, {"target": buyer, "reason": "once more"}), 409, "wrong-state")
    await desk.agrees()


async def test_a_cause_found_before_the_approval_wins(desk: Desk, cy: Caller, olu: Caller, pia: Caller) -> None:
    body = {"amount": {"amount": 5_000, "currency": "usd"}, "payment_method": "pm_card_visa"}
    ok(await cy.post("/v1/funding", body), 201)
    await desk.rest(deliver=False)
    await look(desk)
    await time_passes(desk, 2 * suspense.SUSPENSE_AFTER_S)
    await look(desk)
    [line] = ok(await olu.get(f"{LINES}?state=suspense"))["items"]
    asked = ok(await olu.post(f"{LINES}/{line['id']}/resolution", {"target": "platform:fee", "reason": "?"}), 201)
    await desk.rest()
    is_problem(await pia.post(f"/v1/operator/decisions/{asked['id']}/approve"), 409, "wrong-state")
    assert await balance(desk, "platform:fee") == 0
    await desk.agrees()


async def test_lines_are_listed_by_their_state_and_page_by_page(desk: Desk, cy: Caller, olu: Caller) -> None:
    await desk.fund(cy, 1_000)
    for amount in (100, 101, 102):
        await desk.control("/fee", amount=amount)
    await desk.control("/charge_elsewhere", amount=2_000)
    await look(desk)
    first = ok(await olu.get(f"{LINES}?limit=3"))
    second = ok(await olu.get(f"{LINES}?limit=3&cursor={first['next_cursor']}"))
    both = first["items"] + second["items"]
    assert (len({line["id"] for line in both}), second["next_cursor"]) == (5, None)
    for state, count in (("explained", 3), ("matched", 1), ("unmatched", 1), ("contradictory", 0)):
        assert len(ok(await olu.get(f"{LINES}?state={state}"))["items"]) == count, state
    is_problem(await olu.get(f"{LINES}?state=lost"), 422, "validation")
    is_problem(await olu.get(f"{LINES}?cursor=AAAA"), 422, "validation")
    is_problem(await olu.get(f"{LINES}/txn_no"), 404, "not-found")
    for stranger in (cy,):
        is_problem(await stranger.get(LINES), 403, "forbidden")


async def test_a_row_of_ours_that_says_another_amount_makes_its_line_contradictory(
    desk: Desk, cy: Caller, olu: Caller
) -> None:
    await desk.fund(cy, 1_000)
    async with desk.world.services.database.transaction() as connection:
        await connection.execute("UPDATE funding SET amount = 1001")
    books = ok(await olu.get(BOOKS))
    assert (books["states"]["contradictory"], books["contradictory"][0]["state"]) == (1, "contradictory")


async def test_a_posting_on_clearing_that_no_line_stands_behind_is_no_explanation(desk: Desk, olu: Caller) -> None:
    async with desk.world.services.database.transaction() as connection:
        lines = [(ledger.CLEARING, 700), (ledger.LOSSES, -700)]
        await ledger.post(connection, "wrong", "wrong:1", lines, currency="usd", actor="test")
    found = await reconcile(desk.world.services.database, desk.sandbox.gateway())
    assert (found.agrees, found.explained, found.sides[0].without_line) == (False, False, 700)


async def test_a_balance_in_a_currency_that_the_market_does_not_trade_in_is_in_the_books_too(desk: Desk) -> None:
    await desk.control("/fee", amount=100, currency="cad")
    await look(desk)
    assert await value(desk, "SELECT exponent FROM currency WHERE code = 'cad'") == 2
    await desk.agrees()
