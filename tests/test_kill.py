"""`sensorium run` is killed at random moments of a load. What it acknowledged is there afterwards; the books are right.

KILL_ROUNDS sets how often (the suite: 4).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from PIL import Image

from app import config as configuration
from app.serve import free_port

ROUNDS = int(os.environ.get("KILL_ROUNDS", "4"))
TASK: dict[str, Any] = {
    "kind": "photo", "title": "Is the bakery open?", "instructions": "The shop front.", "purpose": "A test.",
    "evidence": {"photos": {"min": 1}}, "reward": {"amount": 300, "currency": "usd"},
    "acceptance": {"checks": ["decodes"], "min_score": 0.0},
}  # fmt: skip


class Run:
    """One life of `sensorium run` on a data folder."""

    def __init__(self, folder: Path, port: int) -> None:
        environment = {**configuration.without_settings(os.environ), "SENSORIUM_HOLD_WINDOW_S": "1"}
        self.url = f"http://127.0.0.1:{port}"
        self.log = (folder.parent / "run.log").open("ab")
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "run", "--data-dir", str(folder), "--port", str(port)],
            env=environment, stdout=self.log, stderr=self.log, start_new_session=True,
        )  # fmt: skip
        while not self._ready():
            assert self.process.poll() is None, "sensorium run ended by itself"
            assert time.monotonic() - began < 60, "not ready"
            time.sleep(0.05)
        self.ready_s = time.monotonic() - began

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self, everything: bool) -> None:
        """SIGKILL to the supervisor, or to all its descendants at once; then nobody is left."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        if everything:
            for member in family:
                with suppress(psutil.NoSuchProcess):  # the kernel was quicker
                    member.kill()
        self.process.wait()
        _, left = psutil.wait_procs(family, timeout=10)
        assert left == [], "the children outlive a killed parent"
        self.log.close()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0
        self.log.close()


class Load:
    """Ada posts, Bo answers, without end; every acknowledged write is remembered."""

    def __init__(self, url: str, seed: int) -> None:
        self.url, self.seed = url, seed
        self.agent = self.person = ""
        self.tasks: set[str] = set()
        self.claims: set[str] = set()
        self.unfinished: set[str] = set()
        self.photos: set[str] = set()
        self.submissions: set[str] = set()
        self.keys = 0

    async def _ask(self, client: httpx.AsyncClient, who: str, method: str, path: str, **options: Any) -> Any:
        self.keys += 1
        headers = {"idempotency-key": f"{self.seed}-{self.keys}"} | ({"authorization": f"Bearer {who}"} if who else {})
        headers |= options.pop("headers", {})
        response = await client.request(method, path, headers=headers, **options)
        if response.status_code == 503:  # the database died before the HTTP process: nothing was acknowledged
            raise httpx.HTTPError("the service is going down")
        assert response.status_code < 300, response.text
        return response.json() if response.content else None

    async def open(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=20) as client:
            made = await self._ask(client, "", "POST", "/v1/accounts", json={"name": "Ada", "email": "ada@example.com"})
            self.agent = made["api_key"]
            funding = {"amount": {"amount": 5_000_000, "currency": "usd"}, "payment_method": "pm_card_visa"}
            await self._ask(client, self.agent, "POST", "/v1/funding", json=funding)
            draft = {"email": "bo@example.com", "display_name": "Bo", "accept_terms": True}
            await self._ask(client, "", "POST", "/v1/people", json=draft)
            mails = await client.get(
                "/sandbox/outbox", params={"to": "bo@example.com"}, headers={"accept": "application/json"}
            )
            found = re.search(r"\b\d{6}\b", mails.json()["items"][0]["text"])
            assert found is not None
            session = await self._ask(
                client, "", "POST", "/v1/people/session", json={"email": "bo@example.com", "code": found.group()}
            )
            self.person = session["token"]
            for _ in range(100):
                if (await self._ask(client, self.agent, "GET", "/v1/account"))["balance"]["available"]["amount"]:
                    return
                await asyncio.sleep(0.1)
            raise AssertionError("the funding did not arrive")

    async def tidy(self) -> None:
        """Bo ends what the last kill left him with: a claim with an acknowledged photo can be handed in, or was."""
        async with httpx.AsyncClient(base_url=self.url, timeout=20) as client:
            for claim in list(self.unfinished):
                seen = await self._ask(client, self.person, "GET", f"/v1/people/claims/{claim}")
                if seen["status"] == "active" and claim in self.photos:
                    await self._submit(client, claim)
                elif seen["status"] == "active":
                    await self._ask(client, self.person, "DELETE", f"/v1/people/claims/{claim}")
        self.unfinished.clear()

    async def go_on(self) -> None:
        """Until the service is gone."""
        async with httpx.AsyncClient(base_url=self.url, timeout=20) as client:
            await asyncio.gather(*(self._walk(client) for _ in range(4)))

    async def _walk(self, client: httpx.AsyncClient) -> None:
        try:
            while True:
                task = (await self._ask(client, self.agent, "POST", "/v1/tasks", json=TASK))["id"]
                self.tasks.add(task)
                claim = await self._ask(
                    client, self.person, "POST", f"/v1/people/tasks/{task}/claims", json={"lat": 1.0, "lon": 1.0}
                )
                claim = claim["id"]
                self.claims.add(claim)
                self.unfinished.add(claim)
                photo = picture(random.Random(f"{self.seed}-{task}").randrange(2**32))
                digest = base64.b64encode(hashlib.sha256(photo).digest()).decode()
                await self._ask(
                    client, self.person, "PUT", f"/v1/people/claims/{claim}/photos/1", content=photo,
                    headers={"content-type": "image/jpeg", "content-digest": f"sha-256=:{digest}:"},
                )  # fmt: skip
                self.photos.add(claim)
                await self._submit(client, claim)
        except httpx.HTTPError:
            return

    async def _submit(self, client: httpx.AsyncClient, claim: str) -> None:
        path = f"/v1/people/claims/{claim}/submission"
        self.submissions.add((await self._ask(client, self.person, "POST", path, json={"answers": {}}))["id"])
        self.unfinished.discard(claim)

    def missing(self) -> list[str]:
        """Acknowledged things that the service does not know, and submissions that are never decided."""
        lost = []
        with httpx.Client(base_url=self.url, timeout=20, headers={"authorization": f"Bearer {self.agent}"}) as client:
            lost += [task for task in self.tasks if client.get(f"/v1/tasks/{task}").status_code != 200]
            known = {"authorization": f"Bearer {self.person}"}
            for claim in self.claims:
                if client.get(f"/v1/people/claims/{claim}", headers=known).status_code != 200:
                    lost.append(claim)
            for submission in self.submissions:
                for _ in range(300):
                    answer = client.get(f"/v1/submissions/{submission}")
                    if answer.status_code != 200 or answer.json()["status"] != "checking":
                        break
                    time.sleep(0.1)
                if answer.status_code != 200 or answer.json()["status"] == "checking":
                    lost.append(submission)
        return lost


def picture(seed: int) -> bytes:
    """A photo like no other: coarse noise, enlarged."""
    coarse = np.random.default_rng(seed).integers(0, 255, (12, 12, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((160, 160), Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()


def audit(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "audit", "--data-dir", str(folder)],
        env=configuration.without_settings(os.environ), capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_nothing_acknowledged_is_lost_when_everything_is_killed(tmp_path: Path) -> None:
    chance = random.Random(7)
    folder, port = tmp_path / "data", free_port("127.0.0.1")
    run = Run(folder, port)
    load = Load(run.url, 7)
    asyncio.run(load.open())
    slowest = 0.0
    for _ in range(ROUNDS):
        before = len(load.submissions)

        async def under_fire(run: Run = run) -> None:
            await load.tidy()
            walking = asyncio.create_task(load.go_on())
            await asyncio.sleep(chance.uniform(0.5, 3))
            await asyncio.to_thread(run.kill, chance.random() < 0.5)
            await walking

        asyncio.run(under_fire())
        assert len(load.submissions) > before, "the load did something"
        run = Run(folder, port)
        slowest = max(slowest, run.ready_s)
        assert load.missing() == []
        said = audit(folder)
        assert said.returncode == 0, said.stdout
    run.stop()
    print(f"{ROUNDS} kills, {len(load.submissions)} submissions, ready after at most {slowest:.1f} s")
