"""The end of an appeal or dispute: a part of the pay is the person's, from none of it to all, and the rest the buyer's.

    contested by   award   the submission   the money
    the person     0       rejected         the slot is free, what was held goes back
    the person     > 0     accepted         the part is paid with its fee, the evidence becomes the buyer's
    the buyer      0       rejected         pay and fee go back, the observation is withdrawn
    the buyer      > 0     accepted         the part stays paid, the rest goes back with its fee

Parts are rounded in the person's favour, by less than a unit. The bond follows the award. What nothing is held for is
paid out of a free slot, else out of the buyer's balance. Where that does not cover it the market fronts it, if it has
earned as much in fees from the account: else two who pretend to be buyer and person would take it from the market. What
it does not front is owed: paid as soon as the account has it. Until then the account is on hold, the evidence locked.
"""

from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from market import decisions, events, ids, ledger, near, stakes
from market.decisions import Pay, told
from market.errors import WrongState

BY = "review"  # who has decided, as far as the parties know
WITHDRAWN = "Whoever handed this in has left and had it removed. Nothing is paid for it."
HELD = "An award is due from this account, whose balance did not cover it. It ends by itself once the balance does."


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
    means = None
    if found["side"] == "person" and decision.percent:
        means = await _means(conn, row, found, decision.percent)
    if found["side"] == "buyer":
        moved = await _redecide(conn, row, found, decision)
    elif means is not None:
        moved = await _award(conn, row, found, decision, means, hold_s)
    else:
        moved = await _uphold(conn, row, found, decision)
    await conn.execute(
        """UPDATE appeal SET status = $2::text::appeal_status, decided_at = market_now(), decided_by = $3,
             award_percent = $4, reason = $5, paid = $6, refunded = $7, fronted = $8, owed = $9, owed_fee = $10
           WHERE id = $1 AND status = 'open'""",
        appeal, "withdrawn" if decision.withdrawn else "decided", decision.by,
        None if decision.withdrawn else decision.percent, decision.reason, *moved,
    )  # fmt: skip
    await events.append(
        conn, "appeal.withdrawn" if decision.withdrawn else "appeal.decided", ("appeal", appeal), decision.by,
        account=row["account_id"], person=row["person_id"],
        data={
            "submission_id": ids.show("submission", row["id"]), "award_percent": decision.percent, "paid": moved.paid,
            "owed": moved.owed,
        },
    )  # fmt: skip


class _Moved(NamedTuple):
    """Minor units: to the person, to the buyer's balance, fronted by the market, and what is owed, with its fee."""

    paid: int
    refunded: int
    fronted: int = 0
    owed: int = 0
    owed_fee: int = 0


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


class _Means(NamedTuple):
    """What an award is paid out of: the stake, and what of it goes to the person (with their part of the bond), to the
    market, and back to the buyer's balance, less than nothing where it is taken from there; fronted: by the market for
    the buyer; owed, owed_fee: what nobody has."""

    stake: str
    paid: int
    fee: int
    back: int
    fronted: int = 0
    owed: int = 0
    owed_fee: int = 0


async def _means(conn: asyncpg.Connection, row: asyncpg.Record, appeal: asyncpg.Record, percent: int) -> _Means:
    """What there is for an award. Takes a free slot where nothing is held, and locks the ledger."""
    stake, currency, buyer = appeal["stake"], row["currency"], ledger.buyer(row["account_id"])
    pay, own_bond = shares(decisions.pay_for(row), percent), part(appeal["bond"], percent)
    if stake == "none" and await stakes.take_slot(conn, row["task_id"]):
        stake = "slot"
        await conn.execute("UPDATE appeal SET stake = 'slot' WHERE id = $1", appeal["id"])
    codes = (buyer, ledger.escrow(row["task_id"]), ledger.person(row["person_id"], "pending"))
    await ledger.lock(conn, {(code, currency) for code in codes})
    paid, bond_back = pay.reward + own_bond, appeal["bond"] - own_bond
    if stake != "none":
        return _Means(stake, paid, pay.fee, pay.back + bond_back)
    [available] = await ledger.balances(conn, [buyer], currency)
    if available >= pay.reward + pay.fee:
        return _Means(stake, paid, pay.fee, bond_back - pay.reward - pay.fee)
    if await _fees_of(conn, row["account_id"], currency) >= pay.reward:
        return _Means(stake, paid, 0, bond_back, fronted=pay.reward)
    # The bond waits with the rest, in a balance that cannot be spent.
    return _Means(stake, 0, 0, appeal["bond"], owed=paid, owed_fee=pay.fee)


async def _fees_of(conn: asyncpg.Connection, account: UUID, currency: str) -> int:
    """What the market has earned from an account for good, less what it has fronted for it and not seen again; nothing
    while the money that it was paid with is, or was, charged back."""
    found: int = await conn.fetchval(
        """SELECT CASE WHEN EXISTS (SELECT FROM dispute d
                 WHERE d.account_id = $1 AND d.status NOT IN ('won', 'warning_closed')) THEN 0 ELSE
             (SELECT coalesce(sum(e.fee), 0) FROM submission s JOIN earning e ON e.id = s.id
               WHERE s.account_id = $1 AND e.currency = $2 AND e.released_at IS NOT NULL AND e.clawed_back_at IS NULL)
             - (SELECT coalesce(sum(a.fronted), 0) FROM appeal a JOIN task t ON t.id = a.task_id
                WHERE a.account_id = $1 AND t.currency = $2 AND a.collected_at IS NULL) END::bigint""",
        account, currency,
    )  # fmt: skip
    return found


async def _award(
    conn: asyncpg.Connection, row: asyncpg.Record, appeal: asyncpg.Record, decision: Decision, means: _Means,
    hold_s: int,
) -> _Moved:  # fmt: skip
    """The rejection is overturned, wholly or in part: it is paid after all, out of what there is for it."""
    await _accept(conn, row, appeal, decision, hold_s, means)
    slot = 0 if means.stake == "none" else row["top"] + row["top_fee"]
    if slot or means.back or means.paid:
        await ledger.post(
            conn, "submission.award", f"award:{row['id']}",
            [
                (ledger.escrow(row["task_id"]), slot + appeal["bond"]), (ledger.buyer(row["account_id"]), -means.back),
                (ledger.LOSSES, means.fronted), (ledger.person(row["person_id"], "pending"), -means.paid),
                (ledger.FEE_INCOME, -means.fee),
            ],
            currency=row["currency"], actor=decision.by, subject=("submission", row["id"]),
            meta={"appeal": str(appeal["id"])},
        )  # fmt: skip
    if means.fronted or means.owed:
        await _wait(conn, row, appeal["id"], means)
    return _Moved(means.paid, max(0, means.back), means.fronted, means.owed, means.owed_fee)


async def _accept(
    conn: asyncpg.Connection, row: asyncpg.Record, appeal: asyncpg.Record, decision: Decision, hold_s: int,
    means: _Means,
) -> None:  # fmt: skip
    """The rows of an award: as decisions.accept makes them, its claim awarded and its slot taken from the stake.

    What is owed is a line of earnings once it is there.
    """
    coarse = (None, None) if row["lat"] is None else near.coarse(row["lat"], row["lon"])
    slot, held = int(means.stake == "slot"), int(means.stake == "held")
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
               FROM s JOIN t ON $10::bigint > 0),
           told AS (
             INSERT INTO event (type, account_id, person_id, subject_type, subject_id, actor, data)
               SELECT 'submission.accepted', s.account_id, s.person_id, 'submission', s.id, $13, $14::jsonb FROM s
               UNION ALL
               SELECT 'task.completed', s.account_id, NULL, 'task', s.task_id, $13, '{{}}'
               FROM s JOIN t ON $4 = 1 AND t.done = t.quantity)
           SELECT 1 FROM s JOIN t ON true JOIN o ON true""",
        row["id"], row["claim_id"], BY, slot, held, appeal["bond"], ids.new(), *coarse, means.paid, hold_s, means.fee,
        decision.by, told(row) | {"reward": means.paid + means.owed},
    )  # fmt: skip
    if done is None:
        raise WrongState


async def _wait(conn: asyncpg.Connection, row: asyncpg.Record, appeal: UUID, means: _Means) -> None:
    """What the buyer cannot pay: they buy no more, and read nothing of it, until they can."""
    await conn.execute("UPDATE observation SET locked = true WHERE submission_id = $1", row["id"])
    # An operator's hold stays as it is. What holds the account is that something is due: see spending.py.
    await conn.execute(
        "INSERT INTO account_hold (account_id, reason) VALUES ($1, $2) ON CONFLICT DO NOTHING", row["account_id"], HELD
    )
    await events.append(conn, "account.held", ("account", row["account_id"]), "market", data={"reason": HELD})
    await events.append(
        conn, "appeal.fronted" if means.fronted else "appeal.owed", ("appeal", appeal), "market",
        account=row["account_id"],
        data={"amount": means.fronted + means.owed + means.owed_fee, "currency": row["currency"]},
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
