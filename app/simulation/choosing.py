"""What a person takes from the list: pay, less their time for work and way at their own wage. Pure arithmetic."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from statistics import NormalDist
from typing import NamedTuple

from app.simulation.parameters import Parameters
from app.simulation.service import BEGINS
from app.simulation.world import Person
from market import effort
from market.offers import Offer

_NORMAL = NormalDist()
_ALL = 2**64 - 1
# The list says when a price rises next and how far at most, and not by how much: people count on a tenth.
_RISE = 0.1


class Wait(NamedTuple):
    """Somebody comes back for a price that has not risen yet. after_s: in how many seconds."""

    after_s: float


def minutes(person: Person, offer: Offer, parameters: Parameters, *, there_only: bool = False) -> float:
    """What a task takes this person: the work at their pace, the way there, and a part of the way back."""
    way = (offer.distance_m or 0.0) * parameters.detour / person.speed
    return effort.at_work(offer.evidence) * person.pace + way * (1 if there_only else 1 + parameters.way_back)


def choose(
    person: Person, offers: list[Offer], numbers: list[int], at: float, parameters: Parameters
) -> Offer | Wait | None:
    """The offer that is worth the most to them now; or to wait for one that will rise; or None of all.

    numbers: of the offers' tasks, to which their tastes belong · at: now, in seconds since the beginning.
    """
    tired = person.done_on[1] if person.done_on[0] == person.day(at) else 0
    mood = math.exp(person.random.gauss(0, parameters.mood_spread)) * (1 + parameters.tired_by) ** tired
    now = BEGINS + timedelta(seconds=at)
    best: tuple[float, Offer] | None = None
    later: tuple[float, float] | None = None
    for offer, number in zip(offers, numbers, strict=True):
        cost = person.wage * minutes(person, offer, parameters) * mood * taste(person, number, parameters)
        gain = offer.reward.amount - cost
        if best is None or gain > best[0]:
            best = (gain, offer)
        if person.strategic and offer.next_rise_at is not None:
            wait = _wait(person, offer, gain, now, parameters)
            if wait is not None and (later is None or wait > later):
                later = wait
    if later is not None and later[0] > max(0.0, best[0] if best else 0.0):
        return Wait(later[1])
    return best[1] if best is not None and best[0] > 0 else None


def taste(person: Person, number: int, parameters: Parameters) -> float:
    """How much dearer than usual this very task is to this very person: always the same for the two."""
    return math.exp(_NORMAL.inv_cdf(_mixed(person.number, number)) * parameters.taste_spread)


def _mixed(a: int, b: int) -> float:
    """A number between 0 and 1 that follows from two others and looks like chance (splitmix64's finaliser)."""
    x = (a * 0x9E3779B97F4A7C15 + b * 0xD1B54A32D192ED03 + 1) & _ALL
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = ((x ^ x >> shift) * factor) & _ALL
    return (((x ^ x >> 31) >> 11) + 0.5) / 2**53


def _wait(
    person: Person, offer: Offer, gain: float, now: datetime, parameters: Parameters
) -> tuple[float, float] | None:
    """(what it is worth, seconds) to come back after the next rise, when it is taken as likely still to be there."""
    assert offer.next_rise_at is not None
    after_s = (offer.next_rise_at - now).total_seconds()
    if after_s > parameters.longest_wait_h * 3600 or offer.next_rise_at >= offer.closes_at:
        return None
    risen = gain + min(offer.reward.amount * _RISE, offer.most.amount - offer.reward.amount)
    return risen * math.exp(-person.rivals * after_s / 3600), after_s
