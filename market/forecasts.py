"""Forecasts: what was foretold of tasks when they were posted, what became of them, and how well the two agree.

A forecast is stored before anybody has answered, and the schema lets nothing of it change. When it is known what became
of the task, it is scored, once. The formulae and why each is fair: docs/quotes.md.
"""

import itertools
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from market import fill_history, prices
from market.fill_history import Around, Known, Posted

HORIZONS_S = (3_600, 4 * 3_600, 86_400)
MOST_AN_HOUR = 60
WINDOW_DAYS = 30
PATIENCE_DAYS = 7  # for what is still being judged after a task has ended
BINS = 10


class Bin(msgspec.Struct, frozen=True):
    """Forecasts of chances from `from` up to `to`: their mean, and the share of those that came true."""

    from_: float = msgspec.field(name="from")
    to: float
    count: int
    predicted: float | None
    observed: float | None


class Brier(msgspec.Struct, frozen=True):
    """Mean squared error of the chances, and that of each kind's own share by each horizon, known only afterwards."""

    forecasts: int
    score: float | None
    base_rate: float | None


class KindScore(msgspec.Struct, frozen=True):
    """The same for one kind of task. filled: the share of chances that came true."""

    kind: str
    forecasts: int
    filled: float
    score: float
    base_rate: float


class Calibration(msgspec.Struct, frozen=True):
    """How forecasts of the last 30 days came true. tasks: that were scored · bins: reliability, over all horizons
    · inside: the share of fill times inside their 80 % interval; of a task that was not filled, or ended before, the
    part of what was left of its chances; null where none was filled: that would say nothing · filled: how many of
    `tasks` were."""

    days: int
    tasks: int
    bins: list[Bin]
    brier: Brier
    kinds: list[KindScore]
    inside: float | None
    since: datetime
    until: datetime
    filled: int = 0  # has a default: what was published before it was there is read still


async def foretell(conn: asyncpg.Connection, posted: list[Posted]) -> int:
    """Store what the model of now foretells of tasks that were just posted; how many. So many an hour, and only of
    those that nobody has answered."""
    fresh = [each.row for each in posted if each.fresh]
    if not fresh:
        return 0
    lately: int = await conn.fetchval(
        "SELECT count(*) FROM forecast WHERE made_at > market_now() - interval '1 hour'"
    )  # fmt: skip
    known = await fill_history.current(conn)
    for row in fresh[: max(0, MOST_AN_HOUR - lately)]:
        await _foretell(conn, known, row)
    return len(fresh[: max(0, MOST_AN_HOUR - lately)])


async def _foretell(conn: asyncpg.Connection, known: Known, row: asyncpg.Record) -> None:
    closing = int((row["closes_at"] - row["opened_at"]).total_seconds())
    path = prices.Path(row["reward"], row["top"], row["step_s"] or None, row["step"])
    asked = fill_history.one_row(
        row["kind"], row["currency"], row["opened_at"], row["lon"], row["near"], row["city"], row["minutes"], path,
        row["quantity"], Around(row["people"], row["way"]), closing,
    )  # fmt: skip
    curve = known.model.curve(asked, *await fill_history.evidence(conn, known, asked))
    horizons = [each for each in HORIZONS_S if each < closing] + [closing]
    deciles = [curve.quantile(n / 10) for n in range(1, 10)]
    await conn.execute(
        """INSERT INTO forecast (task_id, model_id, kind, opened_at, closes_at, horizons, chances, deciles)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING""",
        row["task_id"], known.id, row["kind"], row["opened_at"], row["closes_at"], horizons,
        [curve.at(each).probability for each in horizons], [None if each is None else round(each) for each in deciles],
    )  # fmt: skip


async def score_due(conn: asyncpg.Connection, limit: int = 200) -> int:
    """Score forecasts of which it is known what became of them; how many.

    Known is up to when a task was filled, else up to its end or to a change of its terms. What is still being judged is
    waited for, a week at most, and then counts as neither.
    """
    rows = await conn.fetch(
        """WITH due AS (
             SELECT f.task_id, f.opened_at, f.horizons, f.chances, f.deciles, q.quantity,
               least(f.closes_at, q.changed_at, t.closed_at) AS until
             FROM forecast f JOIN task_fill q ON q.task_id = f.task_id JOIN task t ON t.id = f.task_id
             WHERE f.scored_at IS NULL AND least(f.closes_at, q.changed_at, t.closed_at) <= market_now()),
           became AS (
             SELECT d.*, (SELECT s.submitted_at FROM submission s WHERE s.task_id = d.task_id AND s.status = 'accepted'
                 AND s.submitted_at <= d.until ORDER BY s.submitted_at OFFSET d.quantity - 1 LIMIT 1) AS filled_at,
               (SELECT min(s.submitted_at) FROM submission s WHERE s.task_id = d.task_id
                 AND s.status NOT IN ('accepted', 'rejected') AND s.submitted_at <= d.until) AS judged_at
             FROM due d)
           SELECT task_id, horizons, chances, deciles,
             CASE WHEN filled_at IS NOT NULL
               THEN floor(greatest(0, extract(epoch FROM filled_at - opened_at)))::int END AS filled_s,
             floor(greatest(0, extract(epoch FROM least(until, judged_at) - opened_at)))::int AS known_s
           FROM became WHERE filled_at IS NOT NULL OR judged_at IS NULL
             OR until < market_now() - make_interval(days => $2) LIMIT $1""",
        limit, PATIENCE_DAYS,
    )  # fmt: skip
    done: str = await conn.execute(
        """UPDATE forecast f SET scored_at = market_now(), filled_s = u.filled_s, inside = u.inside,
             known_s = CASE WHEN u.filled_s IS NULL THEN u.known_s END
           FROM unnest($1::uuid[], $2::int[], $3::int[], $4::float8[]) AS u (task_id, filled_s, known_s, inside)
           WHERE f.task_id = u.task_id AND f.scored_at IS NULL""",
        [row["task_id"] for row in rows], [row["filled_s"] for row in rows], [row["known_s"] for row in rows],
        [inside(row) for row in rows],
    )  # fmt: skip
    return int(done.split()[-1])


# One line for each horizon of each scored task up to which it is known what became of it.
_POINTS = """
WITH scored AS (
  SELECT * FROM forecast WHERE scored_at > market_now() - make_interval(days => $1)),
point AS (
  SELECT s.kind, h.horizon, h.chance, coalesce(s.filled_s <= h.horizon, false)::int AS came
  FROM scored s CROSS JOIN LATERAL unnest(s.horizons, s.chances) AS h (horizon, chance)
  WHERE s.filled_s IS NOT NULL OR s.known_s >= h.horizon)
"""


async def calibration(conn: asyncpg.Connection) -> Calibration:
    """How the forecasts scored in the last 30 days came true."""
    binned = {
        row["bin"]: row
        for row in await conn.fetch(
            f"""{_POINTS} SELECT least(floor(chance * $2)::int, $2 - 1) AS bin, count(*) AS count,
                  avg(chance) AS predicted, avg(came)::float8 AS observed FROM point GROUP BY bin""",
            WINDOW_DAYS, BINS,
        )
    }  # fmt: skip
    kinds = await conn.fetch(
        f"""{_POINTS}, shared AS (
              SELECT *, avg(came) OVER (
                PARTITION BY kind, CASE WHEN horizon = ANY ($2::int[]) THEN horizon END) AS share
              FROM point)
            SELECT kind, count(*) AS forecasts, avg(came)::float8 AS filled, avg((chance - came) ^ 2) AS score,
              avg((share - came) ^ 2)::float8 AS base_rate FROM shared GROUP BY kind ORDER BY kind""",
        WINDOW_DAYS, list(HORIZONS_S),
    )  # fmt: skip
    whole = await conn.fetchrow(
        """SELECT count(*) AS tasks, avg(inside) AS inside, count(filled_s) AS filled, market_now() AS until,
             market_now() - make_interval(days => $1) AS since
           FROM forecast WHERE scored_at > market_now() - make_interval(days => $1)""",
        WINDOW_DAYS,
    )
    count = sum(row["forecasts"] for row in kinds)

    def mean(column: str) -> float | None:
        return sum(row[column] * row["forecasts"] for row in kinds) / count if count else None

    return Calibration(
        WINDOW_DAYS, whole["tasks"], [_bin(n, binned.get(n)) for n in range(BINS)],
        Brier(count, mean("score"), mean("base_rate")), [KindScore(**dict(row)) for row in kinds],
        whole["inside"] if whole["filled"] else None, whole["since"], whole["until"], whole["filled"],
    )  # fmt: skip


async def publish(conn: asyncpg.Connection) -> None:
    """Keep the calibration of now as what is told to everyone; reckoning it anew for each who asks would take long."""
    await conn.execute(
        """INSERT INTO calibration (body) VALUES ($1)
           ON CONFLICT (one) DO UPDATE SET body = excluded.body""",
        msgspec.to_builtins(await calibration(conn)),
    )


async def published(conn: asyncpg.Connection) -> Calibration:
    """The calibration as it was last published."""
    body = await conn.fetchval("SELECT body FROM calibration")
    return await calibration(conn) if body is None else msgspec.convert(body, Calibration)


def _bin(n: int, row: asyncpg.Record | None) -> Bin:
    found: dict[str, Any] = {"count": 0, "predicted": None, "observed": None} if row is None else dict(row)
    return Bin(n / BINS, (n + 1) / BINS, found["count"], found["predicted"], found["observed"])


def inside(row: asyncpg.Record) -> float:
    """Whether a fill time lay between the 10 % and the 90 % decile; of one that nobody knows, how much of what was left
    of its distribution does. Where forecasts are right, the mean of this is 0.8, whatever ended the tasks."""
    deciles = row["deciles"]
    if row["filled_s"] is not None:
        low, high = deciles[0], deciles[-1]
        return float((low is not None and row["filled_s"] >= low) and (high is None or row["filled_s"] <= high))
    passed = chance_by(row, row["known_s"])
    return max(0.0, 0.9 - max(passed, 0.1)) / (1 - passed) if passed < 1 else 0.0


def chance_by(row: asyncpg.Record, seconds: int) -> float:
    """What was foretold for a moment: at a horizon as it was, else between what is stored, by straight lines."""
    points = [(0.0, 0.0), *zip(row["horizons"], row["chances"], strict=True)]
    points += [(at, (n + 1) / 10) for n, at in enumerate(row["deciles"]) if at is not None]
    points.sort()
    for (start, low), (end, high) in itertools.pairwise(points):
        if seconds <= end:
            return float(low + (high - low) * (seconds - start) / (end - start)) if end > start else float(high)
    return float(points[-1][1])
