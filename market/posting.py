"""Posting a task: what may be asked for, what it must pay at least, and the money held for the worst case."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import effort, ids, keys, money, near, tasks
from market.errors import BelowMinimum, Invalid, Refusal
from market.terms import TaskDraft

# Characters without the white space around them; the shapes count that too.
LEAST_SAID = {"title": 3, "instructions": 1, "purpose": 3}


class Rates(NamedTuple):
    """What the market sets. fee_bps: its fee, in basis points of what a person earns; least_per_minute: what an answer
    must pay at least for each expected minute, in minor units by currency, none where a currency is not named."""

    fee_bps: int
    least_per_minute: dict[str, int] = {}


class Costs(NamedTuple):
    """What a draft may cost, in minor units of its currency: for a slot at first, at most, and in all at most."""

    reward: int
    fee: int
    top: int
    top_fee: int
    worst: int
    devices_only: bool = False


class Member(NamedTuple):
    """Which group a task belongs to, its place there (from 1), and of an area its cell."""

    group_id: UUID
    place_in_group: int
    cell: str | None = None


class Draft(NamedTuple):
    """One of several drafts: where it stands in what was sent (a JSON pointer), and in the group."""

    task: TaskDraft
    at: str
    member: Member


def check(draft: TaskDraft, currency: str) -> None:
    """The rules that bounds alone cannot say. Raises Invalid naming the field."""
    photos = draft.evidence.photos
    if photos is None and not draft.evidence.readings and not draft.evidence.questions:
        raise Invalid("Ask for at least one photo, reading or question.", pointer="/evidence")
    if photos is not None and photos.min > photos.max:
        raise Invalid("`min` is above `max`.", pointer="/evidence/photos/min")
    if photos is not None and photos.before is not None:
        if draft.kind != "action":
            raise Invalid("Only an action has a before and an after.", pointer="/evidence/photos/before")
        if photos.before >= photos.min:
            raise Invalid("Of the photos asked at least, one is of after.", pointer="/evidence/photos/before")
    if photos is not None and photos.work_s is not None:
        if photos.before is None:
            raise Invalid("It lies between before and after: say `before`.", pointer="/evidence/photos/work_s")
        if photos.work_s >= draft.claim_ttl_s:
            raise Invalid("Nobody has that long: `claim_ttl_s` is shorter.", pointer="/evidence/photos/work_s")
    if draft.kind == "photo" and photos is None:
        raise Invalid("A task of kind photo asks for photos.", pointer="/evidence/photos")
    if draft.kind == "reading" and not draft.evidence.readings:
        raise Invalid("A task of kind reading asks for readings.", pointer="/evidence/readings")
    if draft.kind == "answer" and not draft.evidence.questions:
        raise Invalid("A task of kind answer asks questions.", pointer="/evidence/questions")
    for field, named in (
        ("questions", [question.id for question in draft.evidence.questions]),
        ("readings", [reading.name for reading in draft.evidence.readings]),
        ("checks", list(draft.acceptance.declared)),
    ):
        if len(set(named)) < len(named):
            where = "/acceptance/checks" if field == "checks" else f"/evidence/{field}"
            raise Invalid("Each name may stand here once.", pointer=where)
    _check_questions(draft)
    if "at_place" in draft.acceptance.declared and draft.place is None:
        raise Invalid("The check at_place needs a place.", pointer="/acceptance/checks")
    if draft.standing is not None and draft.standing.per_round > draft.quantity:
        raise Invalid("A round cannot buy more than the task's quantity.", pointer="/standing/per_round")
    _check_price(draft, currency)
    for name, least in LEAST_SAID.items():
        if len(getattr(draft, name).strip()) < least:
            raise Invalid(f"At least {least} characters, white space around them left out.", pointer=f"/{name}")
    for name, at in (("opens_at", draft.opens_at), ("closes_at", draft.closes_at)):
        if at is not None and at.tzinfo is None:
            raise Invalid("Times need an offset, such as Z.", pointer=f"/{name}")


def _check_questions(draft: TaskDraft) -> None:
    for i, question in enumerate(draft.evidence.questions):
        if question.type == "choice" and len(set(question.choices)) < 2:
            raise Invalid("A choice needs two different choices.", pointer=f"/evidence/questions/{i}/choices")
        if question.type != "choice" and question.choices:
            raise Invalid("Only a question of type choice has choices.", pointer=f"/evidence/questions/{i}/choices")
        if question.min is not None and question.max is not None and question.min > question.max:
            raise Invalid("`min` is above `max`.", pointer=f"/evidence/questions/{i}/min")


def _check_price(draft: TaskDraft, currency: str) -> None:
    if draft.reward.currency != currency:
        raise Invalid(f"This account trades in {currency}.", pointer="/reward/currency")
    schedule = draft.price_schedule
    if schedule is None:
        return
    if draft.standing is not None:
        raise Invalid("A standing task asks anew in each round, at one price.", pointer="/price_schedule")
    if schedule.max.currency != currency:
        raise Invalid(f"This account trades in {currency}.", pointer="/price_schedule/max/currency")
    if schedule.max.amount < draft.reward.amount:
        raise Invalid("The price rises from `reward`, so it cannot end below it.", pointer="/price_schedule/max")


def costs(draft: TaskDraft, fee_bps: int) -> Costs:
    """What is held for a draft: each slot at the highest price of its schedule, with the fee on that."""
    reward = draft.reward.amount
    top = reward if draft.price_schedule is None else draft.price_schedule.max.amount
    fee, top_fee = money.fee(reward, fee_bps), money.fee(top, fee_bps)
    return Costs(reward, fee, top, top_fee, (top + top_fee) * draft.quantity)


def by_devices(draft: TaskDraft) -> bool:
    """Whether devices may answer it by themselves, which takes nobody's time."""
    return draft.standing is not None and not draft.evidence.photos and not draft.evidence.questions


def least_reward(draft: TaskDraft, least_per_minute: dict[str, int]) -> int:
    """What the market's minimum is for a person's answer to this, in minor units; 0 where there is none.

    The way there is part of the expected minutes.
    """
    return math.ceil(least_per_minute.get(draft.reward.currency, 0) * minutes(draft))  # quarters of a minute: exact


def minutes(draft: TaskDraft) -> float:
    """How long an answer is expected to take, the way there included."""
    return effort.expected(draft.evidence, has_place=draft.place is not None, own=draft.expected_minutes)


def require_fair(draft: TaskDraft, least_per_minute: dict[str, int]) -> None:
    """Raise BelowMinimum where the price at the beginning, or what of it is paid for evidence of absence, is too low.

    What devices may answer may pay less, and is for them alone then.
    """
    if by_devices(draft):
        return
    currency, percent = draft.reward.currency, draft.acceptance.honest_negative_percent
    at = f"at {least_per_minute.get(currency, 0)} a minute that is"
    needed = least_reward(draft, least_per_minute)
    if draft.reward.amount < needed:
        raise BelowMinimum(
            f"This is expected to take {minutes(draft):g} minutes, the way there included; {at} {needed} {currency} in "
            "minor units at least.",
            pointer="/reward/amount",
        )
    took = effort.looking(draft.evidence, has_place=draft.place is not None)
    needed = math.ceil(least_per_minute.get(currency, 0) * took)
    pays = draft.reward.amount * percent // 100
    if draft.acceptance.pay_honest_negative and pays < needed:
        raise BelowMinimum(
            f"To find that there is nothing to answer is expected to take {took:g} minutes, the way there included; "
            f"{at} {needed} {currency} in minor units at least, and {percent} % of the reward is {pays}.",
            pointer="/acceptance/honest_negative_percent",
        )


async def post(conn: asyncpg.Connection, actor: keys.Actor, draft: TaskDraft, *, rates: Rates) -> tasks.Task:
    """Post a task and hold its worst case. Raises Invalid, BelowMinimum, OverCap, AccountHeld, InsufficientFunds."""
    cost = _judge(draft, actor, rates)
    await keys.spend(conn, actor, cost.worst, one_task=cost.worst)
    row = await _insert(conn, actor, draft, cost, rates.fee_bps, None)
    await tasks.hold(conn, row, cost.worst, key=f"hold:{row['id']}", actor=actor.name)
    return tasks.show(row)


async def post_all(
    conn: asyncpg.Connection, actor: keys.Actor, drafts: Sequence[Draft], *, rates: Rates
) -> list[tasks.Task]:
    """Post tasks together and hold the worst case of all, or raise what `post` does, naming the field of its draft.

    What was written until then is to be rolled back. Caps and funds are asked once, for the sum.
    """
    judged = []
    for draft, at, _ in drafts:
        with under(at):
            judged.append(_judge(draft, actor, rates))
    await keys.spend(conn, actor, sum(cost.worst for cost in judged), one_task=max(cost.worst for cost in judged))
    rows = []
    for (draft, at, member), cost in zip(drafts, judged, strict=True):
        with under(at):
            rows.append(await _insert(conn, actor, draft, cost, rates.fee_bps, member))
    await tasks.hold_all(conn, rows, [cost.worst for cost in judged], actor=actor.name)
    return [tasks.show(row) for row in rows]


@contextmanager
def under(at: str) -> Iterator[None]:
    """What is refused within stands under the JSON pointer `at` in what was sent."""
    try:
        yield
    except Refusal as refusal:
        if refusal.pointer is not None:
            refusal.pointer = at + refusal.pointer
        raise


def _judge(draft: TaskDraft, actor: keys.Actor, rates: Rates) -> Costs:
    """What a draft that may be posted may cost. Raises Invalid, BelowMinimum."""
    check(draft, actor.currency)
    require_fair(draft, rates.least_per_minute)
    below = draft.reward.amount < least_reward(draft, rates.least_per_minute)
    return costs(draft, rates.fee_bps)._replace(devices_only=below)


async def _insert(
    conn: asyncpg.Connection, actor: keys.Actor, draft: TaskDraft, cost: Costs, fee_bps: int, group: Member | None
) -> asyncpg.Record:
    """The task's row, its times fixed by the market's clock. Raises Invalid where they are not in order."""
    place, standing, rises = draft.place, draft.standing, draft.price_schedule
    row = await conn.fetchrow(
        f"""WITH times AS (
             SELECT market_now() AS now, coalesce($5, market_now()) AS opens,
                    coalesce($6, coalesce($5, market_now()) + make_interval(secs => $24)) AS closes),
           new AS (
             INSERT INTO task (id, account_id, key_id, kind, opens_at, closes_at, title, instructions, purpose,
                 lat, lon, radius_m, loc, evidence, acceptance, license, mode, reward, fee, currency, quantity,
                 claim_ttl_s, review_deadline_s, external_id, metadata, created_at, every_s, per_round,
                 per_person, top, top_fee, fee_bps, step_s, step_percent, rises_from, expected_minutes,
                 group_id, place_in_group, cell, devices_only)
               SELECT $1, $2, $3, $4, opens, closes, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                      $21, $22, $23, $26, $27, now, $29, $30, $31, $32, $33, $34, $35, $36,
                      CASE WHEN $35::int IS NOT NULL THEN greatest(opens, now) END, $37, $38, $39, $40, $41
               FROM times WHERE closes > greatest(opens, now)
                 AND closes <= greatest(opens, now) + make_interval(secs => $25) RETURNING *),
           told AS (
             INSERT INTO event (type, account_id, subject_type, subject_id, actor, data)
               SELECT 'task.posted', account_id, 'task', id, $28, '{{}}' FROM new)
           SELECT {tasks.COLUMNS} FROM new AS task {tasks.PRICED}""",
        ids.new(), actor.owner, actor.key, draft.kind, draft.opens_at, draft.closes_at, draft.title.strip(),
        draft.instructions.strip(), draft.purpose.strip(), place and place.lat, place and place.lon,
        place and place.radius_m, place and asyncpg.Point(*near.project(place.lat, place.lon)),
        msgspec.to_builtins(draft.evidence), msgspec.to_builtins(draft.acceptance), msgspec.to_builtins(draft.license),
        draft.acceptance.mode, cost.reward, cost.fee, draft.reward.currency, draft.quantity, draft.claim_ttl_s,
        draft.acceptance.review_deadline_s, tasks.DEFAULT_OPEN_S, tasks.LONGEST_OPEN_S, draft.external_id,
        draft.metadata, actor.name, standing and standing.every_s, standing and standing.per_round,
        standing and standing.per_person, cost.top, cost.top_fee, fee_bps, rises and rises.step_s,
        rises and rises.step_percent, draft.expected_minutes, *(group or (None, None, None)),
        cost.devices_only,
    )  # fmt: skip
    if row is None:
        raise Invalid(
            f"It must lie in the future, after `opens_at`, and at most {tasks.LONGEST_OPEN_S // 86_400} days away.",
            pointer="/closes_at",
        )
    return row
