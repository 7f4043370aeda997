"""Appeals and disputes told as what they leave: who is paid what, what is locked, whose slot it is."""

from uuid import UUID

import pytest

from market import (
    accounts,
    appeals,
    claims,
    datasets,
    earnings,
    ids,
    keys,
    ledger,
    observations,
    review,
    submissions,
    tasks,
)
from market.clock import advance
from market.errors import (
    AlreadyAnswered,
    AlreadyAppealed,
    AppealTooLate,
    EvidenceLocked,
    InsufficientFunds,
    NotFound,
    OwnDecision,
    PaidOut,
    UsedAlready,
)
from tests.market.appealing import FAIL, REVIEW, Court, money
from tests.market.conftest import HOLD_S, Cast


@pytest.fixture
def court(cast: Cast, ada: keys.Actor, bo: UUID) -> Court:
    return Court(cast, ada, bo)


# ---- appeals by the person


async def test_an_overturned_rejection_is_paid_and_costs_the_buyer_the_bond(court: Court) -> None:
    await court.rejected()
    assert await money(court) == (99_670, 330, 0, 0)
    await court.appealed()
    assert (await court.status(), await court.claimed(), await court.stake()) == ("disputed", "rejected", ("slot", 60))
    assert await court.slots() == (0, 1, 0), "the slot is kept for it"
    assert await money(court) == (99_610, 390, 0, 0)
    assert await court.cast.broken() == []
    await court.decided(100)
    assert (await court.status(), await court.claimed(), await court.slots()) == ("accepted", "awarded", (0, 0, 1))
    assert await money(court) == (99_610, 0, 360, 30)
    seen = await court.seen()
    assert (seen.status, seen.award_percent, seen.paid) == ("decided", 100, seen.paid) and seen.paid is not None
    assert seen.paid.amount == 360
    [observation] = await observations.listed(court.conn, court.ada.owner, limit=5)
    assert observation.submission_id == court.public, "what is paid for is the buyer's"
    assert await court.cast.broken() == []
    await advance(court.conn, HOLD_S)
    assert await earnings.release_due(court.conn) == 1
    assert await court.cast.broken() == []


async def test_an_upheld_rejection_gives_all_back_and_locks_for_good(court: Court) -> None:
    await court.rejected()
    await court.appealed()
    await court.decided(0)
    assert (await court.status(), await court.claimed(), await court.slots()) == ("rejected", "rejected", (1, 0, 0))
    assert await money(court) == (99_670, 330, 0, 0)
    with pytest.raises(AlreadyAppealed):
        await court.appealed()
    assert await court.cast.broken() == []


async def test_a_machines_rejection_costs_the_buyer_no_bond(court: Court) -> None:
    await court.rejected("market")
    await court.appealed()
    assert await court.stake() == ("none", 0) and await court.slots() == (1, 0, 0), "who it refuses takes nothing"
    seen = await court.seen()
    assert (seen.against, seen.comment) == ("market", "A photo was not taken during the claim.")
    await court.decided(100)
    assert await money(court) == (99_670, 0, 300, 30) and await court.slots() == (0, 0, 1), "the slot is free still"
    assert await court.cast.broken() == []


async def test_without_a_free_slot_the_buyers_money_is_held_beside_them(court: Court) -> None:
    await court.rejected()
    cy = await court.cast.person("cy")
    _, other = await court.cast.submit(cy, ids.show("task", court.task))
    await court.appealed()
    assert await court.stake() == ("held", 60) and await court.slots() == (0, 1, 0)
    balance = (await accounts.get(court.conn, court.ada)).balance
    assert (balance.available.amount, balance.held.amount) == (99_280, 720)
    assert await money(court) == (99_280, 720, 0, 0)
    assert await court.cast.broken() == []
    assert await court.cast.judge(other) == "accepted"
    assert await money(court) == (99_280, 390, 0, 30), "a completed task goes on holding it"
    assert (await accounts.get(court.conn, court.ada)).balance.held.amount == 390
    assert await court.cast.broken() == []
    await court.decided(100)
    assert await money(court) == (99_280, 0, 360, 60) and await court.slots() == (0, 0, 1)
    assert await court.cast.broken() == []


@pytest.mark.parametrize("percent", [0, 100])
async def test_a_task_that_ends_meanwhile_keeps_what_the_appeal_needs(court: Court, percent: int) -> None:
    await court.rejected()
    await court.appealed()
    await tasks.cancel(court.conn, court.ada, ids.show("task", court.task))
    assert (await money(court))[1] == 390
    await court.decided(percent)
    assert (await money(court))[:3] == ((99_610, 0, 360) if percent else (100_000, 0, 0))
    assert await court.cast.broken() == []


async def test_who_is_refused_by_a_machine_holds_nobodys_money_and_nobodys_slot(cast: Cast, ada: keys.Actor) -> None:
    """However many appeal: others may claim, and the balance is the buyer's."""
    task = await cast.post(ada, quantity=1)
    had = await cast.balance(ledger.buyer(ada.owner))
    for name in ("bo", "cy", "dee"):
        court = Court(cast, ada, await cast.person(name))
        court.claim, court.submission = await cast.submit(court.bo, task.id)
        assert await cast.judge(court.submission, FAIL, "fresh") == "rejected"
        await court.appealed()
    assert (await tasks.get(cast.conn, ada.owner, task.id)).slots.open == 1
    assert await cast.balance(ledger.buyer(ada.owner)) == had
    await claims.claim(cast.conn, await cast.person("eve"), task.id, None)
    assert await cast.broken() == []


async def test_a_dispute_has_its_bond(cast: Cast, bo: UUID) -> None:
    court = Court(cast, await cast.agent("eve", funds=330 + 59), bo)
    await court.accepted()
    with pytest.raises(InsufficientFunds, match="bond"):
        await court.disputed()


async def test_whoever_is_awarded_has_answered(court: Court) -> None:
    await court.rejected(quantity=3)
    await court.appealed()
    await court.decided(100)
    with pytest.raises(AlreadyAnswered):
        await claims.claim(court.conn, court.bo, ids.show("task", court.task), None)


async def test_who_has_answered_since_does_not_appeal(court: Court) -> None:
    await court.rejected(quantity=3)
    task = ids.show("task", court.task)
    held = await claims.claim(court.conn, court.bo, task, None)
    assert not await appeals.may_appeal(court.conn, court.submission)
    with pytest.raises(AlreadyAnswered, match="only one of your answers is paid"):
        await court.appealed()
    await claims.release(court.conn, court.bo, held.id)
    assert await appeals.may_appeal(court.conn, court.submission)
    _, again = await court.cast.submit(court.bo, task)
    assert await court.cast.judge(again) == "accepted"
    with pytest.raises(AlreadyAnswered):
        await court.appealed()
    assert (await court.status(), await court.slots()) == ("rejected", (2, 0, 1))
    assert await court.cast.broken() == []


async def test_who_appeals_tries_again_once_it_is_lost(court: Court) -> None:
    await court.rejected(quantity=3)
    await court.appealed()
    task = ids.show("task", court.task)
    with pytest.raises(AlreadyAnswered):
        await claims.claim(court.conn, court.bo, task, None)
    await court.decided(0)
    await claims.claim(court.conn, court.bo, task, None)
    assert await court.cast.broken() == []


async def test_an_appeal_comes_within_72_hours_of_the_own_rejection(court: Court) -> None:
    await court.rejected()
    with pytest.raises(NotFound):
        await appeals.appeal(court.conn, await court.cast.person("cy"), court.public, "Mine is better.")
    await advance(court.conn, appeals.APPEAL_S)
    assert await appeals.may_appeal(court.conn, court.submission)
    await advance(court.conn, 1)
    assert not await appeals.may_appeal(court.conn, court.submission)
    with pytest.raises(AppealTooLate):
        await court.appealed()


# ---- disputes by the buyer


async def test_a_dispute_that_is_won_undoes_the_acceptance(court: Court) -> None:
    await court.accepted()
    assert await money(court) == (99_670, 0, 300, 30)
    await court.disputed()
    assert (await court.status(), await court.claimed(), await court.stake()) == ("disputed", "submitted", ("paid", 60))
    assert [line.status for line in (await earnings.of_person(court.conn, court.bo)).lines] == ["contested"]
    assert await court.cast.broken() == []
    await advance(court.conn, HOLD_S)
    assert await earnings.release_due(court.conn) == 0, "nothing of it is released meanwhile"
    await court.decided(0)
    assert (await court.status(), await court.claimed()) == ("rejected", "rejected")
    assert await money(court) == (100_000, 0, 0, 0)
    assert await court.conn.fetchval("SELECT count(*) FROM observation") == 0
    assert (await earnings.of_person(court.conn, court.bo)).lines == []
    told = (await submissions.get(court.conn, court.public, person=court.bo)).rejection
    assert told is not None and told["reason_code"] == "not_what_was_asked"
    assert await court.cast.broken() == []


async def test_a_dispute_that_is_lost_pays_the_bond_to_the_person(court: Court) -> None:
    await court.accepted()
    await court.disputed()
    await court.decided(100)
    assert (await court.status(), await court.claimed()) == ("accepted", "submitted")
    assert await money(court) == (99_610, 0, 360, 30)
    assert len(await observations.listed(court.conn, court.ada.owner, limit=5)) == 1
    with pytest.raises(AlreadyAppealed):
        await court.disputed()
    await advance(court.conn, HOLD_S)
    assert await earnings.release_due(court.conn) == 1
    assert await court.cast.broken() == []


async def test_a_part_that_is_awarded_is_split_to_the_unit(court: Court) -> None:
    await court.accepted(reward={"amount": 301, "currency": "usd"})
    await court.disputed()
    assert await court.stake() == ("paid", 60)
    await court.decided(33)
    # 33 % of 301 is 99.33, of the fee of 30 it is 9.9, of the bond of 60 it is 19.8.
    assert await money(court) == (100_000 - 100 - 9 - 20, 0, 120, 9)
    assert await court.cast.broken() == []


async def test_nobody_disputes_their_own_decision(court: Court) -> None:
    await court.answer()
    await court.cast.judge(court.submission, REVIEW)
    await review.accept(court.conn, court.ada, court.public, hold_s=HOLD_S)
    with pytest.raises(OwnDecision):
        await court.disputed()


async def test_nobody_disputes_what_is_paid_out(court: Court) -> None:
    await court.accepted()
    await advance(court.conn, HOLD_S)
    await earnings.release_due(court.conn)
    with pytest.raises(PaidOut):
        await court.disputed()


async def test_nobody_disputes_what_they_have_used(court: Court) -> None:
    await court.accepted()
    await court.conn.execute("INSERT INTO photo_copy (name, unreadable) SELECT sha256, 'no picture' FROM photo")
    made = await datasets.draft(
        court.conn, court.ada.owner, datasets.DatasetDraft(query=datasets.Query()), actor="test"
    )
    await datasets.build(court.conn, ids.read("dataset", made.id))
    assert (await datasets.get(court.conn, court.ada.owner, made.id)).rows == 1
    with pytest.raises(UsedAlready):
        await court.disputed()


async def test_what_is_disputed_is_read_and_passed_on_by_nobody(court: Court) -> None:
    await court.accepted()
    observation = (await observations.listed(court.conn, court.ada.owner, limit=1))[0].id
    await court.disputed()
    conn, ada = court.conn, court.ada.owner
    assert await observations.listed(conn, ada, limit=5) == []
    for attempt in (
        observations.get(conn, ada, observation), observations.photo(conn, ada, observation, 1),
        datasets.draft(conn, ada, datasets.DatasetDraft(observation_ids=[observation]), actor="test"),
    ):  # fmt: skip
        with pytest.raises(EvidenceLocked):
            await attempt
    made = await datasets.draft(conn, ada, datasets.DatasetDraft(query=datasets.Query()), actor="test")
    await datasets.build(conn, ids.read("dataset", made.id))
    assert (await datasets.get(conn, ada, made.id)).status == "failed", "there is nothing to take a snapshot of"
