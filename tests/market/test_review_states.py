"""Every state of a submission, and of what contests it, with everything that anybody may try: what comes of each."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from app.errors import of_refusal
from market import (
    appeals,
    awards,
    claims,
    earnings,
    fix_ups,
    ids,
    keys,
    review,
    reviewers,
    second_reviews,
    submissions,
)
from market.awards import Decision
from market.clock import advance
from market.errors import Refusal
from tests.market.appealing import FAIL, REVIEW, WHY, Court, experienced, operator
from tests.market.conftest import HOLD_S, Cast

ASKED = fix_ups.Asking(reason_code="incomplete", comment="All of it, please.", within_s=3600)
ANSWER = submissions.Answering(answers={"open": "closed"})
Act = Callable[[Court], Awaitable[object]]


async def tried(court: Court, act: Act) -> str:
    """The status that the submission has after an act, or the problem that it meets; then as it was."""
    savepoint = court.conn.transaction()
    await savepoint.start()
    try:
        await act(court)
        status = await court.status()
        broken = await court.cast.broken()
        assert broken == [], broken
    except Refusal as refusal:
        return of_refusal(refusal).slug
    finally:
        await savepoint.rollback()
    return status


# ---- submissions


async def checking(court: Court) -> None:
    await court.answer(quantity=2)


async def needs_review(court: Court) -> None:
    await checking(court)
    await court.cast.judge(court.submission, REVIEW)


async def fix_up(court: Court) -> None:
    await needs_review(court)
    await fix_ups.ask(court.conn, court.ada, court.public, ASKED)


async def fix_up_over(court: Court) -> None:
    await fix_up(court)
    await advance(court.conn, 3601)


async def mended_twice(court: Court) -> None:
    await needs_review(court)
    for _ in range(fix_ups.MOST):
        await fix_ups.ask(court.conn, court.ada, court.public, ASKED)
        await submissions.submit(court.conn, court.bo, court.claim, ANSWER)
        await court.cast.judge(court.submission, REVIEW)


async def of_device(court: Court) -> None:
    """As a device hands in by itself: its claim names a batch of readings."""
    await needs_review(court)
    device = ids.new()
    await court.conn.execute(
        "INSERT INTO device (id, person_id, kind, name, public_key) VALUES ($1, $2, 'sensor', 'x', $3)",
        device, court.bo, b"\x04" + bytes(64),
    )  # fmt: skip
    await court.conn.execute("INSERT INTO device_batch VALUES ($1, 1, '', $2)", device, bytes(64))
    await court.conn.execute(
        "UPDATE claim SET device_id = $2, batch = 1 WHERE id = $1", ids.read("claim", court.claim), device
    )


async def accepted_by_buyer(court: Court) -> None:
    await needs_review(court)
    await review.accept(court.conn, court.ada, court.public, hold_s=HOLD_S)


async def accepted_by_machine(court: Court) -> None:
    await checking(court)
    await court.cast.judge(court.submission)


async def accepted_by_deadline(court: Court) -> None:
    await needs_review(court)
    await advance(court.conn, 86_401)
    await review.accept_overdue(court.conn, hold_s=HOLD_S)


async def thanked(court: Court) -> None:
    await accepted_by_machine(court)
    await review.accept(court.conn, court.ada, court.public, hold_s=HOLD_S, bonus=40, rating=4)


async def paid_out(court: Court) -> None:
    await accepted_by_machine(court)
    await advance(court.conn, HOLD_S)
    await earnings.release_due(court.conn)


async def in_a_dataset(court: Court) -> None:
    await accepted_by_machine(court)
    dataset = await court.conn.fetchval(
        "INSERT INTO dataset (id, account_id, asked) VALUES ($1, $2, '{}') RETURNING id", ids.new(), court.ada.owner
    )
    await court.conn.execute(
        "INSERT INTO dataset_item (dataset_id, position, observation_id, item) SELECT $1, 0, id, '{}' FROM observation",
        dataset,
    )


async def rejected_by_buyer(court: Court) -> None:
    await needs_review(court)
    await review.reject(court.conn, court.ada, court.public, WHY)


async def rejected_by_machine(court: Court) -> None:
    await checking(court)
    await court.cast.judge(court.submission, FAIL, "fresh")


async def rejected_long_ago(court: Court) -> None:
    await rejected_by_machine(court)
    await advance(court.conn, appeals.APPEAL_S + 1)


async def appealed(court: Court) -> None:
    await rejected_by_buyer(court)
    await court.appealed()


async def awarded(court: Court) -> None:
    await appealed(court)
    await court.decided(100)


async def upheld(court: Court) -> None:
    await appealed(court)
    await court.decided(0)


async def disputed(court: Court) -> None:
    await accepted_by_machine(court)
    await court.disputed()


async def dispute_lost(court: Court) -> None:
    await disputed(court)
    await court.decided(100)


async def dispute_won(court: Court) -> None:
    await disputed(court)
    await court.decided(0)


ACTS: dict[str, Act] = {
    "accept": lambda court: review.accept(court.conn, court.ada, court.public, hold_s=HOLD_S),
    "reject": lambda court: review.reject(court.conn, court.ada, court.public, WHY),
    "fix up": lambda court: fix_ups.ask(court.conn, court.ada, court.public, ASKED),
    "dispute": lambda court: court.disputed(),
    "appeal": lambda court: court.appealed(),
    "hand in": lambda court: submissions.submit(court.conn, court.bo, court.claim, ANSWER),
    "give up": lambda court: claims.release(court.conn, court.bo, court.claim),
    "thank": lambda court: review.accept(court.conn, court.ada, court.public, hold_s=HOLD_S, bonus=40),
}
_NO, _OVER, _ONCE = "wrong-state", "claim-expired", "already-appealed"
# What comes of each act, in the order of ACTS: the status after it, or the problem.
SUBMISSIONS: dict[Act, tuple[str, ...]] = {
    checking: (_NO, _NO, _NO, _NO, _NO, _OVER, _OVER, _NO),
    needs_review: ("accepted", "rejected", "fix_up", _NO, _NO, _OVER, _OVER, "accepted"),
    fix_up: (_NO, _NO, _NO, _NO, _NO, "checking", "needs_review", _NO),
    fix_up_over: (_NO, _NO, _NO, _NO, _NO, _OVER, "needs_review", _NO),
    mended_twice: ("accepted", "rejected", "fix-up-limit", _NO, _NO, _OVER, _OVER, "accepted"),
    of_device: ("accepted", "rejected", "not-mendable", _NO, _NO, _OVER, _OVER, "accepted"),
    accepted_by_buyer: (_NO, _NO, _NO, "own-decision", _NO, _OVER, _OVER, "accepted"),
    accepted_by_machine: (_NO, _NO, _NO, "disputed", _NO, _OVER, _OVER, "accepted"),
    accepted_by_deadline: (_NO, _NO, _NO, "disputed", _NO, _OVER, _OVER, "accepted"),
    thanked: (_NO, _NO, _NO, "own-decision", _NO, _OVER, _OVER, _NO),
    paid_out: (_NO, _NO, _NO, "paid-out", _NO, _OVER, _OVER, "paid-out"),
    in_a_dataset: (_NO, _NO, _NO, "used-already", _NO, _OVER, _OVER, "accepted"),
    rejected_by_buyer: (_NO, _NO, _NO, _NO, "disputed", _OVER, _OVER, _NO),
    rejected_by_machine: (_NO, _NO, _NO, _NO, "disputed", _OVER, _OVER, _NO),
    rejected_long_ago: (_NO, _NO, _NO, _NO, "appeal-too-late", _OVER, _OVER, _NO),
    appealed: (_NO, _NO, _NO, _ONCE, _ONCE, _OVER, _OVER, _NO),
    awarded: (_NO, _NO, _NO, _ONCE, _ONCE, _OVER, _OVER, _NO),
    upheld: (_NO, _NO, _NO, _ONCE, _ONCE, _OVER, _OVER, _NO),
    disputed: (_NO, _NO, _NO, _ONCE, _ONCE, _OVER, _OVER, _NO),
    dispute_lost: (_NO, _NO, _NO, _ONCE, _ONCE, _OVER, _OVER, _NO),
    dispute_won: (_NO, _NO, _NO, _ONCE, _ONCE, _OVER, _OVER, _NO),
}


@pytest.mark.parametrize("state", SUBMISSIONS, ids=lambda state: state.__name__)
async def test_what_may_be_done_with_a_submission(cast: Cast, ada: keys.Actor, bo: UUID, state: Act) -> None:
    court = Court(cast, ada, bo)
    await state(court)
    found = {name: await tried(court, act) for name, act in ACTS.items()}
    assert found == dict(zip(ACTS, SUBMISSIONS[state], strict=True))


# ---- appeals and disputes


class Bench(Court):
    """A court with people who review, and operators."""

    gil = hal = ivy = olu = relative = UUID(int=0)

    @property
    def case(self) -> str:
        return ids.show("appeal", self.appeal)

    async def opinion(self, who: UUID, percent: int) -> None:
        given = second_reviews.Reviewing(award_percent=percent, reason="So I see it.")  # type: ignore[arg-type]
        await second_reviews.give_opinion(self.conn, who, self.case, given, hold_s=HOLD_S)

    async def rule(self, who: UUID) -> None:
        given = second_reviews.Deciding(award_percent=50, reason="So it is.")
        await second_reviews.decide(self.conn, who, self.case, given, hold_s=HOLD_S)

    async def say(self, **who: UUID) -> None:
        await appeals.say(self.conn, self.case, appeals.Saying(words="Look closer."), **who)


BenchAct = Callable[[Bench], Awaitable[object]]


async def speaking(bench: Bench) -> None:
    await bench.rejected()
    await bench.appealed()


async def all_said(bench: Bench) -> None:
    await speaking(bench)
    for _ in range(appeals.MOST_STATEMENTS):
        await bench.say(account=bench.ada.owner)


async def reviewing(bench: Bench) -> None:
    await speaking(bench)
    await advance(bench.conn, appeals.ANSWER_S)
    await reviewers.draw_due(bench.conn)


async def half_reviewed(bench: Bench) -> None:
    await reviewing(bench)
    await bench.opinion(bench.gil, 100)


async def disagreed(bench: Bench) -> None:
    await half_reviewed(bench)
    await bench.opinion(bench.hal, 0)


async def overdue(bench: Bench) -> None:
    await reviewing(bench)
    await advance(bench.conn, appeals.DECIDE_S)


async def decided(bench: Bench) -> None:
    await reviewing(bench)
    await bench.rule(bench.olu)


async def withdrawn(bench: Bench) -> None:
    await speaking(bench)
    left = Decision(0, awards.WITHDRAWN, f"person:{bench.bo}", withdrawn=True)
    await awards.decide(bench.conn, bench.appeal, left, hold_s=HOLD_S)


async def time(bench: Bench) -> None:
    await appeals.decide_due(bench.conn, hold_s=HOLD_S)


BENCH_ACTS: dict[str, BenchAct] = {
    "the buyer speaks": lambda bench: bench.say(account=bench.ada.owner),
    "the person speaks": lambda bench: bench.say(person=bench.bo),
    "a stranger speaks": lambda bench: bench.say(person=bench.gil),
    "gil reviews": lambda bench: bench.opinion(bench.gil, 0),
    "ivy reviews": lambda bench: bench.opinion(bench.ivy, 100),
    "the person reviews": lambda bench: bench.opinion(bench.bo, 100),
    "an operator decides": lambda bench: bench.rule(bench.olu),
    "a relative decides": lambda bench: bench.rule(bench.relative),
    "time passes": time,
}
_WORDS, _GONE, _EARLY, _KIN, _ON = "words-over", "not-found", "not-in-review", "party-to-it", "disputed"
# In the order of BENCH_ACTS. `disputed`: it is not decided by that.
APPEALS: dict[BenchAct, tuple[str, ...]] = {
    speaking: (_ON, _ON, _GONE, _GONE, _GONE, _GONE, _EARLY, _KIN, _ON),
    all_said: ("statement-limit", _ON, _GONE, _GONE, _GONE, _GONE, _EARLY, _KIN, _ON),
    reviewing: (_WORDS, _WORDS, _GONE, _ON, _ON, _GONE, "accepted", _KIN, _ON),
    half_reviewed: (_WORDS, _WORDS, _GONE, "review-taken", "accepted", _GONE, "accepted", _KIN, _ON),
    disagreed: (_WORDS, _WORDS, _GONE, "review-taken", "review-taken", _GONE, "accepted", _KIN, _ON),
    overdue: (_WORDS, _WORDS, _GONE, _ON, _ON, _GONE, "accepted", _KIN, "accepted"),
    decided: (_WORDS, _WORDS, _GONE, _GONE, _GONE, _GONE, _NO, _KIN, "accepted"),
    withdrawn: (_WORDS, _WORDS, _GONE, _GONE, _GONE, _GONE, _NO, _KIN, "rejected"),
}


async def test_what_may_be_done_with_an_appeal(
    cast: Cast, ada: keys.Actor, bo: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviewers, "POOL", 3)
    bench = Bench(cast, ada, bo)
    bench.gil, bench.hal, bench.ivy = [await experienced(cast, name) for name in ("gil", "hal", "ivy")]
    bench.olu, bench.relative = await operator(bench, "olu@example.com"), await operator(bench, "bo@example.com")
    for state, expected in APPEALS.items():
        savepoint = cast.conn.transaction()
        await savepoint.start()
        await state(bench)
        found = {name: await tried(bench, act) for name, act in BENCH_ACTS.items()}  # type: ignore[arg-type]
        assert found == dict(zip(BENCH_ACTS, expected, strict=True)), state.__name__
        await savepoint.rollback()
