"""What agents want to know: tasks with moments, places, prices and deadlines, and the truth that nobody is told."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from random import Random
from typing import Literal, NamedTuple

from app.simulation.parameters import Parameters, Pricing
from app.simulation.world import DAY_S, City, Spot, World, near
from market import effort
from market.money import Price
from market.terms import Acceptance, Evidence, PhotosAsked, PriceSchedule, Question, ReadingAsked, TaskDraft
from market.terms import Place as Asked

CURRENCY = "usd"
Kind = Literal["photo", "reading", "action", "answer"]
KINDS: tuple[Kind, ...] = ("photo", "reading", "action", "answer")
_OFTEN = (55, 12, 8, 25)
ANSWERS = ("open", "closed", "moved", "crowded")
_LASTS_H, _LASTS_OFTEN = (3, 6, 12, 24, 48, 72), (10, 20, 25, 25, 15, 5)
# Parts of a day in which agents ask, by local hour: some always, most by day.
_ASKS = tuple(0.4 + 1.2 * (8 <= hour < 20) for hour in range(24))


class Plan(NamedTuple):
    """A task before it is posted. at: seconds since the beginning · place None: to be done anywhere · pays: what its
    buyer would pay, in parts of the usual · rises: its buyer would let it rise · prior: of the answers · truth: the
    index of the right one, or -1 where there is nothing to answer · value: what a sensor there would measure."""

    number: int
    at: float
    buyer: int
    kind: Kind
    city: City
    place: Spot | None
    pays: float
    rises: bool
    manual: bool
    lasts_s: int
    quantity: int
    prior: tuple[float, ...]
    truth: int
    value: float


def plans(parameters: Parameters, world: World) -> list[Plan]:
    """All tasks of a run, in the order of their moments; always the same for the same parameters and world."""
    draws = Random(f"{parameters.seed}:tasks")
    styles = [_style(parameters, draws) for _ in range(parameters.buyers)]
    found = []
    for _ in range(parameters.tasks):
        city = draws.choices(world.cities, [each.share for each in world.cities])[0]
        found.append(_plan(parameters, city, _moment(parameters, city, draws), styles, draws))
    found.sort(key=lambda plan: plan.at)
    return [plan._replace(number=number) for number, plan in enumerate(found)]


class _Style(NamedTuple):
    """How a buyer buys: what they pay in parts of the usual, and how often they look at answers themselves."""

    pays: float
    manual: float


def _style(parameters: Parameters, draws: Random) -> _Style:
    manual = draws.random() < 2 * parameters.manual_share
    return _Style(math.exp(draws.gauss(0, parameters.price_spread / 2)), 0.5 if manual else 0.0)


def _moment(parameters: Parameters, city: City, draws: Random) -> float:
    while True:
        at = draws.uniform(0, parameters.days * DAY_S)
        if draws.random() * max(_ASKS) < _ASKS[int((at / 3600 + city.offset_h) % 24)]:
            return at


def _plan(parameters: Parameters, city: City, at: float, styles: list[_Style], draws: Random) -> Plan:
    p = parameters
    buyer = draws.randrange(len(styles))
    style = styles[buyer]
    kind = draws.choices(KINDS, _OFTEN)[0]
    spot = near(draws.choices(city.places, city.weights)[0], 25, draws)
    anywhere = kind == "answer" and draws.random() < p.anywhere_share
    several = draws.random() < p.several_share
    answers = draws.choice((2, 2, 2, 3, 4))
    weights = [draws.gammavariate(1.5, 1.0) for _ in range(answers)]
    prior = tuple(weight / sum(weights) for weight in weights)
    truth = draws.choices(range(answers), prior)[0]
    gone = draws.random() < p.gone_share and not anywhere
    return Plan(
        number=0, at=at, buyer=buyer, kind=kind, city=city, place=None if anywhere else spot,
        pays=style.pays * math.exp(draws.gauss(0, p.price_spread)), rises=draws.random() < p.rising_share,
        manual=draws.random() < style.manual, lasts_s=3600 * draws.choices(_LASTS_H, _LASTS_OFTEN)[0],
        quantity=draws.randint(2, 5) if several else 1, prior=prior, truth=-1 if gone else truth,
        value=round(draws.gauss(20, 8), 1),
    )  # fmt: skip


def draft(plan: Plan, parameters: Parameters, begins: datetime, pricing: Pricing | None) -> TaskDraft:
    """The task as it is posted, priced by `pricing`, or as its buyer would."""
    evidence = wanted(plan)
    minutes = effort.expected(evidence, has_place=plan.place is not None)
    usual, least = parameters.usual_a_minute * minutes, math.ceil(parameters.least_a_minute * minutes)
    if pricing is None:
        steps, percent = parameters.rising_steps, parameters.rising_percent
        start, top = (
            (plan.pays * parameters.rising_start, plan.pays * parameters.rising_top)
            if plan.rises
            else (plan.pays, None)
        )
    else:
        start, top, steps, percent = pricing.start, pricing.top, pricing.steps, pricing.percent
    reward = max(least, round(usual * start))
    schedule = None
    if top is not None and round(usual * top) > reward:
        most = Price(round(usual * top), CURRENCY)
        schedule = PriceSchedule(max=most, step_s=max(60, plan.lasts_s // steps), step_percent=percent)
    place = None if plan.place is None else Asked(lat=plan.place.lat, lon=plan.place.lon, radius_m=80)
    return TaskDraft(
        kind=plan.kind, title=f"What is it like? {plan.number}", instructions="Look, and say how it is.",
        purpose="A simulated agent wants to know.", place=place, evidence=evidence,
        closes_at=begins + timedelta(seconds=plan.at + plan.lasts_s), reward=Price(reward, CURRENCY),
        price_schedule=schedule, quantity=plan.quantity,
        acceptance=Acceptance(mode="manual" if plan.manual else "auto"),
        claim_ttl_s=7200, external_id=f"simulated-{plan.number}",
    )  # fmt: skip


def wanted(plan: Plan) -> Evidence:
    """What is asked for, by the kind."""
    question = Question(id="state", type="choice", text="How is it?", choices=list(ANSWERS[: len(plan.prior)]))
    if plan.kind == "photo":
        return Evidence(photos=PhotosAsked(min=1, max=3), questions=[question])
    if plan.kind == "action":
        return Evidence(photos=PhotosAsked(min=2, max=4, before=1), questions=[question])
    if plan.kind == "reading":
        return Evidence(readings=[ReadingAsked(name="temperature", unit="Cel")])
    return Evidence(questions=[question])


def photos_of(plan: Plan, *, negative: bool) -> int:
    """How many photos an answer comes with."""
    photos = wanted(plan).photos
    return 0 if photos is None else 1 if negative else photos.min


def named(found: int) -> str:
    """An answer's index as it is given."""
    return ANSWERS[found]
