"""Where people are paid: their accounts at Stripe, as we last saw them."""

from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import events, stripe_ops
from market.errors import NotFound

# Capabilities that nothing the person does brings back.
REFUSED = ("rejected", "unsupported")

Status = Literal["none", "refused", "checking", "incomplete", "active", "lost"]
News = Literal["", "ready", "lost", "back"]


class PayoutAccount(msgspec.Struct, frozen=True):
    """Whether somebody can be paid. Only `active` is paid; whatever it is, earnings are kept.

    none: not asked for · refused: Stripe does not open it, or has shut it, `refusal` says why where Stripe does ·
    checking: Stripe is looking, nothing is asked · incomplete: Stripe asks for `requirements`, by Stripe's names ·
    active · lost: it was active until `lost_at`. due_at: Stripe's deadline for the first of the requirements, which
    may be asked for while it is active, too.
    """

    status: Status
    requirements: list[str]
    country: str | None = None
    due_at: datetime | None = None
    lost_at: datetime | None = None
    refusal: str | None = None


class Payable(msgspec.Struct, frozen=True):
    """A person's account at Stripe as we last saw it."""

    stripe_id: str
    transfers: str


class Change(NamedTuple):
    """Whose account was looked at, and whether that is news to them: ready | lost | back, or '' for nothing."""

    person: UUID
    news: News


async def find(conn: asyncpg.Connection, person: UUID) -> Payable | None:
    """The person's account, None before there is one."""
    row = await conn.fetchrow("SELECT stripe_id, transfers FROM payout_account WHERE person_id = $1", person)
    return None if row is None else Payable(row["stripe_id"], row["transfers"])


async def shown(conn: asyncpg.Connection, person: UUID) -> PayoutAccount:
    """As its owner sees it."""
    row = await conn.fetchrow("SELECT * FROM payout_account WHERE person_id = $1", person)
    if row is None:
        return await _asked_for(conn, person)
    return PayoutAccount(
        _status(row), row["requirements"], row["country"] or None, row["due_at"], row["lost_at"]
    )  # fmt: skip


def _status(row: asyncpg.Record) -> Status:
    if row["transfers"] == "active":
        return "active"
    if row["transfers"] in REFUSED:
        return "refused"
    if row["lost_at"] is not None:
        return "lost"
    return "incomplete" if row["requirements"] else "checking"


async def _asked_for(conn: asyncpg.Connection, person: UUID) -> PayoutAccount:
    """Before there is an account: whether it is being made, or was refused."""
    last = await conn.fetchrow(
        """SELECT status::text, message, params ->> 'country' AS country FROM stripe_op
           WHERE kind = 'recipient' AND subject_id = $1 ORDER BY attempt DESC LIMIT 1""",
        person,
    )
    if last is None:
        return PayoutAccount("none", [])
    if last["status"] == "rejected":
        return PayoutAccount("refused", [], last["country"], refusal=last["message"])
    return PayoutAccount("checking", [], last["country"])


async def plan(conn: asyncpg.Connection, person: UUID, country: str) -> UUID:
    """The operation that makes the person's account. Raises NotFound for somebody who is not there any more."""
    row = await conn.fetchrow(
        "SELECT email, display_name FROM person WHERE id = $1 AND erased_at IS NULL", person
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such person.")
    params = {"email": row["email"], "name": row["display_name"], "country": country}
    return await stripe_ops.plan(conn, "recipient", person, params)


async def email_of(conn: asyncpg.Connection, person: UUID) -> str | None:
    """Where mails about payouts go; None for somebody who has been erased."""
    email: str | None = await conn.fetchval("SELECT email FROM person WHERE id = $1 AND erased_at IS NULL", person)
    return email or None


async def refusal(conn: asyncpg.Connection, op: UUID) -> str | None:
    """Why Stripe does not open the account that `op` asks for; None unless it has refused."""
    refused = await stripe_ops.refusal(conn, op)
    return None if refused is None else refused[1]


async def keep(
    conn: asyncpg.Connection, person: UUID, stripe_id: str, transfers: str, requirements: tuple[str, ...], *,
    due_at: datetime | None = None, country: str = "", seen_at: datetime | None = None,
) -> None:  # fmt: skip
    """The person's account exists, and stood so at `seen_at` (None: now). A second one of theirs is left alone."""
    await conn.execute(
        """INSERT INTO payout_account (person_id, stripe_id, transfers, requirements, due_at, country, checked_at)
           VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, market_now())) ON CONFLICT (person_id) DO NOTHING""",
        person, stripe_id, transfers, list(requirements), due_at, country, seen_at,
    )  # fmt: skip


async def update(
    conn: asyncpg.Connection, stripe_id: str, transfers: str, requirements: tuple[str, ...], *,
    due_at: datetime | None = None, country: str = "", seen_at: datetime | None = None,
) -> Change | None:  # fmt: skip
    """What Stripe said of the account when it was asked at `seen_at` (None: now); None when it is not one of ours.

    Of two looks the one that began later counts, whichever is written last: every change at Stripe is followed by an
    event, so the last look has seen them all.
    """
    old = await conn.fetchrow("SELECT * FROM payout_account WHERE stripe_id = $1 FOR NO KEY UPDATE", stripe_id)
    if old is None:
        return None
    if seen_at is not None and seen_at < old["checked_at"]:
        return Change(old["person_id"], "")
    await conn.execute(
        """UPDATE payout_account SET transfers = $2, requirements = $3, due_at = $4,
             country = CASE WHEN $5 = '' THEN country ELSE $5 END, checked_at = coalesce($6, market_now()),
             lost_at = CASE WHEN $2 = 'active' THEN NULL WHEN transfers = 'active' THEN market_now() ELSE lost_at END
           WHERE stripe_id = $1""",
        stripe_id, transfers, list(requirements), due_at, country, seen_at,
    )  # fmt: skip
    news = _news(old, transfers)
    if old["transfers"] != transfers:
        await events.append(
            conn, "payout_account.changed", ("person", old["person_id"]), "stripe", person=old["person_id"],
            data={"transfers": transfers} | ({"news": news} if news else {}),
        )  # fmt: skip
    return Change(old["person_id"], news)


def _news(old: asyncpg.Record, transfers: str) -> News:
    if transfers == "active":
        return "" if old["transfers"] == "active" else "back" if old["lost_at"] is not None else "ready"
    return "lost" if old["transfers"] == "active" else ""
