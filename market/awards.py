"""The end of an appeal or dispute: a part of the pay is the person's, from none of it to all, and the rest the buyer's.

    contested by   award   the submission   the money
    the person     0       rejected         the slot is free, what was held goes back
    the person     > 0     accepted         the part is paid with its fee, the evidence becomes the buyer's
    the buyer      0       rejected         pay and fee go back, the observation is withdrawn
    the buyer      > 0     accepted         the part stays paid, the rest goes back with its fee

Parts are rounded in the person's favour, by less than a unit. The bond follows the award. What nobody holds money for
is fronted by the market: the account is on hold, and the evidence locked, until its balance covers it.
"""

from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from market import decisions, events, ids, ledger, near, stakes
from market.decisions import Pay, told
from market.errors import WrongState

BY = "review"  # who has decided, as far as the parties know
WITHDRAWN = "Whoever handed this in has left and had it removed. Nothing is paid for it."
FRONTED = "An award was paid for this account, whose balance did not cover it. It ends by itself once the balance does."


class Decision(NamedTuple):
    """percent: of the pay, to the person · reason: in words · by: who, for the log · withdrawn: the person has left."""

    percent: int
    reason: str
    by: str
    withdrawn: bool = False


def part(amount: int, percent: int) -> int:
    """A part of an amount, rounded up."""
    return -(-amount * percent // 100)


def shares(pay: Pay, percent: int) -> Pay:
    """What an award of `percent` moves, of what a whole one would: the fee is rounded down, the rest is the buyer's."""
    reward, fee = part(pay.reward, percent), pay.fee * percent // 100
    return Pay(reward, fee, pay.reward + pay.fee + pay.back - reward - fee)


async def decide(conn: asyncpg.Connection, appeal: UUID, decision: Decision, *, hold_s: int) -> None:
    """Decide on an open appeal, for good. Raises WrongState when it is decided already."""
    submission = await conn.fetchval("SELECT submission_id FROM appeal WHERE id = $1", appeal)
    row = await decisions.lock(conn, submission)
    found = await conn.fetchrow("SELECT * FROM appeal WHERE id = $1 AND status = 'open' FOR NO KEY UPDATE", appeal)
    if row is None or found is None:
        raise WrongState("It has been decided.")
    if found["side"] == "buyer":
        moved = await _redecide(conn, row, found, decision)
    elif decision.percent:
        moved = await _award(conn, row, found, decision, hold_s)
    else:
        moved = await _uphold(conn, row, found, decision)
    await conn.execute(
        """UPDATE appeal SET status = $2::text::appeal_status, decided_at = market_now(), decided_by = $3,
             award_percent = $4, reason = $5, paid = $6, refunded = $7, fronted = $8
           WHERE id = $1 AND status = 'open'""",
        appeal, "withdrawn" if decision.withdrawn else "decided", decision.by,
        None if decision.withdrawn else decision.percent, decision.reason, *moved,
    )  # fmt: skip
    await events.append(
        conn, "appeal.withdrawn" if decision.withdrawn else "appeal.decided", ("appeal", appeal), decision.by,
        account=row["account_id"], person=row["person_id"],
        data={
            "submission_id": ids.show("submission", row["id"]), "award_percent": decision.percent, "paid": moved.paid,
        },
    )  # fmt: skip


class _Moved(NamedTuple):
    """Minor units: to the person, to the buyer's balance, and what the market has fronted."""

    paid: int
    refunded: int
    fronted: int = 0


async def _uphold(conn: asyncpg.Connection, row: asyncpg.Record, appeal: asyncpg.Record, decision: Decision) -> _Moved:
    """The rejection stands."""
    done = await conn.fetchval(
        """UPDATE submission SET status = 'rejected', decided_at = CASE WHEN $2 THEN decided_at ELSE market_now() END,
             decided_by = CASE WHEN $2 THEN decided_by ELSE $3 END
           WHERE id = $1 AND status = 'disputed' RETURNING 1""",
        row["id"], decision.withdrawn, BY,
    )  # fmt: skip
    if done is None:
        raise WrongState
    await _tell_rejected(conn, row, appeal, decision.by)
    return _Moved(0, await stakes.give_back(conn, row, appeal, actor=decision.by))


async def _tell_rejected(conn: asyncpg.Connection, row: asyncpg.Record, appeal: asyncpg.Record, actor: str) -> None:
    await events.append(
        conn, "submission.rejected", ("submission", row["id"]), actor, account=row["account_id"],
        person=row["person_id"],
        data=told(row) | {"failed_check": appeal["failed_check"], "reason_code": appeal["reason_code"]},
    )  # fmt: skip


async def _award(
    conn: asyncpg.Connection, row: asyncpg.Record, appeal: asyncpg.Record, decision: Decision, hold_s: int
) -> _Moved:
    """The rejection is overturned, wholly or in part: it is paid after all, out of what is held for it."""
    pay, stake = shares(decisions.pay_for(row), decision.percent), appeal["stake"]
    own_bond = part(appeal["bond"], decision.percent)
    buyer, escrow = ledger.buyer(row["account_id"]), ledger.escrow(row["task_id"])
    pending, currency = ledger.person(row["person_id"], "pending"), row["currency"]
    await _accept(conn, row, appeal, decision, hold_s, pay.reward + own_bond, pay.fee)
    await ledger.lock(conn, {(code, currency) for code in (buyer, escrow, pending)})
    fronted, fee, back = 0, pay.fee, pay.back
    if stake == "none":
        # What nobody holds may have come in the meantime.
        [available] = await ledger.balances(conn, [buyer], currency)
        covered = available >= pay.reward + pay.fee
        fronted, fee, back = (0, pay.fee, -pay.reward - pay.fee) if covered else (pay.reward, 0, 0)
    slot = 0 if stake == "none" else row["top"] + row["top_fee"]
    refunded = back + appeal["bond"] - own_bond
    await ledger.post(
        conn, "submission.award", f"award:{row['id']}",
        [
            (escrow, slot + appeal["bond"]), (buyer, -refunded), (ledger.LOSSES, fronted),
            (pending, -pay.reward - own_bond), (ledger.FEE_INCOME, -fee),
        ],
        currency=currency, actor=decision.by, subject=("submission", row["id"]), meta={"appeal": str(appeal["id"])},
    )  # fmt: skip
    if fronted:
        await _front(conn, row, appeal["id"], fronted)
    return _Moved(pay.reward + own_bond, max(0, refunded), fronted)


async def _accept(
    conn: asyncpg.Connection, row: asyncpg.Record, appeal: asyncpg.Record, decision: Decision, hold_s: int,
    amount: int, fee: int,
) -> None:  # fmt: skip
    """The rows of an award: as decisions.accept makes them, its claim awarded and its slot taken from the stake."""
    coarse = (None, None) if row["lat"] is None else near.coarse(row["lat"], row["lon"])
    slot, held = int(appeal["stake"] == "slot"), int(appeal["stake"] == "held")
    done = await conn.fetchval(
        f"""WITH c AS (
             UPDATE claim SET status = 'awarded' WHERE id = $2 AND status = 'rejected' RETURNING id),
           s AS (
             UPDATE submission AS s SET status = 'accepted', decided_at = market_now(), decided_by = $3,
               rejection = NULL FROM c WHERE s.id = $1 AND s.claim_id = c.id AND s.status = 'disputed' RETURNING s.*),
           t AS (
             UPDATE task AS u SET claimed = u.claimed - $4, done = u.done + $4, appealed = u.appealed - $5,
               bonds = u.bonds - $6, version = u.version + 1,
               status = CASE WHEN u.done + $4 = u.quantity THEN 'completed' ELSE u.status END,
               closed_at = CASE WHEN u.done + $4 = u.quantity THEN coalesce(u.closed_at, market_now())
                                ELSE u.closed_at END
             FROM s WHERE u.id = s.task_id RETURNING u.*),
           o AS ({decisions.observed("$7", "$8", "$9")}),
           r AS (INSERT INTO receipt (observation_id) SELECT id FROM o),
           e AS (
             INSERT INTO earning (submission_id, person_id, amount, currency, release_at, fee)
               SELECT s.id, s.person_id, $10, t.currency, market_now() + make_interval(secs => $11), $12
               FROM s JOIN t ON true),
           told AS (
             INSERT INTO event (type, account_id, person_id, subject_type, subject_id, actor, data)
               SELECT 'submission.accepted', s.account_id, s.person_id, 'submission', s.id, $13, $14::jsonb FROM s
               UNION ALL
               SELECT 'task.completed', s.account_id, NULL, 'task', s.task_id, $13, '{{}}'
               FROM s JOIN t ON $4 = 1 AND t.done = t.quantity)
           SELECT 1 FROM s JOIN t ON true JOIN o ON true""",
        row["id"], row["claim_id"], BY, slot, held, appeal["bond"], ids.new(), *coarse, amount, hold_s, fee,
        decision.by, told(row) | {"reward": amount},
    )  # fmt: skip
    if done is None:
        raise WrongState


async def _front(conn: asyncpg.Connection, row: asyncpg.Record, appeal: UUID, amount: int) -> None:
    """The market pays what the buyer could not: who buys no more, and reads nothing of it, until they can."""
    await conn.execute("UPDATE observation SET locked = true WHERE submission_id = $1", row["id"])
    await conn.execute("UPDATE earning SET fee = 0 WHERE id = $1", row["id"])
    await conn.execute(
        # A hold by an operator that does not end stays as it is.
        """INSERT INTO account_hold AS h (account_id, reason) VALUES ($1, $2)
           ON CONFLICT (account_id) DO UPDATE SET reason = excluded.reason, operator_id = NULL, expires_at = NULL,
             created_at = market_now() WHERE h.expires_at IS NOT NULL""",
        row["account_id"], FRONTED,
    )  # fmt: skip
    await events.append(conn, "account.held", ("account", row["account_id"]), "market", data={"reason": FRONTED})
    await events.append(
        conn, "appeal.fronted", ("appeal", appeal), "market", account=row["account_id"],
        data={"amount": amount, "currency": row["currency"]},
    )  # fmt: skip


async def _redecide(
    conn: asyncpg.Connection, row: asyncpg.Record, appeal: asyncpg.Record, decision: Decision
) -> _Moved:
    """What was accepted and is still pending is paid as awarded; with nothing awarded it is as if rejected."""
    earned = await conn.fetchrow(
        "SELECT amount, fee FROM earning WHERE id = $1 AND contested FOR NO KEY UPDATE", row["id"]
    )
    pay = shares(Pay(earned["amount"], earned["fee"], 0), decision.percent)
    own_bond = part(appeal["bond"], decision.percent)
    if decision.percent:
        await _keep_accepted(conn, row, pay.reward + own_bond, pay.fee)
    else:
        await _take_back(conn, row, appeal, decision)
    await conn.execute(
        "UPDATE task SET bonds = bonds - $2, version = version + 1 WHERE id = $1", row["task_id"], appeal["bond"]
    )
    buyer, escrow = ledger.buyer(row["account_id"]), ledger.escrow(row["task_id"])
    pending, currency = ledger.person(row["person_id"], "pending"), row["currency"]
    refunded = pay.back + appeal["bond"] - own_bond
    await ledger.lock(conn, {(code, currency) for code in (buyer, escrow, pending)})
    if appeal["bond"] or refunded:
        await ledger.post(
            conn, "submission.redecide", f"redecide:{row['id']}",
            [
                (escrow, appeal["bond"]), (pending, earned["amount"] - pay.reward - own_bond),
                (ledger.FEE_INCOME, earned["fee"] - pay.fee), (buyer, -refunded),
            ],
            currency=currency, actor=decision.by, subject=("appeal", appeal["id"]),
        )  # fmt: skip
    return _Moved(pay.reward + own_bond, refunded)


async def _keep_accepted(conn: asyncpg.Connection, row: asyncpg.Record, amount: int, fee: int) -> None:
    done = await conn.fetchval(
        """WITH s AS (
             UPDATE submission SET status = 'accepted', decided_at = market_now(), decided_by = $2
             WHERE id = $1 AND status = 'disputed' RETURNING id),
           e AS (UPDATE earning SET amount = $3, fee = $4, contested = false FROM s WHERE earning.id = s.id),
           o AS (UPDATE observation SET locked = false FROM s WHERE submission_id = s.id)
           SELECT id FROM s""",
        row["id"], BY, amount, fee,
    )  # fmt: skip
    if done is None:
        raise WrongState
    await events.append(
        conn, "submission.accepted", ("submission", row["id"]), BY, account=row["account_id"], person=row["person_id"],
        data=told(row) | {"reward": amount},
    )  # fmt: skip


async def _take_back(conn: asyncpg.Connection, row: asyncpg.Record, appeal: asyncpg.Record, decision: Decision) -> None:
    """Nothing of it is the buyer's any more, and nothing the person's."""
    why: dict[str, Any] = {name: appeal[name] for name in ("failed_check", "reason_code", "comment")}
    if decision.withdrawn:
        why = {"failed_check": None, "reason_code": "withdrawn", "comment": WITHDRAWN}
    done = await conn.fetchval(
        """WITH c AS (
             UPDATE claim SET status = 'rejected' WHERE id = $2 AND status = 'submitted' RETURNING id)
           UPDATE submission AS s SET status = 'rejected', decided_at = market_now(), decided_by = $3, rejection = $4
           FROM c WHERE s.id = $1 AND s.claim_id = c.id AND s.status = 'disputed' RETURNING 1""",
        row["id"], row["claim_id"], BY, why,
    )  # fmt: skip
    if done is None:
        raise WrongState
    await conn.execute("DELETE FROM earning WHERE id = $1 AND contested", row["id"])
    await conn.execute(
        "DELETE FROM receipt r USING observation o WHERE o.id = r.observation_id AND o.submission_id = $1", row["id"]
    )
    await conn.execute("DELETE FROM observation WHERE submission_id = $1", row["id"])
    await _tell_rejected(conn, row, appeal, decision.by)


async def collect_due(conn: asyncpg.Connection, limit: int = 20) -> int:
    """Take what was fronted from buyers whose balance covers it by now, and free what it kept from them; how many."""
    due = await conn.fetch(
        """SELECT a.*, t.currency FROM appeal a JOIN task t ON t.id = a.task_id
             JOIN ledger_account l ON l.code = 'buyer:' || a.account_id || ':available' AND l.currency = t.currency
           WHERE a.fronted > 0 AND a.collected_at IS NULL AND -l.posted >= a.fronted
           ORDER BY a.id LIMIT $1 FOR NO KEY UPDATE OF a SKIP LOCKED""",
        limit,
    )
    await ledger.lock(conn, {(ledger.buyer(each["account_id"]), each["currency"]) for each in due})
    collected = 0
    for each in due:
        buyer = ledger.buyer(each["account_id"])
        [available] = await ledger.balances(conn, [buyer], each["currency"])
        if available < each["fronted"]:
            continue
        await ledger.post(
            conn, "appeal.collect", f"collect:{each['id']}",
            [(buyer, each["fronted"]), (ledger.LOSSES, -each["fronted"])],
            currency=each["currency"], actor="market", subject=("appeal", each["id"]),
        )  # fmt: skip
        await conn.execute("UPDATE appeal SET collected_at = market_now() WHERE id = $1", each["id"])
        await conn.execute("UPDATE observation SET locked = false WHERE submission_id = $1", each["submission_id"])
        await conn.execute(
            """DELETE FROM account_hold WHERE account_id = $1 AND operator_id IS NULL AND NOT EXISTS (
                 SELECT FROM appeal WHERE account_id = $1 AND fronted > 0 AND collected_at IS NULL)""",
            each["account_id"],
        )  # fmt: skip
        await events.append(
            conn, "appeal.collected", ("appeal", each["id"]), "market", account=each["account_id"],
            data={"amount": each["fronted"], "currency": each["currency"]},
        )  # fmt: skip
        collected += 1
    return collected
