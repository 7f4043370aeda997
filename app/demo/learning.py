"""The research half of the demo. The runner is an agent like any other: a process with a capped key, and HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.child import die_with_parent
from app.demo.agent import Agent
from app.demo.http import until
from app.demo.photos import Collection, Labelled
from app.demo.report import Learned, best_guess

LOOP_S = 240  # for a slow machine; two idle cores need a third of it
AT_ONCE = 100  # photos in one prediction request
SHOWN = 24

Say = Callable[[str], None]


async def learn(
    agent: Agent,
    url: str,
    collection: Collection,
    unseen: list[Labelled],
    scratch: Path,
    out: Path,
    say: Say,
    experiments: int,
) -> Learned:
    """Dataset, experiments, publication, then predictions of the first and of the best model on unseen photos."""
    began = time.monotonic()
    key = (await agent.caller.post("/v1/keys", {"name": "runner", "max_per_day": 1000}))["api_key"]
    runner = Runner(url, key, scratch / "tmp")
    dataset = await agent.caller.post("/v1/datasets", {"query": {"outcome": "done"}})

    async def ready() -> Any:
        seen = await agent.caller.get(f"/v1/datasets/{dataset['id']}")
        return seen if seen["status"] != "building" else None

    dataset = await until(ready, "the dataset")
    say(f"dataset of {dataset['rows']} observations, manifest {dataset['manifest_sha256'][:12]}…")
    workspace = scratch / slug(collection.name)
    await runner("new", workspace)
    learned = Learned()
    say("                decision   accuracy on val, change and why")
    bought = ("--dataset", dataset["id"], "--question", "label")
    async for event in runner.lines(
        "loop", workspace, *bought, "--experiments", experiments, "--seconds", LOOP_S, "--json"
    ):
        if event["event"] == "experiment":
            learned.experiments.append(event)
            accuracy = "  -  " if event["accuracy"] is None else f"{event['accuracy']:.3f}"
            say(f"experiment {event['experiment']:>2}   {event['status']:<8} {accuracy}  {event['description']}")
    best = await runner.result("publish", workspace, "--json")
    await asyncio.to_thread(_write_folder, unseen, scratch / "unseen")
    async for event in runner.lines("curve", workspace, scratch / "unseen", "--json"):
        learned.curve.append(event)
        say(f"trained on {event['photos']:>4} photos: {event['accuracy']:.3f} of the unseen ones are named rightly")
    await runner("report", workspace)
    shutil.copy(workspace / "report.html", out / "experiments.html")
    learned.model, learned.unseen = best, len(unseen)
    learned.first = await _score_first(runner, workspace, scratch / "unseen")
    learned.final, outputs = await _score(agent, best["id"], unseen)
    wrong = [pair for pair in zip(unseen, outputs, strict=True) if best_guess(pair[1]) != pair[0].label]
    right = [pair for pair in zip(unseen, outputs, strict=True) if best_guess(pair[1]) == pair[0].label]
    learned.samples = (wrong[: SHOWN // 3] + right)[:SHOWN]
    learned.seconds = time.monotonic() - began
    learned.abstained = sum(output["abstained"] for output in outputs)
    say(f"{best['name']} is published; {learned.final:.4f} of {len(unseen)} unseen photos are named rightly")
    return learned


async def _score(agent: Agent, model: str, photos: list[Labelled]) -> tuple[float, list[dict[str, Any]]]:
    """The share of photos that the model names rightly when it must answer, over the service's own endpoint."""
    outputs: list[dict[str, Any]] = []
    for start in range(0, len(photos), AT_ONCE):
        files = [("files", ("photo", photo.data, "image/jpeg")) for photo in photos[start : start + AT_ONCE]]
        response = await agent.caller.ask("POST", f"/v1/models/{model}/predict", files=files)
        outputs += response.json()["outputs"]
    right = sum(best_guess(output) == photo.label for photo, output in zip(photos, outputs, strict=True))
    return right / len(photos), outputs


async def _score_first(runner: Runner, workspace: Path, folder: Path) -> float:
    """The same share for the model of the very first experiment, which was never published."""
    said = await runner.result("score", workspace, folder, "--model", "first", "--json")
    return float(said["accuracy"]["value"])


def _write_folder(photos: list[Labelled], folder: Path) -> None:
    folder.mkdir()
    rows = ["file,label,group"]
    for i, photo in enumerate(photos):
        (folder / f"{i}.jpg").write_bytes(photo.data)
        rows.append(f'{i}.jpg,"{photo.label}",')
    (folder / "labels.csv").write_text("\n".join(rows))


def slug(name: str) -> str:
    """A collection's name as a workspace's, and so as a model's."""
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")[:60] or "photos"


class RunnerFailed(Exception):
    """The runner refused; its own line says why."""


class Runner:
    """`sensorium-runner` as a process of its own, with nothing but a URL, a key and a folder for what is temporary."""

    def __init__(self, url: str, key: str, temporary: Path) -> None:
        temporary.mkdir()
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("SENSORIUM_", "STRIPE_"))
        }
        self._environment |= {"SENSORIUM_URL": url, "SENSORIUM_API_KEY": key, "TMPDIR": str(temporary)}

    async def __call__(self, *arguments: object) -> str:
        """Its standard output once it has ended. Raises RunnerFailed."""
        async with self._started(*arguments) as process:
            said, complaint = await process.communicate()
        if process.returncode != 0:
            raise RunnerFailed(f"sensorium-runner {arguments[0]}: {complaint.decode().strip()}")
        return said.decode()

    async def result(self, *arguments: object) -> dict[str, Any]:
        """The last line of its output, decoded from JSON: those before tell of progress."""
        found: dict[str, Any] = json.loads((await self(*arguments)).strip().splitlines()[-1])
        return found

    async def lines(self, *arguments: object) -> Any:
        """Each line of its output, decoded from JSON, as it comes."""
        async with self._started(*arguments) as process:
            assert process.stdout is not None and process.stderr is not None
            async for line in process.stdout:
                yield json.loads(line)
            complaint = (await process.stderr.read()).decode().strip()
            if await process.wait() != 0:
                raise RunnerFailed(f"sensorium-runner {arguments[0]}: {complaint}")

    @asynccontextmanager
    async def _started(self, *arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
        """A process that has ended at the end of the block, with all that it started; by the kernel if we are killed.

        In a session of its own, so that a Ctrl-C at the terminal reaches only us and we stop it in order.
        """
        ours = os.getpid()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "research_runner.cli", *map(str, arguments), env=self._environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, start_new_session=True,
            preexec_fn=lambda: die_with_parent(signal.SIGTERM, ours),
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
