"""Chargebacks in the books: each of Stripe's lines once, whatever the order, and never at the cost of who worked."""

from __future__ import annotations

import asyncio
import itertools
import random
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
import pytest

from market import disputes, fraud_warnings, ids, ledger, operators, settlement_audit, stripe_balance
from market.charges import Mismatch, NotYet
from market.disputes import Reported
from market.fraud_warnings import Warned
from market.stripe_balance import BalanceLine
from tests.market.conftest import Cast

FEE = 1_500
SEEDS = 60
_numbers = itertools.count(1)


def line(amount: int, fee: int = 0, *, currency: str = "usd") -> BalanceLine:
    n = next(_numbers)
    return BalanceLine(f"txn_d{n}", "adjustment", "du_1", currency, amount, fee, amount - fee, datetime.now(UTC))


class Desk:
    """Ada has paid by a card whose owner may think otherwise."""

    def __init__(self, conn: asyncpg.Connection, account: UUID, olu: UUID) -> None:
        self.conn, self.account, self.olu = conn, account, olu

    async def paid(self, amount: int, charge: str = "ch_1", *, known: bool = True) -> UUID:
        """A funding whose charge is in Stripe's balance. known: by its charge's id."""
        funding, key = ids.new(), "fund:"
        await self.conn.execute(
            """INSERT INTO funding (id, account_id, amount, currency, status, intent_id, charge_id, fee, settled_at)
               VALUES ($1, $2, $3, 'usd', 'succeeded', $4, $5, 0, market_now())""",
            funding, self.account, amount, f"pi_{charge}", charge if known else None,
        )  # fmt: skip
        key = f"fund:{funding}"
        brought = BalanceLine(f"txn_{charge}", "charge", charge, "usd", amount, 0, amount, datetime.now(UTC))
        await ledger.post(
            self.conn, "funding", key, [(ledger.CLEARING, amount), (ledger.buyer(self.account), -amount)],
            currency="usd", actor="test", subject=("funding", funding),
        )  # fmt: skip
        await stripe_balance.mirror(self.conn, brought, key)
        return funding

    async def spent(self, amount: int) -> None:
        """Into the escrow of a task, where it is out of any dispute's reach."""
        await ledger.post(
            self.conn, "spent", f"test:{next(_numbers)}",
            [(ledger.buyer(self.account), amount), (ledger.escrow(UUID(int=1)), -amount)],
            currency="usd", actor="test",
        )  # fmt: skip

    async def came(self, amount: int) -> None:
        """The buyer has more than before."""
        await ledger.post(
            self.conn, "came", f"test:{next(_numbers)}",
            [(ledger.CLEARING, amount), (ledger.buyer(self.account), -amount)], currency="usd", actor="test",
        )  # fmt: skip

    async def books(self) -> dict[str, int]:
        """What is on each account that disputes move."""
        codes = [ledger.buyer(self.account), ledger.buyer(self.account, "held")]
        available, held = await ledger.balances(self.conn, codes, "usd")
        against = await self.conn.fetchval(
            "SELECT coalesce(sum(posted), 0)::bigint FROM ledger_account WHERE code LIKE 'dispute:%'"
        )
        summed = {
            name: await ledger.derived(self.conn, code, "usd")
            for name, code in (("losses", ledger.LOSSES), ("fees", ledger.FEES), ("clearing", ledger.CLEARING))
        }
        return {"available": available, "held": held, "dispute": against, **summed}

    async def row(self, stripe_id: str = "du_1") -> dict[str, Any]:
        names = "status, withdrawn, fees, frozen, covered, written_off"
        return dict(await self.conn.fetchrow(f"SELECT {names} FROM dispute WHERE stripe_id = $1", stripe_id))

    async def sound(self) -> None:
        """Every invariant of settlement stands, and each transaction sums to zero."""
        await self.conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
        await self.conn.execute("SET CONSTRAINTS ALL DEFERRED")
        for rule, query in settlement_audit.CHECKS.items():
            assert not await self.conn.fetch(query), rule


@pytest.fixture
async def desk(conn: asyncpg.Connection) -> Desk:
    ada = await Cast(conn).agent("ada", funds=0)
    olu, _ = await operators.add(conn, "olu@sensorium.example", "Olu")
    return Desk(conn, ada.owner, ids.read("operator", olu.id))


def chargeback(status: str, *lines: BalanceLine, amount: int = 3_000, charge: str = "ch_1") -> Reported:
    return Reported("du_1", charge, status, amount, "usd", "fraudulent", datetime(2030, 1, 1, tzinfo=UTC), lines)


class Story(NamedTuple):
    """What happens to a chargeback of 3,000, and where the money is after each step.

    Ada has paid 5,000 and spent `spent`. books: available, held, dispute, losses.
    """

    name: str
    spent: int
    steps: list[tuple[str, tuple[int, int, int, int]]]


# Steps: a state of Stripe's, with − for the withdrawal and + for its return by that moment.
STORIES = [
    Story("won", 0, [
        ("needs_response", (2_000, 3_000, 0, 0)), ("needs_response −", (2_000, 3_000, 3_000, 0)),
        ("under_review −", (2_000, 3_000, 3_000, 0)), ("won − +", (5_000, 0, 0, 0)),
    ]),
    Story("lost, and the buyer has it all", 0, [
        ("needs_response −", (2_000, 3_000, 3_000, 0)), ("lost −", (2_000, 0, 0, 0)),
    ]),
    Story("lost, and the buyer has a part", 4_000, [
        ("needs_response −", (0, 1_000, 3_000, 0)), ("lost −", (0, 0, 0, 2_000)),
    ]),
    Story("lost, and the buyer has nothing", 5_000, [
        ("needs_response −", (0, 0, 3_000, 0)), ("lost −", (0, 0, 0, 3_000)),
    ]),
    Story("an inquiry that is closed", 0, [
        ("warning_needs_response", (5_000, 0, 0, 0)), ("warning_under_review", (5_000, 0, 0, 0)),
        ("warning_closed", (5_000, 0, 0, 0)),
    ]),
    Story("an inquiry that becomes a chargeback", 0, [
        ("warning_needs_response", (5_000, 0, 0, 0)), ("needs_response −", (2_000, 3_000, 3_000, 0)),
        ("lost −", (2_000, 0, 0, 0)),
    ]),
    Story("prevented by the bank", 0, [("prevented", (5_000, 0, 0, 0))]),
    Story("won at once, as far as we hear", 0, [("won − +", (5_000, 0, 0, 0))]),
    Story("lost at once, as far as we hear", 3_000, [("lost −", (0, 0, 0, 1_000))]),
    Story("lost and taken back late", 4_000, [
        ("lost −", (0, 0, 0, 2_000)), ("lost − +", (1_000, 0, 0, 0)), ("won − +", (1_000, 0, 0, 0)),
    ]),
    Story("won and taken again late", 0, [("won − +", (5_000, 0, 0, 0)), ("won − + −", (5_000, 0, 0, 3_000))]),
]  # fmt: skip


@pytest.mark.parametrize("story", STORIES, ids=[story.name for story in STORIES])
async def test_where_the_money_is_at_each_step(desk: Desk, story: Story) -> None:
    await desk.paid(5_000)
    if story.spent:
        await desk.spent(story.spent)
    taken, back, again = line(-3_000, FEE), line(3_000), line(-3_000)
    for text, expected in story.steps:
        status, *signs = text.split()
        found = chargeback(status, *(taken, back, again)[: len(signs)])
        for _ in range(2):  # heard twice
            await disputes.apply(desk.conn, found)
            books = await desk.books()
            assert (books["available"], books["held"], books["dispute"], books["losses"]) == expected, text
            assert books["fees"] == FEE * bool(signs)
            assert books["clearing"] == 5_000 + sum((-4_500, 3_000, -3_000)[: len(signs)])
            await desk.sound()


async def test_what_the_row_says_of_a_loss(desk: Desk) -> None:
    await desk.paid(5_000)
    await desk.spent(4_000)
    taken = line(-3_000, FEE)
    heard = [(await disputes.apply(desk.conn, chargeback(status, taken))).steps
             for status in ("needs_response", "under_review", "lost", "lost", "needs_response")]  # fmt: skip
    assert heard == [["opened"], ["answered"], ["lost"], [], []]
    assert await desk.row() == {
        "status": "lost", "withdrawn": 3_000, "fees": FEE, "frozen": 0, "covered": 1_000, "written_off": 2_000,
    }  # fmt: skip
    assert await desk.conn.fetchval("SELECT disputed FROM funding") == 3_000
    told = await desk.conn.fetch("SELECT type, account_id FROM event WHERE subject_type = 'dispute' ORDER BY seq")
    assert [row["type"] for row in told] == ["dispute.opened", "dispute.answered", "dispute.lost"]
    assert {row["account_id"] for row in told} == {desk.account}


async def test_an_end_is_never_undone_and_the_database_says_so(desk: Desk) -> None:
    await desk.paid(5_000)
    taken, back = line(-3_000, FEE), line(3_000)
    await disputes.apply(desk.conn, chargeback("won", taken, back))
    await disputes.apply(desk.conn, chargeback("lost", taken))  # an old answer, read late
    assert (await desk.row())["status"] == "won"
    assert (await desk.books())["available"] == 5_000
    assert await desk.conn.fetchval("SELECT disputed FROM funding") == 0
    with pytest.raises(asyncpg.PostgresError) as refused:
        async with desk.conn.transaction():
            await desk.conn.execute("UPDATE dispute SET status = 'lost'")
    assert refused.value.sqlstate == "ST001"


async def test_won_waits_for_its_money_and_writes_nothing_before(desk: Desk) -> None:
    await desk.paid(5_000)
    taken, back = line(-3_000, FEE), line(3_000)
    with pytest.raises(NotYet, match="3000 of it is still to come back"):
        await disputes.apply(desk.conn, chargeback("won", taken))
    assert await desk.conn.fetchval("SELECT count(*) FROM dispute") == 0
    await disputes.apply(desk.conn, chargeback("won", taken, back))
    assert (await desk.row())["status"] == "won"


async def test_a_charge_that_we_do_not_know_yet_waits_and_one_known_by_its_line_is_found(desk: Desk) -> None:
    with pytest.raises(NotYet):
        await disputes.apply(desk.conn, chargeback("needs_response"))
    with pytest.raises(NotYet):
        await fraud_warnings.report(desk.conn, Warned("issfr_1", "ch_1", "misc", True))
    await desk.paid(5_000, known=False)
    assert (await disputes.apply(desk.conn, chargeback("needs_response"))).steps == ["opened"]


async def test_what_does_not_fit_the_payment_is_not_posted(desk: Desk) -> None:
    await desk.paid(5_000)
    for wrong in (
        chargeback("needs_response", line(-3_000, currency="eur")),
        msgspec.structs.replace(chargeback("needs_response"), currency="eur"),
        chargeback("needs_response", line(3_000)),
        chargeback("frobnicated"),
    ):
        with pytest.raises(Mismatch):
            await disputes.apply(desk.conn, wrong)
    assert await desk.conn.fetchval("SELECT count(*) FROM dispute") == 0


async def test_a_line_that_went_into_suspense_leaves_it_for_the_dispute(desk: Desk) -> None:
    await desk.paid(5_000)
    taken = line(-3_000, FEE)
    await stripe_balance.see(desk.conn, [taken])
    await ledger.post(
        desk.conn, "suspense", "suspense:1", [(ledger.CLEARING, taken.net), (ledger.SUSPENSE, -taken.net)],
        currency="usd", actor="test",
    )  # fmt: skip
    await desk.conn.execute("UPDATE stripe_balance_txn SET suspense_key = 'suspense:1' WHERE id = $1", taken.id)
    await disputes.apply(desk.conn, chargeback("needs_response", taken))
    assert await ledger.derived(desk.conn, ledger.SUSPENSE, "usd") == 0
    assert (await desk.books())["clearing"] == 500
    await disputes.apply(desk.conn, chargeback("lost", taken))
    assert (await desk.books())["clearing"] == 500


async def test_two_chargebacks_of_one_buyer_freeze_what_there_is_once(desk: Desk) -> None:
    await desk.paid(5_000)
    await desk.paid(2_000, "ch_2")
    await desk.spent(3_000)
    first, second = line(-3_000), line(-2_000)
    other = msgspec.structs.replace(chargeback("needs_response", second, amount=2_000, charge="ch_2"), stripe_id="du_2")
    await disputes.apply(desk.conn, chargeback("needs_response", first))
    await disputes.apply(desk.conn, other)
    assert ((await desk.row())["frozen"], (await desk.row("du_2"))["frozen"]) == (3_000, 1_000)
    await desk.sound()
    await disputes.apply(desk.conn, msgspec.structs.replace(other, status="lost"))
    await disputes.apply(desk.conn, chargeback("lost", first))
    assert (await desk.row("du_2"))["written_off"] == 1_000
    assert (await desk.books())["available"] == 0
    await desk.sound()


async def test_what_the_buyer_gets_later_is_frozen_when_an_operator_says_so(desk: Desk) -> None:
    funding = await desk.paid(5_000)
    await desk.spent(4_000)
    taken = line(-3_000)
    dispute = (await disputes.apply(desk.conn, chargeback("needs_response", taken))).dispute
    await desk.came(1_500)
    assert await disputes.freeze_more(desk.conn, dispute, "operator:olu") == 1_500
    assert await disputes.freeze_more(desk.conn, dispute, "operator:olu") == 0
    await desk.came(4_000)
    assert await disputes.freeze_more(desk.conn, dispute, "operator:olu") == 500
    await desk.sound()
    await disputes.apply(desk.conn, chargeback("lost", taken))
    assert await disputes.freeze_more(desk.conn, dispute, "operator:olu") == 0
    assert ((await desk.row())["written_off"], (await desk.books())["available"]) == (0, 3_500)
    await disputes.freeze_returned(desk.conn, funding)
    assert (await desk.books())["held"] == 0
    await desk.sound()


async def test_what_a_failed_refund_brings_back_is_frozen_too(desk: Desk) -> None:
    funding, other = await desk.paid(5_000), await desk.paid(3_000, "ch_2")
    await desk.spent(7_500)
    await disputes.apply(desk.conn, chargeback("needs_response", line(-3_000)))
    assert (await desk.books())["held"] == 500
    await desk.came(1_000)
    await disputes.freeze_returned(desk.conn, other)  # no chargeback of that one
    assert (await desk.books())["held"] == 500
    await disputes.freeze_returned(desk.conn, funding)
    assert (await desk.books())["held"] == 1_500
    await desk.sound()


# ---- any order


def a_life(seed: int) -> tuple[int, int, list[Reported]]:
    """(paid, spent, what Stripe says of a dispute, in order) by the seed."""
    dice = random.Random(seed)
    paid = dice.randrange(1_000, 9_000)
    amount = dice.randrange(1, paid + 1)
    spent = dice.choice([0, paid, dice.randrange(paid + 1)])
    taken, back = line(-amount, FEE), line(amount)
    states: list[Reported] = []

    def then(status: str, *lines: BalanceLine) -> None:
        states.append(chargeback(status, *lines, amount=amount))

    if dice.random() < 0.4:
        then("warning_needs_response")
        if dice.random() < 0.5:
            then("warning_under_review")
        if dice.random() < 0.3:
            then("warning_closed")
            return paid, spent, states
    if dice.random() < 0.5:
        then("needs_response")
    then("needs_response", taken)
    if dice.random() < 0.6:
        then("under_review", taken)
    if dice.random() < 0.7:
        then(*("won", taken, back) if dice.random() < 0.5 else ("lost", taken))  # type: ignore[arg-type]
    return paid, spent, states


async def lived(desk: Desk, paid: int, spent: int, states: list[Reported]) -> dict[str, Any]:
    """The end of such a life, in books of its own."""
    outer = desk.conn.transaction()
    await outer.start()
    try:
        await desk.paid(paid)
        if spent:
            await desk.spent(spent)
        for state in states:
            await disputes.apply(desk.conn, state)
            await desk.sound()
        return await desk.row() | await desk.books()
    finally:
        await outer.rollback()


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_shuffled_doubled_and_lost_it_ends_as_in_order(desk: Desk, seed: int) -> None:
    """Whatever was read when, and written when: the last state is heard at least once, as the list of events makes
    sure, and all the others any number of times, before and after."""
    paid, spent, states = a_life(seed)
    in_order = await lived(desk, paid, spent, states)
    dice = random.Random(seed + 1_000_000)
    heard = [state for state in states[:-1] for _ in range(dice.randrange(3))] + [states[-1]] * dice.randrange(1, 3)
    dice.shuffle(heard)
    assert await lived(desk, paid, spent, heard) == in_order


async def test_heard_from_many_sides_at_once_it_is_written_once(pool: asyncpg.Pool) -> None:
    """Six workers with answers of different age, and an operator who freezes, all at the same moment."""
    async with pool.acquire() as conn, conn.transaction():
        ada = await Cast(conn).agent("ada", funds=0)
        desk = Desk(conn, ada.owner, UUID(int=0))
        await desk.paid(5_000)
        await desk.spent(4_000)
        taken = line(-3_000, FEE)
        dispute = (await disputes.apply(conn, chargeback("warning_needs_response"))).dispute
    states = [chargeback("needs_response"), chargeback("needs_response", taken), chargeback("under_review", taken)]

    async def hear(found: Reported) -> None:
        async with pool.acquire() as conn, conn.transaction():
            await disputes.apply(conn, found)

    async def warn(stripe_id: str) -> None:
        async with pool.acquire() as conn, conn.transaction():
            await fraud_warnings.report(conn, Warned(stripe_id, "ch_1", "misc", True))

    async def freeze() -> None:
        async with pool.acquire() as conn, conn.transaction():
            await disputes.freeze_more(conn, dispute, "operator:olu")

    async with asyncio.timeout(30):
        await asyncio.gather(*(hear(state) for state in states * 2), freeze(), warn("issfr_1"), warn("issfr_2"))
    async with pool.acquire() as conn:
        desk = Desk(conn, ada.owner, UUID(int=0))
        assert await desk.row() == {
            "status": "under_review", "withdrawn": 3_000, "fees": FEE, "frozen": 1_000, "covered": 0, "written_off": 0,
        }  # fmt: skip
        assert {row["status"] for row in await conn.fetch("SELECT status FROM fraud_warning")} == {"disputed"}
        await desk.sound()
