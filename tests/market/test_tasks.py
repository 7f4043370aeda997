"""A task's life in money: each story as the balances it leaves."""

from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from market import appeals, claims, clock, earnings, ids, keys, ledger, offers, review, statements, submissions, tasks
from market.audit import CHECKS
from market.clock import advance
from market.errors import (
    AlreadyAnswered,
    ClaimOver,
    EvidenceMissing,
    InsufficientFunds,
    Invalid,
    NotFound,
    OverCap,
    OwnDecision,
    PaidOut,
    ReasonRequired,
    SlotTaken,
    TaskNotOpen,
    TriesUsed,
    WrongState,
)
from market.periods import Period
from market.terms import TaskChange
from tests.market.conftest import FEE_BPS, HOLD_S, PASS, Cast

REVIEW = PASS | {"score": 0.5, "outcome": "review"}
FAIL = PASS | {"score": 0.01, "outcome": "fail", "checks": [{"name": "fresh", "detail": "Taken before the claim."}]}


async def broken(conn: asyncpg.Connection) -> list[str]:
    await conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
    found = [rule for rule, query in CHECKS.items() if await conn.fetch(query)]
    await conn.execute("SET CONSTRAINTS ALL DEFERRED")  # as before: the story may go on
    return found


async def escrow(cast: Cast, task: tasks.Task) -> int:
    return await cast.balance(ledger.escrow(ids.read("task", task.id)))


async def test_posting_holds_reward_and_fee_for_every_slot(cast: Cast, ada: keys.Actor) -> None:
    task = await cast.post(ada, quantity=3)
    assert (task.reward.amount, task.fee.amount, task.held.amount) == (300, 30, 990)
    assert await cast.balance(ledger.buyer(ada.owner)) == 100_000 - 990
    assert await escrow(cast, task) == 990
    assert await broken(cast.conn) == []


async def test_an_accepted_answer_pays_the_person_exactly_the_reward(cast: Cast, ada: keys.Actor) -> None:
    person = await cast.person("bo")
    task = await cast.post(ada)
    _, submission = await cast.submit(person, task.id)
    assert await cast.judge(submission) == "accepted"
    assert await cast.balance(ledger.person(person, "pending")) == 300
    assert await ledger.derived(cast.conn, ledger.FEE_INCOME, "usd") == 30
    assert await escrow(cast, task) == 0
    assert (await tasks.get(cast.conn, ada.owner, task.id)).status == "completed"
    assert await cast.judge(submission) is None, "judging twice does nothing"
    assert await broken(cast.conn) == []


async def test_pay_becomes_payable_when_the_hold_window_is_over(cast: Cast, ada: keys.Actor) -> None:
    bo = await cast.person("bo")
    _, submission = await cast.submit(bo, (await cast.post(ada)).id)
    await cast.judge(submission)
    await advance(cast.conn, HOLD_S - 10)
    assert await earnings.release_due(cast.conn) == 0
    await advance(cast.conn, 20)
    assert await earnings.release_due(cast.conn) == 1
    assert await earnings.release_due(cast.conn) == 0
    seen = await earnings.of_person(cast.conn, bo)
    assert (seen.pending.amount, seen.payable.amount, seen.paid.amount) == (0, 300, 0)
    assert [line.status for line in seen.lines] == ["released"]
    assert await broken(cast.conn) == []


async def test_a_failed_declared_check_rejects_and_frees_the_slot(cast: Cast, ada: keys.Actor) -> None:
    bo, cy = await cast.person("bo"), await cast.person("cy")
    task = await cast.post(ada)
    _, submission = await cast.submit(bo, task.id)
    assert await cast.judge(submission, FAIL, "fresh") == "rejected"
    seen = await submissions.get(cast.conn, ids.show("submission", submission), person=bo)
    assert seen.rejection is not None
    assert (seen.rejection["failed_check"], seen.rejection["comment"]) == ("fresh", "Taken before the claim.")
    assert (await tasks.get(cast.conn, ada.owner, task.id)).slots == tasks.Slots(1, 0, 0)
    assert (await claims.claim(cast.conn, cy, task.id, None)).status == "active"
    assert await broken(cast.conn) == []


async def test_whoever_is_rejected_may_try_twice_more(cast: Cast, ada: keys.Actor) -> None:
    bo, cy = await cast.person("bo"), await cast.person("cy")
    task = await cast.post(ada, quantity=2)
    here: dict[str, Any] = {"lat": 52.52, "lon": 13.405, "limit": 10}
    why = review.Rejecting(comment="Unreadable.", reason_code="unreadable")
    for left in (2, 1, 0):
        held, submission = await cast.submit(bo, task.id)
        assert await offers.near_by(cast.conn, bo, **here) == []
        with pytest.raises(AlreadyAnswered):
            await claims.claim(cast.conn, bo, task.id, None)
        if left == 1:  # by the buyer this time
            assert await cast.judge(submission, REVIEW) == "needs_review"
            await review.reject(cast.conn, ada, ids.show("submission", submission), why)
        else:
            assert await cast.judge(submission, FAIL, "fresh") == "rejected"
        assert (await claims.get(cast.conn, bo, held)).status == "rejected"
        assert (await tasks.get(cast.conn, ada.owner, task.id)).slots == tasks.Slots(2, 0, 0)
        chance = await claims.chance(cast.conn, bo, ids.read("task", task.id))
        assert (chance.tries_left, chance.refusal is None) == (left, left > 0)
        assert len(await offers.near_by(cast.conn, bo, **here)) == (left > 0)
        assert await broken(cast.conn) == []
    with pytest.raises(TriesUsed, match="3 of your answers to this task were not accepted"):
        await claims.claim(cast.conn, bo, task.id, None)
    assert len(await offers.near_by(cast.conn, cy, **here)) == 1, "others are not meant"
    assert (await claims.claim(cast.conn, bo, (await cast.post(ada)).id, None)).status == "active", "nor other tasks"


async def test_an_accepted_second_try_is_the_answer(cast: Cast, ada: keys.Actor) -> None:
    bo = await cast.person("bo")
    task = await cast.post(ada, quantity=2)
    _, first = await cast.submit(bo, task.id)
    await cast.judge(first, FAIL, "fresh")
    held, second = await cast.submit(bo, task.id)
    assert await cast.judge(second) == "accepted"
    assert (await claims.get(cast.conn, bo, held)).status == "submitted"
    with pytest.raises(AlreadyAnswered):
        await claims.claim(cast.conn, bo, task.id, None)
    assert await cast.balance(ledger.person(bo, "pending")) == 300
    assert await broken(cast.conn) == []


async def test_the_audit_sees_a_claim_that_did_not_follow_its_submission(cast: Cast, ada: keys.Actor) -> None:
    bo = await cast.person("bo")
    task = await cast.post(ada)
    held, submission = await cast.submit(bo, task.id)
    await cast.judge(submission, FAIL, "fresh")
    await cast.conn.execute("UPDATE claim SET status = 'submitted' WHERE id = $1", ids.read("claim", held))
    assert await broken(cast.conn) == ["a claim is where its submission is"]


async def test_a_doubtful_answer_waits_for_the_buyer_and_silence_means_yes(cast: Cast, ada: keys.Actor) -> None:
    bo = await cast.person("bo")
    _, submission = await cast.submit(bo, (await cast.post(ada)).id)
    assert await cast.judge(submission, REVIEW) == "needs_review"
    assert await review.accept_overdue(cast.conn, hold_s=HOLD_S) == 0
    await advance(cast.conn, 86_401)
    assert await review.accept_overdue(cast.conn, hold_s=HOLD_S) == 1
    assert await cast.balance(ledger.person(bo, "pending")) == 300
    assert await broken(cast.conn) == []


async def test_a_rejection_must_cite_what_was_declared(cast: Cast, ada: keys.Actor) -> None:
    bo = await cast.person("bo")
    _, submission = await cast.submit(bo, (await cast.post(ada)).id)
    await cast.judge(submission, REVIEW)
    public = ids.show("submission", submission)
    for wrong in ({"failed_check": "live"}, {}, {"failed_check": "fresh", "reason_code": "unreadable"}):
        with pytest.raises(ReasonRequired):
            why = review.Rejecting(comment="No.", **wrong)
            await review.reject(cast.conn, ada, public, why)
    why = review.Rejecting(comment="It shows another shop.", reason_code="not_what_was_asked")
    await review.reject(cast.conn, ada, public, why)
    with pytest.raises(WrongState, match="appeal"):
        await review.accept(cast.conn, ada, public, hold_s=HOLD_S)
    with pytest.raises(NotFound):
        await submissions.photo(cast.conn, public, 1, account=ada.owner)
    assert await broken(cast.conn) == []


async def test_a_check_that_passed_is_no_reason_to_reject(cast: Cast, ada: keys.Actor) -> None:
    bo = await cast.person("bo")
    _, submission = await cast.submit(bo, (await cast.post(ada)).id)
    found = [{"name": "fresh", "status": "pass", "detail": ""}, {"name": "at_place", "status": "warn", "detail": ""}]
    await cast.judge(submission, REVIEW | {"checks": found})
    public = ids.show("submission", submission)
    with pytest.raises(ReasonRequired, match="fresh passed") as refused:
        await review.reject(cast.conn, ada, public, review.Rejecting(comment="Too old.", failed_check="fresh"))
    assert refused.value.pointer == "/failed_check"
    await review.reject(cast.conn, ada, public, review.Rejecting(comment="Far off.", failed_check="at_place"))
    assert (await submissions.get(cast.conn, public, person=bo)).status == "rejected"


async def test_what_the_machine_accepted_is_thanked_for_once_and_not_disputed_then(cast: Cast, ada: keys.Actor) -> None:
    bo = await cast.person("bo")
    _, submission = await cast.submit(bo, (await cast.post(ada)).id)
    public = ids.show("submission", submission)
    assert await cast.judge(submission) == "accepted"
    await review.accept(cast.conn, ada, public, hold_s=HOLD_S, bonus=50, rating=5)
    assert await cast.balance(ledger.person(bo, "pending")) == 350
    assert await cast.balance(ledger.buyer(ada.owner)) == 100_000 - 330 - 50
    seen = await submissions.get(cast.conn, public, account=ada.owner)
    assert (seen.reward.amount, seen.fee.amount, seen.bonus.amount, seen.rating) == (300, 30, 50, 5)
    assert seen.observation_id is not None
    with pytest.raises(WrongState, match="thanked"):
        await review.accept(cast.conn, ada, public, hold_s=HOLD_S, bonus=50)
    with pytest.raises(OwnDecision):
        await appeals.dispute(
            cast.conn, ada, public, appeals.Disputing(words="Not so.", reason_code="not_what_was_asked")
        )
    assert await broken(cast.conn) == []
    today = (await clock.now(cast.conn)).date()
    told = await statements.of_person(cast.conn, bo, Period(today - timedelta(days=1), today), "usd")
    assert sorted((each.kind, each.change.pending, each.bonus) for each in told.lines) == [
        ("earned", 50, 50), ("earned", 300, 0),
    ]  # fmt: skip


async def test_a_bonus_does_not_come_after_the_pay_but_a_rating_may(cast: Cast, ada: keys.Actor) -> None:
    bo = await cast.person("bo")
    _, submission = await cast.submit(bo, (await cast.post(ada)).id)
    public = ids.show("submission", submission)
    await cast.judge(submission)
    await clock.advance(cast.conn, HOLD_S)
    await earnings.release_due(cast.conn)
    savepoint = cast.conn.transaction()
    await savepoint.start()
    with pytest.raises(PaidOut, match="rating"):
        await review.accept(cast.conn, ada, public, hold_s=HOLD_S, bonus=50)
    await savepoint.rollback()
    await review.accept(cast.conn, ada, public, hold_s=HOLD_S, rating=4)
    seen = await submissions.get(cast.conn, public, account=ada.owner)
    assert (seen.bonus.amount, seen.rating) == (0, 4)
    assert await broken(cast.conn) == []


async def test_a_bonus_comes_from_the_buyer_on_top(cast: Cast, ada: keys.Actor) -> None:
    bo = await cast.person("bo")
    _, submission = await cast.submit(bo, (await cast.post(ada)).id)
    await cast.judge(submission, REVIEW)
    public = ids.show("submission", submission)
    await review.accept(cast.conn, ada, public, hold_s=HOLD_S, bonus=50, rating=5)
    assert await cast.balance(ledger.person(bo, "pending")) == 350
    assert await cast.balance(ledger.buyer(ada.owner)) == 100_000 - 330 - 50
    assert await broken(cast.conn) == []


async def test_cancelling_returns_open_slots_and_still_pays_who_had_claimed(cast: Cast, ada: keys.Actor) -> None:
    bo, cy = await cast.person("bo"), await cast.person("cy")
    task = await cast.post(ada, quantity=3)
    _, submission = await cast.submit(bo, task.id)
    held = await claims.claim(cast.conn, cy, task.id, None)
    await tasks.cancel(cast.conn, ada, task.id)
    assert await escrow(cast, task) == 660
    with pytest.raises(TaskNotOpen):
        await tasks.cancel(cast.conn, ada, task.id)
    await cast.judge(submission)
    assert await cast.balance(ledger.person(bo, "pending")) == 300
    await claims.release(cast.conn, cy, held.id)
    assert await escrow(cast, task) == 0
    assert await cast.balance(ledger.buyer(ada.owner)) == 100_000 - 330
    assert await broken(cast.conn) == []


async def test_time_ends_tasks_and_claims(cast: Cast, ada: keys.Actor) -> None:
    bo, cy = await cast.person("bo"), await cast.person("cy")
    task = await cast.post(ada, quantity=2)
    held = await claims.claim(cast.conn, bo, task.id, None)
    await advance(cast.conn, 3601)
    with pytest.raises(ClaimOver):
        await cast.photo(bo, held.id)
    assert await claims.expire_due(cast.conn) == 1
    assert (await claims.claim(cast.conn, bo, task.id, None)).id != held.id, "an expired claim may be taken again"
    await advance(cast.conn, 8 * 86_400)
    with pytest.raises(TaskNotOpen):
        await claims.claim(cast.conn, cy, task.id, None)
    assert await tasks.expire_due(cast.conn) == 1
    assert await claims.expire_due(cast.conn) == 1
    assert await escrow(cast, task) == 0
    assert await broken(cast.conn) == []


async def test_nothing_is_held_without_funds_or_above_a_cap(cast: Cast, ada: keys.Actor) -> None:
    poor = await cast.agent("poor", funds=329)
    point = cast.conn.transaction()
    await point.start()
    with pytest.raises(InsufficientFunds):
        await cast.post(poor)
    await point.rollback()
    assert await cast.balance(ledger.buyer(poor.owner)) == 329
    draft = keys.KeyDraft(max_per_task=400, max_per_day=700)
    _, secret = await keys.make(cast.conn, ada, draft)
    capped = await keys.find(cast.conn, secret)
    with pytest.raises(OverCap):
        await cast.post(capped, quantity=2)
    await cast.post(capped)
    await cast.post(capped)
    with pytest.raises(OverCap):
        await cast.post(capped)
    assert (await keys.caps(cast.conn, capped)).used_today == 660


async def test_a_posted_task_only_gets_better(cast: Cast, ada: keys.Actor) -> None:
    bo = await cast.person("bo")
    task = await cast.post(ada, quantity=2)
    _, submission = await cast.submit(bo, task.id)
    raised = msgspec.convert({"reward": {"amount": 500, "currency": "usd"}, "add_quantity": 1}, TaskChange)
    changed = await tasks.change(cast.conn, ada, task.id, raised, fee_bps=FEE_BPS)
    assert changed.held.amount == 3 * 550 == await escrow(cast, task)
    lower = msgspec.convert({"reward": {"amount": 499, "currency": "usd"}}, TaskChange)
    with pytest.raises(Invalid):
        await tasks.change(cast.conn, ada, task.id, lower, fee_bps=FEE_BPS)
    await cast.judge(submission)
    assert await cast.balance(ledger.person(bo, "pending")) == 500
    assert await broken(cast.conn) == []


async def test_what_the_task_asks_for_must_be_there(cast: Cast, ada: keys.Actor) -> None:
    bo = await cast.person("bo")
    task = await cast.post(ada, acceptance={"pay_honest_negative": False})
    held = await claims.claim(cast.conn, bo, task.id, None)
    point = cast.conn.transaction()
    await point.start()
    with pytest.raises(EvidenceMissing):
        await submissions.submit(cast.conn, bo, held.id, submissions.Answering(answers={"open": "open"}))
    await point.rollback()
    await cast.photo(bo, held.id)
    with pytest.raises(Invalid):
        await submissions.submit(cast.conn, bo, held.id, submissions.Answering(outcome="honest_negative"))


async def test_a_full_task_and_a_strangers_task(cast: Cast, ada: keys.Actor) -> None:
    bo, cy = await cast.person("bo"), await cast.person("cy")
    task = await cast.post(ada)
    held = await claims.claim(cast.conn, bo, task.id, None)
    with pytest.raises(SlotTaken):
        await claims.claim(cast.conn, cy, task.id, None)
    with pytest.raises(NotFound):
        await claims.release(cast.conn, cy, held.id)
    other = await cast.agent("other")
    for call in (tasks.get(cast.conn, other.owner, task.id), tasks.cancel(cast.conn, other, task.id)):
        with pytest.raises(NotFound):
            await call
