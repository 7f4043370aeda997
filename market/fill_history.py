"""Fill history: what was asked under which terms, who is active near by, and the model that is fitted to it.

The log of events is followed at a little distance, so that posting and claiming do nothing for it. Nobody is located
by what is told here: of people it knows who claimed tasks in a cell of about 5 km² in the last two weeks, counts fewer
than five as nobody, and any others by fives.
"""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import h3.api.basic_int as h3  # cells as whole numbers
import msgspec
import numpy as np

from market import effort, fill_model, prices
from market.fill_model import Evidence, Model
from market.fill_rows import KINDS, MOST_WEIGHT, NO_WAY, TYPICAL, Rows, rows_of
from market.terms import Evidence as Asked
from market.terms import Standing, TaskDraft

NEAR, CITY = 7, 5  # resolutions of h3: cells of about 5 and 250 km²
ANYWHERE_NEAR, ANYWHERE_CITY = -1, 0
AT_ONCE = 200  # events of the log that one transaction takes in
LEAST_PEOPLE = 5
MOST_IN_CELL = 50  # the latest of each cell are enough to tell much from little
ACTIVE_DAYS = 14
HISTORY_DAYS = 60
KEPT_DAYS = 160  # longer than history and the longest task together
MOST_SLOTS = 50_000
MODELS_KEPT = 5


class Around(NamedTuple):
    """people: active within about 10 km, at most 50 of each cell, by fives, fewer than five are none · way: rings of
    cells to the fifth of them, 0 to NO_WAY, which is also for nobody."""

    people: int
    way: int


class Known(NamedTuple):
    """The model of now. id: None while nothing has been fitted."""

    id: int | None
    model: Model
    fitted_at: datetime | None


def cells(lat: float, lon: float) -> tuple[int, int]:
    """The h3 cells of a place (degrees) whose history counts for it: its neighbourhood's and its city's."""
    near = h3.latlng_to_cell(lat, lon, NEAR)
    return near, h3.cell_to_parent(near, CITY)


async def around(conn: asyncpg.Connection, near: int | None, at: datetime | None = None) -> Around:
    """Who is active around a cell at a moment (now, if None). Where nobody has to go anywhere, near None, nobody is."""
    if near is None:
        return Around(0, NO_WAY)
    rings = [(cell, ring) for ring in range(NO_WAY) for cell in h3.grid_ring(near, ring)]
    row = await conn.fetchrow(
        """SELECT count(*) AS people, (array_agg(ring ORDER BY ring))[$4] AS way FROM (
             SELECT p.person_id, min(r.ring) AS ring FROM unnest($1::bigint[], $2::int[]) AS r (cell, ring)
               CROSS JOIN LATERAL (
                 SELECT person_id FROM active_near a WHERE a.cell = r.cell
                   AND a.last_at > coalesce($3, market_now()) - make_interval(days => $5)
                 ORDER BY a.last_at DESC LIMIT $6) AS p
             GROUP BY p.person_id) AS near""",
        [cell for cell, _ in rings], [ring for _, ring in rings], at, LEAST_PEOPLE, ACTIVE_DAYS, MOST_IN_CELL,
    )  # fmt: skip
    people = row["people"] // LEAST_PEOPLE * LEAST_PEOPLE
    return Around(people, NO_WAY if row["way"] is None else row["way"])


def asked(draft: TaskDraft, path: prices.Path, opens: datetime, seconds: float, here: Around) -> Rows:
    """A draft as the one row that a forecast is made for, up to `seconds` after its opening."""
    place = draft.place
    near, city = (None, None) if place is None else cells(place.lat, place.lon)
    minutes = effort.expected(draft.evidence, has_place=place is not None, own=draft.expected_minutes)
    return one_row(
        draft.kind, draft.reward.currency, opens, None if place is None else place.lon, near, city, minutes, path,
        wanted(draft.quantity, draft.standing), here, seconds,
    )  # fmt: skip


def wanted(quantity: int, standing: Standing | None) -> int:
    """How many answers are awaited together: all, or those of a round."""
    return quantity if standing is None else standing.per_round


def unit(currency: str, minutes: float) -> float:
    """What one minor unit is, in the units in which prices are compared: the usual pay for each minute."""
    return 1 / (TYPICAL[currency] * minutes)


def one_row(
    kind: str,
    currency: str,
    opens: datetime,
    lon: float | None,
    near: int | None,
    city: int | None,
    minutes: float,
    path: prices.Path,
    quantity: int,
    here: Around,
    seconds: float,
) -> Rows:
    """A task that nobody has answered as one row. minutes: expected for an answer · quantity: answers awaited together
    · seconds: from its opening to the end of the forecast."""
    each = unit(currency, minutes)
    return rows_of({
        "opened": [opens.timestamp()], "lon": [np.nan if lon is None else lon], "kind": [KINDS.index(kind)],
        "pay": [path.reward * each], "top": [path.top * each], "step": [path.step * each],
        "step_s": [path.step_s or 0], "quantity": [quantity], "people": [here.people], "way": [here.way],
        "city": [ANYWHERE_CITY if city is None else city], "near": [ANYWHERE_NEAR if near is None else near],
        "end": [max(1.0, seconds)], "filled": [False], "claimed": [np.nan], "weight": [1.0],
    })  # fmt: skip


# ---- following the log


class Posted(NamedTuple):
    """A task that was taken into the history just now: its row of `task_fill`, and whether nobody has answered yet."""

    row: asyncpg.Record
    fresh: bool


async def take_in(conn: asyncpg.Connection, limit: int = AT_ONCE) -> tuple[int, list[Posted]]:
    """Read on in the log: how many events there were, and the new tasks. One caller at a time, others get none."""
    place = await conn.fetchrow("SELECT xid::text AS xid, seq FROM fill_cursor FOR UPDATE SKIP LOCKED")
    if place is None:
        return 0, []
    events = await conn.fetch(
        """SELECT xid::text AS xid, seq, type, subject_id, person_id, created_at FROM event
           WHERE type IN ('task.posted', 'task.claimed', 'task.changed')
             AND (xid, seq) > ($1::text::xid8, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot())
           ORDER BY xid, seq LIMIT $3""",
        place["xid"], place["seq"], limit,
    )  # fmt: skip
    found: list[Posted] = []
    for event in events:
        if event["type"] == "task.posted":
            found += await _posted(conn, event["subject_id"])
        elif event["type"] == "task.claimed":
            await _claimed(conn, event)
        else:
            await conn.execute(
                "UPDATE task_fill SET changed_at = $2 WHERE task_id = $1 AND changed_at IS NULL",
                event["subject_id"], event["created_at"],
            )  # fmt: skip
    if events:
        await conn.execute(
            "UPDATE fill_cursor SET xid = $1::text::xid8, seq = $2", events[-1]["xid"], events[-1]["seq"]
        )  # fmt: skip
    return len(events), found


async def _posted(conn: asyncpg.Connection, task: UUID) -> list[Posted]:
    """A task as it was posted, with who was around then. Those whose terms have changed by now are left out, and so are
    standing ones, which devices answer by themselves."""
    row = await conn.fetchrow(
        """SELECT t.*, greatest(t.opens_at, t.created_at) AS opened_at,
             NOT EXISTS (SELECT FROM submission s WHERE s.task_id = t.id)
               AND market_now() < greatest(t.opens_at, t.created_at) + interval '2 minutes' AS fresh
           FROM task t WHERE t.id = $1 AND t.every_s IS NULL
             AND NOT EXISTS (SELECT FROM event e WHERE e.subject_id = t.id AND e.type = 'task.changed')""",
        task,
    )
    if row is None:
        return []
    near, city = (None, None) if row["lat"] is None else cells(row["lat"], row["lon"])
    here = await around(conn, near, row["created_at"])
    minutes = effort.expected(
        msgspec.convert(row["evidence"], Asked), has_place=near is not None, own=row["expected_minutes"]
    )
    step = 0 if row["step_s"] is None else prices.step_of(row["reward"], row["step_percent"])
    kept = await conn.fetchrow(
        """INSERT INTO task_fill (task_id, kind, currency, opened_at, closes_at, lat, lon, near, city, minutes, reward,
             top, step, step_s, quantity, people, way, lot)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
           ON CONFLICT DO NOTHING RETURNING *""",
        task, row["kind"], row["currency"], row["opened_at"], row["closes_at"], row["lat"], row["lon"], near, city,
        minutes, row["reward"], row["top"], step, row["step_s"] or 0, row["quantity"], here.people, here.way,
        int.from_bytes(task.bytes[-4:]) - 2**31,
    )  # fmt: skip
    return [] if kept is None else [Posted(kept, row["fresh"])]


async def _claimed(conn: asyncpg.Connection, event: asyncpg.Record) -> None:
    await conn.execute(
        """INSERT INTO active_near (cell, person_id, last_at)
             SELECT f.near, p.id, $3 FROM task_fill f JOIN person p ON p.id = $2 AND p.erased_at IS NULL
             WHERE f.task_id = $1 AND f.near IS NOT NULL AND $3 > market_now() - make_interval(days => $4)
           ON CONFLICT (cell, person_id) DO UPDATE SET last_at = greatest(active_near.last_at, excluded.last_at)""",
        event["subject_id"], event["person_id"], event["created_at"], ACTIVE_DAYS,
    )  # fmt: skip


async def forget(conn: asyncpg.Connection) -> None:
    """Drop what is older than anything that is asked of it, and whoever was erased while this was writing."""
    await conn.execute(
        """DELETE FROM active_near a WHERE last_at < market_now() - make_interval(days => $1)
           OR EXISTS (SELECT FROM person p WHERE p.id = a.person_id
             AND p.erased_at > market_now() - interval '1 day')""",
        ACTIVE_DAYS,
    )
    for table, column in (("task_fill", "opened_at"), ("forecast", "made_at")):
        await conn.execute(f"DELETE FROM {table} WHERE {column} < market_now() - make_interval(days => $1)", KEPT_DAYS)


# ---- the model


async def current(conn: asyncpg.Connection) -> Known:
    """The newest model; without any, the prior alone."""
    row = await conn.fetchrow("SELECT id, body, fitted_at FROM fill_model ORDER BY id DESC LIMIT 1")
    if row is None or row["body"]["version"] != fill_model.VERSION:
        return Known(None, fill_model.unfitted(), None)
    return Known(row["id"], msgspec.convert(row["body"], Model), row["fitted_at"])


async def evidence(conn: asyncpg.Connection, known: Known, asked: Rows) -> tuple[Evidence, Evidence]:
    """What the model knows of the places of a row: of its city and its neighbourhood."""
    city, near = int(asked.city[0]), int(asked.near[0])
    rows = await conn.fetch(
        "SELECT cell, observed, expected FROM fill_place WHERE model_id = $1 AND cell = ANY ($2::bigint[])",
        known.id, [city, near],
    )  # fmt: skip
    found = {row["cell"]: Evidence(row["observed"], row["expected"]) for row in rows}
    return found.get(city, fill_model.NOTHING), found.get(near, fill_model.NOTHING)


async def is_due(conn: asyncpg.Connection, every_s: float) -> bool:
    """Whether the newest model is that old, by the market's clock, and something has happened since."""
    due: bool = await conn.fetchval(
        """SELECT coalesce((SELECT fitted_at <= market_now() - make_interval(secs => $1)
               AND seen < (SELECT max(seq) FROM event) FROM fill_model ORDER BY id DESC LIMIT 1),
             EXISTS (SELECT FROM task_fill))""",
        every_s,
    )
    return due


async def rows(conn: asyncpg.Connection, *, most: int = MOST_SLOTS) -> Rows:
    """The history to fit on: slots of the last 60 days, a sample where there are more than `most`.

    What is being judged is known up to when it was handed in, what was not answered up to now or to the task's end.
    """
    found = await conn.fetch(_HISTORY, HISTORY_DAYS, most)
    return as_rows(found)


# Of each task the accepted answers in their order, those being judged, and the slots that are left as one row. Nothing
# counts that came after its time was over or its terms had changed.
_HISTORY = """
WITH sampled AS (
  SELECT * FROM (SELECT *, sum(quantity) OVER (ORDER BY lot, task_id) AS slots FROM (
    SELECT f.*, least(f.closes_at, f.changed_at, t.closed_at, market_now()) AS until
    FROM task_fill f JOIN task t ON t.id = f.task_id
    WHERE f.opened_at > market_now() - make_interval(days => $1) AND f.opened_at < market_now()
    ORDER BY f.lot, f.task_id LIMIT $2) AS drawn) AS counted WHERE slots <= $2 OR slots = quantity),
answers AS (
  SELECT k.*, s.submitted_at, c.created_at AS claimed_at, s.status = 'accepted' AS accepted,
    row_number() OVER (PARTITION BY k.task_id ORDER BY s.status <> 'accepted', s.submitted_at) AS n
  FROM sampled k JOIN submission s ON s.task_id = k.task_id AND s.status <> 'rejected'
    JOIN claim c ON c.id = s.claim_id
  WHERE s.submitted_at <= k.until)
SELECT task_id, kind, currency, opened_at, lon, near, city, minutes, reward, top, step, step_s, quantity, people, way,
  submitted_at AS ended_at, claimed_at, accepted, 1 AS slots FROM answers WHERE n <= quantity
UNION ALL
SELECT k.task_id, kind, currency, opened_at, lon, near, city, minutes, reward, top, step, step_s, quantity, people, way,
  until, NULL, false, quantity - coalesce(a.n, 0)
FROM sampled k LEFT JOIN (SELECT task_id, count(*) AS n FROM answers GROUP BY task_id) a ON a.task_id = k.task_id
WHERE quantity > coalesce(a.n, 0)
"""


def as_rows(found: list[asyncpg.Record]) -> Rows:
    """Records of the history as arrays."""
    columns: dict[str, list[Any]] = {name: [] for name in Rows._fields}
    for row in found:
        opened, each = row["opened_at"].timestamp(), unit(row["currency"], row["minutes"])
        taken = row["claimed_at"]
        values = (
            opened, np.nan if row["lon"] is None else row["lon"], KINDS.index(row["kind"]), row["reward"] * each,
            row["top"] * each, row["step"] * each, row["step_s"], row["quantity"], row["people"], row["way"],
            ANYWHERE_CITY if row["city"] is None else row["city"],
            ANYWHERE_NEAR if row["near"] is None else row["near"],
            max(1.0, row["ended_at"].timestamp() - opened), row["accepted"],
            taken.timestamp() - opened if row["accepted"] else np.nan,
            row["slots"] * min(1.0, MOST_WEIGHT / row["quantity"]),
        )  # fmt: skip
        for name, value in zip(Rows._fields, values, strict=True):
            columns[name].append(value)
    return rows_of(columns)


async def keep(conn: asyncpg.Connection, model: Model) -> int:
    """Make a model the one that quotes go by; its id. The last few stay."""
    body = msgspec.to_builtins(msgspec.structs.replace(model, places={}))
    made: int = await conn.fetchval(
        """INSERT INTO fill_model (slots, seen, body) VALUES ($1, (SELECT coalesce(max(seq), 0) FROM event), $2)
           RETURNING id""",
        model.slots, body,
    )  # fmt: skip
    await conn.execute(
        """INSERT INTO fill_place (model_id, cell, observed, expected)
             SELECT $1, * FROM unnest($2::bigint[], $3::float8[], $4::float8[])""",
        made, list(model.places), [o for o, _ in model.places.values()], [e for _, e in model.places.values()],
    )  # fmt: skip
    await conn.execute("DELETE FROM fill_model WHERE id <= $1", made - MODELS_KEPT)
    return made
