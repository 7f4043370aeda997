"""When will a task be filled? A piecewise-exponential survival model with places, fitted by Bayes' rule.

The formulae with their sources, and the numbers of the prior, stand in docs/quotes.md.

The hazard of a slot, per hour: exp(x·β) times a factor of its city and one of its neighbourhood. β has a Gaussian
prior and is found as the mode of its posterior (Newton, Laplace's covariance); the factors have Gamma priors of mean
one, whose strength the history tells (Poisson and Gamma: a cell that says little stays near one). Prices have no
negative coefficient. A forecast is the mean and quantiles over fixed draws of all of this, each of which rises with
time and price, and so do they.

    model = fit(rows)                          # Rows of market/fill_rows.py
    curve = model.curve(asked, city, near)     # asked: Rows of one row, the cells' evidence from model.places
    curve.at(3600.0).probability
"""

import math
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np

from market.fill_rows import (
    AGES_H,
    AT,
    BLOCKS,
    NAMES,
    NO_WAY,
    PRICE_STEP,
    PRICES,
    Floats,
    Ints,
    Pieces,
    Rows,
    columns,
    pieces,
    price_terms,
)

VERSION = 1
# The prior, in words: at the usual pay, where ten people are active, half of the photo tasks opened at ten in the
# morning are filled within three hours.
HALF_BY_H = 3.0
DRAWS = 400
LOW, HIGH = 0.1, 0.9
_SHAPES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)  # of the Gamma priors; the variance is its inverse
_CITY_SHAPE, _NEAR_SHAPE = 3.0, 8.0  # where the history does not tell
_ROUNDS = 3
_NEWTON = 50
_PIECE = 128  # rows
_BIN = 0.25  # numbers of people (log1p) that differ by less are taken for equal when history is summed up
_EVENING = 14.0  # the hour of most answers, a priori


class Evidence(NamedTuple):
    """Of a cell: answers that came, and how many should have come without its own factor."""

    observed: float = 0.0
    expected: float = 0.0


NOTHING = Evidence()


class Model(msgspec.Struct, frozen=True):
    """A fitted model. mean, factor: β's mode and the lower Cholesky factor of its covariance, by NAMES · city_shape,
    near_shape: of the Gamma priors · slots, filled: what it was fitted on · places: cell to Evidence as (observed,
    expected), which for a neighbourhood has its city's factor in it."""

    version: int
    mean: list[float]
    factor: list[list[float]]
    city_shape: float
    near_shape: float
    slots: float
    filled: float
    places: dict[int, tuple[float, float]] = {}

    def curve(self, asked: Rows, city: Evidence | None = None, near: Evidence | None = None) -> "Curve":
        """The forecast for one task: `asked` is one row whose `end` is how far to look (seconds, at least one).

        city, near: the evidence of its cells; None: looked up in `places`.
        """
        cut = pieces(asked._replace(filled=np.zeros(1, np.bool_), claimed=np.full(1, np.nan)))
        given = _columns_of(asked, cut)
        city = Evidence(*self.places.get(int(asked.city[0]), NOTHING)) if city is None else city
        near = Evidence(*self.places.get(int(asked.near[0]), NOTHING)) if near is None else near
        beta = self._betas()
        # Ten draws at a time, for the reason in `_weighed`.
        lines = np.matmul(beta.reshape(-1, 10, len(NAMES)), given.T).reshape(DRAWS, -1)
        rate = np.exp(np.clip(lines, -30, 30)) * self._factors(city, near)[:, None]
        return Curve(cut.start, cut.length, rate / 3600, float(asked.quantity[0]), beta[:, PRICES])

    def _betas(self) -> Floats:
        """(DRAWS, len(NAMES)): draws of β, the price's cut off at zero."""
        normal, _ = _chances(len(NAMES))
        beta: Floats = np.array(self.mean) + normal @ np.array(self.factor).T
        beta[:, PRICES] = np.maximum(beta[:, PRICES], 0.0)
        return beta

    def _factors(self, city: Evidence, near: Evidence) -> Floats:
        _, seed = _chances(len(NAMES))
        random = np.random.default_rng(seed)
        wide = random.gamma(self.city_shape + city.observed, size=DRAWS) / (self.city_shape + city.expected)
        own = random.gamma(self.near_shape + near.observed, size=DRAWS) / (self.near_shape + near.expected)
        found: Floats = wide * own
        return found


class Chance(NamedTuple):
    """Of a task at a moment. probability: that all its slots are filled, with the 80 % interval `low` to `high` · one:
    that a certain slot is · expected: how many are."""

    probability: float
    low: float
    high: float
    one: float
    expected: float


class Curve:
    """How the chance of one task grows. start, length: (m,) seconds from opening · rate: (DRAWS, m) hazards of a slot
    per second · quantity: slots · slopes: (DRAWS, 3) of the price."""

    def __init__(self, start: Floats, length: Floats, rate: Floats, quantity: float, slopes: Floats) -> None:
        self._start = np.append(start, start[-1] + length[-1])
        self._rate = rate
        self._sum = np.concatenate([np.zeros((len(rate), 1)), np.cumsum(rate * length, axis=1)], axis=1)
        self._quantity = quantity
        self._slopes = slopes

    @property
    def horizon(self) -> float:
        """Seconds from opening up to which it is known."""
        return float(self._start[-1])

    def at(self, seconds: float) -> Chance:
        """The chance `seconds` after the opening; beyond the horizon, that at its end."""
        one = -np.expm1(-self._hazard(seconds))
        every = one**self._quantity
        low, high = map(float, np.quantile(every, [LOW, HIGH]))
        mean, all_of_them = float(one.mean()), float(every.mean())
        # The mean of what is very skewed may lie outside; both bounds still rise with time and price.
        return Chance(all_of_them, min(low, all_of_them), max(high, all_of_them), mean, self._quantity * mean)

    def quantile(self, probability: float) -> float | None:
        """The moment (seconds from opening) at which all are filled with this probability; None: beyond the horizon."""
        at_ends: Floats = (-np.expm1(-self._sum)) ** self._quantity
        reached = np.flatnonzero(at_ends.mean(axis=0) >= probability)
        if not len(reached):
            return None
        low, high = float(self._start[max(0, reached[0] - 1)]), float(self._start[reached[0]])
        while high - low > 0.5:
            middle = (low + high) / 2
            low, high = (low, middle) if self._mean(middle) >= probability else (middle, high)
        return high

    def cheapest(self, probability: float, seconds: float, log_price: float, unit: float, most: int) -> int | None:
        """The lowest fixed price, a whole number up to `most`, at which all are filled by then with this probability.

        For a curve at a fixed price. log_price: of that, as in Pieces · unit: by how much the price of one minor unit
        more is more in units of TYPICAL. None: no price up to `most` does it. Bisection: the chance rises with it.
        """
        hazard, here = self._hazard(seconds), price_terms(np.array(log_price))

        def enough(price: int) -> bool:
            more = self._slopes @ (price_terms(np.array(math.log(price * unit))) - here)
            return bool(((-np.expm1(-hazard * np.exp(np.minimum(more, 50)))) ** self._quantity).mean() >= probability)

        if not enough(most):
            return None
        low, high = 0, most
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return high

    def _hazard(self, seconds: float) -> Floats:
        """(DRAWS,): the hazard summed up to then."""
        at = min(max(seconds, 0.0), self.horizon)
        i = min(int(np.searchsorted(self._start, at, side="right")) - 1, self._rate.shape[1] - 1)
        found: Floats = self._sum[:, i] + self._rate[:, i] * (at - self._start[i])
        return found

    def _mean(self, seconds: float) -> float:
        return float(((-np.expm1(-self._hazard(seconds))) ** self._quantity).mean())


@lru_cache(maxsize=1)
def _chances(size: int) -> tuple[Floats, int]:
    """Standard normal draws (DRAWS, size), each with its mirror image, and the seed of the others: always the same."""
    half = np.random.default_rng(20_261_201).standard_normal((DRAWS // 2, size))
    return np.concatenate([half, -half]), 12


# ---- the prior


@lru_cache(maxsize=1)
def prior() -> tuple[Floats, Floats]:
    """β before any history: its mean (p,) and covariance (p, p), by NAMES."""
    mean, spread = np.zeros(len(NAMES)), np.diag(np.full(len(NAMES), 0.3**2))
    # Nobody is there in the first minutes, however much it pays.
    early = {"age_0h": -1.0, "age_0.25h": -0.3}
    for name, value in early.items():
        mean[AT[name]] = value
    ages = np.arange(AT["age_0h"], AT["age_0h"] + len(AGES_H))
    spread[np.ix_(ages, ages)] = 0.6**2 * np.exp(-np.abs(ages[:, None] - ages) / 4)
    mean[PRICES] = 1.0
    spread[PRICES, PRICES] = 0.5**2 * (0.7 + 0.3 * np.eye(3))
    turn = 2 * math.pi * _EVENING / 24
    mean[AT["sin1"]], mean[AT["cos1"]] = 0.6 * math.sin(turn), 0.6 * math.cos(turn)
    mean[AT["people"]], mean[AT["way"]], mean[AT["quantity"]] = 0.5, -0.2, -0.3
    for name, deviation in (("level", 1.0), ("reading", 0.7), ("action", 0.7), ("answer", 0.7), ("anywhere", 1.0)):
        spread[AT[name], AT[name]] = deviation**2
    mean[AT["action"]] = -0.5
    # The level that makes the sentence above true: by the three-hour blocks from nine to fifteen.
    hours, levels = np.array([0.25, 0.25, 1.5, 1.0]), np.array([early["age_0h"], early["age_0.25h"], 0, 0])
    noon = np.cos((np.array([10.5, 10.5, 10.5, 13.5]) - _EVENING) * 2 * math.pi / 24) * 0.6
    mean[AT["level"]] = math.log(math.log(2) / float((hours * np.exp(levels + noon)).sum()))
    return mean, spread


def unfitted() -> Model:
    """The model of a market without history: the prior alone."""
    mean, spread = prior()
    return Model(VERSION, mean.tolist(), np.linalg.cholesky(spread).tolist(), _CITY_SHAPE, _NEAR_SHAPE, 0.0, 0.0)


# ---- fitting


def fit(rows: Rows) -> Model:
    """The posterior after a history of slots; with no rows it is the prior. Raises nothing for any finite rows."""
    if not len(rows.end):
        return unfitted()
    cut = pieces(rows)
    cell, given = _summed(rows, cut)
    weight = rows.weight[cut.row]
    events = _sums(cell, weight * (cut.last & rows.filled[cut.row]), len(given))
    hours = weight * cut.length / 3600
    observed = rows.weight * rows.filled
    mean, spread = prior()
    beta, precision = mean.copy(), np.linalg.inv(spread)
    factor = np.ones(len(rows.end))
    cities, nears = _cells(rows.city), _cells(rows.near)
    for _ in range(_ROUNDS):
        exposed = _sums(cell, hours * factor[cut.row], len(given))
        beta, hessian = _mode(given, events, exposed, mean, precision, beta)
        plain = _sums(cut.row, hours * np.exp(given @ beta)[cell], len(rows.end))
        city_shape, city, city_factor = _shrunk(cities, observed, plain, _CITY_SHAPE)
        near_shape, near, near_factor = _shrunk(nears, observed, plain * city_factor, _NEAR_SHAPE)
        factor = city_factor * near_factor
    return Model(
        VERSION, beta.tolist(), np.linalg.cholesky(np.linalg.inv(hessian)).tolist(), city_shape, near_shape,
        float(rows.weight.sum()), float(observed.sum()), city | near,
    )  # fmt: skip


def _sums(of: Ints, values: Floats, size: int) -> Floats:
    """(size,): the values summed by what they are of."""
    return np.bincount(of, values, size).astype(np.float64)


def _columns_of(rows: Rows, cut: Pieces) -> Floats:
    """The covariates of pieces, exact."""
    row = cut.row
    return columns(
        cut.price, rows.kind[row], np.log1p(rows.people[row]), rows.way[row], np.isnan(rows.lon[row]),
        np.log(rows.quantity[row]), cut.age, cut.block,
    )  # fmt: skip


def _summed(rows: Rows, cut: Pieces) -> tuple[Ints, Floats]:
    """Pieces that are alike make one: which one each is (m,), and the covariates of those (k, p), a little rounded."""
    parts: list[tuple[Ints, int]] = [
        (np.clip(np.round(cut.price / PRICE_STEP), -60, 60).astype(np.int64) + 60, 121),
        (rows.kind[cut.row], 4),
        (np.round(np.log1p(rows.people[cut.row]) / _BIN).astype(np.int64), 64),
        (rows.way[cut.row].astype(np.int64), NO_WAY + 1),
        (np.isnan(rows.lon[cut.row]).astype(np.int64), 2),
        (np.round(np.log(rows.quantity[cut.row]) / _BIN).astype(np.int64), 64),
        (cut.age, len(AGES_H)),
        (cut.block, BLOCKS),
    ]
    code = np.zeros(len(cut.row), np.int64)
    for value, size in parts:
        code = code * size + np.clip(value, 0, size - 1)
    alike, cell = np.unique(code, return_inverse=True)
    read: list[Ints] = []
    for _, size in reversed(parts):
        read.append(alike % size)
        alike = alike // size
    block, age, quantity, anywhere, way, people, kind, price = read
    given = columns(
        (price - 60) * PRICE_STEP,
        kind,
        people * _BIN,
        way.astype(np.float64),
        anywhere == 1,
        quantity * _BIN,
        age,
        block,
    )
    return cell, given


def _mode(
    given: Floats, events: Floats, hours: Floats, mean: Floats, precision: Floats, begin: Floats
) -> tuple[Floats, Floats]:
    """The posterior's mode with no negative coefficient of the price, and its negative Hessian there.

    Poisson regression of `events` (k,) in `hours` (k,) on `given` (k, p), prior N(mean, precision⁻¹); Newton's method
    from `begin`, halving steps that do not climb, on the coefficients that are not held at zero.
    """
    beta = begin
    free = np.ones(len(mean), np.bool_)

    def height(at: Floats) -> float:
        line = given @ at
        away = at - mean
        return float(events @ line - hours @ np.exp(np.clip(line, -50, 50)) - away @ precision @ away / 2)

    best = height(beta)
    for _ in range(_NEWTON):
        expected = hours * np.exp(given @ beta)
        slope = given.T @ (events - expected) - precision @ (beta - mean)
        hessian = _weighed(given, expected) + precision
        held = np.zeros(len(mean), np.bool_)
        held[PRICES] = (beta[PRICES] <= 0) & (slope[PRICES] <= 0)
        free = ~held
        step = np.zeros(len(mean))
        step[free] = np.linalg.solve(hessian[np.ix_(free, free)], slope[free])
        size = 1.0
        while True:
            tried = beta + size * step
            tried[PRICES] = np.maximum(tried[PRICES], 0.0)
            reached = height(tried)
            if reached >= best or size < 1e-6:
                break
            size /= 2
        done = reached - best < 1e-7 * (1 + abs(best))
        if reached > best:
            beta, best = tried, reached
        if done:
            break
    expected = hours * np.exp(given @ beta)
    return beta, _weighed(given, expected) + precision


def _weighed(given: Floats, weight: Floats) -> Floats:
    """XᵀWX, in pieces: a large product would be spread over threads, which on a busy machine wait for one another."""
    size = given.shape[1]
    found = np.zeros((size, size))
    for i in range(0, len(given), 512 * _PIECE):
        part = given[i : i + 512 * _PIECE] * np.sqrt(weight[i : i + 512 * _PIECE, None])
        part = np.concatenate([part, np.zeros((-len(part) % _PIECE, size))]).reshape(-1, _PIECE, size)
        found += np.matmul(part.transpose(0, 2, 1), part).sum(axis=0)
    return found


class _Cells(NamedTuple):
    names: Ints
    of: Ints


def _cells(cells: Ints) -> _Cells:
    names, of = np.unique(cells, return_inverse=True)
    return _Cells(names, of)


def _shrunk(
    cells: _Cells, observed: Floats, expected: Floats, usual: float
) -> tuple[float, dict[int, tuple[float, float]], Floats]:
    """The Gamma prior's shape, each cell's evidence, and each row's factor: the posterior mean of its cell.

    The shape maximises the marginal likelihood (negative binomial) times a log-normal prior around `usual`.
    """
    came = _sums(cells.of, observed, len(cells.names))
    due = _sums(cells.of, expected, len(cells.names))
    counts, where = np.unique(came, return_inverse=True)

    def likelihood(shape: float) -> float:
        gammas = np.array([math.lgamma(shape + count) for count in counts])[where]
        found = gammas - math.lgamma(shape) + shape * math.log(shape) - (shape + came) * np.log(shape + due)
        return float(found.sum()) - math.log(shape / usual) ** 2 / 2

    shape = max((*_SHAPES, usual), key=likelihood)
    evidence = {int(name): (float(o), float(e)) for name, o, e in zip(cells.names, came, due, strict=True)}
    return shape, evidence, ((shape + came) / (shape + due))[cells.of]
