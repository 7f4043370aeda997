"""Appeals and disputes for tests: Bo answers, Ada or the machine decides, somebody contests it."""

from typing import Any
from uuid import UUID

from market import appeal_views, appeals, awards, earnings, ids, keys, ledger, review, reviewers, submissions, tasks
from market.awards import Decision
from market.clock import advance
from tests.market.conftest import HOLD_S, PASS, Cast

FAIL = PASS | {"score": 0.01, "outcome": "fail", "checks": [{"name": "fresh", "status": "fail", "detail": "Old."}]}
REVIEW = PASS | {"score": 0.5, "outcome": "review"}
WHY = review.Rejecting(comment="Too dark.", reason_code="unreadable")
WRONG = appeals.Disputing(words="The shop next door.", reason_code="not_what_was_asked")


class Court:
    """What happens to one submission of Bo's for a task of Ada's."""

    def __init__(self, cast: Cast, ada: keys.Actor, bo: UUID) -> None:
        self.cast, self.conn, self.ada, self.bo = cast, cast.conn, ada, bo
        self.task = self.submission = self.appeal = UUID(int=0)
        self.claim = ""

    async def answer(self, **changes: Any) -> None:
        task = await self.cast.post(self.ada, **changes)
        self.task = ids.read("task", task.id)
        self.claim, self.submission = await self.cast.submit(self.bo, task.id)

    @property
    def public(self) -> str:
        return ids.show("submission", self.submission)

    async def rejected(self, by: str = "buyer", **changes: Any) -> None:
        await self.answer(**changes)
        if by == "market":
            assert await self.cast.judge(self.submission, FAIL, "fresh") == "rejected"
            return
        assert await self.cast.judge(self.submission, REVIEW) == "needs_review"
        await review.reject(self.conn, self.ada, self.public, WHY)

    async def accepted(self, **changes: Any) -> None:
        await self.answer(**changes)
        assert await self.cast.judge(self.submission) == "accepted"

    async def appealed(self, words: str = "It is bright enough.") -> None:
        self.appeal = await appeals.appeal(self.conn, self.bo, self.public, words)

    async def disputed(self) -> None:
        self.appeal = await appeals.dispute(self.conn, self.ada, self.public, WRONG)

    async def decided(self, percent: int) -> None:
        await advance(self.conn, appeals.ANSWER_S)
        await awards.decide(self.conn, self.appeal, Decision(percent, "So it is.", "operator:test"), hold_s=HOLD_S)

    async def stake(self) -> tuple[str, int]:
        row = await self.conn.fetchrow("SELECT stake::text, bond FROM appeal WHERE id = $1", self.appeal)
        return row["stake"], row["bond"]

    async def seen(self) -> appeal_views.Contested:
        return await appeal_views.get(self.conn, ids.show("appeal", self.appeal), account=self.ada.owner)

    async def status(self) -> str:
        return (await submissions.get(self.conn, self.public, person=self.bo)).status

    async def claimed(self) -> str:
        found: str = await self.conn.fetchval(
            "SELECT status::text FROM claim WHERE id = $1", ids.read("claim", self.claim)
        )
        return found

    async def slots(self) -> tuple[int, int, int]:
        found = (await tasks.get(self.conn, self.ada.owner, ids.show("task", self.task))).slots
        return found.open, found.claimed, found.done


async def money(court: Court) -> tuple[int, int, int, int]:
    """Ada's balance, what her task holds, what is pending for Bo, the market's fees."""
    cast = court.cast
    return (
        await cast.balance(ledger.buyer(court.ada.owner)), await cast.balance(ledger.escrow(court.task)),
        await cast.balance(ledger.person(court.bo, "pending")),
        await ledger.derived(cast.conn, ledger.FEE_INCOME, "usd"),
    )  # fmt: skip


async def signed_in_from(cast: Cast, person: UUID, network: str) -> None:
    await cast.conn.execute(
        """INSERT INTO login_code (id, person_id, network, code_hash, expires_at, used_from)
           VALUES ($1, $2, $3, '', market_now(), $3)""",
        ids.new(), person, network,
    )  # fmt: skip


async def experienced(cast: Cast, name: str) -> UUID:
    """Somebody who was paid for twenty answers by five buyers. The time of a hold window passes."""
    person = await cast.person(name)
    await signed_in_from(cast, person, f"home of {name}")
    for n in range(reviewers.BUYERS):
        buyer = await cast.agent(f"buyer-{n}-of-{name}")
        for _ in range(reviewers.EXPERIENCE // reviewers.BUYERS):
            _, submission = await cast.submit(person, (await cast.post(buyer)).id)
            await cast.judge(submission)
    await advance(cast.conn, HOLD_S)
    await earnings.release_due(cast.conn)
    return person


async def operator(court: Court, email: str) -> UUID:
    found: UUID = await court.conn.fetchval(
        "INSERT INTO operator (id, email, name) VALUES ($1, $2, 'Olu') RETURNING id", ids.new(), email
    )
    return found
