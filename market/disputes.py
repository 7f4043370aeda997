"""Chargebacks and inquiries: what Stripe says of them is written here, whatever the order in which it is heard.

`apply` moves a dispute from whatever we have to what Stripe says and posts the lines that are not posted yet. While a
chargeback is open, as much of the buyer's balance as there is stays frozen, also what comes free later. Lost, that and
what else there is by then pays for it, and the rest is the platform's loss, which the buyer makes good before anything
goes back to a card. What people have earned, and what tasks hold for them, is never touched.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import charges, events, fraud_warnings, ids, ledger, stripe_balance
from market.charges import Mismatch, NotYet
from market.stripe_balance import BalanceLine

ACTOR, MARKET = "stripe", "market"
WARNINGS = ("warning_needs_response", "warning_under_review")  # inquiries: no money has moved
ENDS = ("warning_closed", "won", "lost")
# How far each state is. What was heard earlier and comes later changes nothing.
_FURTHER = {
    "warning_needs_response": 0, "warning_under_review": 1, "needs_response": 2, "under_review": 3,
    "warning_closed": 4, "won": 4, "lost": 4,
}  # fmt: skip
STRIPES = {"prevented": "warning_closed"}  # the bank let go of it before any money moved


class Reported(msgspec.Struct, frozen=True):
    """A dispute as Stripe has it now. `lines`: its lines of the platform's balance, oldest first."""

    stripe_id: str
    charge_id: str
    status: str
    amount: int
    currency: str
    reason: str
    evidence_due_at: datetime | None
    lines: tuple[BalanceLine, ...]


class Steps(NamedTuple):
    """What `apply` has changed: any of inquiry, opened, answered, warning_closed, won, lost, in their order."""

    dispute: UUID
    steps: list[str]


async def apply(conn: asyncpg.Connection, found: Reported) -> Steps:
    """Write what Stripe says of a dispute: its state, and each line of the balance that is not posted yet.

    Raises NotYet while we do not know the payment, or a dispute is won whose money is not back yet; Mismatch.
    """
    funding = await charges.locked_funding(conn, found.charge_id)
    wrong = {found.currency, *(line.currency for line in found.lines)} - {funding["currency"]}
    if wrong:
        raise Mismatch(f"{found.stripe_id} is in {', '.join(wrong)}, and its payment in {funding['currency']}")
    row = await conn.fetchrow("SELECT * FROM dispute WHERE stripe_id = $1 FOR NO KEY UPDATE", found.stripe_id)
    status = STRIPES.get(found.status, found.status)
    if status not in _FURTHER:
        raise Mismatch(f"{found.stripe_id} is {found.status}, which we do not know")
    lines = await _new_lines(conn, found, row)
    if row is None or row["closed_at"] is None:
        _require_sense(found, status, (row["withdrawn"] if row else 0) - sum(line.amount for line in lines))
    steps: list[str] = []
    if row is None:
        row = await _insert(conn, found, funding, status)
        steps.append("inquiry" if row["status"] in WARNINGS else "opened")
    elif row["closed_at"] is None and _FURTHER[status] >= _FURTHER[row["status"]]:
        row, more = await _follow(conn, row, found, status)
        steps += more
    warnings = await fraud_warnings.locked_open(conn, found.charge_id) if "opened" in steps else []
    counters = await stripe_balance.counters(conn, lines)
    await ledger.lock(conn, {(code, row["currency"]) for code in _accounts(row)})
    late = row["closed_at"] is not None
    for line in lines:
        row = await (_post_late if late else _post_line)(conn, row, line, counters[line.id])
    if "opened" in steps:
        row = await _freeze(conn, row, await fraud_warnings.taken_over(conn, warnings, row["amount"]))
    if status in ENDS and not late:
        row = await _end(conn, row, status)
        steps.append(status)
    await _count_disputed(conn, row["funding_id"])
    for step in steps:
        await _tell(conn, step, row)
    return Steps(row["id"], steps)


async def freeze_more(conn: asyncpg.Connection, dispute: UUID, actor: str = MARKET) -> int:
    """Freeze what the buyer has by now, up to the amount of an open chargeback; how much more is frozen.

    For an operator, for the sweep over `short`, and for whoever brings money back to a buyer.
    """
    await conn.execute(
        "SELECT FROM funding WHERE id = (SELECT funding_id FROM dispute WHERE id = $1) FOR NO KEY UPDATE", dispute
    )
    row = await conn.fetchrow("SELECT * FROM dispute WHERE id = $1 FOR NO KEY UPDATE", dispute)
    if row is None or row["closed_at"] is not None or row["status"] in WARNINGS:
        return 0
    await ledger.lock(conn, {(code, row["currency"]) for code in _accounts(row)})
    return await _freeze_since(conn, row, actor)


async def short(conn: asyncpg.Connection, limit: int) -> list[UUID]:
    """Open chargebacks that are not frozen in full, and whose buyers have something that could be."""
    rows = await conn.fetch(
        """SELECT d.id FROM dispute d JOIN ledger_account l
             ON l.code = 'buyer:' || d.account_id || ':available' AND l.currency = d.currency AND l.posted < 0
           WHERE d.closed_at IS NULL AND d.status <> ALL ($1::text[]) AND d.frozen < d.amount ORDER BY d.id LIMIT $2""",
        list(WARNINGS), limit,
    )  # fmt: skip
    return [row["id"] for row in rows]


class Owing(NamedTuple):
    """An account's chargebacks that still want its money, locked: the open ones, and those that were our loss."""

    is_open: list[asyncpg.Record]
    losses: list[asyncpg.Record]


async def locked_owing(conn: asyncpg.Connection, account: UUID) -> Owing:
    """Lock an account's chargebacks, oldest first; whoever locks fundings does that before."""
    rows = await conn.fetch(
        """SELECT * FROM dispute WHERE account_id = $1 AND (written_off > 0
             OR closed_at IS NULL AND status <> ALL ($2::text[])) ORDER BY id FOR NO KEY UPDATE""",
        account, list(WARNINGS),
    )  # fmt: skip
    return Owing([row for row in rows if row["closed_at"] is None], [row for row in rows if row["written_off"]])


async def secure(conn: asyncpg.Connection, account: UUID) -> int:
    """Before money leaves an account: its balance pays for chargebacks that were our loss, and is frozen for the open
    ones; how much they want beyond that. The caller has locked the account's fundings, and no ledger account yet."""
    owing = await locked_owing(conn, account)
    rows = [*owing.losses, *owing.is_open]
    if not rows:
        return 0
    await ledger.lock(conn, {(code, row["currency"]) for row in rows for code in _accounts(row)})
    left = sum(row["written_off"] for row in owing.losses) - await recover(conn, owing.losses)
    for row in owing.is_open:
        left += row["amount"] - row["frozen"] - await _freeze_since(conn, row, MARKET)
    return int(left)


async def recover(conn: asyncpg.Connection, losses: Sequence[asyncpg.Record], most: int | None = None) -> int:
    """What a buyer has by now, or `most` of it, makes good what chargebacks have cost us; how much.

    losses: from `locked_owing`. The caller has locked the buyer's balance.
    """
    recovered = 0
    for row in losses:
        [available] = await ledger.balances(conn, [ledger.buyer(row["account_id"])], row["currency"])
        part = min(row["written_off"], available if most is None else min(available, most - recovered))
        if part <= 0:
            break
        before = await conn.fetchval(
            "SELECT count(*) FROM ledger_tx WHERE subject_id = $1 AND kind = 'dispute.recovered'", row["id"]
        )
        await _post(
            conn, row, "dispute.recovered", f"dispute_recovered:{row['id']}:{before + 1}",
            [(ledger.buyer(row["account_id"]), part), (ledger.LOSSES, -part)], MARKET,
        )  # fmt: skip
        after = await conn.fetchrow(
            "UPDATE dispute SET covered = covered + $2, written_off = written_off - $2 WHERE id = $1 RETURNING *",
            row["id"], part,
        )  # fmt: skip
        await _tell(conn, "recovered", after, MARKET)
        recovered += part
    return recovered


async def freeze_returned(conn: asyncpg.Connection, funding: UUID) -> None:
    """Money of a funding is back in its buyer's balance, such as a refund that failed: freeze it for open chargebacks.

    Whether it came before the chargeback or after it then makes no difference. The caller has locked the funding.
    """
    rows = await conn.fetch(
        """SELECT id FROM dispute WHERE funding_id = $1 AND closed_at IS NULL AND status <> ALL ($2::text[])
           ORDER BY id""",
        funding, list(WARNINGS),
    )  # fmt: skip
    for row in rows:
        await freeze_more(conn, row["id"], ACTOR)


# ---- inside


async def _freeze_since(conn: asyncpg.Connection, row: asyncpg.Record, actor: str) -> int:
    after = await _freeze(conn, row, row["frozen"], actor)
    more: int = after["frozen"] - row["frozen"]
    if more:
        await _tell(conn, "frozen", after, actor)
    return more


def _require_sense(found: Reported, status: str, taken: int) -> None:
    """An open dispute with `taken` from the balance can go where Stripe says."""
    if taken < 0:
        raise Mismatch(f"{found.stripe_id} has brought back {-taken} more than it took")
    if status in ("warning_closed", "won") and taken:
        raise NotYet(f"{found.stripe_id} is {status}, and {taken} of it is still to come back")


async def _new_lines(conn: asyncpg.Connection, found: Reported, row: asyncpg.Record | None) -> list[BalanceLine]:
    if row is None:
        return list(found.lines)
    posted = await conn.fetch(
        "SELECT idem_key FROM ledger_tx WHERE idem_key = ANY ($1::text[])",
        [_line_key(row["id"], line) for line in found.lines],
    )
    known = {each["idem_key"] for each in posted}
    return [line for line in found.lines if _line_key(row["id"], line) not in known]


async def _insert(conn: asyncpg.Connection, found: Reported, funding: asyncpg.Record, status: str) -> asyncpg.Record:
    # One that is heard of when it has ended is opened first: the books show what happened.
    begins = {"warning_closed": "warning_needs_response", "won": "under_review", "lost": "needs_response"}
    return await conn.fetchrow(
        """INSERT INTO dispute (id, stripe_id, charge_id, account_id, funding_id, amount, currency, reason, status,
             evidence_due_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING *""",
        ids.new(), found.stripe_id, found.charge_id, funding["account_id"], funding["id"], found.amount,
        found.currency, found.reason, begins.get(status, status), found.evidence_due_at,
    )  # fmt: skip


async def _follow(
    conn: asyncpg.Connection, row: asyncpg.Record, found: Reported, status: str
) -> tuple[asyncpg.Record, list[str]]:
    """The open dispute's next state, short of its end, which comes after the lines."""
    was = row["status"]
    charged_back = was in WARNINGS and status not in (*WARNINGS, "warning_closed")
    if status in ENDS:
        status = "needs_response" if charged_back else was
    now = await conn.fetchrow(
        # A chargeback that was an inquiry wants an answer of its own.
        """UPDATE dispute SET status = $2, amount = $3, reason = $4, evidence_due_at = $5,
             answered_by = CASE WHEN $6 THEN NULL ELSE answered_by END,
             answered_at = CASE WHEN $6 THEN NULL ELSE answered_at END
           WHERE id = $1 AND closed_at IS NULL RETURNING *""",
        row["id"], status, found.amount, found.reason, found.evidence_due_at, charged_back,
    )  # fmt: skip
    answered = status != was and status.endswith("under_review")
    return now, ["opened"] * charged_back + ["answered"] * answered


def _accounts(row: asyncpg.Record) -> list[str]:
    account = row["account_id"]
    return [set_against(row["id"]), ledger.buyer(account), ledger.buyer(account, "held")]


def set_against(dispute: UUID) -> str:
    """The ledger account of what Stripe has taken for an open dispute; zero once it is closed."""
    return f"dispute:{dispute}"


def _line_key(dispute: UUID, line: BalanceLine) -> str:
    return f"dispute:{dispute}:{line.id}"


async def _post_line(conn: asyncpg.Connection, row: asyncpg.Record, line: BalanceLine, counter: str) -> asyncpg.Record:
    """What Stripe took or gave back of an open dispute, with its fee."""
    lines = [(set_against(row["id"]), -line.amount), (ledger.FEES, line.fee), (counter, line.net)]
    await _post(conn, row, "dispute.line", _line_key(row["id"], line), lines)
    await stripe_balance.mirror(conn, line, _line_key(row["id"], line))
    return await conn.fetchrow(
        "UPDATE dispute SET withdrawn = withdrawn - $2, fees = greatest(fees + $3, 0) WHERE id = $1 RETURNING *",
        row["id"], line.amount, line.fee,
    )  # fmt: skip


async def _post_late(conn: asyncpg.Connection, row: asyncpg.Record, line: BalanceLine, counter: str) -> asyncpg.Record:
    """What Stripe takes or gives back when the dispute is over: a loss; what comes back undoes first our loss, then the
    buyer's."""
    loss = -min(line.amount, row["written_off"])
    buyers = max(line.amount, 0) + min(loss, 0)
    if buyers > row["covered"]:
        raise Mismatch(f"{line.id} brings back {line.amount}, more than dispute {row['id']} has cost")
    lines = [
        (ledger.LOSSES, loss), (ledger.buyer(row["account_id"]), -buyers), (ledger.FEES, line.fee), (counter, line.net),
    ]  # fmt: skip
    await _post(conn, row, "dispute.late_line", _line_key(row["id"], line), lines)
    await stripe_balance.mirror(conn, line, _line_key(row["id"], line))
    return await conn.fetchrow(
        """UPDATE dispute SET withdrawn = withdrawn - $2, fees = greatest(fees + $3, 0), written_off = written_off + $4,
             covered = covered - $5 WHERE id = $1 RETURNING *""",
        row["id"], line.amount, line.fee, loss, buyers,
    )  # fmt: skip


async def _freeze(conn: asyncpg.Connection, row: asyncpg.Record, held: int, actor: str = ACTOR) -> asyncpg.Record:
    """Freeze up to the dispute's amount; `held` of it is in the buyer's held balance for this already."""
    [available] = await ledger.balances(conn, [ledger.buyer(row["account_id"])], row["currency"])
    more = max(0, min(available, row["amount"] - held))
    if more:
        await _post(
            conn, row, "dispute.freeze", f"dispute_freeze:{row['id']}:{held + more}",
            [(ledger.buyer(row["account_id"]), more), (ledger.buyer(row["account_id"], "held"), -more)], actor,
        )  # fmt: skip
    return await conn.fetchrow("UPDATE dispute SET frozen = $2 WHERE id = $1 RETURNING *", row["id"], held + more)


async def _end(conn: asyncpg.Connection, row: asyncpg.Record, status: str) -> asyncpg.Record:
    """The open dispute is over: what is frozen pays for what was lost, and the rest is the buyer's again."""
    if status == "lost":
        row = await _freeze(conn, row, row["frozen"])  # what has come free since it opened pays as well
    taken, frozen = row["withdrawn"], row["frozen"]
    covered = min(taken, frozen)
    lines = [
        (ledger.buyer(row["account_id"], "held"), frozen), (ledger.buyer(row["account_id"]), -(frozen - covered)),
        (ledger.LOSSES, taken - covered), (set_against(row["id"]), -taken),
    ]  # fmt: skip
    if taken or frozen:
        await _post(conn, row, f"dispute.{status}", f"dispute_end:{row['id']}", lines)
    return await conn.fetchrow(
        """UPDATE dispute SET status = $2, closed_at = market_now(), frozen = 0, covered = $3, written_off = $4
           WHERE id = $1 AND closed_at IS NULL RETURNING *""",
        row["id"], status, covered, taken - covered,
    )  # fmt: skip


async def _count_disputed(conn: asyncpg.Connection, funding: UUID) -> None:
    """What of a funding cannot be refunded: it is being charged back, or was."""
    await conn.execute(
        """UPDATE funding f SET disputed = least(f.amount, (
             SELECT coalesce(sum(d.amount), 0) FROM dispute d
             WHERE d.funding_id = f.id AND d.status IN ('needs_response', 'under_review', 'lost')))
           WHERE id = $1""",
        funding,
    )


async def _post(
    conn: asyncpg.Connection, row: asyncpg.Record, kind: str, key: str, lines: Sequence[tuple[str, int]],
    actor: str = ACTOR,
) -> None:  # fmt: skip
    await ledger.post(
        conn, kind, key, list(lines), currency=row["currency"], actor=actor, subject=("dispute", row["id"]),
        meta={"dispute": row["stripe_id"]},
    )  # fmt: skip


async def _tell(conn: asyncpg.Connection, step: str, row: asyncpg.Record, actor: str = ACTOR) -> None:
    data = {name: row[name] for name in ("status", "reason", "amount", "currency", "frozen", "covered")}
    await events.append(
        conn, f"dispute.{step}", ("dispute", row["id"]), actor, account=row["account_id"],
        data=data | {"funding_id": ids.show("funding", row["funding_id"])},
    )  # fmt: skip
