"""Old evidence is judged again with the checks of today, and nothing is written by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import rejudging
from app.media import original_path
from sensors import verdict as verdicts
from tests.app.conftest import Caller, World, answer, picture, post_task


async def state(world: World) -> list[str]:
    """Every row of every table, so that a write of any kind shows."""
    async with world.services.database.read() as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return [
            f"{each['tablename']} {row[0]}"
            for each in tables
            for row in await connection.fetch(f'SELECT t::text FROM "{each["tablename"]}" t ORDER BY 1')
        ]


async def judged_again(world: World) -> list[rejudging.Rejudged | rejudging.NotRejudged]:
    return [each async for each in rejudging.rejudge(world.services, since=None, limit=100)]


async def test_the_same_checks_say_the_same_and_write_nothing(world: World, ada: Caller, bo: Caller) -> None:
    accepted = await answer(bo, await post_task(ada), picture(1))
    refused = await answer(bo, await post_task(ada), picture(1))  # sold before
    before = await state(world)
    again = {each.submission: each for each in await judged_again(world)}
    assert await state(world) == before
    assert set(again) == {accepted["id"], refused["id"]}
    for submission in (accepted, refused):
        each = again[submission["id"]]
        assert isinstance(each, rejudging.Rejudged)
        assert (each.outcome, each.score, each.differs) == (
            submission["verdict"]["outcome"], submission["verdict"]["score"], {},
        )  # fmt: skip


async def test_a_stricter_check_shows_what_it_would_change(
    world: World, ada: Caller, bo: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = await answer(bo, await post_task(ada), picture(1))
    monkeypatch.setattr(verdicts, "SENSORS_VERSION", "sensors-next")
    monkeypatch.setattr("sensors.quality.DARK", 0.99)
    monkeypatch.setattr("sensors.weights.WEIGHTS", {**_weights(), "quality": {"warn": _weight(-9.0)}})
    (each,) = await judged_again(world)
    assert isinstance(each, rejudging.Rejudged) and not each.same
    assert (each.was_outcome, each.outcome, each.version) == ("pass", "review", "sensors-next")
    assert each.differs == {"quality": ("pass", "warn")} and each.status == accepted["status"] == "accepted"


async def test_what_is_erased_is_told(world: World, ada: Caller, bo: Caller) -> None:
    accepted = await answer(bo, await post_task(ada), picture(1))
    folder = world.services.config.media_url.removeprefix("file://")
    sha256 = accepted["photos"][0]["sha256"]
    Path(folder, original_path(bytes.fromhex(sha256))).unlink()  # noqa: ASYNC240  a test may wait for its own disk
    assert await judged_again(world) == [
        rejudging.NotRejudged(submission=accepted["id"], detail=f"The bytes of a photo are gone: {sha256}.")
    ]


def _weights() -> dict[str, dict[str, object]]:
    from sensors.weights import WEIGHTS

    return dict(WEIGHTS)  # type: ignore[arg-type]


def _weight(log_odds: float) -> object:
    from sensors.weights import Weight

    return Weight(log_odds, "of this test")
