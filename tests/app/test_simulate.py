"""The simulated market: real rules, the same again for the same seed, and books that are right at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import asyncpg
import msgspec
import pytest
from click.testing import CliRunner

from app.cli import commands
from app.embedded_postgres import EmbeddedPostgres
from app.simulation import buying, choosing, outcome, pictures, world
from app.simulation.parameters import Parameters, Pricing
from app.simulation.run import Run, lived
from app.simulation.service import BEGINS
from market import clock, effort, offers
from market.errors import Invalid
from market.money import Money
from market.terms import Acceptance, License
from tests.conftest import named, run_sql

SMALL = Parameters(tasks=40, days=1, people=40, cities=1, buyers=5, places=12)


@contextmanager
def database(server: EmbeddedPostgres, template: str, name: str) -> Iterator[str]:
    """A fresh database of this name."""
    run_sql(server.dsn, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield named(server, name)
    run_sql(server.dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def market(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """The database that the run below has lived in."""
    with database(postgres, template, "simulated") as url:
        yield url


@pytest.fixture(scope="module")
def run(market: str) -> Run:
    return asyncio.run(lived(market, SMALL, quotes=True))


async def test_a_small_market_lives_and_its_books_are_right(run: Run, market: str) -> None:
    found = run.result
    assert not found.broken
    assert found.whole.tasks == len(run.stories) == SMALL.tasks
    assert 0.2 < found.whole.share < 1
    assert found.right is not None and found.right > 0.7
    assert sum(found.submissions.values()) == found.claims["submitted"] + found.claims["rejected"]
    assert set(found.submissions) <= {"accepted", "rejected"}, "everything is decided on"
    connection = await asyncpg.connect(market)
    try:
        left = await connection.fetchval("SELECT count(*) FROM task WHERE status = 'open' OR claimed > 0")
        paid = await connection.fetchrow("SELECT sum(amount) AS people, sum(fee) AS fees FROM earning")
        events = await connection.fetchval("SELECT max(created_at) FROM event")
    finally:
        await connection.close()
    assert left == 0
    assert (paid["people"], paid["fees"]) == (found.whole.paid, found.whole.fees)
    assert BEGINS + timedelta(days=1) < events < BEGINS + timedelta(days=12), "the clock of the market, not ours"


def test_forecasts_are_made_of_tasks_as_they_are_posted_and_scored(run: Run) -> None:
    calibration = run.result.calibration
    assert calibration is not None
    assert calibration.tasks == SMALL.tasks
    assert calibration.inside is not None and calibration.inside > 0.5


def test_the_same_seed_gives_the_same_market_again(run: Run, postgres: EmbeddedPostgres, template: str) -> None:
    with database(postgres, template, "simulated_again") as url:
        again = asyncio.run(lived(url, SMALL))
    assert msgspec.structs.replace(run.result, calibration=None) == again.result
    assert run.stories == again.stories


def test_another_seed_gives_other_people_and_tasks() -> None:
    other = msgspec.structs.replace(SMALL, seed=2)
    here, there = world.made(SMALL), world.made(other)
    assert here.people[0].home != there.people[0].home
    assert buying.plans(SMALL, here) != buying.plans(other, there)
    assert buying.plans(SMALL, here) == buying.plans(SMALL, world.made(SMALL))


async def test_a_price_for_all_is_what_all_tasks_have(database_url: str) -> None:
    few = msgspec.structs.replace(SMALL, tasks=8, days=1, people=10)
    run = await lived(database_url, few, pricing=Pricing(start=0.5, top=2.0, percent=50, steps=6))
    for story in run.stories:
        assert story.path.reward == round(0.5 * few.usual_a_minute * story.minutes)
        assert story.path.top == round(2.0 * few.usual_a_minute * story.minutes)
        assert story.path.step_s == story.plan.lasts_s // 6
    assert not run.result.broken


async def test_the_clock_reads_what_it_is_set_to_and_never_less_than_real_time(conn: asyncpg.Connection) -> None:
    at = datetime(2041, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    await clock.set_to(conn, at)
    assert await clock.now(conn) == at
    with pytest.raises(Invalid, match="behind"):
        await clock.set_to(conn, datetime(2020, 1, 1, tzinfo=UTC))


def offer(cents: int, *, metres: float = 100, rises_in_s: float | None = None, most: int | None = None) -> offers.Offer:
    plan = buying.plans(SMALL, world.made(SMALL))[0]
    evidence, nothing = buying.wanted(plan), Money(0, "usd")
    return offers.Offer(
        id="task_1", kind="photo", title="", instructions="", purpose="", place=None, distance_m=metres, minutes=3,
        closes_at=BEGINS + timedelta(days=1), evidence=evidence, acceptance=Acceptance(), reward=Money(cents, "usd"),
        next_rise_at=None if rises_in_s is None else BEGINS + timedelta(seconds=rises_in_s),
        most=Money(most or cents, "usd"), fee=nothing, slots_open=1, claim_ttl_s=3600, standing=None,
        license=License(),
    )  # fmt: skip


def person(**changes: object) -> world.Person:
    found = world.made(SMALL).people[0]
    for name, value in {"strategic": False, "wage": 20.0, **changes}.items():
        setattr(found, name, value)
    return found


def test_people_take_what_pays_for_their_time_and_of_that_the_best() -> None:
    far, near, poor = offer(500, metres=3000), offer(500), offer(2)
    assert choosing.choose(person(), [far, near, poor], [1, 1, 1], 0.0, SMALL) == near
    assert choosing.choose(person(), [poor], [1], 0.0, SMALL) is None
    assert choosing.choose(person(wage=0.01), [poor], [1], 0.0, SMALL) == poor


def test_some_wait_for_a_rise_unless_others_would_be_quicker() -> None:
    rising = offer(500, rises_in_s=600, most=1000)
    waits = choosing.choose(person(strategic=True, rivals=0.01), [rising], [1], 0.0, SMALL)
    assert isinstance(waits, choosing.Wait) and waits.after_s == 600
    assert choosing.choose(person(strategic=True, rivals=50.0), [rising], [1], 0.0, SMALL) == rising
    assert choosing.choose(person(), [rising], [1], 0.0, SMALL) == rising


def test_people_look_more_often_by_day_and_as_often_as_they_do_on_average() -> None:
    somebody = person()
    at, looks = 0.0, []
    while at < 60 * world.DAY_S:
        at = somebody.next_look(at)
        looks.append(at)
    assert len(looks) == pytest.approx(60 * somebody.looks_a_day, rel=0.35)
    awake = [somebody.awake(each) for each in looks]
    assert sum(awake) / len(awake) > 1.2, "more than at moments taken at random, where it is one"


def test_every_task_of_the_plan_is_one_that_may_be_posted() -> None:
    made = world.made(SMALL)
    for plan in buying.plans(SMALL, made):
        draft = buying.draft(plan, SMALL, BEGINS, None)
        minutes = effort.expected(draft.evidence, has_place=draft.place is not None)
        assert draft.reward.amount >= SMALL.least_a_minute * minutes
        assert plan.truth < len(plan.prior) and sum(plan.prior) == pytest.approx(1)
        assert (draft.price_schedule is None) or draft.price_schedule.max.amount > draft.reward.amount


def test_a_story_counts_what_came_in_time() -> None:
    plan = buying.plans(SMALL, world.made(SMALL))[0]._replace(quantity=2, at=100.0)
    early, late = (
        outcome.Answer(110.0, handed_in, "accepted", 100, 10, 0, 1) for handed_in in (500.0, 5_000.0)
    )  # fmt: skip
    path = outcome.Path(100, 100)
    story = outcome.Story(plan, "expired", 1_000.0, path, 6.0, [late, early, early._replace(status="rejected")])
    assert (story.in_time, story.filled_s) == (1, None)
    both = story._replace(answers=[early, early._replace(person=2, handed_in=700.0)])
    assert (both.in_time, both.filled_s) == (2, 600.0)
    group = outcome.group([story, both])
    assert (group.slots, group.filled, group.share, group.paid, group.fees) == (4, 3, 0.75, 400, 40)


def test_ticks_are_round_and_few() -> None:
    for up_to in (0.013, 0.5, 1.0, 7.0, 48.0, 999.0, 12_345.0):
        found = pictures.ticks(up_to)
        assert found[0] == 0 and found[-1] <= up_to
        assert 4 <= len(found) <= 9


def test_the_command_prints_the_audit_and_draws_what_anybody_can_open(tmp_path: Path) -> None:
    asked = ["simulate", "--tasks", "25", "--days", "1", "--people", "30", "--cities", "1", "--out", str(tmp_path)]
    done = CliRunner().invoke(commands, [*asked, "--set", "rising_share=0.9"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "audit: clean" in done.output
    result = msgspec.json.decode((tmp_path / "result.json").read_bytes(), type=outcome.Result)
    assert result.whole.tasks == 25 and result.parameters.rising_share == 0.9
    drawn = sorted(tmp_path.glob("*.svg"))
    assert {path.stem for path in drawn} >= {"price_paths", "fill_curves", "filled_and_spent", "reliability"}
    for path in drawn:
        assert ElementTree.fromstring(path.read_text()).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("wrong", [["--set", "nonsense=1"], ["--set", "people"], ["--fixed", "1", "--rising", *"1234"]])
def test_the_command_refuses_what_it_does_not_know(wrong: list[str]) -> None:
    done = CliRunner().invoke(commands, ["simulate", *wrong])
    assert done.exit_code == 2
