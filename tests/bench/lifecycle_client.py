"""The market's life as its users see it: eight agents buy, each from somebody with a phone, all through HTTP."""

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
JUDGED = ("submission.accepted", "submission.needs_review", "submission.rejected")
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
    pairs: list[Pair]
    photos: list[bytes]
    mode: str
    timings: Timings = field(default_factory=lambda: defaultdict(list))
    done_at: list[float] = field(default_factory=list)


@dataclass
class Pair:
    """An agent's key and a person's session, and how far the agent has read its events."""

    agent: str
    person: str
    cursor: str = ""


def _once() -> str:
    return f"idempotency-key: bench-{time.time_ns()}-{next(_keys)}\r\n"


async def judged(market: Market, line: Connection, pair: Pair, submission: str) -> str:
    """Follow the agent's events by long poll until its submission is judged; the event's type."""
    while True:
        after = f"&after={pair.cursor}" if pair.cursor else ""
        found = await line.ask("events (long poll)", "GET", f"/v1/events?limit=200&wait_s=20{after}", pair.agent)
        pair.cursor = found["next_cursor"] or pair.cursor
        for event in found["items"]:
            if event["subject"]["id"] == submission and event["type"] in JUDGED:
                return str(event["type"])


async def lifecycle(market: Market, line: Connection, pair: Pair) -> None:
    """Post, claim, photograph, submit, wait for the judgement, accept; settled when this returns."""
    began, person = time.perf_counter(), pair.person
    posted = await line.ask("post", "POST", "/v1/tasks", pair.agent, task(market.mode), headers=_once())
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
    kind = await asyncio.wait_for(judged(market, line, pair, submission), 60)
    market.timings["submitted until judged"].append(time.perf_counter() - handed_in)
    if market.mode == "manual":
        accept = f"/v1/submissions/{submission}/accept"
        await line.ask("accept", "POST", accept, pair.agent, {"rating": 5}, headers=_once())
    elif kind != "submission.accepted":
        found = await line.ask("look", "GET", f"/v1/submissions/{submission}", pair.agent)
        raise AssertionError(f"not accepted: {found['status']} {found['verdict']}")
    market.timings["whole lifecycle"].append(time.perf_counter() - began)
    market.done_at.append(time.perf_counter())


async def live(market: Market, seconds: float) -> float:
    """Every pair goes through lifecycle after lifecycle for so long; the seconds until the last has ended."""
    began = time.perf_counter()

    async def client(pair: Pair) -> None:
        line = Connection(market.host, market.port, market.timings)
        while time.perf_counter() - began < seconds and market.photos:
            await lifecycle(market, line, pair)
        line.close()

    await asyncio.gather(*(client(pair) for pair in market.pairs))
    return time.perf_counter() - began
