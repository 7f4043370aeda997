"""Tasks: posting with the money held, listing, changing, ending.

Every transition takes the task's row first, then what the account and the key have spent today, then claims and
submissions, then the ledger; see ledger.py.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids, keys, ledger, money, near
from market.errors import Changed, InsufficientFunds, Invalid, NotFound, TaskNotOpen
from market.money import Money
from market.terms import Acceptance, Evidence, License, Place, Standing, TaskChange, TaskDraft

DEFAULT_OPEN_S = 7 * 86_400
LONGEST_OPEN_S = 90 * 86_400
# Characters without the white space around them; the shapes count that too.
LEAST_SAID = {"title": 3, "instructions": 1, "purpose": 3}


class Slots(msgspec.Struct, frozen=True):
    """open: free to claim · claimed: being worked on or judged · done: accepted."""

    open: int
    claimed: int
    done: int


class Task(msgspec.Struct, frozen=True):
    """A task as its owner sees it. `held`: what it still has set aside; `fee`: the market's, for each observation."""

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
    price_now: Money
    fee: Money
    held: Money
    quantity: int
    slots: Slots
    acceptance: Acceptance
    license: License
    claim_ttl_s: int
    standing: Standing | None
    external_id: str | None
    metadata: dict[str, Any]
    version: int
    created_at: datetime
    closed_at: datetime | None
    links: dict[str, str]


def check(draft: TaskDraft, currency: str) -> None:
    """The rules that bounds alone cannot say. Raises Invalid naming the field."""
    photos = draft.evidence.photos
    if photos is None and not draft.evidence.readings and not draft.evidence.questions:
        raise Invalid("Ask for at least one photo, reading or question.", pointer="/evidence")
    if photos is not None and photos.min > photos.max:
        raise Invalid("`min` is above `max`.", pointer="/evidence/photos/min")
    if draft.kind == "photo" and photos is None:
        raise Invalid("A task of kind photo asks for photos.", pointer="/evidence/photos")
    if draft.kind == "reading" and not draft.evidence.readings:
        raise Invalid("A task of kind reading asks for readings.", pointer="/evidence/readings")
    for field, named in (
        ("questions", [question.id for question in draft.evidence.questions]),
        ("readings", [reading.name for reading in draft.evidence.readings]),
        ("checks", list(draft.acceptance.declared)),
    ):
        if len(set(named)) < len(named):
            where = "/acceptance/checks" if field == "checks" else f"/evidence/{field}"
            raise Invalid("Each name may stand here once.", pointer=where)
    for i, question in enumerate(draft.evidence.questions):
        if question.type == "choice" and len(set(question.choices)) < 2:
            raise Invalid("A choice needs two different choices.", pointer=f"/evidence/questions/{i}/choices")
        if question.type != "choice" and question.choices:
            raise Invalid("Only a question of type choice has choices.", pointer=f"/evidence/questions/{i}/choices")
        if question.min is not None and question.max is not None and question.min > question.max:
            raise Invalid("`min` is above `max`.", pointer=f"/evidence/questions/{i}/min")
    if "at_place" in draft.acceptance.declared and draft.place is None:
        raise Invalid("The check at_place needs a place.", pointer="/acceptance/checks")
    if draft.standing is not None and draft.standing.per_round > draft.quantity:
        raise Invalid("A round cannot buy more than the task's quantity.", pointer="/standing/per_round")
    if draft.reward.currency != currency:
        raise Invalid(f"This account trades in {currency}.", pointer="/reward/currency")
    for name, least in LEAST_SAID.items():
        if len(getattr(draft, name).strip()) < least:
            raise Invalid(f"At least {least} characters, white space around them left out.", pointer=f"/{name}")
    for name, at in (("opens_at", draft.opens_at), ("closes_at", draft.closes_at)):
        if at is not None and at.tzinfo is None:
            raise Invalid("Times need an offset, such as Z.", pointer=f"/{name}")


async def post(conn: asyncpg.Connection, actor: keys.Actor, draft: TaskDraft, *, fee_bps: int) -> Task:
    """Post a task and hold its worst case. Raises Invalid, OverCap, AccountHeld, InsufficientFunds."""
    check(draft, actor.currency)
    fee = money.fee(draft.reward.amount, fee_bps)
    worst = (draft.reward.amount + fee) * draft.quantity
    await keys.spend(conn, actor, worst, one_task=worst)
    place, standing, task = draft.place, draft.standing, ids.new()
    row = await conn.fetchrow(
        """WITH times AS (
             SELECT market_now() AS now, coalesce($5, market_now()) AS opens,
                    coalesce($6, coalesce($5, market_now()) + make_interval(secs => $24)) AS closes),
           new AS (
             INSERT INTO task (id, account_id, key_id, kind, opens_at, closes_at, title, instructions, purpose,
                 lat, lon, radius_m, loc, evidence, acceptance, license, mode, reward, fee, currency, quantity,
                 claim_ttl_s, review_deadline_s, external_id, metadata, created_at, every_s, per_round,
                 per_person)
               SELECT $1, $2, $3, $4, opens, closes, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                      $21, $22, $23, $26, $27, now, $29, $30, $31
               FROM times WHERE closes > greatest(opens, now)
                 AND closes <= greatest(opens, now) + make_interval(secs => $25) RETURNING *),
           told AS (
             INSERT INTO event (type, account_id, subject_type, subject_id, actor, data)
               SELECT 'task.posted', account_id, 'task', id, $28, '{}' FROM new)
           SELECT * FROM new""",
        task, actor.owner, actor.key, draft.kind, draft.opens_at, draft.closes_at, draft.title.strip(),
        draft.instructions.strip(), draft.purpose.strip(), place and place.lat, place and place.lon,
        place and place.radius_m, place and asyncpg.Point(*near.project(place.lat, place.lon)),
        msgspec.to_builtins(draft.evidence), msgspec.to_builtins(draft.acceptance), msgspec.to_builtins(draft.license),
        draft.acceptance.mode, draft.reward.amount, fee, draft.reward.currency, draft.quantity, draft.claim_ttl_s,
        draft.acceptance.review_deadline_s, DEFAULT_OPEN_S, LONGEST_OPEN_S, draft.external_id, draft.metadata,
        actor.name, standing and standing.every_s, standing and standing.per_round,
        standing and standing.per_person,
    )  # fmt: skip
    if row is None:
        raise Invalid(
            f"It must lie in the future, after `opens_at`, and at most {LONGEST_OPEN_S // 86_400} days away.",
            pointer="/closes_at",
        )
    await _hold(conn, row, worst, key=f"hold:{task}", actor=actor.name)
    return show(row)


async def _hold(conn: asyncpg.Connection, row: asyncpg.Record, amount: int, *, key: str, actor: str) -> None:
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


async def get(conn: asyncpg.Connection, account: UUID, task: str) -> Task:
    """One task of the account."""
    row = await conn.fetchrow(
        "SELECT * FROM task WHERE id = $1 AND account_id = $2", ids.read("task", task), account
    )  # fmt: skip
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
        """SELECT * FROM task WHERE account_id = $1 AND ($2::text IS NULL OR status = $2::text::task_status)
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
    """Raise the reward, extend, add quantity; never worse for somebody who has claimed.

    version: what the caller has read (If-Match); raises Changed when it is another by now.
    """
    row = await conn.fetchrow(
        "SELECT * FROM task WHERE id = $1 AND account_id = $2 FOR NO KEY UPDATE", ids.read("task", task), actor.owner
    )
    if row is None:
        raise NotFound("There is no such task.")
    if version is not None and row["version"] != version:
        raise Changed
    if row["status"] != "open":
        raise TaskNotOpen
    reward, fee = row["reward"], row["fee"]
    if change.reward is not None:
        if change.reward.currency != row["currency"] or change.reward.amount < reward:
            raise Invalid(f"A reward may only rise, in {row['currency']}.", pointer="/reward")
        reward = change.reward.amount
        fee = max(fee, money.fee(reward, fee_bps))
    quantity = row["quantity"] + (change.add_quantity or 0)
    if quantity > 1000:
        raise Invalid("A task has at most 1000 slots.", pointer="/add_quantity")
    closes = change.closes_at
    if closes is not None and (closes.tzinfo is None or closes < row["closes_at"]):
        raise Invalid("The end may only be moved later; times need an offset.", pointer="/closes_at")
    more = (reward + fee) * (quantity - row["done"]) - (row["reward"] + row["fee"]) * (row["quantity"] - row["done"])
    raised = (reward + fee) * quantity - (row["reward"] + row["fee"]) * row["quantity"]
    await keys.spend(conn, actor, more, one_task=raised + await cost(conn, row["id"]))
    changed = await conn.fetchrow(
        """UPDATE task SET reward = $2, fee = $3, quantity = $4, closes_at = coalesce($5, closes_at),
             version = version + 1
           WHERE id = $1 AND status = 'open'
             AND coalesce($5, closes_at) <= greatest(closes_at, market_now() + make_interval(secs => $6))
           RETURNING *""",
        row["id"], reward, fee, quantity, closes, LONGEST_OPEN_S,
    )  # fmt: skip
    if changed is None:
        raise Invalid(f"At most {LONGEST_OPEN_S // 86_400} days from now.", pointer="/closes_at")
    await events.append(
        conn, "task.changed", ("task", row["id"]), actor.name, account=actor.owner,
        data={"reward": reward, "quantity": quantity, "version": changed["version"]},
    )  # fmt: skip
    if more:
        await _hold(conn, changed, more, key=f"hold:{row['id']}:{changed['version']}", actor=actor.name)
    return show(changed)


async def cost(conn: asyncpg.Connection, task: UUID) -> int:
    """What a task may cost in all: each slot not given up, at its present price, and the bonuses paid so far."""
    found: int = await conn.fetchval(
        """SELECT (reward + fee) * CASE WHEN status = 'open' THEN quantity ELSE claimed + done END
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
        """UPDATE task SET status = $2::text::task_status, closed_at = market_now(), version = version + 1
           WHERE id = $1 AND status = 'open' RETURNING *""",
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
    amount = (row["reward"] + row["fee"]) * slots
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
        price_now=Money(row["reward"], currency), fee=Money(row["fee"], currency),
        held=Money((row["reward"] + row["fee"]) * left, currency), quantity=row["quantity"],
        slots=Slots(free, row["claimed"], row["done"]), acceptance=msgspec.convert(row["acceptance"], Acceptance),
        license=msgspec.convert(row["license"], License), claim_ttl_s=row["claim_ttl_s"],
        standing=standing_of(row), external_id=row["external_id"], metadata=row["metadata"], version=row["version"],
        created_at=row["created_at"], closed_at=row["closed_at"],
        links={"self": f"/v1/tasks/{public}", "submissions": f"/v1/tasks/{public}/submissions"},
    )  # fmt: skip


def place_of(row: asyncpg.Record) -> Place | None:
    """The place of a task's row."""
    return None if row["lat"] is None else Place(lat=row["lat"], lon=row["lon"], radius_m=row["radius_m"])


def standing_of(row: asyncpg.Record) -> Standing | None:
    """How often a task is asked; None for one that is asked once."""
    if row["every_s"] is None:
        return None
    return Standing(every_s=row["every_s"], per_round=row["per_round"], per_person=row["per_person"])
