"""Tasks that are posted: listing, changing, ending, and the money held for them.

Every transition takes the task's row first, then what the account and the key have spent today, then claims and
submissions, then the ledger; see ledger.py.
"""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids, keys, ledger, money
from market.errors import Changed, InsufficientFunds, Invalid, NotFound, TaskNotOpen
from market.money import Money, Price
from market.terms import Acceptance, Evidence, License, Place, PriceSchedule, Standing, TaskChange

DEFAULT_OPEN_S = 7 * 86_400
LONGEST_OPEN_S = 90 * 86_400
MOST_SLOTS = 1000

# SQL, where the row of a task is at hand: what a slot pays now, or paid when the last one was taken or it closed, and
# the next rise.
_AT = "coalesce(task.full_since, task.closed_at, (SELECT market_now()))"
PRICE = f"price_at(task.reward, task.top, task.step_s, task.step_percent, task.rises_from, {_AT})"
FEE = f"fee_of({PRICE}, task.reward, task.fee, task.top_fee, task.fee_bps)"
_STEPS = "floor(extract(epoch FROM (SELECT market_now()) - task.rises_from) / task.step_s)"
# SQL: joined to `task`, it works the price out once for all columns that follow from it (OFFSET 0 keeps it from being
# written out in each of them); those columns; and all of a task.
PRICED = f"CROSS JOIN LATERAL (SELECT {PRICE} AS price_now OFFSET 0) AS priced"
PRICES = f"""priced.price_now,
  fee_of(priced.price_now, task.reward, task.fee, task.top_fee, task.fee_bps) AS fee_now,
  CASE WHEN task.status = 'open' AND task.full_since IS NULL AND priced.price_now < task.top
    THEN task.rises_from + make_interval(secs => task.step_s * (1 + greatest(0, {_STEPS}))) END AS next_rise_at"""
COLUMNS = f"task.*, {PRICES}"


class Slots(msgspec.Struct, frozen=True):
    """open: free to claim · claimed: being worked on or judged · done: accepted."""

    open: int
    claimed: int
    done: int


class Task(msgspec.Struct, frozen=True):
    """A task as its owner sees it. `held`: what it still has set aside; `fee`: the market's, for an observation at the
    price now. next_rise_at: when the price rises next; null where it does not."""

    id: str
    status: str
    kind: str
    title: str
    instructions: str
    purpose: str
    place: Place | None
    opens_at: datetime
    closes_at: datetime
    evidence: Evidence
    reward: Money
    price_schedule: PriceSchedule | None
    price_now: Money
    next_rise_at: datetime | None
    fee: Money
    expected_minutes: int | None
    held: Money
    quantity: int
    slots: Slots
    acceptance: Acceptance
    license: License
    claim_ttl_s: int
    standing: Standing | None
    external_id: str | None
    metadata: dict[str, Any]
    group: str | None
    version: int
    created_at: datetime
    closed_at: datetime | None
    links: dict[str, str]


async def hold(conn: asyncpg.Connection, row: asyncpg.Record, amount: int, *, key: str, actor: str) -> None:
    """Set `amount` aside for a task. Raises InsufficientFunds, saying how much is needed."""
    try:
        await ledger.post(
            conn, "task.hold", key,
            [(ledger.buyer(row["account_id"]), amount), (ledger.escrow(row["id"]), -amount)],
            currency=row["currency"], actor=actor, subject=("task", row["id"]),
        )  # fmt: skip
    except InsufficientFunds:
        raise InsufficientFunds(
            f"This task needs {amount} {row['currency']} in minor units, fee included: more than the balance.",
            needed=amount,
        ) from None


async def hold_all(conn: asyncpg.Connection, rows: list[asyncpg.Record], amounts: list[int], *, actor: str) -> None:
    """Set aside an amount for each of an account's new tasks. Raises InsufficientFunds, saying how much all need."""
    currency, needed = rows[0]["currency"], sum(amounts)
    postings = [
        ledger.Posting(
            f"hold:{row['id']}", [(ledger.buyer(row["account_id"]), amount), (ledger.escrow(row["id"]), -amount)],
            ("task", row["id"]), {},
        )
        for row, amount in zip(rows, amounts, strict=True)
    ]  # fmt: skip
    try:
        await ledger.post_many(conn, "task.hold", postings, currency=currency, actor=actor)
    except InsufficientFunds:
        raise InsufficientFunds(
            f"These {len(rows)} tasks need {needed} {currency} in minor units, fee included: more than the balance.",
            needed=needed,
        ) from None


async def get(conn: asyncpg.Connection, account: UUID, task: str) -> Task:
    """One task of the account."""
    row = await conn.fetchrow(
        f"SELECT {COLUMNS} FROM task {PRICED} WHERE id = $1 AND account_id = $2", ids.read("task", task), account
    )
    if row is None:
        raise NotFound("There is no such task.")
    return show(row)


async def listed(
    conn: asyncpg.Connection,
    account: UUID,
    *,
    status: str | None = None,
    external_id: str | None = None,
    before: str | None = None,
    limit: int,
) -> list[Task]:
    """The account's tasks, newest first; `before`: those older than the task with this id."""
    rows = await conn.fetch(
        f"""SELECT {COLUMNS} FROM task {PRICED}
           WHERE account_id = $1 AND ($2::text IS NULL OR status = $2::text::task_status)
             AND ($3::text IS NULL OR external_id = $3) AND ($4::uuid IS NULL OR id < $4)
           ORDER BY id DESC LIMIT $5""",
        account, status, external_id, before and ids.read("task", before), limit,
    )  # fmt: skip
    return [show(row) for row in rows]


async def change(
    conn: asyncpg.Connection,
    actor: keys.Actor,
    task: str,
    change: TaskChange,
    *,
    fee_bps: int,
    version: int | None = None,
) -> Task:
    """Raise the price, extend, add quantity; never worse for somebody who has claimed, who gets a raise too.

    version: what the caller has read (If-Match); raises Changed when it is another by now.
    """
    if change == TaskChange():
        raise Invalid(f"Nothing is changed: give one of {', '.join(TaskChange.__struct_fields__)}; null leaves it.")
    row = await conn.fetchrow(
        f"SELECT {COLUMNS} FROM task {PRICED} WHERE id = $1 AND account_id = $2 FOR NO KEY UPDATE OF task",
        ids.read("task", task), actor.owner,
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such task.")
    if version is not None and row["version"] != version:
        raise Changed
    if row["status"] != "open":
        raise TaskNotOpen
    price = _repriced(row, change, fee_bps)
    quantity = row["quantity"] + (change.add_quantity or 0)
    if quantity > MOST_SLOTS:
        raise Invalid(f"A task has at most {MOST_SLOTS} slots.", pointer="/add_quantity")
    closes = change.closes_at
    if closes is not None and (closes.tzinfo is None or closes < row["closes_at"]):
        raise Invalid("The end may only be moved later; times need an offset.", pointer="/closes_at")
    before, after, kept = row["top"] + row["top_fee"], price.top + price.top_fee, row["appealed"] - row["done"]
    more = after * (quantity + kept) - before * (row["quantity"] + kept)
    raised = after * quantity - before * row["quantity"]
    await keys.spend(conn, actor, more, one_task=raised + await cost(conn, row["id"]))
    rebase = change.reward is not None or change.price_schedule is not None
    changed = await _rewrite(conn, row["id"], price, quantity, closes, rebase=rebase)
    if changed is None:
        raise Invalid(f"At most {LONGEST_OPEN_S // 86_400} days from now.", pointer="/closes_at")
    await events.append(
        conn, "task.changed", ("task", row["id"]), actor.name, account=actor.owner,
        data={"reward": price.reward, "quantity": quantity, "version": changed["version"]},
    )  # fmt: skip
    if more:
        await hold(conn, changed, more, key=f"hold:{row['id']}:{changed['version']}", actor=actor.name)
    return show(changed)


class _Price(NamedTuple):
    """What a slot pays from now on, and at most."""

    reward: int
    fee: int
    top: int
    top_fee: int
    step_s: int | None
    step_percent: int | None


def _repriced(row: asyncpg.Record, change: TaskChange, fee_bps: int) -> _Price:
    """The price after a change, which is nowhere and never below what was promised before. Raises Invalid."""
    now, schedule, currency = row["price_now"], change.price_schedule, row["currency"]
    if change.reward is None and schedule is None:
        return _Price(row["reward"], row["fee"], row["top"], row["top_fee"], row["step_s"], row["step_percent"])
    reward = now
    if change.reward is not None:
        if change.reward.currency != currency or change.reward.amount < now:
            raise Invalid(f"A reward may only rise, in {currency}: it is {now} now.", pointer="/reward")
        reward = change.reward.amount
    top, step_s, step_percent = max(row["top"], reward), row["step_s"], row["step_percent"]
    if schedule is not None:
        if row["every_s"] is not None:
            raise Invalid("A standing task asks anew in each round, at one price.", pointer="/price_schedule")
        if schedule.max.currency != currency or schedule.max.amount < top:
            detail = f"The highest price may only rise, in {currency}: it is {top}."
            raise Invalid(detail, pointer="/price_schedule/max")
        top, step_s, step_percent = schedule.max.amount, schedule.step_s, schedule.step_percent
    fee = max(row["fee_now"], money.fee(reward, fee_bps))
    return _Price(reward, fee, top, max(row["top_fee"], fee, money.fee(top, fee_bps)), step_s, step_percent)


async def _rewrite(
    conn: asyncpg.Connection, task: UUID, price: _Price, quantity: int, closes: datetime | None, *, rebase: bool
) -> asyncpg.Record | None:
    """Write a change, and give whoever has claimed the better price; None where the end would be too far away.

    rebase: the price counts anew from now.
    """
    return await conn.fetchrow(
        f"""WITH task AS (
             UPDATE task SET reward = $2, fee = $3, top = $4, top_fee = $5, step_s = $6, step_percent = $7,
               rises_from = CASE WHEN $6::int IS NULL THEN NULL WHEN $8 THEN greatest(opens_at, market_now())
                                 ELSE rises_from END,
               quantity = $9, closes_at = coalesce($10, closes_at), version = version + 1
             WHERE id = $1 AND status = 'open'
               AND coalesce($10, closes_at) <= greatest(closes_at, market_now() + make_interval(secs => $11))
             RETURNING *),
           raised AS (
             UPDATE claim SET reward = task.reward, fee = greatest(claim.fee, task.fee) FROM task
             WHERE claim.task_id = task.id AND claim.status IN ('active', 'submitted') AND claim.reward < task.reward
               -- What has been decided has been paid.
               AND NOT EXISTS (SELECT FROM submission s WHERE s.claim_id = claim.id
                 AND s.status IN ('accepted', 'rejected', 'disputed')))
           SELECT {COLUMNS} FROM task {PRICED}""",
        task, price.reward, price.fee, price.top, price.top_fee, price.step_s, price.step_percent, rebase, quantity,
        closes, LONGEST_OPEN_S,
    )  # fmt: skip


async def cost(conn: asyncpg.Connection, task: UUID) -> int:
    """What a task may cost in all: each slot not given up, at its highest price, and the bonuses paid so far."""
    found: int = await conn.fetchval(
        """SELECT (top + top_fee) * CASE WHEN status = 'open' THEN quantity ELSE claimed + done END
             + (SELECT coalesce(sum(bonus), 0)::bigint FROM submission WHERE task_id = $1)
           FROM task WHERE id = $1""",
        task,
    )
    return found


async def cancel(conn: asyncpg.Connection, actor: keys.Actor, task: str) -> Task:
    """End a task: open slots end and their money comes back; claims in progress may finish and are paid."""
    found = await conn.fetchval(
        "SELECT status FROM task WHERE id = $1 AND account_id = $2", ids.read("task", task), actor.owner
    )
    if found is None:
        raise NotFound("There is no such task.")
    row = await _close(conn, ids.read("task", task), "cancelled", actor.name)
    if row is None:
        raise TaskNotOpen
    return show(row)


async def cancel_group(conn: asyncpg.Connection, actor: str, group: UUID) -> int:
    """End all tasks of a group that are open, as `cancel` does; how many."""
    rows = await conn.fetch(
        """SELECT id, account_id, currency FROM task WHERE group_id = $1 AND status = 'open'
           ORDER BY id FOR NO KEY UPDATE""",
        group,
    )
    await ledger.lock(conn, touched(rows))
    for row in rows:
        await _close(conn, row["id"], "cancelled", actor)
    return len(rows)


async def expire_due(conn: asyncpg.Connection, limit: int = 100) -> int:
    """End tasks whose time is over; how many. Safe to run anywhere at once."""
    due = await conn.fetch(
        """SELECT id, account_id, currency FROM task WHERE status = 'open' AND closes_at <= market_now()
           ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED""",
        limit,
    )
    await ledger.lock(conn, touched(due))
    for row in due:
        await _close(conn, row["id"], "expired", "market")
    return len(due)


async def _close(conn: asyncpg.Connection, task: UUID, status: str, actor: str) -> asyncpg.Record | None:
    row = await conn.fetchrow(
        f"""WITH task AS (
             UPDATE task SET status = $2::text::task_status, closed_at = market_now(), version = version + 1
             WHERE id = $1 AND status = 'open' RETURNING *)
           SELECT {COLUMNS} FROM task {PRICED}""",
        task, status,
    )  # fmt: skip
    if row is None:
        return None
    await events.append(conn, f"task.{status}", ("task", task), actor, account=row["account_id"])
    free = row["quantity"] - row["claimed"] - row["done"]
    if free:
        await unhold(conn, row, free, key=f"unhold:{task}", actor=actor)
    return row


def touched(rows: list[asyncpg.Record]) -> set[tuple[str, str]]:
    """The ledger accounts that money moves between when tasks end; rows have id, account_id, currency of a task."""
    own = {(ledger.escrow(row["id"]), row["currency"]) for row in rows}
    return own | {(ledger.buyer(row["account_id"]), row["currency"]) for row in rows}


async def unhold(conn: asyncpg.Connection, row: asyncpg.Record, slots: int, *, key: str, actor: str) -> None:
    """Give the buyer back what was held for `slots` slots of a task that has ended."""
    amount = (row["top"] + row["top_fee"]) * slots
    await ledger.post(
        conn, "task.unhold", key,
        [(ledger.escrow(row["id"]), amount), (ledger.buyer(row["account_id"]), -amount)],
        currency=row["currency"], actor=actor, subject=("task", row["id"]),
    )  # fmt: skip


async def free_slot(conn: asyncpg.Connection, task: UUID, *, because: str, actor: str) -> None:
    """A claim came to nothing: its slot is open again, or, when the task has ended, its money goes back.

    because: the key of what happened, such as `claim:<id>`; the caller has moved that row in this transaction.
    """
    row = await conn.fetchrow(
        "UPDATE task SET claimed = claimed - 1, version = version + 1 WHERE id = $1 RETURNING *", task
    )
    if row["status"] != "open":
        await unhold(conn, row, 1, key=f"unhold:{because}", actor=actor)


def show(row: asyncpg.Record) -> Task:
    """A row of `task` as the struct that its owner gets."""
    public, currency = ids.show("task", row["id"]), row["currency"]
    left = row["quantity"] - row["done"] if row["status"] == "open" else row["claimed"]
    free = row["quantity"] - row["claimed"] - row["done"] if row["status"] == "open" else 0
    return Task(
        id=public, status=row["status"], kind=row["kind"], title=row["title"], instructions=row["instructions"],
        purpose=row["purpose"], place=place_of(row), opens_at=row["opens_at"], closes_at=row["closes_at"],
        evidence=msgspec.convert(row["evidence"], Evidence), reward=Money(row["reward"], currency),
        price_schedule=schedule_of(row), price_now=Money(row["price_now"], currency),
        next_rise_at=row["next_rise_at"], fee=Money(row["fee_now"], currency),
        expected_minutes=row["expected_minutes"],
        held=Money((row["top"] + row["top_fee"]) * (left + row["appealed"]) + row["bonds"], currency),
        quantity=row["quantity"],
        slots=Slots(free, row["claimed"], row["done"]), acceptance=msgspec.convert(row["acceptance"], Acceptance),
        license=msgspec.convert(row["license"], License), claim_ttl_s=row["claim_ttl_s"],
        standing=standing_of(row), external_id=row["external_id"], metadata=row["metadata"],
        group=row["group_id"] and ids.show("group", row["group_id"]), version=row["version"],
        created_at=row["created_at"], closed_at=row["closed_at"],
        links={"self": f"/v1/tasks/{public}", "submissions": f"/v1/tasks/{public}/submissions"},
    )  # fmt: skip


def place_of(row: asyncpg.Record) -> Place | None:
    """The place of a task's row."""
    return None if row["lat"] is None else Place(lat=row["lat"], lon=row["lon"], radius_m=row["radius_m"])


def schedule_of(row: asyncpg.Record) -> PriceSchedule | None:
    """How a task's price rises; None for a fixed one."""
    if row["step_s"] is None:
        return None
    top = Price(row["top"], row["currency"])
    return PriceSchedule(max=top, step_s=row["step_s"], step_percent=row["step_percent"])


def standing_of(row: asyncpg.Record) -> Standing | None:
    """How often a task is asked; None for one that is asked once."""
    if row["every_s"] is None:
        return None
    return Standing(every_s=row["every_s"], per_round=row["per_round"], per_person=row["per_person"])
