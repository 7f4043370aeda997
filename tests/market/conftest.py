"""The cast inside the database: Ada's agent buys, Bo has a phone nearby, Cy is from another account."""

from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from market import accounts, audit, claim_photos, claims, keys, ledger, people, posting, submissions, tasks
from market.terms import TaskDraft

FEE_BPS = 1000
HOLD_S = 7 * 86_400
PASS = {"score": 0.97, "outcome": "pass", "version": "1", "checks": []}
BAKERY: dict[str, Any] = {
    "kind": "photo",
    "title": "Is the bakery open?",
    "instructions": "The whole shop front in frame.",
    "purpose": "Opening hours for a planner.",
    "place": {"lat": 52.52, "lon": 13.405, "radius_m": 80},
    "evidence": {
        "photos": {"min": 1, "max": 3},
        "questions": [{"id": "open", "type": "choice", "choices": ["open", "closed"]}],
    },
    "reward": {"amount": 300, "currency": "usd"},
}


class Cast:
    """The acts of the cast on one connection."""

    rates = posting.Rates(FEE_BPS)

    def __init__(self, conn: asyncpg.Connection) -> None:
        self.conn = conn

    async def agent(self, name: str, funds: int = 100_000) -> keys.Actor:
        draft = accounts.AccountDraft(name=name, email=f"{name}@example.com")
        _, secret = await accounts.open_account(self.conn, draft)
        actor = await keys.find(self.conn, secret)
        if funds:
            await fund(self.conn, actor.owner, funds)
        return actor

    async def person(self, name: str) -> UUID:
        return await people.sign_up(
            self.conn, people.PersonDraft(email=f"{name}@example.com", display_name=name, accept_terms=True)
        )

    async def post(self, actor: keys.Actor, **changes: Any) -> tasks.Task:
        draft = msgspec.convert(BAKERY | changes, TaskDraft)
        return await posting.post(self.conn, actor, draft, rates=self.rates)

    async def photo(self, person: UUID, claim: str, n: int = 1, sha256: bytes = b"\x01" * 32) -> None:
        await claim_photos.put(self.conn, person, claim, claim_photos.Photo(n, sha256, 900, "image/jpeg", None))

    async def submit(self, person: UUID, task: str, **given: Any) -> tuple[str, UUID]:
        """Claim, photograph and submit: the claim's and the submission's id."""
        held = await claims.claim(self.conn, person, task, None)
        await self.photo(person, held.id)
        answering = submissions.Answering(**({"answers": {"open": "open"}} | given))
        return held.id, await submissions.submit(self.conn, person, held.id, answering)

    async def judge(self, submission: UUID, verdict: dict[str, Any] = PASS, failed: str | None = None) -> str | None:
        return await submissions.judge(self.conn, submission, verdict, failed_check=failed, hold_s=HOLD_S)

    async def broken(self) -> list[str]:
        """The rules of the audit that do not hold."""
        await self.conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
        found = [rule for rule, query in audit.CHECKS.items() if await self.conn.fetch(query)]
        await self.conn.execute("SET CONSTRAINTS ALL DEFERRED")  # as before: the story may go on
        return found

    async def balance(self, code: str) -> int:
        return (await ledger.balances(self.conn, [code], "usd"))[0]


async def fund(conn: asyncpg.Connection, account: UUID, amount: int, key: str = "seed") -> None:
    """Money from outside, as funding posts it."""
    await ledger.post(
        conn, "funding", f"{key}:{account}", [(ledger.CLEARING, amount), (ledger.buyer(account), -amount)],
        currency="usd", actor="test",
    )  # fmt: skip


@pytest.fixture
async def cast(conn: asyncpg.Connection) -> Cast:
    return Cast(conn)


@pytest.fixture
async def ada(cast: Cast) -> keys.Actor:
    return await cast.agent("ada")


@pytest.fixture
async def bo(cast: Cast) -> UUID:
    return await cast.person("bo")
