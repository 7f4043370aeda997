"""The cast: Ada's agent buys, Bo has a phone nearby, Cy is from another account, Olu and Pia are operators.

They act over HTTP on the real application and a database of the test's own. `world.jobs()` runs what waits in the
queue.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from base64 import b64encode
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from litestar import Litestar
from PIL import Image

from app import config as configuration
from app import jobs, logs
from app.config import Config
from app.main import create_app
from app.sandbox.clock import advance
from app.services import Services
from market import ids, ledger, operators

Json = dict[str, Any]

logs.configure("error")

_keys = itertools.count(1)
_idle_apps: defaultdict[bool, list[Litestar]] = defaultdict(list)


@dataclass
class World:
    """One running service with nobody in it yet."""

    app: Litestar
    client: httpx.AsyncClient

    @property
    def services(self) -> Services:
        services: Services = self.app.state.services
        return services

    async def jobs(self) -> None:
        """Run all jobs that are due."""
        await jobs.drain(self.services)

    async def later(self, seconds: int) -> None:
        """Let the market's time pass and what falls due happen."""
        await advance(self.services, seconds)


@dataclass
class Caller:
    """Somebody with a key, and requests in their name. POSTs get a fresh Idempotency-Key unless told otherwise."""

    world: World
    id: str
    secret: str
    name: str = ""
    extra: Json = field(default_factory=dict)

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.secret}", **options.pop("headers", {})}
        if method == "POST":
            headers.setdefault("idempotency-key", f"key-{next(_keys)}")
        return await self.world.client.request(method, path, headers=headers, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.ask("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        if json is not None:
            options["json"] = json
        return await self.ask("POST", path, **options)

    async def patch(self, path: str, json: Any, **options: Any) -> httpx.Response:
        return await self.ask("PATCH", path, json=json, **options)

    async def put(self, path: str, content: Any, **options: Any) -> httpx.Response:
        return await self.ask("PUT", path, content=content, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self.ask("DELETE", path, **options)


def is_problem(response: httpx.Response, status: int, slug: str) -> Json:
    """The answer is the problem `slug`: its members."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: Json = response.json()
    assert body["type"].endswith(f"/problems/{slug}"), body
    assert body["status"] == status
    assert body["request_id"] == response.headers["x-request-id"]
    return body


def ok(response: httpx.Response, status: int = 200) -> Any:
    """The answer is `status`: its JSON."""
    assert response.status_code == status, response.text
    return response.json() if response.content else None


@pytest.fixture
def config(database_url: str, tmp_path: Path) -> Config:
    """A sandbox with its own database and folder."""
    return configuration.load({"DATABASE_URL": database_url, "SENSORIUM_DATA_DIR": str(tmp_path / "data")})


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[World]:
    """The application between its start and its stop, both in one task, as its task groups want it."""
    # Nearly half a second goes into registering the routes, which are the same for every test: what a test has ended
    # with is started again by the next, on its own database.
    idle = _idle_apps[config.sandbox]
    app = idle.pop() if idle else create_app(config)
    app.state.config = config
    started, stop = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await stop.wait()

    living = asyncio.create_task(live())
    starting = asyncio.create_task(started.wait())
    await asyncio.wait({living, starting}, return_when=asyncio.FIRST_COMPLETED)
    if living.done():
        starting.cancel()
        living.result()
    try:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=config.public_url) as client:
            yield World(app, client)
    finally:
        stop.set()
        await living
        idle.append(app)


@pytest.fixture
async def world(config: Config) -> AsyncIterator[World]:
    """The application, started, with a client that talks to it as over the network."""
    async with running(config) as found:
        yield found


async def agent(world: World, name: str) -> Caller:
    """A new account with a key that may do everything."""
    answer = await world.client.post("/v1/accounts", json={"name": name, "email": f"{name.lower()}@example.com"})
    opened = ok(answer, 201)
    return Caller(world, opened["account"]["id"], opened["api_key"], name)


async def person(world: World, name: str) -> Caller:
    """Somebody who signed up and in by a mailed code."""
    email = f"{name.lower()}@example.com"
    draft = {"email": email, "display_name": name, "languages": ["en"], "accept_terms": True}
    ok(await world.client.post("/v1/people", json=draft), 202)
    outbox = ok(await world.client.get("/sandbox/outbox", params={"to": email}))
    code = outbox["items"][0]["subject"].split()[0]
    token = ok(await world.client.post("/v1/people/session", json={"email": email, "code": code}), 201)["token"]
    caller = Caller(world, "", token, name)
    caller.id = ok(await caller.get("/v1/people/me"))["id"]
    return caller


async def operator(world: World, name: str) -> Caller:
    """Somebody who works for the market."""
    async with world.services.database.transaction() as connection:
        made, secret = await operators.add(connection, f"{name.lower()}@sensorium.example", name)
    return Caller(world, made.id, secret, name)


@pytest.fixture
async def ada(world: World) -> Caller:
    """Ada's agent, with 1,000.00 to spend."""
    caller = await agent(world, "Ada")
    await fund(caller, 100_000)
    return caller


@pytest.fixture
async def bo(world: World) -> Caller:
    """Bo has a phone near by."""
    return await person(world, "Bo")


@pytest.fixture
async def cy(world: World) -> Caller:
    """Cy's agent is from another account."""
    return await agent(world, "Cy")


@pytest.fixture
async def olu(world: World) -> Caller:
    """Olu is an operator."""
    return await operator(world, "Olu")


@pytest.fixture
async def pia(world: World) -> Caller:
    """Pia is another operator."""
    return await operator(world, "Pia")


async def fund(caller: Caller, amount: int, currency: str = "usd") -> None:
    """Put money into an account as a settled charge would."""
    account = ids.read("account", caller.id)
    async with caller.world.services.database.transaction() as connection:
        await ledger.post(
            connection, "funded", f"test-funding:{next(_keys)}:{caller.id}",
            [(ledger.CLEARING, amount), (ledger.buyer(account), -amount)],
            currency=currency, actor="test",
        )  # fmt: skip


BAKERY = {"lat": 52.52, "lon": 13.405}


def a_task(**changes: Any) -> Json:
    """A task as Ada posts it: one photo of a bakery and whether it is open, for 3.00."""
    task: Json = {
        "kind": "photo",
        "title": "Is the bakery at 12 Main St open?",
        "instructions": "Stand across the street; the whole shop front in frame.",
        "purpose": "Opening-hours check for a delivery planner.",
        "place": {**BAKERY, "radius_m": 80},
        "evidence": {
            "photos": {"min": 1, "max": 3, "live_capture": True},
            "questions": [{"id": "open", "type": "choice", "choices": ["open", "closed", "gone"]}],
        },
        "reward": {"amount": 300, "currency": "usd"},
        "acceptance": {"mode": "auto", "checks": ["fresh", "at_place", "not_duplicate", "live"], "min_score": 0.5},
        "external_id": "t-1",
    }
    return {**task, **changes}


def an_area(**changes: Any) -> Json:
    """An area of two cells around the bakery, as Ada posts it."""
    away = 0.004
    west, south, east, north = 13.405 - away, 52.52 - away / 2, 13.405 + away, 52.52 + away / 2
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    task = {key: value for key, value in a_task().items() if key not in ("place", "acceptance")}
    area = {"title": "Around the bakery", "area": {"type": "Polygon", "coordinates": [ring]}, "resolution": 9}
    return {**area, "task": task, **changes}


async def post_task(caller: Caller, **changes: Any) -> Json:
    """Post a task."""
    task: Json = ok(await caller.post("/v1/tasks", a_task(**changes)), 201)
    return task


def picture(seed: int = 0, *, size: tuple[int, int] = (640, 480), kind: str = "JPEG") -> bytes:
    """A photo-like picture, other for every seed: smooth shapes under a little noise."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 255, (9, 12, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    noisy = np.asarray(image).astype(np.int16) + random.integers(-12, 12, (size[1], size[0], 1))
    written = BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(written, kind, quality=85)
    return written.getvalue()


async def claim(caller: Caller, task: Json, **fix: float) -> Json:
    """Claim a task, standing where it is asked."""
    place = task["place"] or BAKERY
    position = {"lat": place["lat"], "lon": place["lon"], "accuracy_m": 8.0, **fix}
    found: Json = ok(await caller.post(f"/v1/people/tasks/{task['id']}/claims", position), 201)
    return found


async def photo(
    caller: Caller, claimed: Json, content: bytes | None = None, *, n: int = 1, capture: Json | None = None
) -> httpx.Response:
    """Upload a photo as the app does: just taken, at the bakery, with the claim's nonce."""
    content = picture(next(_keys)) if content is None else content
    taken = {"taken_at": datetime.now(UTC).isoformat(), **BAKERY, "accuracy_m": 8.0}
    given = {**taken, "nonce": claimed["challenge"]["nonce"], **(capture or {})}
    digest = b64encode(hashlib.sha256(content).digest()).decode()
    headers = {
        "content-type": "image/jpeg",
        "content-digest": f"sha-256=:{digest}:",
        "capture": json.dumps({name: value for name, value in given.items() if value is not None}),
    }
    return await caller.put(f"/v1/people/claims/{claimed['id']}/photos/{n}", content, headers=headers)


async def submit(caller: Caller, claimed: Json, **given: Any) -> Json:
    """Hand in the evidence: the bakery is open, unless said otherwise."""
    body = {"answers": {"open": "open"}, **given}
    found: Json = ok(await caller.post(f"/v1/people/claims/{claimed['id']}/submission", body), 201)
    return found


async def answer(caller: Caller, task: Json, content: bytes | None = None, **capture: Any) -> Json:
    """Claim, photograph, hand in and have it judged; the submission as it stands then."""
    claimed = await claim(caller, task)
    ok(await photo(caller, claimed, content, capture=capture))
    submitted = await submit(caller, claimed)
    await caller.world.jobs()
    judged: Json = ok(await caller.get(f"/v1/people/submissions/{submitted['id']}"))
    return judged
