"""Ada's agent: it opens an account, tops it up through Stripe, asks, and decides what the checks leave to the buyer."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from app.demo.http import Caller, until

CENTRE = (52.5200, 13.4050)
REWARD = 40
TOP_UP = 100_000


@dataclass
class Agent:
    """The agent's account and what it has learned from the event log."""

    caller: Caller
    key: str
    cursor: str | None = None
    counts: Counter[str] = field(default_factory=Counter)
    bought: list[tuple[float, int]] = field(default_factory=list)  # seconds since the first task, observations so far
    reviewed: int = 0


async def open_account(client: httpx.AsyncClient) -> Agent:
    """Sign up and fund the account off-session with Stripe's test card; returns once the balance has moved."""
    made = await Caller(client).post(
        "/v1/accounts", {"name": "Ada's field researcher", "email": "ada@agents.example"}
    )  # fmt: skip
    agent = Agent(Caller(client, made["api_key"]), made["api_key"])
    await agent.caller.post(
        "/v1/funding", {"amount": {"amount": TOP_UP, "currency": "usd"}, "payment_method": "pm_card_visa"}
    )

    async def funded() -> bool:
        account = await agent.caller.get("/v1/account")
        return bool(account["balance"]["available"]["amount"] == TOP_UP)

    await until(funded, "the top-up")
    return agent


def drafts(what: str, labels: list[str], quantities: list[int]) -> list[dict[str, Any]]:
    """One task a spot, all around one square, each for so many photos with a question."""
    closes = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    return [
        {
            "kind": "photo",
            "title": f"Photo of a {what}, spot {i + 1}",
            "instructions": f"One {what}, filling the frame. Then say which it is.",
            "purpose": f"Training data for a small model that tells each {what} from the others.",
            "place": {
                # Some steps apart: the simulated people hurry, and nobody is believed at the speed of an aeroplane.
                "lat": CENTRE[0] + 0.0001 * (i % 7 - 3),
                "lon": CENTRE[1] + 0.0001 * (i // 7 - 2),
                "radius_m": 150,
            },
            "closes_at": closes,
            "evidence": {
                "photos": {"min": 1, "max": 1, "live_capture": True},
                "questions": [{"id": "label", "type": "choice", "text": "Which is it?", "choices": labels}],
            },
            "reward": {"amount": REWARD, "currency": "usd"},
            "quantity": quantity,
            "acceptance": {
                # The last task is judged by the agent itself, to show that path as well.
                "mode": "manual" if i == len(quantities) - 1 else "auto",
                "checks": ["decodes", "fresh", "at_place", "live", "not_duplicate", "answers"],
                "min_score": 0.6,
            },
            "claim_ttl_s": 1800,
            "external_id": f"spot-{i + 1}",
        }
        for i, quantity in enumerate(quantities)
    ]


async def watch(agent: Agent, began: float, stop: asyncio.Event) -> None:
    """Follow the event log by long-poll; accept what waits for review. Ends when `stop` is set."""
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        query = {"wait_s": 2, "limit": 200} | ({"after": agent.cursor} if agent.cursor else {})
        for event in (await agent.caller.get("/v1/events", **query))["items"]:
            agent.cursor = event["id"]
            agent.counts[event["type"]] += 1
            if event["type"] == "submission.accepted":
                agent.bought.append((loop.time() - began, agent.counts["submission.accepted"]))
            if event["type"] == "submission.needs_review":
                await agent.caller.post(f"/v1/submissions/{event['subject']['id']}/accept", {"rating": 5})
                agent.reviewed += 1


async def submission(agent: Agent, submission_id: str) -> dict[str, Any]:
    """A submission once it has been decided."""

    async def decided() -> Any:
        seen = await agent.caller.get(f"/v1/submissions/{submission_id}")
        return seen if seen["status"] in ("accepted", "rejected") else None

    found: dict[str, Any] = await until(decided, f"the decision on {submission_id}")
    return found


async def movements(agent: Agent) -> dict[str, int]:
    """What moved on the account's balance, by kind, in minor units: in positive, out negative. From its journal."""
    sums: dict[str, int] = {}
    query: dict[str, Any] = {"limit": 100}
    while True:
        page = await agent.caller.get("/v1/ledger", **query)
        for line in page["items"]:
            sums[line["kind"]] = sums.get(line["kind"], 0) + line["amount"]["amount"]
        if page["next_cursor"] is None:
            return sums
        query["cursor"] = page["next_cursor"]
