"""Payouts as whoever is paid sees them: what was sent, what is too little to be sent, and why they were left out."""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from market import ids, ledger
from market.money import Money


class OwnPayout(msgspec.Struct, frozen=True):
    """One line of a run, to the one who gets it.

    status: approved · sending · paid: sent to their account at Stripe at `sent_at`, and `came_back` of it was taken
    back · returned: Stripe refused it, so it is theirs to be paid again · left_out: passed over when it was to be sent.
    reason: for the last two, such as `held` or Stripe's own code.
    """

    id: str
    amount: Money
    status: str
    prepared_at: datetime
    sent_at: datetime | None
    transfer_id: str | None
    came_back: Money
    reason: str | None


class Terms(msgspec.Struct, frozen=True):
    """Payouts in one currency: the least that is paid out, what is payable, and, when the person was left out of the
    latest payout, when that was and why (`held`, `no_payout_account` …)."""

    minimum: Money
    payable: Money
    left_out: str | None
    left_out_at: datetime | None

    @property
    def too_little(self) -> bool:
        """Whether what is payable stays for a later payout."""
        return 0 < self.payable.amount < self.minimum.amount


# What a line is to the person: one of a run that nobody has approved yet is nothing to them.
_STATUS = """CASE WHEN p.status = 'planned' THEN 'sending' WHEN p.status = 'skipped' THEN 'left_out'
  WHEN p.status = 'listed' THEN 'approved' ELSE p.status::text END"""
_SETTLED = "(p.status <> 'listed' OR r.status IN ('approved', 'executing'))"


async def listed(conn: asyncpg.Connection, person: UUID, *, before: UUID | None, limit: int) -> list[OwnPayout]:
    """A person's payouts, newest first."""
    rows = await conn.fetch(
        f"""SELECT p.*, r.created_at, {_STATUS} AS shown FROM payout p JOIN payout_run r ON r.id = p.run_id
            WHERE p.person_id = $1 AND {_SETTLED} AND ($2::uuid IS NULL OR p.id < $2) ORDER BY p.id DESC LIMIT $3""",
        person, before, limit,
    )  # fmt: skip
    return [
        OwnPayout(
            ids.show("payout", row["id"]), Money(row["amount"], row["currency"]), row["shown"], row["created_at"],
            row["settled_at"] if row["shown"] == "paid" else None, row["transfer_id"],
            Money(row["reversed"], row["currency"]), row["code"],
        )
        for row in rows
    ]  # fmt: skip


async def terms(conn: asyncpg.Connection, person: UUID, currencies: list[str]) -> dict[str, Terms]:
    """How payouts stand in each of the currencies. The latest payout is the latest that was carried out."""
    rows = await conn.fetch(
        """SELECT c.code, c.minimum_payout, coalesce(-l.posted, 0) AS payable, x.reason, x.executed_at
           FROM currency c
           LEFT JOIN ledger_account l ON l.code = $2 AND l.currency = c.code
           LEFT JOIN LATERAL (
             SELECT e.reason, r.executed_at FROM (
               SELECT id, executed_at FROM payout_run
               WHERE currency = c.code AND executed_at IS NOT NULL ORDER BY executed_at DESC, id DESC LIMIT 1) AS r
             JOIN payout_exclusion e ON e.run_id = r.id AND e.person_id = $1) AS x ON true
           WHERE c.code = ANY ($3::text[])""",
        person, ledger.person(person, "payable"), currencies,
    )  # fmt: skip
    return {
        row["code"]: Terms(
            Money(row["minimum_payout"], row["code"]), Money(row["payable"], row["code"]), row["reason"],
            row["executed_at"],
        )
        for row in rows
    }  # fmt: skip
