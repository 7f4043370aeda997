"""What is contested when everybody comes at once: its pay, evidence, slot and decision, on real connections."""

import asyncpg
import msgspec
import pytest

from market import (
    appeals,
    awards,
    claims,
    clock,
    datasets,
    earnings,
    errors,
    ids,
    keys,
    ledger,
    listings,
    review,
    reviewers,
)
from market import second_reviews as second
from market.awards import Decision
from tests.market.appealing import WHY, WRONG, experienced
from tests.market.conftest import FEE_BPS, HOLD_S, PASS, Cast
from tests.market.resale import CC_BY
from tests.market.test_market_races import ada_and, at_once, balance, doing, no_findings, posted, waiting

PEOPLE = tuple(f"p{n}" for n in range(8))


async def accepted_of_all(pool: asyncpg.Pool) -> tuple[keys.Actor, list[tuple[str, str]]]:
    """Ada, with one answer of each of eight people that the machine has accepted: (submission, observation)."""
    ada, people = await ada_and(pool, *PEOPLE)
    async with pool.acquire() as conn, conn.transaction():
        cast, found = Cast(conn), []
        task = await cast.post(ada, quantity=len(people))
        for person in people:
            _, submission = await cast.submit(person, task.id)
            assert await cast.judge(submission, PASS) == "accepted"
            observation = await conn.fetchval("SELECT id FROM observation WHERE submission_id = $1", submission)
            found.append((ids.show("submission", submission), ids.show("observation", observation)))
        await conn.execute("INSERT INTO photo_copy (name, unreadable) SELECT DISTINCT sha256, 'no picture' FROM photo")
    return ada, found


async def rejected(pool: asyncpg.Pool, **changes: object) -> tuple[keys.Actor, str, str, list[object]]:
    """Ada, her task, Bo's answer to it that she has rejected, and who else there is."""
    ada, people = await ada_and(pool, "bo", *PEOPLE)
    task = await posted(pool, ada, **changes)
    public = ids.show("submission", await waiting(pool, people[0], task))
    assert await at_once(pool, doing(review.reject, ada, public, WHY)) == [None]
    return ada, task, public, list(people)


async def test_a_dispute_and_the_release_of_its_pay_are_one_of_the_two(pool: asyncpg.Pool) -> None:
    ada, answered = await accepted_of_all(pool)
    async with pool.acquire() as conn:
        await clock.advance(conn, HOLD_S + 1)
    disputes = [doing(appeals.dispute, ada, submission, WRONG) for submission, _ in answered]
    release = [doing(earnings.release_due, 3)] * 4
    answers = await at_once(pool, *disputes[:4], *release, *disputes[4:])
    tried = answers[:4] + answers[8:]
    assert {type(each) for each in tried if isinstance(each, Exception)} <= {errors.PaidOut}
    contested = sum(not isinstance(each, Exception) for each in tried)
    await at_once(pool, doing(earnings.release_due, 50))
    async with pool.acquire() as conn:
        released = await conn.fetchval("SELECT count(*) FROM earning WHERE released_at IS NOT NULL")
        assert await conn.fetchval("SELECT count(*) FROM earning WHERE contested") == contested
    assert released + contested == len(answered)
    await no_findings(pool)


async def test_what_is_disputed_is_in_no_dataset_and_for_sale_nowhere(pool: asyncpg.Pool) -> None:
    ada, answered = await accepted_of_all(pool)
    async with pool.acquire() as conn, conn.transaction():
        asked = datasets.DatasetDraft(query=datasets.Query())
        made = await datasets.draft(conn, ada.owner, asked, actor="test")
    offers = [
        doing(
            listings.create, ada,
            msgspec.convert(
                {"observation_id": observation, "price": {"amount": 500, "currency": "usd"}, "license": CC_BY},
                listings.ListingDraft,
            ),
            fee_bps=FEE_BPS,
        )
        for _, observation in answered[:4]
    ]  # fmt: skip
    disputes = [doing(appeals.dispute, ada, submission, WRONG) for submission, _ in answered]
    build = doing(datasets.build, ids.read("dataset", made.id))
    answers = await at_once(pool, *disputes[:2], build, *offers, *disputes[2:])
    refused = [each for each in answers if isinstance(each, Exception)]
    assert {type(each) for each in refused} <= {errors.UsedAlready, errors.EvidenceLocked, errors.NotFound}
    async with pool.acquire() as conn:
        both = await conn.fetchval(
            """SELECT count(*) FROM observation o WHERE o.locked AND (
                 EXISTS (SELECT FROM dataset_item d WHERE d.observation_id = o.id)
                 OR EXISTS (SELECT FROM listing_item l WHERE l.observation_id = o.id))"""
        )
    assert both == 0
    await no_findings(pool)


async def test_an_appeal_and_claims_at_once_share_the_last_slot(pool: asyncpg.Pool) -> None:
    _, task, public, people = await rejected(pool)
    bo, *others = people
    claiming = [doing(claims.claim, who, task, None) for who in others]
    answers = await at_once(
        pool, *claiming[:4], doing(appeals.appeal, bo, public, "It is bright enough."), *claiming[4:]
    )
    appealed = answers.pop(4)
    assert not isinstance(appealed, Exception)
    held = [each for each in answers if isinstance(each, claims.Claim)]
    async with pool.acquire() as conn:
        stake = await conn.fetchval("SELECT stake::text FROM appeal WHERE id = $1", appealed)
    # Whoever comes second finds the slot gone: a claim is refused, an appeal has money held beside.
    assert (len(held), stake) in ((1, "held"), (0, "slot"))
    await no_findings(pool)


@pytest.mark.parametrize("percent", [0, 100])
async def test_operators_people_and_the_deadline_at_once_decide_once(
    pool: asyncpg.Pool, percent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviewers, "POOL", 3)
    async with pool.acquire() as conn, conn.transaction():
        peers = [await experienced(Cast(conn), name) for name in ("gil", "hal", "ida")]
    _, _, public, people = await rejected(pool)
    [appeal] = await at_once(pool, doing(appeals.appeal, people[0], public, "It is bright enough."))
    async with pool.acquire() as conn:
        await clock.advance(conn, appeals.DECIDE_S)
        assert await reviewers.draw_due(conn) == 1
    opinion = second.Reviewing(award_percent=percent, reason="So it looks.")  # type: ignore[arg-type]
    opinions = [doing(second.give_opinion, who, ids.show("appeal", appeal), opinion, hold_s=HOLD_S) for who in peers]
    deciding = [doing(awards.decide, appeal, Decision(percent, "So it is.", "operator:test"), hold_s=HOLD_S)] * 3
    answers = await at_once(pool, *opinions, *deciding, doing(appeals.decide_due, hold_s=HOLD_S))
    refused = {type(each) for each in answers if isinstance(each, Exception)}
    assert refused <= {errors.WrongState, errors.NotFound, errors.ReviewTaken}
    decided = sum(each is True for each in answers[:3]) + sum(each is None for each in answers[3:6]) + answers[6]
    assert decided == 1
    async with pool.acquire() as conn:
        award, by = await conn.fetchrow("SELECT award_percent, decided_by FROM appeal WHERE id = $1", appeal)
        assert by in ("operator:test", "people", "deadline") and award == (100 if by == "deadline" else percent)
        paid = await conn.fetchval("SELECT coalesce(sum(amount), 0) FROM earning WHERE person_id = $1", people[0])
    assert await balance(pool, ledger.person(people[0], "pending")) == paid == (360 if award else 0)
    await no_findings(pool)
