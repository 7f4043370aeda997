"""Who is there in a life, and how they ask."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import httpx

from market import keys
from tests.simulation.world import Json, World


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

    async def listed(self, path: str) -> list[Json]:
        """Everything of an operator's list."""
        answer = await self.world.ask("GET", path, self.operators[0].secret)
        assert answer.status_code == 200, (path, answer.text)
        items: list[Json] = answer.json()["items"]
        return items


def _read(answer: httpx.Response) -> Json:
    """The JSON of an answer; {} for a refusal, a page and a file."""
    if answer.status_code >= 300 or not answer.headers.get("content-type", "").endswith("json"):
        return {}
    found: Json = answer.json()
    return found
