"""Places and people: who lives where, when they look at the list, how well they answer. Pure draws from a seed."""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple
from uuid import UUID

from app.simulation.parameters import Parameters

DAY_S = 86_400.0
METRES_A_DEGREE = 111_195.0
# Real middles of cities with their usual distance from UTC in hours.
CITIES = (
    ("Berlin", 52.52, 13.405, 1), ("Chicago", 41.88, -87.63, -6), ("Osaka", 34.69, 135.50, 9),
    ("São Paulo", -23.55, -46.63, -3), ("Nairobi", -1.29, 36.82, 3), ("Auckland", -36.85, 174.76, 13),
    ("Madrid", 40.42, -3.70, 1), ("Denver", 39.74, -104.99, -7), ("Delhi", 28.61, 77.21, 5.5),
    ("Cairo", 30.04, 31.24, 2), ("Lima", -12.05, -77.04, -5), ("Seoul", 37.57, 126.98, 9),
)  # fmt: skip
# How often people look, by local hour, from Monday to Friday and at the weekend; the mean of each is one.
_WEEKDAY = (2, 1, 1, 1, 1, 4, 12, 22, 20, 13, 12, 16, 26, 20, 14, 15, 20, 30, 34, 33, 29, 23, 14, 6)
_WEEKEND = (4, 2, 1, 1, 1, 1, 4, 8, 14, 22, 28, 30, 28, 26, 26, 27, 28, 27, 25, 22, 20, 17, 12, 7)
LOOKS = tuple(tuple(each * 24 / sum(week) for each in week) for week in (_WEEKDAY, _WEEKEND))
BUSIEST = max(max(week) for week in LOOKS)


class Spot(NamedTuple):
    """Degrees (WGS 84)."""

    lat: float
    lon: float


class City(NamedTuple):
    """A city: its middle, hours from UTC, part of all people, and the places that tasks ask about, with weights."""

    name: str
    middle: Spot
    offset_h: float
    share: float
    places: list[Spot]
    weights: list[float]


class Person:
    """Somebody with a phone. `id` is the market's; random: their own draws, whatever others do."""

    def __init__(self, number: int, city: City, parameters: Parameters) -> None:
        draws = Random(f"{parameters.seed}:person:{number}")
        p = parameters
        self.number, self.city, self.random = number, city, draws
        self.id = UUID(int=0)
        self.home = near(city.middle, p.suburb_m, draws)
        self.work = near(city.middle, p.centre_m, draws) if draws.random() < p.works_share else self.home
        self.looks_a_day = _spread(p.visits_a_day, p.visits_spread, draws)
        self.reach_m = min(20_000.0, _spread(p.reach_m, p.reach_spread, draws))
        self.speed = _spread(p.speed_m_a_minute, p.speed_spread, draws)
        self.wage = _spread(p.wage_a_minute, p.wage_spread, draws)
        self.pace = _spread(1.0, 0.25, draws)
        self.strategic = draws.random() < p.strategic_share
        self.rivals = _spread(p.rivals_an_hour, 0.7, draws)
        self.cheats = draws.random() < p.cheats_share
        self.usable = _beta(p.usable, p.skill_strength, draws)
        self.right = _beta(p.right, p.skill_strength, draws)
        # Its own stream, so that a person looks at the same moments whatever they have found before.
        self.clock = Random(f"{parameters.seed}:looks:{number}")
        self.busy_until = 0.0
        self.done_on = (0, 0)  # a local day, and how many answers on it

    def next_look(self, at: float) -> float:
        """When they look next (seconds since the beginning): a Poisson process whose rate follows the local hour."""
        while True:
            at += self.clock.expovariate(self.looks_a_day * BUSIEST / DAY_S)
            if self.clock.random() * BUSIEST < self.awake(at):
                return at

    def awake(self, at: float) -> float:
        """How much they look at this moment, one on average."""
        hours = at / 3600 + self.city.offset_h
        return LOOKS[math.floor(hours / 24) % 7 >= 5][int(hours % 24)]

    def day(self, at: float) -> int:
        """The local day, counted from the beginning."""
        return math.floor((at / 3600 + self.city.offset_h) / 24)

    def whereabouts(self, at: float) -> Spot:
        """Where they are: at work, at home, on the way between, or somewhere in the middle of the city."""
        hours = at / 3600 + self.city.offset_h
        office = math.floor(hours / 24) % 7 < 5 and 9 <= hours % 24 < 17
        chance, draws = self.clock.random(), self.clock
        if chance < 0.65:
            return near(self.work if office else self.home, 120, draws)
        if chance < 0.9:
            part = draws.random()
            between = Spot(*(a + part * (b - a) for a, b in zip(self.home, self.work, strict=True)))
            return near(between, 200, draws)
        return near(self.city.middle, 1200, draws)


class World(NamedTuple):
    """The cities, largest first, and the people, each in one of them."""

    cities: list[City]
    people: list[Person]


def made(parameters: Parameters) -> World:
    """The world of these parameters: always the same."""
    draws = Random(f"{parameters.seed}:world")
    sizes = [0.6**i for i in range(min(parameters.cities, len(CITIES)))]
    cities = [_city(i, size / sum(sizes), parameters, draws) for i, size in enumerate(sizes)]
    at = draws.choices(cities, [city.share for city in cities], k=parameters.people)
    return World(cities, [Person(number, city, parameters) for number, city in enumerate(at)])


def _city(i: int, share: float, parameters: Parameters, draws: Random) -> City:
    name, lat, lon, offset = CITIES[i]
    middle = Spot(lat, lon)
    places, weights = [], []
    for _ in range(parameters.places):
        # Most are in the middle, some in the suburbs, few where hardly anybody lives.
        wide = draws.choices([parameters.centre_m, parameters.suburb_m, 2.2 * parameters.suburb_m], [5, 4, 1])[0]
        places.append(near(middle, wide, draws))
        weights.append(_spread(1.0, 0.9, draws))
    return City(name, middle, offset, share, places, weights)


def near(spot: Spot, metres: float, draws: Random) -> Spot:
    """A point around another, normal with this standard deviation in both directions."""
    north, east = draws.gauss(0, metres), draws.gauss(0, metres)
    return Spot(
        spot.lat + north / METRES_A_DEGREE,
        spot.lon + east / (METRES_A_DEGREE * math.cos(math.radians(spot.lat))),
    )


def _spread(median: float, spread: float, draws: Random) -> float:
    return median * math.exp(draws.gauss(0, spread))


def _beta(mean: float, strength: float, draws: Random) -> float:
    return draws.betavariate(mean * strength, (1 - mean) * strength)
