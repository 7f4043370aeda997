"""Fix-ups: the buyer asks, Bo mends, or does not; the slot, the price and what was there before stay."""

from typing import Any
from uuid import UUID

import pytest

from market import claims, erasure, fix_ups, ids, keys, ledger, review, submissions, tasks
from market.clock import advance
from market.errors import ClaimOver, ContactDetails, FixUpLimit, NotFound, ReasonRequired, WrongState
from market.money import Price
from market.terms import TaskChange
from tests.market.conftest import FEE_BPS, HOLD_S, PASS, Cast

REVIEW = PASS | {
    "score": 0.5,
    "outcome": "review",
    "checks": [{"name": "quality", "status": "warn", "detail": "Dark."}],
}
ASKED: dict[str, Any] = {"reason_code": "incomplete", "comment": "The whole door, please.", "within_s": 3600}
OTHER = b"\x02" * 32


async def reviewed(cast: Cast, ada: keys.Actor, bo: UUID, **changes: Any) -> tuple[tasks.Task, str, UUID]:
    """Something of Bo's that waits for Ada's review: the task, the claim and the submission."""
    task = await cast.post(ada, **changes)
    claim, submission = await cast.submit(bo, task.id)
    assert await cast.judge(submission, REVIEW) == "needs_review"
    return task, claim, submission


async def ask(cast: Cast, ada: keys.Actor, submission: UUID, **changes: Any) -> None:
    await fix_ups.ask(cast.conn, ada, ids.show("submission", submission), fix_ups.Asking(**(ASKED | changes)))


async def of_bo(cast: Cast, bo: UUID, submission: UUID) -> submissions.Submission:
    return await submissions.get(cast.conn, ids.show("submission", submission), person=bo)


async def status(cast: Cast, submission: UUID) -> str:
    found: str = await cast.conn.fetchval("SELECT status::text FROM submission WHERE id = $1", submission)
    return found


async def test_bo_mends_in_the_same_claim_and_is_paid_the_price_of_it(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    task, claim, submission = await reviewed(cast, ada, bo)
    before = await claims.get(cast.conn, bo, claim)
    await ask(cast, ada, submission)
    held = await claims.get(cast.conn, bo, claim)
    assert (held.status, held.challenge.nonce, held.challenge.code) == (
        "active", before.challenge.nonce, before.challenge.code,
    )  # fmt: skip
    seen = await of_bo(cast, bo, submission)
    assert seen.fix_up is not None and seen.fix_up.until == held.expires_at
    assert (seen.status, seen.fix_up.comment, seen.fix_up.left) == ("fix_up", ASKED["comment"], 1)
    assert (await tasks.get(cast.conn, ada.owner, task.id)).slots == tasks.Slots(0, 1, 0)
    assert await cast.broken() == []
    await advance(cast.conn, 60)
    await cast.photo(bo, claim, sha256=OTHER)
    answer = submissions.Answering(answers={"open": "closed"}, notes="Now all of it.")
    assert await submissions.submit(cast.conn, bo, claim, answer) == submission, "the same submission"
    seen = await of_bo(cast, bo, submission)
    assert (seen.status, seen.answers, seen.verdict, seen.fix_up) == ("checking", {"open": "closed"}, None, None)
    kept = await cast.conn.fetchrow("SELECT * FROM submission_revision WHERE submission_id = $1", submission)
    assert (kept["answers"], kept["photos"][0]["sha256"], kept["verdict"]) == ({"open": "open"}, "01" * 32, REVIEW)
    assert await cast.broken() == []
    assert await cast.judge(submission) == "accepted"
    assert await cast.balance(ledger.person(bo, "pending")) == 300
    told = await cast.conn.fetch("SELECT type FROM event WHERE subject_id = $1 AND person_id = $2 AND account_id = $3",
                                 submission, bo, ada.owner)  # fmt: skip
    assert {"submission.fix_up", "submission.mended"} <= {each["type"] for each in told}, "both may read it"
    assert await cast.broken() == []


async def test_a_verdict_on_what_was_there_before_is_not_applied_to_what_was_mended(
    cast: Cast, ada: keys.Actor, bo: UUID
) -> None:
    _, claim, submission = await reviewed(cast, ada, bo)
    first = (await of_bo(cast, bo, submission)).submitted_at
    await ask(cast, ada, submission)
    await advance(cast.conn, 60)
    await submissions.submit(cast.conn, bo, claim, submissions.Answering(answers={"open": "open"}))
    late = await submissions.judge(cast.conn, submission, PASS, failed_check=None, hold_s=HOLD_S, of=first)
    assert late is None and await status(cast, submission) == "checking"
    now = (await of_bo(cast, bo, submission)).submitted_at
    assert await submissions.judge(cast.conn, submission, PASS, failed_check=None, hold_s=HOLD_S, of=now) == "accepted"


async def test_a_raise_during_a_fix_up_is_bos_too(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    task, claim, submission = await reviewed(cast, ada, bo)
    await ask(cast, ada, submission)
    raised = TaskChange(reward=Price(amount=400, currency="usd"))
    await tasks.change(cast.conn, ada, task.id, raised, fee_bps=FEE_BPS)
    await submissions.submit(cast.conn, bo, claim, submissions.Answering(answers={"open": "open"}))
    assert await cast.judge(submission) == "accepted"
    assert await cast.balance(ledger.person(bo, "pending")) == 400
    assert await cast.broken() == []


@pytest.mark.parametrize("replaced", [False, True])
async def test_what_is_not_mended_in_time_is_with_the_buyer_as_it_was(
    cast: Cast, ada: keys.Actor, bo: UUID, replaced: bool
) -> None:
    task, claim, submission = await reviewed(cast, ada, bo)
    was = await of_bo(cast, bo, submission)
    await ask(cast, ada, submission)
    await advance(cast.conn, 60)
    if replaced:
        await cast.photo(bo, claim, sha256=OTHER)
    assert await fix_ups.end_due(cast.conn) == (0, [])
    await advance(cast.conn, 3600)
    assert await claims.expire_due(cast.conn) == 0, "the slot is not given away"
    with pytest.raises(ClaimOver):
        await submissions.submit(cast.conn, bo, claim, submissions.Answering(answers={"open": "closed"}))
    assert await fix_ups.end_due(cast.conn) == (1, [submission] if replaced else [])
    assert await fix_ups.end_due(cast.conn) == (0, [])
    now = await of_bo(cast, bo, submission)
    assert (now.status, now.answers) == ("checking" if replaced else "needs_review", was.answers)
    assert (await claims.get(cast.conn, bo, claim)).status == "submitted"
    assert (await tasks.get(cast.conn, ada.owner, task.id)).slots == tasks.Slots(0, 1, 0)
    if replaced:
        assert now.verdict is None and now.submitted_at > was.submitted_at
    else:
        assert now.verdict == was.verdict and was.review_by is not None and now.review_by is not None
        assert now.review_by > was.review_by, "a fresh deadline"
        await advance(cast.conn, 86_401)
        assert await review.accept_overdue(cast.conn, hold_s=HOLD_S) == 1, "silence accepts, as ever"
    assert await cast.broken() == []


async def test_giving_it_up_leaves_it_with_the_buyer_at_once(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    task, claim, submission = await reviewed(cast, ada, bo)
    await ask(cast, ada, submission)
    assert await claims.release(cast.conn, bo, claim) is None
    assert await status(cast, submission) == "needs_review"
    assert (await tasks.get(cast.conn, ada.owner, task.id)).slots == tasks.Slots(0, 1, 0)
    with pytest.raises(ClaimOver):
        await claims.release(cast.conn, bo, claim)
    assert await cast.broken() == []


async def test_two_may_be_asked_for_each_for_a_reason(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    _, claim, submission = await reviewed(cast, ada, bo)
    with pytest.raises(ReasonRequired):
        await ask(cast, ada, submission, failed_check="quality", reason_code=None)
    with pytest.raises(NotFound):
        await ask(cast, await cast.agent("cy"), submission)
    for left in (1, 0):
        await ask(cast, ada, submission, failed_check="fresh", reason_code=None)
        seen = await of_bo(cast, bo, submission)
        assert seen.fix_up is not None and (seen.fix_up.left, seen.fix_up.failed_check) == (left, "fresh")
        with pytest.raises(WrongState):
            await ask(cast, ada, submission)
        await submissions.submit(cast.conn, bo, claim, submissions.Answering(answers={"open": "open"}))
        assert await cast.judge(submission, REVIEW) == "needs_review"
    with pytest.raises(FixUpLimit):
        await ask(cast, ada, submission)
    assert await cast.broken() == []


async def test_what_is_being_mended_shows_the_buyer_what_was_handed_in_and_nothing_newer(
    cast: Cast, ada: keys.Actor, bo: UUID
) -> None:
    _, claim, submission = await reviewed(cast, ada, bo)
    public = ids.show("submission", submission)
    await ask(cast, ada, submission)
    seen = await submissions.get(cast.conn, public, account=ada.owner)
    assert (seen.status, [each.n for each in seen.photos], seen.answers) == ("fix_up", [1], {"open": "open"})
    assert (await submissions.photo(cast.conn, public, 1, account=ada.owner)).sha256 == b"\x01" * 32
    await advance(cast.conn, 60)
    await cast.photo(bo, claim, n=2, sha256=b"\x07" * 32)
    await cast.photo(bo, claim, n=1, sha256=OTHER)
    assert (await submissions.get(cast.conn, public, account=ada.owner)).photos == [], "one is gone, one not handed in"
    assert [each.n for each in (await of_bo(cast, bo, submission)).photos] == [1, 2]
    for n in (1, 2):
        assert (await submissions.photo(cast.conn, public, n, person=bo)).sha256
        with pytest.raises(NotFound):
            await submissions.photo(cast.conn, public, n, account=ada.owner)
    # Sent again as it was: another photo for all that anybody knows.
    await cast.photo(bo, claim, n=1)
    with pytest.raises(NotFound):
        await submissions.photo(cast.conn, public, 1, account=ada.owner)


async def test_whoever_is_erased_while_mending_is_withdrawn(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    task, _, submission = await reviewed(cast, ada, bo)
    await ask(cast, ada, submission)
    assert (await erasure.export(cast.conn, bo))["fix_ups"][0]["comment"] == ASKED["comment"]
    await tasks.cancel(cast.conn, ada, task.id)
    erased = await erasure.erase(cast.conn, bo)
    assert (erased.claims_released, erased.submissions_withdrawn) == (0, 1)
    assert await status(cast, submission) == "rejected"
    assert await cast.conn.fetchval("SELECT count(*) FROM submission_revision") == 0
    assert await cast.balance(ledger.buyer(ada.owner)) == 100_000
    assert await cast.broken() == []


async def test_what_was_added_and_never_handed_in_is_nobodys_to_see(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    _, claim, submission = await reviewed(cast, ada, bo)
    await ask(cast, ada, submission)
    await advance(cast.conn, 60)
    await cast.photo(bo, claim, n=2, sha256=OTHER)
    await claims.release(cast.conn, bo, claim)
    seen = await submissions.get(cast.conn, ids.show("submission", submission), account=ada.owner)
    assert (seen.status, [each.n for each in seen.photos]) == ("needs_review", [1])
    doomed = await cast.conn.fetch("SELECT name FROM doomed_media")
    assert [each["name"] for each in doomed] == [OTHER]
    assert await cast.broken() == []


async def test_a_fix_up_tells_nobody_how_to_reach_somebody(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    _, _, submission = await reviewed(cast, ada, bo)
    with pytest.raises(ContactDetails) as refused:
        await ask(cast, ada, submission, comment="Better call me: +49 151 23456789.")
    assert refused.value.pointer == "/comment"
    why = review.Rejecting(comment="Write to ada@example.com for half of it.", reason_code="unreadable")
    with pytest.raises(ContactDetails):
        await review.reject(cast.conn, ada, ids.show("submission", submission), why)
    assert await status(cast, submission) == "needs_review"
