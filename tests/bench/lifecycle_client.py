"""The market's life as its users see it: Ada's agent buys, eight people answer, all through HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from itertools import count
from typing import Any

import numpy as np
from PIL import Image

from tests.bench.http_client import Connection, Timings

PLACE = {"lat": 52.52, "lon": 13.405}
CHECKS = ["fresh", "at_place", "not_duplicate", "live"]
_keys = count()


def task(mode: str) -> dict[str, Any]:
    """A task for one photo and one answer; `mode` auto: accepted by its verdict, manual: by the buyer."""
    return {
        "kind": "photo",
        "title": "Is the bakery at 12 Main St open?",
        "instructions": "The whole shop front in frame.",
        "purpose": "Opening hours for a delivery planner.",
        "place": {**PLACE, "radius_m": 80},
        "evidence": {
            "photos": {"min": 1, "max": 1, "live_capture": True},
            "questions": [{"id": "open", "type": "choice", "choices": ["open", "closed"]}],
        },
        "reward": {"amount": 300, "currency": "usd"},
        "acceptance": {"mode": mode, "checks": CHECKS, "min_score": 0.5},
    }


def pictures(number: int) -> list[bytes]:
    """Small JPEGs of some 10 kB, each of another scene, so that none is a near copy of another."""
    random = np.random.default_rng(11)
    made = []
    for _ in range(number):
        scene = Image.fromarray(random.integers(0, 255, (9, 12, 3), dtype=np.uint8))
        written = BytesIO()
        scene.resize((480, 360), Image.Resampling.BICUBIC).save(written, "JPEG", quality=90)
        made.append(written.getvalue())
    return made


@dataclass
class Market:
    """Where the service is, who takes part, and what is counted. `photos` is used up from its end."""

    host: str
    port: int
    agent: str
    people: list[str]
    photos: list[bytes]
    mode: str
    timings: Timings = field(default_factory=lambda: defaultdict(list))
    done_at: list[float] = field(default_factory=list)
    decided: dict[str, asyncio.Future[str]] = field(default_factory=dict)


def _once() -> str:
    return f"idempotency-key: bench-{time.time_ns()}-{next(_keys)}\r\n"


async def follow(market: Market) -> None:
    """The agent's one long poll on its events, which tells each client what became of its submission."""
    line = Connection(market.host, market.port, market.timings)
    known: set[str] = set()
    cursor = ""
    while True:
        after = f"&after={cursor}" if cursor else ""
        found = await line.ask("events (long poll)", "GET", f"/v1/events?limit=200&wait_s=20{after}", market.agent)
        cursor = found["next_cursor"] or cursor
        for event in found["items"]:
            kind, subject = event["type"], event["subject"]["id"]
            if kind in ("submission.accepted", "submission.needs_review", "submission.rejected"):
                waiting = market.decided.setdefault(subject, asyncio.get_running_loop().create_future())
                if subject not in known:
                    known.add(subject)
                    waiting.set_result(kind)


async def lifecycle(market: Market, line: Connection, person: str) -> None:
    """Post, claim, photograph, submit, wait for the judgement, accept; settled when this returns."""
    began = time.perf_counter()
    posted = await line.ask("post", "POST", "/v1/tasks", market.agent, task(market.mode), headers=_once())
    path = f"/v1/people/tasks/{posted['id']}/claims"
    claim = await line.ask("claim", "POST", path, person, {**PLACE, "accuracy_m": 8.0}, headers=_once())
    capture = {"taken_at": datetime.now(UTC).isoformat(), **PLACE, "accuracy_m": 8.0,
               "nonce": claim["challenge"]["nonce"]}  # fmt: skip
    headers = f"content-type: image/jpeg\r\ncapture: {json.dumps(capture)}\r\n"
    path = f"/v1/people/claims/{claim['id']}"
    await line.ask("photo", "PUT", f"{path}/photos/1", person, headers=headers, raw=market.photos.pop())
    answers = {"answers": {"open": "open"}}
    handed_in = time.perf_counter()
    submitted = await line.ask("submit", "POST", f"{path}/submission", person, answers, headers=_once())
    submission = submitted["id"]
    told = market.decided.setdefault(submission, asyncio.get_running_loop().create_future())
    kind = await asyncio.wait_for(told, 60)
    market.timings["submitted until judged"].append(time.perf_counter() - handed_in)
    del market.decided[submission]
    if market.mode == "manual":
        accept = f"/v1/submissions/{submission}/accept"
        await line.ask("accept", "POST", accept, market.agent, {"rating": 5}, headers=_once())
    elif kind != "submission.accepted":
        found = await line.ask("look", "GET", f"/v1/submissions/{submission}", market.agent)
        raise AssertionError(f"not accepted: {found['status']} {found['verdict']}")
    market.timings["whole lifecycle"].append(time.perf_counter() - began)
    market.done_at.append(time.perf_counter())


async def live(market: Market, seconds: float) -> float:
    """Every person goes through lifecycle after lifecycle for so long; the seconds until the last has ended."""
    following = asyncio.create_task(follow(market))
    began = time.perf_counter()

    async def client(person: str) -> None:
        line = Connection(market.host, market.port, market.timings)
        while time.perf_counter() - began < seconds and market.photos:
            await lifecycle(market, line, person)
        line.close()

    clients = asyncio.gather(*(client(person) for person in market.people))
    await asyncio.wait({following, clients}, return_when=asyncio.FIRST_COMPLETED)
    if following.done():
        following.result()
    await clients
    following.cancel()
    return time.perf_counter() - began
