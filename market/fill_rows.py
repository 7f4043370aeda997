"""Fill histories as numbers: slots, the pieces of time in which nothing about them changes, and what describes a piece.

Pure arithmetic on numpy arrays. A slot is one answer that a task wants; it is filled when the answer that is accepted
later is handed in.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]

KINDS = ("photo", "reading", "action", "answer")
# What an answer usually pays for each expected minute, minor units: what prices are compared with, in any currency.
TYPICAL = {
    "usd": 25.0, "eur": 23.0, "gbp": 20.0, "chf": 23.0, "sek": 250.0, "jpy": 35.0, "huf": 9_000.0, "twd": 750.0,
    "isk": 3_400.0, "ugx": 90_000.0,
}  # fmt: skip
# Ages of a task (hours) at which the hazard's level may change.
AGES_H = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 24.0, 48.0, 96.0, 192.0)
BLOCK_S = 10_800.0  # within three hours of a week it is the same time of day
BLOCKS = 56
PRICE_STEP = 0.1  # prices less than a tenth apart are taken for equal when history is summed up
KNOTS = (-math.log(2), math.log(2))  # the price may matter otherwise below half and above twice the usual pay
NO_WAY = 5  # rings of cells; at and beyond it nobody active is near
MOST_WEIGHT = 20.0  # slots of one task tell the same story: together they count for no more

NAMES = (
    "level", "price_low", "price", "price_high", *KINDS[1:], "sin1", "cos1", "sin2", "cos2",
    "mon", "tue", "wed", "thu", "fri", "sat", "sun", "people", "way", "anywhere", "quantity",
    *(f"age_{hours:g}h" for hours in AGES_H),
)  # fmt: skip
AT = {name: i for i, name in enumerate(NAMES)}
PRICES = slice(AT["price_low"], AT["price_high"] + 1)
_BASE = math.log1p(10)  # the number of people to which the prior's level belongs


class Rows(NamedTuple):
    """Slots with one story each: n rows, each standing for `weight` slots of one task.

    opened: (n,) when the task could first be claimed, seconds since 1970 UTC · lon: (n,) degrees, nan for a task that
    may be done anywhere · kind: (n,) index in KINDS · pay: (n,) what it paid at first for each expected minute, in
    units of TYPICAL · top: (n,) the same at most · step: (n,) by how much each step raises it, 0 for a fixed price
    · step_s: (n,) seconds of a step, 0 for none · quantity: (n,) slots of the task · people: (n,) active near by when
    it opened · way: (n,) rings of cells to the fifth of them, 0 to NO_WAY · city, near: (n,) the h3 cells (resolutions
    5 and 7), 0 and -1 for anywhere · end: (n,) seconds from opening until filled, or until nothing more is known
    · filled: (n,) whether it was · claimed: (n,) seconds from opening until whoever filled it claimed, from when on its
    price stands still; nan where not filled · weight: (n,) slots.
    """

    opened: Floats
    lon: Floats
    kind: Ints
    pay: Floats
    top: Floats
    step: Floats
    step_s: Floats
    quantity: Floats
    people: Floats
    way: Floats
    city: Ints
    near: Ints
    end: Floats
    filled: Bools
    claimed: Floats
    weight: Floats


class Pieces(NamedTuple):
    """Stretches of time of rows. row: (m,) whose, in order · start, length: (m,) seconds from opening · last: (m,) the
    row ends with it · price: (m,) log of the pay · age: (m,) index in AGES_H · block: (m,) of the week, local solar
    time, Monday first."""

    row: Ints
    start: Floats
    length: Floats
    last: Bools
    price: Floats
    age: Ints
    block: Ints


def rows_of(columns: dict[str, Any]) -> Rows:
    """Rows from a dict of equally long lists or arrays, by the names of Rows."""
    wanted: dict[str, Any] = {"kind": np.int64, "city": np.int64, "near": np.int64, "filled": np.bool_}
    return Rows(**{name: np.asarray(columns[name], dtype=wanted.get(name, np.float64)) for name in Rows._fields})


def pieces(rows: Rows) -> Pieces:
    """Cut each row where the task's age, the time of the week or the price changes. Arrays of m pieces, row by row."""
    n = len(rows.end)
    end = np.maximum(rows.end, 1.0)
    local = rows.opened + np.where(np.isnan(rows.lon), 0.0, rows.lon) * 240.0
    owner: list[Ints] = [np.arange(n)]
    at: list[Floats] = [end]
    for hours in AGES_H[1:]:
        reached = np.flatnonzero(end > hours * 3600)
        owner.append(reached)
        at.append(np.full(len(reached), hours * 3600))
    first = BLOCK_S - np.mod(local, BLOCK_S)
    count = np.maximum(0, np.ceil((end - first) / BLOCK_S)).astype(np.int64)
    owner.append(np.repeat(np.arange(n), count))
    nth = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    at.append(first[owner[-1]] + nth * BLOCK_S)
    for whose, when in [_rises(rows), (np.flatnonzero(rows.filled), rows.claimed[rows.filled])]:
        owner.append(whose)
        at.append(when)
    row, cut = np.concatenate(owner), np.concatenate(at)
    inside = (cut > 0) & (cut <= end[row])
    row, cut = row[inside], cut[inside]
    order = np.lexsort((cut, row))
    row, cut = row[order], cut[order]
    start = np.where(np.concatenate([[True], row[1:] != row[:-1]]), 0.0, np.concatenate([[0.0], cut[:-1]]))
    real = cut > start  # two reasons to cut at one moment make one cut
    row, start, cut = row[real], start[real], cut[real]
    last = np.concatenate([row[1:] != row[:-1], [True]]) if len(row) else np.zeros(0, np.bool_)
    middle = (start + cut) / 2
    age = np.searchsorted(np.array(AGES_H) * 3600, middle, side="right") - 1
    # 1970 began on a Thursday: 24 blocks after Monday.
    block = np.mod(np.floor((local[row] + middle) / BLOCK_S).astype(np.int64) + 24, BLOCKS)
    seen = np.where(rows.filled[row], np.fmin(middle, rows.claimed[row]), middle)
    return Pieces(row, start, cut - start, last, np.log(price_at(rows, row, seen)), age, block)


def price_at(rows: Rows, row: Ints, at: Floats) -> Floats:
    """What rows pay `at` seconds after their opening, in units of TYPICAL."""
    steps = np.floor(at / np.where(rows.step_s[row] > 0, rows.step_s[row], np.inf))
    return np.minimum(rows.top[row], rows.pay[row] + rows.step[row] * steps)


def _rises(rows: Rows) -> tuple[Ints, Floats]:
    """The moments at which a rising price is a tenth higher than at the last of them: row and seconds."""
    owner: list[Ints] = [np.zeros(0, np.int64)]
    at: list[Floats] = [np.zeros(0)]
    rising = np.flatnonzero((rows.step_s > 0) & (rows.top > rows.pay))
    level = rows.pay[rising]
    while len(rising):
        level = np.minimum(level * math.exp(PRICE_STEP), rows.top[rising])
        when = np.ceil((level - rows.pay[rising]) / rows.step[rising] - 1e-9) * rows.step_s[rising]
        owner.append(rising)
        at.append(when)
        on = (level < rows.top[rising]) & (when < rows.end[rising])
        rising, level = rising[on], level[on]
    return np.concatenate(owner), np.concatenate(at)


def columns(
    price: Floats, kind: Ints, people: Floats, way: Floats, anywhere: Bools, quantity: Floats, age: Ints, block: Ints
) -> Floats:
    """The covariates (m, len(NAMES)) of pieces. price: log pay · people: log1p of the count · quantity: its log."""
    found = np.zeros((len(price), len(NAMES)))
    found[:, AT["level"]] = 1
    found[:, PRICES] = price_terms(price)
    for i in range(1, len(KINDS)):
        found[:, AT[KINDS[i]]] = kind == i
    placed = np.where(anywhere, 0.0, 1.0)  # where nobody has to go anywhere, no local time holds
    hour = (np.mod(block, 8) + 0.5) * (2 * math.pi / 8)
    for i in (1, 2):
        found[:, AT[f"sin{i}"]] = np.sin(i * hour) * placed
        found[:, AT[f"cos{i}"]] = np.cos(i * hour) * placed
    found[np.arange(len(price)), AT["mon"] + block // 8] = 1
    found[:, AT["people"]] = np.where(anywhere, 0.0, people - _BASE)
    found[:, AT["way"]] = np.where(anywhere, 0.0, np.log1p(way))
    found[:, AT["anywhere"]] = anywhere
    found[:, AT["quantity"]] = quantity
    found[np.arange(len(price)), AT["age_0h"] + age] = 1
    return found


def price_terms(price: Floats) -> Floats:
    """(m, 3): a log price as the parts of it below, between and above KNOTS. Their sum is the price again; with
    coefficients that are not negative, what is made of them never falls as the price rises."""
    low, high = KNOTS
    between = np.clip(price, low, high)
    return np.stack([np.minimum(price - low, 0.0), between, np.maximum(price - high, 0.0)], axis=-1)
