"""Buyers: an account, its balance, its journal."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids, keys, ledger, spending
from market.errors import Forbidden, NotFound
from market.money import Currency, Money

Email = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[^@\s]{1,64}@[^@\s]{1,190}$(?!\n)", description="An e-mail address.", examples=["ada@example.com"]
    ),
]


class AccountDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An account to be opened."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200, examples=["Ada's delivery planner"])]
    email: Email
    currency: Currency = "usd"


class Balance(msgspec.Struct, frozen=True):
    """available: free to spend · held: set aside for tasks that run."""

    available: Money
    held: Money


class Account(msgspec.Struct, frozen=True):
    """An account as its owner sees it: `limits` are its own, `caps` those of the key that asks."""

    id: str
    name: str
    email: str
    currency: str
    created_at: datetime
    balance: Balance
    caps: keys.Caps
    limits: spending.Limits


class AccountChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an account's owner may change. `max_per_day`: what all keys together may hold in a UTC day; null: no cap."""

    max_per_day: keys.Cap | None


class JournalLine(msgspec.Struct, frozen=True):
    """One movement on the available balance: `amount` as the owner sees it (in: positive), and the balance after."""

    id: str
    kind: str
    amount: Money
    balance_after: Money
    subject: events.Subject | None
    created_at: datetime


async def open_account(conn: asyncpg.Connection, draft: AccountDraft) -> tuple[Account, str]:
    """A new account and the secret of its first key."""
    account = ids.new()
    await conn.execute(
        "INSERT INTO account (id, name, email, currency) VALUES ($1, $2, $3, $4)",
        account, draft.name, draft.email, draft.currency,
    )  # fmt: skip
    await events.append(conn, "account.opened", ("account", account), f"agent:{account}", account=account)
    _, secret = await keys.first(conn, "agent", account, actor=f"agent:{account}")
    return await get(conn, await keys.find(conn, secret)), secret


async def get(conn: asyncpg.Connection, actor: keys.Actor) -> Account:
    """The account of an agent's key. `held` is what its tasks have in escrow."""
    row = await conn.fetchrow(
        """SELECT a.*, coalesce((SELECT sum(-l.posted) FROM task t JOIN ledger_account l
             ON l.code = 'task:' || t.id || ':escrow' AND l.currency = t.currency
             WHERE t.account_id = a.id AND (t.status = 'open' OR t.claimed > 0 OR t.appealed > 0 OR t.bonds > 0)
           ), 0)::bigint AS escrow
           FROM account a WHERE a.id = $1""",
        actor.owner,
    )
    if row is None:
        raise NotFound
    available, frozen = await ledger.balances(
        conn, [ledger.buyer(actor.owner), ledger.buyer(actor.owner, "held")], row["currency"]
    )
    return Account(
        ids.show("account", row["id"]), row["name"], row["email"], row["currency"], row["created_at"],
        Balance(Money(available, row["currency"]), Money(row["escrow"] + frozen, row["currency"])),
        await keys.caps(conn, actor), await spending.limits_of(conn, actor.owner),
    )  # fmt: skip


async def change(conn: asyncpg.Connection, actor: keys.Actor, change: AccountChange) -> None:
    """Set the account's cap. A key with caps of its own, or made by such a one, only lowers it. Raises Forbidden."""
    old = await conn.fetchval("SELECT max_per_day FROM account WHERE id = $1 FOR NO KEY UPDATE", actor.owner)
    new = change.max_per_day
    capped = actor.max_per_task is not None or bool(actor.purses)
    if capped and old is not None and (new is None or new > old):
        raise Forbidden(f"A key with caps of its own may only lower that of the account, which is {old}.")
    if new != old:
        await conn.execute("UPDATE account SET max_per_day = $2 WHERE id = $1", actor.owner, new)
        await events.append(
            conn, "account.changed", ("account", actor.owner), actor.name, account=actor.owner,
            data={"max_per_day": new},
        )  # fmt: skip


async def journal(
    conn: asyncpg.Connection, actor: keys.Actor, *, before: int | None, limit: int
) -> list[tuple[int, JournalLine]]:
    """Movements on the available balance, newest first, each with its number (the cursor: pass as `before`)."""
    rows = await conn.fetch(
        """SELECT e.account_version, -e.amount AS amount, -e.balance_after AS balance_after, t.id, t.kind,
                  t.subject_type, t.subject_id, t.effective_at
           FROM ledger_account a JOIN ledger_entry e ON e.account_id = a.id JOIN ledger_tx t ON t.id = e.tx_id
           WHERE a.code = $1 AND a.currency = $2 AND ($3::bigint IS NULL OR e.account_version < $3)
           ORDER BY e.account_version DESC LIMIT $4""",
        ledger.buyer(actor.owner), actor.currency, before, limit,
    )  # fmt: skip
    return [
        (
            row["account_version"],
            JournalLine(
                f"ltx_{row['id'].hex}", row["kind"], Money(row["amount"], actor.currency),
                Money(row["balance_after"], actor.currency), _subject(row["subject_type"], row["subject_id"]),
                row["effective_at"],
            ),
        )
        for row in rows
    ]  # fmt: skip


def _subject(type: str | None, id: UUID | None) -> events.Subject | None:
    return events.Subject(type, ids.show(type, id)) if type is not None and id is not None else None
