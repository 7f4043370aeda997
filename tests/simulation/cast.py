"""Who is there in a life, and how they ask."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from market import claims, ids, keys, submissions
from tests.simulation.world import Json, World

VERDICT = {"score": 1.0, "outcome": "pass", "version": "1", "checks": []}


@dataclass
class Buyer:
    """An account with its key."""

    id: str
    secret: str
    actor: keys.Actor


@dataclass
class Somebody:
    """A person or an operator with a key."""

    id: str
    secret: str


@dataclass
class Cast:
    """Everybody of one life, and what was answered to them."""

    world: World
    buyers: list[Buyer] = field(default_factory=list)
    people: list[Somebody] = field(default_factory=list)
    operators: list[Somebody] = field(default_factory=list)
    acknowledged: dict[str, int] = field(default_factory=dict)  # intentions that were answered with success
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def one(self, of: list[Any]) -> Any:
        return self.world.random.choice(of) if of else None

    async def ask(self, who: Any, method: str, path: str, body: Any = None) -> Json:
        """Asked until it is answered; {} for a refusal."""
        answer = await self.world.insist(method, path, who.secret, body)
        if answer.status_code < 300:
            name = f"{method} {path.rsplit('/', 1)[-1] if method == 'POST' else ''}"
            self.acknowledged[name] = self.acknowledged.get(name, 0) + 1
        return _read(answer)

    async def mistake(self, who: Any, method: str, path: str, body: Any = None) -> None:
        """Asked by mistake, and told so."""
        answer = await self.world.insist(method, path, who.secret, body, mistaken=True)
        assert 400 <= answer.status_code < 500, (method, path, answer.status_code, answer.text)

    async def listed(self, path: str) -> list[Json]:
        """An operator's list, as its first page shows it."""
        items: list[Json] = (await self.ask(self.operators[0], "GET", path))["items"]
        return items

    def task(self, reward: int, quantity: int = 2) -> Json:
        """What a buyer wants to know."""
        return {
            "kind": "action", "title": "Is it open?", "instructions": "Look.", "purpose": "To know.",
            "evidence": {"questions": [{"id": "open", "type": "boolean"}]},
            "reward": {"amount": reward, "currency": "usd"}, "quantity": quantity,
        }  # fmt: skip

    async def work_of(self, buyer: Buyer, person: Somebody) -> str | None:
        """A task of the buyer's is answered once, by this person, and the answer accepted: the task."""
        posted = await self.ask(buyer, "POST", "/v1/tasks", self.task(self.world.random.choice([150, 700])))
        if not posted:
            return None
        await self.judged(await self.handed_in(posted["id"], person))
        return str(posted["id"])

    async def handed_in(self, task: str, person: Somebody) -> UUID:
        """The person's answer to a task."""
        number = ids.read("person", person.id)
        async with self.world.services.database.transaction() as connection:
            held = await claims.claim(connection, number, task, None)
            return await submissions.submit(connection, number, held.id, submissions.Answering(answers={"open": True}))

    async def judged(self, submission: UUID) -> None:
        """The market's own judgement of an answer: it is good."""

        async def judge() -> bool:
            async with self.world.services.database.transaction() as connection:
                await submissions.judge(connection, submission, VERDICT, failed_check=None, hold_s=3_600)
            return True

        while await self.world.run(judge()) is None:
            pass

    async def under_way(self, rounds: int = 2) -> None:
        """Jobs, webhooks and sweeps, and a little time, as it goes in a market that is left alone."""
        for number in range(1, rounds + 1):
            await self.world.jobs()
            await self.world.webhooks(all_of_them=True)
            await self.world.jobs()
            await self.world.sweep(but="" if number == rounds else "mirror")
            await self.world.later(40)

    async def find(self, query: str, *values: Any) -> Any:
        """What the database has, for an act to begin from."""
        async with self.world.services.database.read() as connection:
            return await connection.fetchval(query, *values)


def _read(answer: httpx.Response) -> Json:
    """The JSON of an answer; {} for a refusal, a page and a file."""
    if answer.status_code >= 300 or not answer.headers.get("content-type", "").endswith("json"):
        return {}
    found: Json = answer.json()
    return found
