"""What people are told by mail of their payouts: that they cannot be paid, can again, or that a bank sent it back."""

from __future__ import annotations

from uuid import UUID

from app import amounts, payout_words
from app.db import Connection
from app.gateways import mail
from app.services import Services
from market import payout_accounts
from market.bank_payouts import Seen
from market.money import Money
from market.payout_accounts import Change


async def write_change(connection: Connection, services: Services, change: Change | None) -> None:
    """Tell the person that their account was lost, or is back; nothing for other news."""
    if change is None or change.news not in ("lost", "back"):
        return
    if change.news == "back":
        await _write(
            connection, services, change.person, "You can be paid again",
            "Stripe pays to your account again. Whatever you have earned meanwhile is in the next payout.\n",
        )  # fmt: skip
        return
    account = await payout_accounts.shown(connection, change.person)
    asked = "".join(f"- {sentence}\n" for sentence in payout_words.requirements(account.requirements))
    until = f"Stripe wants it by {amounts.day(account.due_at)}.\n" if asked and account.due_at is not None else ""
    what = f"{asked}{until}" if asked else "Stripe does not say what is missing; its page may.\n"
    await _write(
        connection, services, change.person, "Stripe has stopped paying to your account",
        "Stripe does not pay to your account any more, so you are not in payouts for now. Nothing is lost: what you "
        "have earned, and what you earn from here on, is kept for you, and is paid when your account works again.\n\n"
        f"What to do:\n{what}\nGo on at Stripe from your earnings: {services.config.public_url}/w/earnings\n",
    )  # fmt: skip


async def write_bank_failure(connection: Connection, services: Services, person: UUID, seen: Seen) -> None:
    """Tell the person that their bank did not take a payment, why, and what to do."""
    amount = amounts.money(Money(seen.amount, seen.currency))
    await _write(
        connection, services, person, f"Your bank did not take {amount}",
        f"Stripe sent {amount} to your bank, and it came back. {payout_words.bank_failure(seen.failure)}\n\n"
        "Nothing is lost: the money is in your account at Stripe, which sends it again once your bank details are "
        f"right.\n\nYour payouts: {services.config.public_url}/w/earnings\n",
    )  # fmt: skip


async def _write(connection: Connection, services: Services, person: UUID, subject: str, text: str) -> None:
    email = await payout_accounts.email_of(connection, person)
    if email is not None:
        await mail.write(connection, services, email, subject, text)
