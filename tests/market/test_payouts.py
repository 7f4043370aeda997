"""The rules of settlement in the database: fixed lines, four eyes, money set aside and settled, or given back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from market import (
    clock,
    earnings,
    holds,
    ids,
    ledger,
    operators,
    payout_accounts,
    payout_lines,
    payout_views,
    payouts,
    settlement_audit,
    stripe_ops,
)
from market.errors import Changed, NotFound, WrongState
from market.stripe_balance import BalanceLine
from market.stripe_ops import Op
from tests.market.conftest import HOLD_S, Cast

NEVER = UUID(int=0)
PLENTY = 10**12  # what the platform has at Stripe


class Desk:
    """Olu and Pia, and people who have earned something."""

    def __init__(self, conn: asyncpg.Connection, olu: UUID, pia: UUID) -> None:
        self.conn, self.olu, self.pia = conn, olu, pia
        self.cast = Cast(conn)

    async def earner(self, name: str, amount: int, *, transfers: str | None = "active", currency: str = "usd") -> UUID:
        person = await self.cast.person(name)
        if transfers is not None:
            await payout_accounts.keep(self.conn, person, f"acct_{name}", transfers, ())
        await ledger.post(
            self.conn, "earned", f"test:{person}",
            [(ledger.CLEARING, amount), (ledger.person(person, "payable"), -amount)], currency=currency, actor="test",
        )  # fmt: skip
        return person

    async def approved(self, currency: str = "usd", minimum: int = 1) -> UUID:
        run = await payouts.make(self.conn, self.olu, currency, minimum)
        await payouts.submit(self.conn, self.olu, run)
        await payouts.approve(self.conn, self.pia, run)
        return run

    async def executed(self) -> tuple[UUID, list[Op]]:
        run = await self.approved()
        await payouts.execute(self.conn, self.olu, run)
        _, ops, _ = await payout_lines.plan_lines(self.conn, run, 100, PLENTY)
        return run, ops

    async def payable(self, person: UUID, currency: str = "usd") -> int:
        return (await ledger.balances(self.conn, [ledger.person(person, "payable")], currency))[0]


@pytest.fixture
async def desk(conn: asyncpg.Connection) -> Desk:
    made = [await operators.add(conn, f"{name}@sensorium.example", name) for name in ("Olu", "Pia")]
    olu, pia = (ids.read("operator", operator.id) for operator, _ in made)
    return Desk(conn, olu, pia)


def sent(amount: int, n: int = 1) -> BalanceLine:
    return BalanceLine(f"txn_{n}", "transfer", f"tr_{n}", "usd", -amount, 0, -amount, datetime.now(UTC))


async def test_olu_cannot_approve_her_own_run_even_behind_the_programs_back(desk: Desk) -> None:
    await desk.earner("bo", 1_000)
    run = await payouts.make(desk.conn, desk.olu, "usd", 1)
    await payouts.submit(desk.conn, desk.olu, run)
    with pytest.raises(payouts.FourEyes):
        async with desk.conn.transaction():
            await payouts.approve(desk.conn, desk.olu, run)
    copied = """INSERT INTO payout_approval (run_id, made_by, submitted_by, lines_hash, approved_by)
                SELECT id, {made}, {submitted}, lines_hash, $2 FROM payout_run WHERE id = $1"""
    with pytest.raises(asyncpg.CheckViolationError, match="maker_is_not_checker"):
        async with desk.conn.transaction():
            await desk.conn.execute(copied.format(made="made_by", submitted="submitted_by"), run, desk.olu)
    pia = f"'{desk.pia}'"
    # Claiming that somebody else had made it meets the foreign key.
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with desk.conn.transaction():
            await desk.conn.execute(copied.format(made=pia, submitted=pia), run, desk.olu)
    # And a run cannot name an approver whose approval is not there.
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with desk.conn.transaction():
            await desk.conn.execute(
                "UPDATE payout_run SET status = 'approved', approved_by = $2 WHERE id = $1", run, desk.pia
            )
            await desk.conn.execute("SET CONSTRAINTS ALL IMMEDIATE")


async def test_the_submitter_counts_as_maker_too(desk: Desk) -> None:
    await desk.earner("bo", 1_000)
    run = await payouts.make(desk.conn, desk.olu, "usd", 1)
    await payouts.submit(desk.conn, desk.pia, run)
    for one in (desk.olu, desk.pia):
        with pytest.raises(payouts.FourEyes):
            async with desk.conn.transaction():
                await payouts.approve(desk.conn, one, run)


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE payout SET amount = amount + 1",
        "UPDATE payout SET destination = 'acct_mine'",
        "UPDATE payout SET person_id = (SELECT id FROM person WHERE display_name = 'cy')",
        "DELETE FROM payout",
        "INSERT INTO payout (id, run_id, person_id, amount, currency, destination) SELECT gen_random_uuid(), run_id,"
        " (SELECT id FROM person WHERE display_name = 'cy'), 5, 'usd', 'acct_mine' FROM payout",
    ],
)
async def test_a_frozen_run_cannot_be_edited(desk: Desk, edit: str) -> None:
    await desk.cast.person("cy")
    await desk.earner("bo", 1_000)
    await payouts.make(desk.conn, desk.olu, "usd", 1)
    with pytest.raises(asyncpg.PostgresError) as refused:
        async with desk.conn.transaction():
            await desk.conn.execute(edit)
    assert refused.value.sqlstate == "PR001"


async def test_an_approval_is_of_these_lines_and_no_others(desk: Desk) -> None:
    # Even where the trigger that keeps a frozen run as it is were gone.
    await desk.conn.execute("ALTER TABLE payout_run DISABLE TRIGGER payout_run_as_frozen")
    await desk.earner("bo", 1_000)
    run = await payouts.make(desk.conn, desk.olu, "usd", 1)
    await payouts.submit(desk.conn, desk.olu, run)
    tamper = "UPDATE payout_run SET lines_hash = sha256('x') WHERE id = $1"
    with pytest.raises(Changed):
        async with desk.conn.transaction():
            await desk.conn.execute(tamper, run)
            await payouts.approve(desk.conn, desk.pia, run)
    await payouts.approve(desk.conn, desk.pia, run)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with desk.conn.transaction():
            await desk.conn.execute(tamper, run)


async def test_money_is_set_aside_with_the_operation_that_sends_it(desk: Desk) -> None:
    bo = await desk.earner("bo", 1_000)
    run, ops = await desk.executed()
    assert await desk.payable(bo) == 0
    line = (await payout_views.get(desk.conn, run)).lines[0]
    payout = ids.read("payout", line.id)
    assert (line.status, line.attempt, len(ops)) == ("planned", 1, 1)
    assert await ledger.balances(desk.conn, [f"payout:{payout}"], "usd") == [1_000]
    [op] = ops
    assert (op.key, op.params["amount"], op.params["destination"]) == (
        f"transfer:{payout}:1", 1_000, "acct_bo",
    )  # fmt: skip
    await stripe_ops.succeeded(desk.conn, op, "tr_1")
    assert await payout_lines.paid(desk.conn, payout, "tr_1", sent(1_000)) == run
    assert await payout_lines.paid(desk.conn, payout, "tr_1", sent(1_000)) is None
    assert await payout_lines.returned(desk.conn, payout, "late", "late") is None
    assert await ledger.balances(desk.conn, [f"payout:{payout}"], "usd") == [0]
    assert await payout_lines.finish(desk.conn, run) == "done"
    await desk.conn.execute("SET CONSTRAINTS ALL IMMEDIATE")


async def test_a_definite_refusal_gives_the_money_back_and_can_be_tried_under_a_new_key(desk: Desk) -> None:
    bo = await desk.earner("bo", 1_000)
    run, ops = await desk.executed()
    [op] = ops
    await stripe_ops.rejected(desk.conn, op, "balance_insufficient", "short")
    assert await payout_lines.returned(desk.conn, op.subject, "balance_insufficient", "short") == run
    assert await desk.payable(bo) == 1_000
    assert await payout_lines.finish(desk.conn, run) == "partial"
    await payouts.execute(desk.conn, desk.pia, run)
    _, again, _ = await payout_lines.plan_lines(desk.conn, run, 100, PLENTY)
    [second] = again
    assert second.key == f"transfer:{op.subject}:2"
    assert await desk.payable(bo) == 0
    await desk.conn.execute("SET CONSTRAINTS ALL IMMEDIATE")


async def test_lines_are_checked_again_when_their_turn_comes(desk: Desk) -> None:
    held, moved, lost, spent = [await desk.earner(name, 500) for name in ("hana", "moe", "lea", "sam")]
    run = await desk.approved()
    await holds.put(desk.conn, "person", held, desk.olu, "identity", None)
    await desk.conn.execute("UPDATE payout_account SET stripe_id = 'acct_other' WHERE person_id = $1", moved)
    await payout_accounts.update(desk.conn, "acct_lea", "restricted", ("identity",))
    await ledger.post(
        desk.conn, "used", "test:used", [(ledger.person(spent, "payable"), 1), (ledger.CLEARING, -1)],
        currency="usd", actor="test",
    )  # fmt: skip
    await payouts.execute(desk.conn, desk.olu, run)
    assert await payout_lines.plan_lines(desk.conn, run, 100, PLENTY) == (4, [], 0)
    found = {ids.read("person", one.person_id): one.code for one in (await payout_views.get(desk.conn, run)).lines}
    assert found == {
        held: "held",
        moved: "destination_changed",
        lost: "capability_inactive",
        spent: "balance_changed",
    }
    assert await payout_lines.finish(desk.conn, run) == "partial"


async def test_a_currency_that_is_paid_in_whole_units_rolls_the_rest_over(desk: Desk) -> None:
    bo = await desk.earner("bo", 12_345, currency="huf")
    run = await desk.approved("huf")
    assert [one.amount.amount for one in (await payout_views.get(desk.conn, run)).lines] == [12_300]
    await payouts.execute(desk.conn, desk.olu, run)
    await payout_lines.plan_lines(desk.conn, run, 10, PLENTY)
    assert await desk.payable(bo, "huf") == 45


async def test_a_hold_that_has_expired_holds_nobody(desk: Desk) -> None:
    bo = await desk.earner("bo", 1_000)
    until = await clock.now(desk.conn) + timedelta(hours=1)
    await holds.put(desk.conn, "person", bo, desk.olu, "being checked", until)
    held = await payout_views.get(desk.conn, await payouts.make(desk.conn, desk.olu, "usd", 1))
    assert (held.total.count, [one.reason for one in held.exclusions]) == (0, ["held"])
    await clock.advance(desk.conn, 3_601)
    run = await payout_views.get(desk.conn, await payouts.make(desk.conn, desk.olu, "usd", 1))
    assert (run.total.count, run.exclusions) == (1, [])


async def test_each_step_wants_the_one_before(desk: Desk) -> None:
    await desk.earner("bo", 1_000)
    run = await payouts.make(desk.conn, desk.olu, "usd", 1)
    with pytest.raises(WrongState, match="This one is frozen"):
        await payouts.approve(desk.conn, desk.pia, run)
    with pytest.raises(WrongState, match="This one is frozen"):
        await payouts.execute(desk.conn, desk.pia, run)
    await payouts.submit(desk.conn, desk.olu, run)
    with pytest.raises(WrongState, match="This one is submitted"):
        await payouts.submit(desk.conn, desk.olu, run)
    with pytest.raises(NotFound):
        await payouts.submit(desk.conn, desk.olu, NEVER)
    assert await payout_lines.plan_lines(desk.conn, run, 10, PLENTY) == (0, [], 0)
    assert await payout_lines.finish(desk.conn, run) is None


async def test_a_line_is_paid_once_its_transfer_has_gone_out_and_not_before(desk: Desk) -> None:
    cast, ada = desk.cast, await desk.cast.agent("ada")
    bo = await cast.person("bo")
    await payout_accounts.keep(desk.conn, bo, "acct_bo", "active", ())

    async def earn(reward: int) -> None:
        _, submission = await cast.submit(bo, (await cast.post(ada, reward={"amount": reward, "currency": "usd"})).id)
        assert await cast.judge(submission) == "accepted"

    async def lines() -> list[tuple[int, str]]:
        return [(line.amount.amount, line.status) for line in (await earnings.of_person(desk.conn, bo)).lines]

    for reward in (300, 500):
        await earn(reward)
    await clock.advance(desk.conn, HOLD_S + 1)
    assert await earnings.release_due(desk.conn) == 2
    await earn(200)
    run, _ = await desk.executed()
    payout = ids.read("payout", (await payout_views.get(desk.conn, run)).lines[0].id)
    assert await lines() == [(200, "pending"), (500, "released"), (300, "released")]
    await payout_lines.paid(desk.conn, payout, "tr_1", sent(800))
    assert await lines() == [(200, "pending"), (500, "paid"), (300, "paid")]
    await clock.advance(desk.conn, HOLD_S + 1)
    await earnings.release_due(desk.conn)
    assert await lines() == [(200, "released"), (500, "paid"), (300, "paid")]


async def test_the_audit_of_settlement_sees_a_transfer_that_nobody_planned(desk: Desk) -> None:
    bo = await desk.earner("bo", 1_000)
    run, _ = await desk.executed()
    payout = ids.read("payout", (await payout_views.get(desk.conn, run)).lines[0].id)

    async def broken() -> list[str]:
        return [rule for rule, query in settlement_audit.CHECKS.items() if await desk.conn.fetch(query)]

    assert await broken() == []
    planted = desk.conn.transaction()
    await planted.start()
    await ledger.post(
        desk.conn, "planted", "test:planted", [(f"payout:{payout}", 1), (ledger.person(bo, "payable"), -1)],
        currency="usd", actor="test",
    )  # fmt: skip
    assert await broken() == ["a payout holds its amount while its transfer is under way, and nothing before or after"]
    await planted.rollback()
    await payout_lines.paid(desk.conn, payout, "tr_1", sent(1_000))
    assert await broken() == [
        "a payout that is under way has an operation under way, and one that was paid a transfer that succeeded"
    ]
