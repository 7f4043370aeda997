"""A small market made up to try the fill model on. Nothing of it is of the model's form: people come by at random, more
by day and where more live, take what pays enough for their own taste, need log-normal times, and some fail."""

from typing import NamedTuple

import h3.api.basic_int as h3
import numpy as np

from market.fill_model import fit
from market.fill_rows import KINDS, Rows, rows_of

DAY_S = 86_400.0
MONDAY = 1_780_272_000.0  # 2026-06-01, 00:00 UTC
CITIES = [(52.52, 13.405), (48.85, 2.35), (40.71, -74.0), (35.68, 139.69), (-33.87, 151.21), (19.43, -99.13)]


class World(NamedTuple):
    """Its tasks as rows, and for each the seconds after which it was filled, inf for never before it closed."""

    rows: Rows
    closes: np.ndarray


def made(tasks: int, days: float, seed: int, *, quantity: int = 1) -> World:
    """`tasks` tasks over `days` days in six cities."""
    random = np.random.default_rng(seed)
    size = np.exp(random.normal(0, 0.8, len(CITIES)))
    spots = [[(lat + random.normal(0, 0.04), lon + random.normal(0, 0.04)) for _ in range(25)] for lat, lon in CITIES]
    charm = np.exp(random.normal(0, 0.5, (len(CITIES), 25)))
    columns: dict[str, list[float]] = {name: [] for name in Rows._fields}
    closes = []
    for _ in range(tasks):
        city, spot = int(random.integers(len(CITIES))), int(random.integers(25))
        lat, lon = spots[city][spot]
        opened = MONDAY + random.uniform(0, days) * DAY_S
        kind = int(random.choice(4, p=[0.6, 0.1, 0.2, 0.1]))
        pay = float(np.exp(random.normal(0, 0.5)))
        rising = random.random() < 0.3
        top, step, step_s = (pay * 2.5, pay * 0.1, 1800.0) if rising else (pay, 0.0, 0.0)
        end = float(random.choice([6, 24, 72])) * 3600
        people = int(random.poisson(25 * size[city]) // 5 * 5)
        story = _lived(
            random, 4.0 * size[city] * charm[city, spot] * [1, 0.6, 0.4, 1.2][kind], lon, opened, pay, top, step,
            step_s, end, quantity,
        )  # fmt: skip
        for filled, claimed, at in story:
            values = (
                opened, lon, kind, pay, top, step, step_s, quantity, people, 0 if people >= 10 else 3,
                h3.latlng_to_cell(lat, lon, 5), h3.latlng_to_cell(lat, lon, 7), at, filled, claimed, 1.0,
            )  # fmt: skip
            for name, value in zip(Rows._fields, values, strict=True):
                columns[name].append(value)
            closes.append(end)
    return World(rows_of(columns), np.array(closes))


def _lived(
    random: np.random.Generator,
    an_hour: float,
    lon: float,
    opened: float,
    pay: float,
    top: float,
    step: float,
    step_s: float,
    end: float,
    slots: int,
) -> list[tuple[bool, float, float]]:
    """What became of each slot: filled, claimed at, until when."""
    found: list[tuple[bool, float, float]] = []
    free, at = [0.0] * slots, 0.0  # from when on each slot may be claimed
    while free:
        at += float(random.exponential(3600 / (an_hour * 2.2)))
        if at >= end:
            break
        hour = ((opened + at) / 3600 + lon / 15) % 24
        there = np.exp(1.1 * np.cos((hour - 17) / 24 * 2 * np.pi) - 1.1)  # quick by day, dead at night
        price = min(top, pay + step * (at // step_s)) if step_s else pay
        takes = 1 / (1 + np.exp(-2.0 * (np.log(price) - random.normal(0.2, 0.6))))
        open_now = [each for each in free if each <= at]
        if not open_now or random.random() > there * takes:
            continue
        free.remove(open_now[0])
        done = at + float(np.exp(random.normal(np.log(1500), 0.6)))
        if random.random() < 0.12:
            free.append(done)  # rejected, or never handed in
        elif done < end + 1e9:
            found.append((True, at, done))
    return found + [(False, float("nan"), end)] * len(free)


class Tried(NamedTuple):
    """How forecasts of a part of a world came true. brier, base: mean squared errors, of the model and of foretelling
    each kind's share by each horizon as it was before · inside: fill times inside their 80 % interval."""

    inside: float
    brier: float
    base: float
    foretold: np.ndarray
    came: np.ndarray


def tried(world: World, *, days: float, slots: int = 1, every: int = 1) -> Tried:
    """Fit to the first `days`, as they were known then, and foretell each (or every so-many-th) task opened later."""
    rows, now = world.rows, MONDAY + days * DAY_S
    past = rows.opened < now
    known = rows.opened + rows.end <= now
    seen = rows._replace(
        end=np.minimum(rows.end, now - rows.opened), filled=rows.filled & known,
        claimed=np.where(known, rows.claimed, np.nan),
    )  # fmt: skip
    model = fit(Rows(*(column[past] for column in seen)))
    base = {kind: _shares(rows, past & (rows.kind == kind), world.closes) for kind in range(len(KINDS))}
    inside, points = [], []
    for i in np.flatnonzero(~past)[:: slots * every]:
        task = slice(i, i + slots)
        closes = float(world.closes[i])
        at = float(rows.end[task].max()) if rows.filled[task].all() else np.inf
        curve = model.curve(Rows(*(column[i : i + 1] for column in rows))._replace(end=np.array([closes])))
        for name, horizon in [("1h", 3600.0), ("4h", 14_400.0), ("1d", DAY_S), ("closing", closes)]:
            if horizon < closes or name == "closing":
                points.append((curve.at(horizon).probability, at <= horizon, base[int(rows.kind[i])][name]))
        low, high = curve.quantile(0.1), curve.quantile(0.9)
        if at <= closes:
            inside.append(float(low is not None and at >= low and (high is None or at <= high)))
        else:
            passed = curve.at(closes).probability
            inside.append(max(0.0, 0.9 - max(passed, 0.1)) / (1 - passed))
    foretold, came, share = (np.array(each, dtype=float) for each in zip(*points, strict=True))
    return Tried(
        float(np.mean(inside)), float(np.mean((foretold - came) ** 2)), float(np.mean((share - came) ** 2)), foretold,
        came,
    )  # fmt: skip


def _shares(rows: Rows, of: np.ndarray, closes: np.ndarray) -> dict[str, float]:
    ends = {"1h": 3600.0, "4h": 14_400.0, "1d": DAY_S, "closing": closes}
    return {name: float(np.mean((rows.filled & (rows.end <= end))[of])) for name, end in ends.items()}
