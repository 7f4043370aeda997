"""The market half of the demo: people answer, cheats are refused, time passes, operators pay."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from app.demo import agent as agents
from app.demo import people
from app.demo.agent import Agent
from app.demo.http import Caller, Refused, until
from app.demo.people import TRICKS, Simulated
from app.demo.photos import Labelled

HOLD_WINDOW_S = 7 * 86_400
AT_ONCE = 8
CHEATS = ("Mallory", "Trudy", "Oscar")


@dataclass
class Outcome:
    """What the market half leaves behind for the report."""

    tasks: list[dict[str, Any]] = field(default_factory=list)
    people: list[Simulated] = field(default_factory=list)
    accepted: int = 0
    refused: list[dict[str, str]] = field(default_factory=list)  # trick, wanted check, failed check, detail
    seconds: float = 0.0
    earned: int = 0  # by all the people, minor units, as their own earnings say it
    run: dict[str, Any] = field(default_factory=dict)


async def buy(client: httpx.AsyncClient, agent: Agent, tasks: list[dict[str, Any]], hands: list[list[Labelled]],
              spare: list[Labelled]) -> Outcome:  # fmt: skip
    """Everybody takes their photos of the tasks; cheats go first and are refused. Returns when all is decided."""
    outcome = Outcome(tasks=tasks)
    began = time.monotonic()
    stop = asyncio.Event()
    watching = asyncio.create_task(agents.watch(agent, asyncio.get_running_loop().time(), stop))
    try:
        outcome.people = [await people.join(client, f"Person{i + 1}") for i in range(len(hands))]
        honest = await people.answer(outcome.people[0], tasks[0], hands[0][0])
        await agents.submission(agent, honest)
        outcome.refused = await _cheat(client, agent, tasks, hands[0][0], spare)
        await _everyone(outcome.people, tasks, hands)
        wanted = sum(len(hand) for hand in hands)

        async def decided() -> bool:
            if watching.done():
                watching.result()
            return agent.counts["submission.accepted"] + agent.counts["submission.rejected"] >= wanted + len(
                outcome.refused
            )

        await until(decided, "the decision on every submission", patience_s=180)
    finally:
        stop.set()
        await asyncio.gather(watching, return_exceptions=True)
    outcome.accepted = agent.counts["submission.accepted"]
    outcome.seconds = time.monotonic() - began
    return outcome


async def _everyone(cast: list[Simulated], tasks: list[dict[str, Any]], hands: list[list[Labelled]]) -> None:
    """Each person goes from task to task; eight walk at once."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def walk(i: int) -> None:
        for j, photo in enumerate(hands[i]):
            if (i, j) != (0, 0):  # that one was the first of all
                async with gate:
                    await people.answer(cast[i], tasks[j], photo)

    await asyncio.gather(*(walk(i) for i in range(len(cast))))


async def _cheat(
    client: httpx.AsyncClient, agent: Agent, tasks: list[dict[str, Any]], sold: Labelled, spare: list[Labelled]
) -> list[dict[str, str]]:
    """Each cheat tries each trick; what the service said to each."""
    results = []
    cheats = [await people.join(client, name) for name in CHEATS]
    photos = itertools.cycle(spare)
    for n, (cheat, trick) in enumerate(itertools.product(cheats, TRICKS)):
        photo = sold if trick.check == "not_duplicate" else next(photos)
        if trick.check == "decodes":
            photo = people.corrupted(photo)
        try:
            made = await people.answer(cheat, tasks[(n + 1) % (len(tasks) - 1)], photo, trick)
            seen = await agents.submission(agent, made)
            why = seen["rejection"] or {"failed_check": "-", "comment": f"it was {seen['status']}"}
        except Refused as refusal:
            why = {"failed_check": refusal.slug, "comment": str(refusal.problem.get("detail"))}
        results.append(
            {
                "trick": trick.name,
                "check": trick.check,
                "failed_check": str(why["failed_check"]),
                "detail": str(why["comment"]),
            }
        )
    return results


async def settle(client: httpx.AsyncClient, outcome: Outcome, olu: str, pia: str) -> None:
    """The hold window passes; people tell Stripe where to pay; Olu makes a payout run, Pia approves it, it is paid."""
    maker, checker = Caller(client, olu), Caller(client, pia)
    await asyncio.gather(*(_onboard(client, person) for person in outcome.people[1:]))
    await maker.post("/sandbox/clock", {"advance_s": HOLD_WINDOW_S + 60})

    async def released() -> bool:
        earned = [await person.caller.get("/v1/people/earnings") for person in outcome.people]
        outcome.earned = sum(each["pending"]["amount"] + each["payable"]["amount"] for each in earned)
        return all(each["pending"]["amount"] == 0 and each["payable"]["amount"] > 0 for each in earned)

    await until(released, "the release of what was earned")
    run = await maker.post("/v1/operator/payout-runs", {"currency": "usd", "minimum": 100})
    path = f"/v1/operator/payout-runs/{run['id']}"
    await maker.post(f"{path}/submit")
    try:
        await maker.post(f"{path}/approve")
        raise AssertionError("the maker could approve their own run")
    except Refused:
        pass
    seen = await checker.get(path)
    await checker.post(f"{path}/approve", {"lines_sha256": seen["lines_sha256"]})
    await checker.post(f"{path}/execute")

    async def paid() -> Any:
        seen = await maker.get(path)
        return seen if seen["status"] in ("done", "partial") else None

    outcome.run = await until(paid, "the payout run")


async def _onboard(client: httpx.AsyncClient, person: Simulated) -> None:
    """Follow the onboarding link and press the button, as in a browser."""

    async def link() -> Any:
        seen = await person.caller.post("/v1/people/payout-account")
        return seen.get("onboarding_url")

    url = await until(link, "the onboarding link")
    response = await client.post(url, data={"action": "finish"})
    assert response.status_code < 400, response.text

    async def ready() -> Any:
        return (await person.caller.get("/v1/people/payout-account"))["status"] == "active"

    await until(ready, "the payout account")
