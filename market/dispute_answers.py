"""How operators answer a dispute: what our own records say, evidence handed in for good, or giving up.

What is sent is one operation for each answer; Stripe takes evidence once. An inquiry that becomes a chargeback wants an
answer of its own.
"""

from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID, uuid5

import asyncpg
import msgspec

from market import events, stripe_ops
from market.disputes import WARNINGS
from market.errors import Invalid, NotFound, WrongState
from market.money import Money

LONGEST = 20_000
LONGEST_IN_ALL = 150_000  # Stripe's
ANSWERABLE = ("needs_response", "warning_needs_response")

Long = Annotated[str, msgspec.Meta(max_length=LONGEST)]
Short = Annotated[str, msgspec.Meta(max_length=500)]


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the bank is told, by Stripe's names. What is left empty is not sent."""

    product_description: Annotated[Long, msgspec.Meta(examples=["Prepaid balance for tasks answered by people."])] = ""
    customer_name: Short = ""
    customer_email_address: Short = ""
    service_date: Short = ""
    access_activity_log: Long = ""
    refund_policy_disclosure: Long = ""
    refund_refusal_explanation: Long = ""
    cancellation_policy_disclosure: Long = ""
    duplicate_charge_explanation: Long = ""
    uncategorized_text: Long = ""

    def filled(self) -> dict[str, str]:
        """The texts that are not empty."""
        texts: dict[str, str] = msgspec.to_builtins(self)
        return {name: text.strip() for name, text in texts.items() if text.strip()}


class Ran(NamedTuple):
    """A task that an account ran after a payment; `spent` on what was `delivered` since, in minor units."""

    title: str
    posted_at: datetime
    delivered: int
    spent: int
    last_at: datetime | None


class Facts(NamedTuple):
    """What we know of a disputed payment."""

    name: str
    email: str
    signed_up_at: datetime
    paid_at: datetime
    paid: Money
    paid_with: str
    automatic: bool
    tasks: list[Ran]


async def answer(conn: asyncpg.Connection, operator: UUID, dispute: UUID, evidence: Evidence) -> UUID:
    """Keep the evidence and plan its way to Stripe: the operation. Raises Invalid for none, WrongState when it is
    answered, under way, or over."""
    texts = evidence.filled()
    if not texts:
        raise Invalid("An answer needs some evidence.", pointer="")
    if sum(map(len, texts.values())) > LONGEST_IN_ALL:
        raise Invalid(f"Stripe takes {LONGEST_IN_ALL} characters of evidence in all.", pointer="")
    row = await _locked(conn, dispute)
    if await conn.fetchval(
        "SELECT true FROM stripe_op WHERE kind = 'dispute_close' AND subject_id = $1 AND status <> 'rejected'", dispute
    ):
        raise WrongState("This dispute is being given up.")
    await conn.execute(
        "UPDATE dispute SET evidence = $2, answered_by = $3, answered_at = market_now() WHERE id = $1",
        dispute, texts, operator,
    )  # fmt: skip
    await _note(conn, "answering", row, f"operator:{operator}")
    about = subject(dispute, inquiry=row["status"] in WARNINGS)
    params = {"dispute": str(dispute), "stripe_id": row["stripe_id"], "evidence": texts}
    return await stripe_ops.plan(conn, "dispute_answer", about, params)


def subject(dispute: UUID, *, inquiry: bool) -> UUID:
    """What the operation of an answer is about. Of each only one succeeds, hence one for the inquiry by itself."""
    return uuid5(dispute, "inquiry") if inquiry else dispute


async def accept(conn: asyncpg.Connection, operator: UUID, dispute: UUID) -> UUID:
    """Give a chargeback up, which loses it: the operation. Raises WrongState as `answer` does, and for an inquiry:
    that is settled by a refund."""
    row = await _locked(conn, dispute)
    if row["status"] in WARNINGS:
        raise WrongState("An inquiry took no money yet. To give in, refund the payment.")
    await _note(conn, "accepting", row, f"operator:{operator}")
    params = {"dispute": str(dispute), "stripe_id": row["stripe_id"]}
    return await stripe_ops.plan(conn, "dispute_close", dispute, params)


class Payment(NamedTuple):
    """Whose payment a dispute is about."""

    account: UUID
    funding: UUID


async def give_in(conn: asyncpg.Connection, operator: UUID, dispute: UUID) -> Payment:
    """An inquiry, also one that is answered, is settled by a refund, which the caller asks for: of what.

    The payment is locked. Raises NotFound, WrongState for a chargeback, which has taken the money, and what is over.
    """
    payment = await conn.fetchrow(
        """SELECT account_id, id FROM funding WHERE id = (SELECT funding_id FROM dispute WHERE id = $1)
           FOR NO KEY UPDATE""",
        dispute,
    )
    row = await conn.fetchrow("SELECT * FROM dispute WHERE id = $1 FOR NO KEY UPDATE", dispute)
    if row is None or payment is None:
        raise NotFound("There is no such dispute.")
    if row["status"] not in WARNINGS:
        raise WrongState(f"Only an open inquiry is settled by a refund. This dispute is {row['status']}.")
    await _note(conn, "giving_in", row, f"operator:{operator}")
    return Payment(payment["account_id"], payment["id"])


async def refused(conn: asyncpg.Connection, dispute: UUID, kind: str, code: str, message: str) -> None:
    """Stripe has not taken the answer, for certain: it may be answered again while there is time."""
    row = await conn.fetchrow(
        """UPDATE dispute SET answered_by = CASE WHEN $2 THEN NULL ELSE answered_by END,
             answered_at = CASE WHEN $2 THEN NULL ELSE answered_at END
           WHERE id = $1 RETURNING *""",
        dispute, kind == "dispute_answer",
    )  # fmt: skip
    if row is not None:
        await _note(conn, "answer_refused", row, "stripe", {"code": code, "message": message})


async def facts(conn: asyncpg.Connection, dispute: UUID) -> Facts:
    """What our own records say of the payment and of what the account had for it. Raises NotFound."""
    row = await conn.fetchrow(
        """SELECT d.account_id, a.name, a.email, a.created_at AS signed_up_at, f.settled_at AS paid_at, f.amount,
             f.currency, f.paid_with, f.cause
           FROM dispute d JOIN account a ON a.id = d.account_id JOIN funding f ON f.id = d.funding_id
           WHERE d.id = $1""",
        dispute,
    )
    if row is None:
        raise NotFound("There is no such dispute.")
    tasks = await conn.fetch(
        """SELECT t.title, t.created_at, d.delivered, d.spent, d.last_at
           FROM task t CROSS JOIN LATERAL (
             SELECT count(*) AS delivered, coalesce(sum(e.amount + e.fee), 0)::bigint AS spent,
               max(o.created_at) AS last_at
             FROM observation o JOIN earning e ON e.id = o.submission_id
             WHERE o.task_id = t.id AND o.created_at >= $2) d
           WHERE t.account_id = $1 AND (t.created_at >= $2 OR d.delivered > 0) ORDER BY t.id""",
        row["account_id"], row["paid_at"],
    )  # fmt: skip
    return Facts(
        row["name"], row["email"], row["signed_up_at"], row["paid_at"], Money(row["amount"], row["currency"]),
        row["paid_with"], row["cause"] == "auto",
        [Ran(each["title"], each["created_at"], each["delivered"], each["spent"], each["last_at"]) for each in tasks],
    )  # fmt: skip


async def _locked(conn: asyncpg.Connection, dispute: UUID) -> asyncpg.Record:
    """The dispute, if it wants an answer, for this transaction. Raises NotFound, WrongState."""
    row = await conn.fetchrow("SELECT * FROM dispute WHERE id = $1 FOR NO KEY UPDATE", dispute)
    if row is None:
        raise NotFound("There is no such dispute.")
    if row["status"] not in ANSWERABLE:
        raise WrongState(f"This dispute wants no answer: it is {row['status']}.")
    if row["answered_at"] is not None:
        raise WrongState("This dispute is answered already; the answer is on its way to Stripe.")
    return row


async def _note(
    conn: asyncpg.Connection, what: str, row: asyncpg.Record, actor: str, data: dict[str, Any] | None = None
) -> None:
    # Not shown to the account: what the bank is told is between the bank and us.
    await events.append(conn, f"dispute.{what}", ("dispute", row["id"]), actor, data=data)
