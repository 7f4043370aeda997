"""Where people are paid: their accounts at Stripe, and what goes from there to their banks; what events say of both."""

from __future__ import annotations

from datetime import UTC, datetime

from app.db import Connection
from app.gateways.stripe import BankPayout, Recipient
from app.money import payout_mail
from app.money.incoming import LOOKS, uuid_or_none
from app.money.outgoing import SENDERS, Outcome, Sender, Write, just_refused, nothing, stripe_of
from app.services import Services
from market import bank_payouts, clock, payout_accounts, stripe_ops
from market.stripe_inbox import Notice
from market.stripe_ops import Op

# ---- accounts


async def _now(services: Services) -> datetime:
    """When a look at Stripe begins: of two looks at an account the later one counts."""
    async with services.database.read() as connection:
        return await clock.now(connection)


def _due(found: Recipient) -> datetime | None:
    return None if found.due is None else datetime.fromisoformat(found.due)


def _made(op: Op, made: Recipient, seen_at: datetime) -> Outcome:
    async def write(connection: Connection) -> None:
        await payout_accounts.keep(
            connection, op.subject, made.id, made.transfers, made.requirements,
            due_at=_due(made), country=made.country, seen_at=seen_at,
        )  # fmt: skip

    return Outcome(made.id, write)


async def _send_recipient(services: Services, op: Op) -> Outcome:
    seen_at = await _now(services)
    made = await stripe_of(services).create_recipient(
        op.key, str(op.subject), op.params["email"], op.params["name"], op.params["country"]
    )
    return _made(op, made, seen_at)


async def _find_recipient(services: Services, op: Op) -> Outcome | None:
    seen_at = await _now(services)
    found = await stripe_of(services).find_recipient(str(op.subject))
    return None if found is None else _made(op, found, seen_at)


SENDERS["recipient"] = Sender(_send_recipient, _find_recipient, just_refused)


async def look_at_account(services: Services, stripe_id: str) -> Write:
    """Ask Stripe how a person's account stands; what to write of it, with a mail where that is bad or good news.

    Raises what the gateway raises.
    """
    seen_at = await _now(services)
    found = await stripe_of(services).retrieve_recipient(stripe_id)
    person = uuid_or_none(found.person)

    async def write(connection: Connection) -> None:
        # Ours, and the process that made it died before it heard the answer.
        if person is not None and await stripe_ops.found(connection, "recipient", person, found.id):
            await payout_accounts.keep(
                connection, person, found.id, found.transfers, found.requirements,
                due_at=_due(found), country=found.country, seen_at=seen_at,
            )  # fmt: skip
            return
        change = await payout_accounts.update(
            connection, found.id, found.transfers, found.requirements,
            due_at=_due(found), country=found.country, seen_at=seen_at,
        )  # fmt: skip
        await payout_mail.write_change(connection, services, change)

    return write


async def _account_event(services: Services, notice: Notice) -> Write:
    return await look_at_account(services, notice.object_id)


# ---- from there to a bank


def _seen(found: BankPayout) -> bank_payouts.Seen:
    return bank_payouts.Seen(
        found.id, found.amount, found.currency, found.status, found.failure,
        datetime.fromtimestamp(found.arrives, UTC), datetime.fromtimestamp(found.created, UTC),
    )  # fmt: skip


async def _bank_payout_event(services: Services, notice: Notice) -> Write:
    if not notice.account:
        return nothing  # the platform's own, which the mirror of its balance sees
    seen = _seen(await stripe_of(services).retrieve_bank_payout(notice.account, notice.object_id))

    async def write(connection: Connection) -> None:
        failed = await bank_payouts.saw(connection, notice.account, seen)
        if failed is not None:
            await payout_mail.write_bank_failure(connection, services, failed, seen)

    return write


LOOKS["v2.core.account"] = _account_event
LOOKS["payout"] = _bank_payout_event
