"""Ada's runner buys on the real market: within its budget, reviewing what asks for it, down to files on disk."""

from __future__ import annotations

import asyncio
import csv
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from research_runner import buy, dataset
from research_runner.buy import Purchase
from research_runner.client import MarketClient, Money
from research_runner.errors import RunnerError
from tests.app.conftest import (
    Caller,
    World,
    a_task,
    ada,
    answer,
    bo,
    claim,
    config,
    ok,
    person,
    photo,
    picture,
    submit,
    world,
)

__all__ = ["ada", "bo", "config", "world"]  # fixtures of the market's own tests


class Bridge(httpx.BaseTransport):
    """Requests of the runner's blocking client, made in a thread, answered by the application on the event loop."""

    def __init__(self, world: World) -> None:
        self.world, self.loop = world, asyncio.get_running_loop()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def send() -> httpx.Response:
            return await self.world.client.request(
                request.method, str(request.url), headers=dict(request.headers), content=request.read()
            )

        answered = asyncio.run_coroutine_threadsafe(send(), self.loop).result(timeout=60)
        return httpx.Response(answered.status_code, headers=answered.headers, content=answered.content)


@pytest.fixture
async def runner(world: World, ada: Caller) -> AsyncIterator[MarketClient]:
    with MarketClient(str(world.client.base_url), ada.secret, transport=Bridge(world)) as client:
        yield client


def drafts(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [a_task(external_id=f"t-{number}", **changes) for number in range(count)]


async def open_tasks(ada: Caller, count: int) -> list[dict[str, Any]]:
    """The market's open tasks, once there are `count` of them, in the order of their external ids."""
    for _ in range(200):
        found = ok(await ada.get("/v1/tasks", params={"status": "open"}))["items"]
        if len(found) >= count:
            return sorted(found, key=lambda task: str(task["external_id"]))
        await asyncio.sleep(0.05)
    raise AssertionError(f"there are not {count} open tasks")


def start(runner: MarketClient, log: Path, wanted: list[dict[str, Any]], budget: int, timeout_s: float = 30) -> Any:
    return asyncio.create_task(
        asyncio.to_thread(
            buy.buy, runner, wanted, budget=Money(budget, "usd"), reason="cold start", log=log, timeout_s=timeout_s
        )
    )


async def test_it_buys_within_its_budget_and_downloads_what_it_bought(
    world: World, ada: Caller, bo: Caller, runner: MarketClient, tmp_path: Path
) -> None:
    log = tmp_path / "purchases.tsv"
    buying = start(runner, log, drafts(5), budget=1_200)  # 3.30 each, fee included
    tasks = await open_tasks(ada, 3)
    assert len(tasks) == 3
    pictures = [picture(number) for number in range(3)]
    for task, content in zip(tasks, pictures, strict=True):
        assert (await answer(bo, task, content))["status"] == "accepted"
    bought: Purchase = await buying
    assert (bought.accepted, bought.rejected, bought.spent) == (3, 0, {"usd": 990})
    assert len(bought.refused) == 2 and all("over the budget" in line for line in bought.refused)
    assert set(bought.tasks.values()) == {"completed"}
    lines = list(csv.DictReader(log.open(), delimiter="\t"))
    assert [(line["external_id"], line["held"], line["reason"]) for line in lines] == [
        (f"t-{number}", "330", "cold start") for number in range(3)
    ]

    made = await asyncio.to_thread(runner.make_dataset, {"query": {"task_ids": list(bought.tasks)}})
    await world.jobs()
    folder = tmp_path / "data"
    await asyncio.to_thread(dataset.download, runner, made.id, "open", folder, bought.spent)
    rows = list(csv.DictReader((folder / "labels.csv").open()))
    assert [row["label"] for row in rows] == ["open"] * 3 and len({row["group"] for row in rows}) == 1
    hashes = {hashlib.sha256((folder / row["file"]).read_bytes()).hexdigest() for row in rows}
    assert hashes == {Path(row["file"]).stem for row in rows} and len(hashes) == 3
    assert not hashes & {
        hashlib.sha256(content).hexdigest() for content in pictures
    }  # copies, as the market serves them
    origin = dataset.origin(folder)
    assert (origin.dataset_id, origin.spent, sum(origin.shares.values())) == (made.id, {"usd": 990}, 3)


async def test_it_goes_on_without_the_photos_of_whoever_has_left(
    world: World, ada: Caller, bo: Caller, runner: MarketClient, tmp_path: Path
) -> None:
    dee = await person(world, "Dee")
    for who, seed in ((bo, 1), (dee, 2)):
        [task] = ok(await ada.post("/v1/tasks/batch", {"tasks": drafts(1)}))["results"]
        assert (await answer(who, task["task"], picture(seed)))["status"] == "accepted"
    made = await asyncio.to_thread(runner.make_dataset, {"query": {}})
    await world.jobs()
    leaving = {"confirm": "erase everything about me", "leave_unpaid": True}
    ok(await bo.ask("DELETE", "/v1/people/me", json=leaving))
    await asyncio.to_thread(dataset.download, runner, made.id, "open", tmp_path / "data", {})
    assert len(list(csv.DictReader((tmp_path / "data" / "labels.csv").open()))) == 1


async def test_it_reviews_what_asks_for_it_and_cancels_what_nobody_took(
    world: World, ada: Caller, bo: Caller, runner: MarketClient, tmp_path: Path
) -> None:
    by_hand = {"mode": "manual", "checks": ["fresh", "at_place"], "min_score": 0.5}
    buying = start(runner, tmp_path / "purchases.tsv", drafts(2, acceptance=by_hand), budget=1_000, timeout_s=4)
    first, _ = await open_tasks(ada, 2)
    claimed = await claim(bo, first)
    ok(await photo(bo, claimed, picture(5)))
    submitted = await submit(bo, claimed)
    await world.jobs()
    bought: Purchase = await buying
    assert (await bo.get(f"/v1/people/submissions/{submitted['id']}")).json()["status"] == "accepted"
    assert sorted(bought.tasks.values()) == ["cancelled", "completed"]
    assert (bought.accepted, bought.spent) == (1, {"usd": 330})
    account = ok(await ada.get("/v1/account"))
    assert account["balance"]["held"]["amount"] == 0


async def test_a_purchase_taken_up_again_posts_nothing_twice(
    world: World, ada: Caller, bo: Caller, runner: MarketClient, tmp_path: Path
) -> None:
    log = tmp_path / "purchases.tsv"
    unnamed = [{name: value for name, value in draft.items() if name != "external_id"} for draft in drafts(2)]
    buying = start(runner, log, unnamed, budget=1_000, timeout_s=2)
    task, _ = await open_tasks(ada, 2)
    await answer(bo, task, picture(9))
    first: Purchase = await buying
    again: Purchase = await start(runner, log, unnamed, budget=1_000, timeout_s=2)
    assert first == again and first.accepted == 1
    assert len(ok(await ada.get("/v1/tasks"))["items"]) == 2


async def test_a_budget_in_another_currency_is_refused_before_anything_is_posted(
    ada: Caller, runner: MarketClient, tmp_path: Path
) -> None:
    with pytest.raises(RunnerError, match="pays in usd, the budget is in eur"):
        await asyncio.to_thread(
            buy.buy, runner, drafts(1), budget=Money(1_000, "eur"), reason="x", log=tmp_path / "log", timeout_s=1
        )
    assert ok(await ada.get("/v1/tasks"))["items"] == []
