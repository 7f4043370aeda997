"""Every file through the real service, as a signed-in person sends it: HTTP, worker, PostgreSQL, decode children."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil

from app import config as configuration
from app.db import init_connection
from app.supervisor import System
from market import accounts, ids, ledger, people
from tests.bench.hostile import corpus
from tests.bench.hostile.kinds import Hostile
from tests.sensors.pictures import photo

PLACE = {"lat": 52.52, "lon": 13.405}
JUDGED_WITHIN_S = 120.0
MARKS = {
    "app.decode_worker": "decode",
    "granian": "http",
    "app.cli serve": "http",
    "sensorium serve": "http",
    "app.cli worker": "worker",
}


@dataclass
class Found:
    """What the service did. seconds: of each request · judged_s: from handing in until the verdict, unhurried."""

    files: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: list[tuple[float, str]] = field(default_factory=list)
    judged: list[tuple[float, str]] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    decode_peak_mb: float = 0.0
    grown_mb: dict[str, float] = field(default_factory=dict)
    restarted: list[str] = field(default_factory=list)


def task(way: str) -> dict[str, Any]:
    evidence: dict[str, Any] = {
        "questions": [{"id": "open", "type": "choice", "choices": ["open", "closed"], "required": False}]
    }
    if way in ("photo", "capture"):
        evidence["photos"] = {"min": 1, "max": 1}
    if way == "readings":
        evidence["readings"] = [{"name": "pm25", "unit": "ug/m3", "min_samples": 1}]
    return {
        "kind": {"readings": "reading", "answers": "action"}.get(way, "photo"),
        "title": "Hostile",
        "instructions": "Anything.",
        "purpose": "A measurement.",
        "place": {**PLACE, "radius_m": 80},
        "evidence": evidence,
        "reward": {"amount": 100, "currency": "usd"},
        "acceptance": {"mode": "auto", "checks": ["decodes"], "min_score": 0.5},
    }


class Parts:
    """The processes of the service by part, and what they hold."""

    def __init__(self) -> None:
        self.ours = psutil.Process()

    def now(self) -> dict[str, list[psutil.Process]]:
        found: dict[str, list[psutil.Process]] = {}
        for child in self.ours.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                line = " ".join(child.cmdline()) + " " + child.name()
                part = next((name for mark, name in MARKS.items() if mark in line), None)
                if part is not None:
                    found.setdefault(part, []).append(child)
        return found

    def resident_mb(self) -> dict[str, float]:
        return {
            part: sum(each.memory_info().rss for each in processes) / 1e6
            for part, processes in self.now().items()
            if part != "decode"
        }

    def identities(self) -> set[tuple[str, int]]:
        return {(part, each.pid) for part, processes in self.now().items() if part != "decode" for each in processes}

    def decode_peak_mb(self) -> float:
        peak = 0.0
        for child in self.now().get("decode", []):
            with suppress(OSError, StopIteration):
                lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
                peak = max(peak, next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000)
        return peak


async def cast(database_url: str) -> tuple[str, str]:
    """Ada's key, with money, and Bo's session."""
    connection = await asyncpg.connect(database_url)
    await init_connection(connection)
    try:
        async with connection.transaction():
            opened, secret = await accounts.open_account(
                connection, accounts.AccountDraft(name="Ada", email="ada@example.com")
            )
            buyer = ledger.buyer(ids.read("account", opened.id))
            lines = [(ledger.CLEARING, 10**10), (buyer, -(10**10))]
            await ledger.post(connection, "funding", "hostile", lines, currency="usd", actor="bench")
            who = people.PersonDraft(email="bo@example.com", display_name="Bo", accept_terms=True)
            session = await people.open_session(connection, await people.sign_up(connection, who))
        return secret, session
    finally:
        await connection.close()


class Sender:
    """Ada posts a task for each file and Bo answers it with the file."""

    def __init__(self, client: httpx.AsyncClient, agent: str, person: str, found: Found) -> None:
        self.client, self.agent, self.person, self.found = client, agent, person, found
        self.keys = 0

    async def ask(self, who: str, method: str, path: str, label: str, **options: Any) -> httpx.Response | None:
        self.keys += 1
        headers = {"authorization": f"Bearer {who}", "idempotency-key": f"hostile-{self.keys}"}
        headers |= options.pop("headers", {})
        began = time.perf_counter()
        try:
            answer = await self.client.request(method, path, headers=headers, **options)
        except httpx.HTTPError as error:
            self.found.failures.append(f"{label}: {error!r}")
            return None
        self.found.slowest.append((time.perf_counter() - began, label))
        self.found.statuses[answer.status_code] += 1
        if answer.status_code >= 500:
            self.found.failures.append(f"{label}: {answer.status_code} {answer.text[:200]}")
        return answer

    async def send(self, each: Hostile) -> None:
        label = f"{each.family}/{each.name}"
        posted = await self.ask(self.agent, "POST", "/v1/tasks", "post a task", json=task(each.way))
        assert posted is not None and posted.status_code == 201, posted and posted.text
        path = f"/v1/people/tasks/{posted.json()['id']}/claims"
        claimed = await self.ask(self.person, "POST", path, "claim", json={**PLACE, "accuracy_m": 8.0})
        assert claimed is not None and claimed.status_code == 201, claimed and claimed.text
        path = f"/v1/people/claims/{claimed.json()['id']}"
        body = b'{"answers":{}}'
        if each.way in ("photo", "capture"):
            content = each.content if each.way == "photo" else photo(64, 48, 1 + self.keys % 97)
            headers: dict[str, Any] = {"content-type": "image/jpeg"}
            if each.way == "capture":
                headers["capture"] = each.content
            await self.ask(self.person, "PUT", f"{path}/photos/1", label, content=content, headers=headers)
        else:
            body = each.content
        handed_in = time.perf_counter()
        headers = {"content-type": "application/json"}
        answer = await self.ask(self.person, "POST", f"{path}/submission", label, content=body, headers=headers)
        if answer is None or answer.status_code != 201:
            await self.ask(self.person, "DELETE", path, "release")
            return
        await self.until_judged(answer.json()["id"], handed_in, label)

    async def until_judged(self, submission: str, handed_in: float, label: str) -> None:
        while time.perf_counter() - handed_in < JUDGED_WITHIN_S:
            seen = await self.ask(self.person, "GET", f"/v1/people/submissions/{submission}", "look")
            if seen is not None and seen.status_code == 200 and seen.json()["status"] != "checking":
                self.found.judged.append((time.perf_counter() - handed_in, label))
                return
            await asyncio.sleep(0.02)
        self.found.undecided.append(label)


async def _watch(parts: Parts, found: Found) -> None:
    while True:
        found.decode_peak_mb = max(found.decode_peak_mb, await asyncio.to_thread(parts.decode_peak_mb))
        await asyncio.sleep(0.05)


async def _drive(system: System, every: int) -> Found:
    found, parts = Found(), Parts()
    agent, person = await cast(system.database_url)
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as client:
        sender = Sender(client, agent, person, found)
        for seed in range(30):  # caches, connections and plans, and buffers as large as uploads may be
            await sender.send(
                Hostile("warm", f"{seed}", photo(320, 240, seed + 1) + bytes(20_000_000 * (seed % 10 == 9)))
            )
        before, ours = parts.resident_mb(), parts.identities()
        found.slowest.clear(), found.judged.clear()
        watching = asyncio.create_task(_watch(parts, found))
        for each in (one for n, one in enumerate(corpus()) if n % every == 0):
            found.files[each.family] += 1
            if found.files.total() % 250 == 0:
                held = parts.resident_mb()
                grown = ", ".join(f"{part} {held.get(part, 0.0) - before[part]:+.0f} MB" for part in before)
                print(f"after {found.files.total()} files: {grown}", flush=True)
            await sender.send(each)
        watching.cancel()
        after = parts.resident_mb()
    found.grown_mb = {part: after.get(part, 0.0) - before[part] for part in before}
    found.restarted = [f"{part} {pid}" for part, pid in ours - parts.identities()]
    return found


def run(every: int) -> Found:
    """The whole corpus, or each so-manieth file of it."""
    folder = Path(tempfile.mkdtemp(prefix="sensorium-hostile-"))
    environment = {**configuration.without_settings(os.environ), "SENSORIUM_LOG_LEVEL": "warning"}
    try:
        with (
            (folder / "log").open("wb") as log,
            System(folder / "data", port=0, environment=environment, output=log) as system,
        ):
            return asyncio.run(_drive(system, every))
    finally:
        shutil.rmtree(folder)
