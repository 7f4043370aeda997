"""Appeals and disputes about answers as the console needs them beside the case: in which order, what a decision would
move, and what became of it.

Until it is decided nothing here tells who contests, or whether it was the buyer or the machine that had decided: a sum
that would tell it is given as the most that it may be.
"""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from market import books, ids, ledger, stakes
from market.awards import part, shares
from market.decisions import Pay, pay_for
from market.errors import NotFound, NotInReview, WrongState
from market.money import Money
from market.second_reviews import DISAGREED, Waiting
from market.urgency import Urgency, after

# SQL: appeal `a` waits for a second review: both sides have had their time to speak.
_IN_REVIEW = "a.status = 'open' AND a.answer_by <= market_now()"


class Outstanding(msgspec.Struct, frozen=True):
    """Reviews that wait. overdue: past their deadline · disagreed: two people were not of one mind, so it is an
    operator's · next_deadline: the soonest."""

    count: int
    overdue: int
    disagreed: int
    next_deadline: datetime | None


class Award(msgspec.Struct, frozen=True):
    """What an award of `percent` of the pay would move.

    pay, fee: what the answer was promised · to_person: that part of the pay, rounded up · to_market: that part of the
    fee, rounded down · to_buyer: the rest of both. most_bond: the most that may be held as a bond, as whether one is
    held would tell who had decided; of it at most bond_to_person, rounded up, the rest goes back to the buyer.
    """

    percent: int
    pay: Money
    fee: Money
    to_person: Money
    to_market: Money
    to_buyer: Money
    most_bond: Money
    bond_to_person: Money
    bond_to_buyer: Money


class Moved(msgspec.Struct, frozen=True):
    """What an account of the ledger has got by it, or with a minus given. whose: `person`, `buyer`, `task` (held for
    it), `fee` (the market's), `losses` (the market has fronted it)."""

    whose: str
    amount: Money


class Outcome(msgspec.Struct, frozen=True):
    """How it has ended. status: decided · withdrawn, since its person has left. by: operator · people · deadline ·
    person, who has left.

    paid: to the person in all, of the pay and of the bond · refunded: to the buyer's balance · moved: by account, as
    posted, none where what was paid stays as it was · transactions: those postings · fronted, owed: what the buyer's
    balance did not cover, paid by the market for them, or due to the person still · collected_at: when it did.
    """

    id: str
    status: str
    by: str
    decided_at: datetime
    award_percent: int | None
    reason: str
    paid: Money
    refunded: Money
    fronted: Money
    owed: Money
    collected_at: datetime | None
    moved: list[Moved]
    transactions: list[str]


async def urgent(
    conn: asyncpg.Connection, *, place: str | None, limit: int, is_open: bool | None
) -> list[tuple[Urgency, Waiting]]:
    """As second_reviews.listed, those that are decided soonest by themselves first, then what is over."""
    since = after(place)
    rows = await conn.fetch(
        f"""SELECT a.id, a.status <> 'open' AS over, a.decide_by, t.title, t.kind,
              a.status = 'open' AND {DISAGREED} AS disagreed
            FROM appeal a JOIN task t ON t.id = a.task_id
            WHERE (a.status <> 'open' OR {_IN_REVIEW}) AND ($5::bool IS NULL OR $5 = (a.status = 'open'))
              AND ($1::bool IS NULL OR (a.status <> 'open', a.decide_by, a.id) > ($1, $2::text::timestamptz, $3))
            ORDER BY a.status <> 'open', a.decide_by, a.id LIMIT $4""",
        since.over, since.due, since.id, limit, is_open,
    )  # fmt: skip
    return [
        (
            Urgency(row["over"], row["decide_by"], row["id"]),
            Waiting(ids.show("appeal", row["id"]), row["title"], row["kind"], row["decide_by"], row["disagreed"]),
        )
        for row in rows
    ]  # fmt: skip


async def outstanding(conn: asyncpg.Connection) -> Outstanding:
    """How many reviews wait now."""
    row = await conn.fetchrow(
        f"""SELECT count(*) AS count, count(*) FILTER (WHERE a.decide_by <= market_now()) AS overdue,
              count(*) FILTER (WHERE {DISAGREED}) AS disagreed,
              min(a.decide_by) AS next_deadline
            FROM appeal a WHERE {_IN_REVIEW}"""
    )
    return Outstanding(**dict(row))


async def award(conn: asyncpg.Connection, appeal: str, percent: int) -> Award:
    """What a decision would move now. Raises NotFound; NotInReview while both sides may speak; WrongState when it is
    over."""
    row = await conn.fetchrow(
        """SELECT a.status = 'open' AS is_open, a.answer_by <= market_now() AS in_review, s.outcome, t.acceptance,
             c.reward, c.fee, t.top, t.top_fee, t.currency
           FROM appeal a JOIN submission s ON s.id = a.submission_id JOIN task t ON t.id = a.task_id
             JOIN claim c ON c.id = s.claim_id
           WHERE a.id = $1""",
        ids.read("appeal", appeal),
    )
    if row is None:
        raise NotFound("There is no such review.")
    if not row["is_open"]:
        raise WrongState("It has been decided.")
    if not row["in_review"]:
        raise NotInReview
    # What is held beyond the answer's own price is the buyer's whatever is decided, and would tell how it is held.
    whole = Pay(*pay_for(row)[:2], 0)
    moves, bond = shares(whole, percent), stakes.bond_for(row["reward"])

    def money(amount: int) -> Money:
        return Money(amount, row["currency"])

    return Award(
        percent, money(whole.reward), money(whole.fee), money(moves.reward), money(moves.fee), money(moves.back),
        money(bond), money(part(bond, percent)), money(bond - part(bond, percent)),
    )  # fmt: skip


async def outcome(conn: asyncpg.Connection, appeal: str) -> Outcome:
    """How it has ended. Raises NotFound; WrongState while it has not."""
    row = await conn.fetchrow(
        "SELECT a.*, t.currency FROM appeal a JOIN task t ON t.id = a.task_id WHERE a.id = $1",
        ids.read("appeal", appeal),
    )
    if row is None:
        raise NotFound("There is no such review.")
    if row["status"] == "open":
        raise WrongState("It has not been decided yet.")

    def money(amount: int | None) -> Money:
        return Money(amount or 0, row["currency"])

    posted = await _posted(conn, row["id"], row["submission_id"])
    sums: dict[str, int] = {}
    for each in posted:
        whose = _whose(each["code"])
        sums[whose] = sums.get(whose, 0) - each["amount"]
    return Outcome(
        ids.show("appeal", row["id"]), row["status"], row["decided_by"].partition(":")[0], row["decided_at"],
        row["award_percent"], row["reason"], money(row["paid"]), money(row["refunded"]), money(row["fronted"]),
        money(row["owed"]), row["collected_at"],
        [Moved(whose, money(amount)) for whose, amount in sums.items() if amount],
        [books.show_tx(id) for id in dict.fromkeys(each["tx_id"] for each in posted)],
    )  # fmt: skip


async def _posted(conn: asyncpg.Connection, appeal: UUID, submission: UUID) -> list[asyncpg.Record]:
    """The lines of what its end has posted, by the keys that awards.py and stakes.py post under."""
    found: list[asyncpg.Record] = await conn.fetch(
        """SELECT x.id AS tx_id, l.code, e.amount
           FROM ledger_tx x JOIN ledger_entry e ON e.tx_id = x.id JOIN ledger_account l ON l.id = e.account_id
           WHERE x.idem_key = ANY($1) ORDER BY x.id, l.code""",
        [f"award:{submission}", f"redecide:{submission}", f"upheld:{appeal}", f"collect:{appeal}"],
    )
    return found


def _whose(code: str) -> str:
    return {ledger.FEE_INCOME: "fee", ledger.LOSSES: "losses"}.get(code) or code.partition(":")[0]
