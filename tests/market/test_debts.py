"""Pay that turned out to be fraud is taken back by two operators; what is owed is netted, or written off."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from market import (
    clock,
    debts,
    disputes,
    earnings,
    ids,
    keys,
    ledger,
    money_decisions,
    operators,
    payout_accounts,
    reversals,
    settlement_audit,
)
from market.charges import Mismatch
from market.errors import Invalid, NotFound, WrongState
from market.money import Money
from market.money_decisions import FourEyes, NotYours
from market.reversals import Reversal
from market.stripe_balance import BalanceLine
from tests.market.conftest import HOLD_S, Cast

NOBODY = UUID(int=0)


class Desk:
    """Bo has worked for Ada; Olu and Pia decide. One answer costs Ada 330: 300 for Bo, 30 for the market."""

    def __init__(self, conn: asyncpg.Connection, ada: keys.Actor, bo: UUID, olu: UUID, pia: UUID) -> None:
        self.conn, self.ada, self.bo, self.olu, self.pia = conn, ada, bo, olu, pia
        self.cast = Cast(conn)

    async def earned(self, *, release: bool = False) -> UUID:
        """An accepted submission of Bo's; released, when the hold window is over."""
        _, submission = await self.cast.submit(self.bo, (await self.cast.post(self.ada)).id)
        assert await self.cast.judge(submission) == "accepted"
        if release:
            await self.release()
        return submission

    async def release(self) -> None:
        await clock.advance(self.conn, HOLD_S + 1)
        await earnings.release_due(self.conn)

    async def sent_out(self, amount: int) -> None:
        """So much of what is payable has left for Bo's account at Stripe."""
        await ledger.post(
            self.conn, "sent", f"test:{ids.new()}",
            [(ledger.person(self.bo, "payable"), amount), (ledger.CLEARING, -amount)], currency="usd", actor="test",
        )  # fmt: skip

    async def clawed_back(self, submission: UUID) -> None:
        decision = await debts.ask_clawback(self.conn, self.olu, submission, "the photo is of another shop")
        await money_decisions.decide(self.conn, self.pia, decision, approve=True)

    async def has(self) -> dict[str, int]:
        """What Bo has with us, and owes."""
        parts = ("pending", "payable", "held", "receivable")
        found = await ledger.balances(self.conn, [ledger.person(self.bo, part) for part in parts], "usd")
        return {part: amount for part, amount in zip(parts, found, strict=True) if amount}

    async def buyer(self) -> int:
        return await self.cast.balance(ledger.buyer(self.ada.owner))

    async def fees(self) -> int:
        return await ledger.derived(self.conn, ledger.FEE_INCOME, "usd")

    async def sound(self) -> None:
        await self.conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
        await self.conn.execute("SET CONSTRAINTS ALL DEFERRED")
        for rule, query in settlement_audit.CHECKS.items():
            assert not await self.conn.fetch(query), rule


@pytest.fixture
async def desk(conn: asyncpg.Connection, ada: keys.Actor, bo: UUID) -> Desk:
    made = [await operators.add(conn, f"{name}@sensorium.example", name) for name in ("Olu", "Pia")]
    olu, pia = (ids.read("operator", operator.id) for operator, _ in made)
    return Desk(conn, ada, bo, olu, pia)


# ---- clawback: what Bo has and owes before and after, by where the pay was

CLAWBACKS = [
    ("it is pending", False, 0, {"pending": 300}, {}),
    ("it is payable", True, 0, {"payable": 300}, {}),
    ("it was paid out in part", True, 200, {"payable": 100}, {"receivable": 200}),
    ("it was paid out", True, 300, {}, {"receivable": 300}),
]


@pytest.mark.parametrize(("where", "release", "out", "before", "after"), CLAWBACKS, ids=[one[0] for one in CLAWBACKS])
async def test_pay_is_taken_back_from_where_it_is(
    desk: Desk, where: str, release: bool, out: int, before: dict[str, int], after: dict[str, int]
) -> None:
    had, fees = await desk.buyer(), await desk.fees()
    submission = await desk.earned(release=release)
    if out:
        await desk.sent_out(out)
    assert (await desk.has(), await desk.buyer(), await desk.fees()) == (before, had - 330, fees + 30)
    await desk.clawed_back(submission)
    assert (await desk.has(), await desk.buyer(), await desk.fees()) == (after, had, fees)
    line = (await earnings.of_person(desk.conn, desk.bo)).lines[0]
    assert (line.submission_id, line.status) == (ids.show("submission", submission), "clawed_back")
    await desk.sound()
    await desk.release()
    assert await desk.has() == after  # and the end of the hold window pays nothing


async def test_what_an_operator_holds_is_taken_before_anything_is_owed(desk: Desk) -> None:
    submission = await desk.earned(release=True)
    await ledger.post(
        desk.conn, "held", "test:held",
        [(ledger.person(desk.bo, "payable"), 250), (ledger.person(desk.bo, "held"), -250)], currency="usd",
        actor="test",
    )  # fmt: skip
    await desk.clawed_back(submission)
    assert await desk.has() == {}


async def test_the_buyer_gets_the_price_of_then_back(desk: Desk) -> None:
    """The fee that was taken, not the one that a later price would have."""
    submission = await desk.earned()
    await desk.conn.execute("UPDATE task SET fee = fee + 5, top_fee = top_fee + 5")
    had = await desk.buyer()
    await desk.clawed_back(submission)
    assert await desk.buyer() == had + 330


async def test_a_clawback_is_asked_by_one_and_decided_by_another(desk: Desk) -> None:
    submission = await desk.earned()
    decision = await debts.ask_clawback(desk.conn, desk.olu, submission, "stolen photo")
    with pytest.raises(FourEyes):
        async with desk.conn.transaction():
            await money_decisions.decide(desk.conn, desk.olu, decision, approve=True)
    with pytest.raises(asyncpg.CheckViolationError, match="asker_is_not_decider"):
        async with desk.conn.transaction():
            await desk.conn.execute(
                "UPDATE money_decision SET status = 'approved', decided_by = asked_by, decided_at = market_now()"
            )
    with pytest.raises(asyncpg.PostgresError, match="stays as it was asked"):
        async with desk.conn.transaction():
            await desk.conn.execute("UPDATE money_decision SET amount = 1")
    with pytest.raises(WrongState, match="asked for already"):
        await debts.ask_clawback(desk.conn, desk.pia, submission, "again")
    with pytest.raises(NotYours):
        await money_decisions.withdraw(desk.conn, desk.pia, decision)
    assert await desk.has() == {"pending": 300}
    await money_decisions.decide(desk.conn, desk.pia, decision, approve=False)
    assert await desk.has() == {"pending": 300}
    for late in (True, False):
        with pytest.raises(WrongState, match="This is refused"):
            await money_decisions.decide(desk.conn, desk.pia, decision, approve=late)
    shown = await money_decisions.get(desk.conn, decision)
    assert (shown.status, shown.subject, shown.amount.amount, shown.asked_by_name, shown.decided_by_name) == (
        "refused", ids.show("submission", submission), 300, "Olu", "Pia",
    )  # fmt: skip


async def test_pay_is_taken_back_once(desk: Desk) -> None:
    submission = await desk.earned()
    await desk.clawed_back(submission)
    with pytest.raises(WrongState, match="has been taken back"):
        await debts.ask_clawback(desk.conn, desk.olu, submission, "again")
    with pytest.raises(NotFound):
        await debts.ask_clawback(desk.conn, desk.olu, NOBODY, "what?")


async def test_who_asked_may_withdraw_and_then_it_can_be_asked_again(desk: Desk) -> None:
    submission = await desk.earned()
    decision = await debts.ask_clawback(desk.conn, desk.olu, submission, "a mistake")
    await money_decisions.withdraw(desk.conn, desk.olu, decision)
    with pytest.raises(WrongState, match="This is withdrawn"):
        await money_decisions.decide(desk.conn, desk.pia, decision, approve=True)
    again = await debts.ask_clawback(desk.conn, desk.pia, submission, "no mistake")
    waiting = await money_decisions.listed(desk.conn, before=None, limit=9, waiting=True)
    assert [one.id for one in waiting] == [ids.show("money_decision", again)]
    ended = await money_decisions.listed(desk.conn, before=again, limit=9)
    assert [one.status for one in ended] == ["withdrawn"]


# ---- debts


async def in_debt(desk: Desk) -> None:
    """Bo owes 300."""
    submission = await desk.earned(release=True)
    await desk.sent_out(300)
    await desk.clawed_back(submission)


async def test_a_debt_is_netted_from_what_is_earned_next(desk: Desk) -> None:
    await in_debt(desk)
    later = await desk.earned()
    assert await desk.has() == {"pending": 300, "receivable": 300}
    await desk.release()
    assert await desk.has() == {}
    found = await earnings.of_person(desk.conn, desk.bo)
    assert (found.payable.amount, found.owed.amount) == (0, 0)
    line = found.lines[0]
    assert line.submission_id == ids.show("submission", later) and line.netted is not None
    assert (line.status, line.netted.amount) == ("released", 300)
    told = await desk.conn.fetchrow("SELECT * FROM event WHERE type = 'earning.netted'")
    assert (told["person_id"], told["data"]) == (desk.bo, {"amount": 300, "currency": "usd", "owed": 0})
    await desk.earned(release=True)
    assert await desk.has() == {"payable": 300}
    await desk.sound()


async def test_two_lines_released_together_pay_a_debt_once(desk: Desk) -> None:
    await in_debt(desk)
    for _ in range(2):
        await desk.earned()
    await desk.release()
    assert await desk.has() == {"payable": 300}


async def test_a_debt_is_written_off_by_two_and_never_more_than_is_owed(desk: Desk) -> None:
    with pytest.raises(WrongState, match="owes nothing"):
        await debts.ask_write_off(desk.conn, desk.olu, desk.bo, None, "gone")
    await in_debt(desk)
    with pytest.raises(Invalid):
        await debts.ask_write_off(desk.conn, desk.olu, desk.bo, Money(301, "usd"), "gone")
    with pytest.raises(WrongState, match="owes nothing in eur"):
        await debts.ask_write_off(desk.conn, desk.olu, desk.bo, Money(1, "eur"), "gone")
    [(place, debt)] = await debts.listed(desk.conn, after=None, limit=9)
    assert (debt.person_id, debt.owed.amount) == (ids.show("person", desk.bo), 300)
    assert await debts.listed(desk.conn, after=place, limit=9) == []
    with pytest.raises(NotFound):
        await debts.ask_write_off(desk.conn, desk.olu, NOBODY, None, "gone")
    part = await debts.ask_write_off(desk.conn, desk.olu, desk.bo, Money(100, "usd"), "a part")
    await money_decisions.decide(desk.conn, desk.pia, part, approve=True)
    assert await desk.has() == {"receivable": 200}
    assert await ledger.derived(desk.conn, ledger.LOSSES, "usd") == 100
    rest = await debts.ask_write_off(desk.conn, desk.pia, desk.bo, None, "gone")
    await desk.earned(release=True)  # meanwhile it was netted
    with pytest.raises(WrongState, match="owes only 0"):
        async with desk.conn.transaction():
            await money_decisions.decide(desk.conn, desk.olu, rest, approve=True)
    assert (await money_decisions.get(desk.conn, rest)).status == "asked"
    assert await ledger.derived(desk.conn, ledger.LOSSES, "usd") == 100
    await desk.sound()


async def test_a_buyers_chargeback_never_touches_what_bo_has_earned(desk: Desk) -> None:
    """Ada charges everything back while one answer is paid, one pending, and one is being worked on."""
    await desk.earned(release=True)
    await desk.earned()
    open_task = (await desk.cast.post(desk.ada)).id
    _, handed_in = await desk.cast.submit(desk.bo, open_task)
    funding = ids.new()
    await desk.conn.execute(
        """INSERT INTO funding (id, account_id, amount, currency, status, intent_id, charge_id, fee, settled_at)
           VALUES ($1, $2, 100000, 'usd', 'succeeded', 'pi_1', 'ch_1', 0, market_now())""",
        funding, desk.ada.owner,
    )  # fmt: skip
    taken = BalanceLine("txn_d", "adjustment", "du_1", "usd", -100_000, 0, -100_000, datetime.now(UTC))
    lost = disputes.Reported("du_1", "ch_1", "lost", 100_000, "usd", "fraudulent", None, (taken,))
    await disputes.apply(desk.conn, lost)
    assert await desk.buyer() == 0
    assert await desk.has() == {"payable": 300, "pending": 300}
    assert await desk.cast.judge(handed_in) == "accepted"
    assert await desk.has() == {"payable": 300, "pending": 600}
    assert await ledger.derived(desk.conn, ledger.LOSSES, "usd") == 3 * 330
    await desk.release()
    assert await desk.has() == {"payable": 900}


# ---- transfers that come back


def back(amount: int, n: int = 1) -> Reversal:
    line = BalanceLine(f"txn_r{n}", "transfer_refund", f"trr_{n}", "usd", amount, 0, amount, datetime.now(UTC))
    return Reversal(f"trr_{n}", amount, line)


async def a_payout(desk: Desk, amount: int) -> UUID:
    """What is payable to Bo has been sent by tr_1; its earnings say so."""
    await payout_accounts.keep(desk.conn, desk.bo, "acct_bo", "active", ())
    payout, run = ids.new(), ids.new()
    await desk.conn.execute(
        "INSERT INTO payout_run (id, currency, minimum, made_by) VALUES ($1, 'usd', 1, $2)", run, desk.olu
    )
    await desk.conn.execute(
        """INSERT INTO payout (id, run_id, person_id, amount, currency, destination, status, transfer_id, settled_at)
           VALUES ($1, $2, $3, $4, 'usd', 'acct_bo', 'paid', 'tr_1', market_now())""",
        payout, run, desk.bo, amount,
    )  # fmt: skip
    await desk.conn.execute("UPDATE earning SET payout_id = $1 WHERE released_at IS NOT NULL", payout)
    await desk.sent_out(amount)
    return payout


async def statuses(desk: Desk) -> list[str]:
    return [line.status for line in (await earnings.of_person(desk.conn, desk.bo)).lines]


async def test_what_comes_back_of_a_transfer_is_payable_again_once(desk: Desk) -> None:
    await desk.earned(release=True)
    await desk.earned(release=True)
    payout = await a_payout(desk, 600)
    assert await statuses(desk) == ["paid", "paid"]
    clearing = await ledger.derived(desk.conn, ledger.CLEARING, "usd")
    first = await reversals.apply(desk.conn, "tr_1", [back(200)])
    assert first == (payout, desk.bo, 200, 200, "usd")
    assert await reversals.apply(desk.conn, "tr_1", [back(200)]) is None
    assert (await desk.has(), await statuses(desk)) == ({"payable": 200}, ["paid", "paid"])
    assert (await earnings.of_person(desk.conn, desk.bo)).paid.amount == 400
    second = await reversals.apply(desk.conn, "tr_1", [back(200), back(100, 2), back(300, 3)])
    assert second == (payout, desk.bo, 400, 600, "usd")
    assert (await desk.has(), await statuses(desk)) == ({"payable": 600}, ["released", "released"])
    assert await ledger.derived(desk.conn, ledger.CLEARING, "usd") == clearing + 600
    told = await desk.conn.fetch("SELECT data FROM event WHERE type = 'payout.reversed' ORDER BY seq")
    assert [row["data"]["in_all"] for row in told] == [200, 600]


async def test_what_comes_back_pays_what_is_owed_first(desk: Desk) -> None:
    submission = await desk.earned(release=True)
    await a_payout(desk, 300)
    await desk.clawed_back(submission)
    assert await desk.has() == {"receivable": 300}
    await reversals.apply(desk.conn, "tr_1", [back(300)])
    assert (await desk.has(), await statuses(desk)) == ({}, ["clawed_back"])


async def test_reversals_that_do_not_fit_are_not_posted(desk: Desk) -> None:
    await desk.earned(release=True)
    await a_payout(desk, 300)
    assert await reversals.apply(desk.conn, "tr_unknown", [back(300)]) is None
    other = back(200)
    for wrong in ([Reversal("trr_1", 300, other.line)], [back(200), back(101, 2)]):
        with pytest.raises(Mismatch):
            await reversals.apply(desk.conn, "tr_1", wrong)
    assert await desk.has() == {}
