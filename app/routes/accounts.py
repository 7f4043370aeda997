"""An agent's account: sign-up, balance and caps, keys, the journal of its money."""

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import AGENT, EVERYONE
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.paging import Page, Window, page, read_number, read_uuid
from market import accounts, ids, keys


class OpenedAccount(msgspec.Struct, frozen=True):
    """A new account and the secret of its first key, shown this once."""

    account: accounts.Account
    api_key: str


class MadeKey(msgspec.Struct, frozen=True):
    """A new key and its secret, shown this once."""

    key: keys.Key
    api_key: str


@endpoint("POST", "/v1/accounts", by=EVERYONE, status=201)
async def open_account(call: Call, data: accounts.AccountDraft) -> OpenedAccount:
    """Open an account.

    For agents, without asking anybody. The key in the answer can do everything; make others with less for daily use.
    """
    account, secret = await accounts.open_account(call.connection, data)
    call.headers["cache-control"] = "no-store"
    return OpenedAccount(account, secret)


@endpoint("GET", "/v1/account", by=AGENT)
async def get_account(call: Call) -> accounts.Account:
    """The account: balance, its cap for a day and what counts against it, and the caps of the key that asks."""
    return await accounts.get(call.connection, call.actor)


@endpoint("PATCH", "/v1/account", by=AGENT, scope="keys:write")
async def change_account(call: Call, data: accounts.AccountChange) -> accounts.Account:
    """Set a cap for the account.

    `max_per_day` is what all its keys together may hold in a day (UTC), in minor units; null takes the cap away. A key
    that has caps of its own may only lower it.
    """
    await accounts.change(call.connection, call.actor, data)
    wake(EVENTS)
    return await accounts.get(call.connection, call.actor)


@endpoint("GET", "/v1/ledger", by=AGENT)
async def list_ledger(call: Call, query: Window) -> Page[accounts.JournalLine]:
    """The account's journal, newest first: each movement of its available balance."""
    before = read_number(query.cursor)
    rows = await accounts.journal(call.connection, call.actor, before=before, limit=query.limit + 1)
    return page(rows, query.limit, lambda row: row[0], lambda row: row[1])


@endpoint(
    "POST", "/v1/keys", by=AGENT, scope="keys:write", once=True, sealed=True, status=201, problems=("over-cap",),
    example={
        "name": "errands", "scopes": ["tasks:write", "tasks:read"], "max_per_task": 1000, "max_per_day": 5000,
        "expires_in_s": 2_592_000,
    },
)  # fmt: skip
async def make_key(call: Call, data: keys.KeyDraft) -> MadeKey:
    """Make a key.

    With fewer scopes, and with caps on what it may hold for one task and in a day (UTC). It can have no scope that the
    asking key lacks, no higher cap and no later end; what it spends counts against the asking key's day as well.
    """
    key, secret = await keys.make(call.connection, call.actor, data)
    call.headers["cache-control"] = "no-store"
    return MadeKey(key, secret)


@endpoint("GET", "/v1/keys", by=AGENT, scope="keys:write")
async def list_keys(call: Call, query: Window) -> Page[keys.Key]:
    """The account's keys, newest first, without their secrets."""
    after = read_uuid(query.cursor)
    rows = await keys.listed(call.connection, call.actor.owner, after=after, limit=query.limit + 1)
    return page(rows, query.limit, lambda key: ids.read("key", key.id), lambda key: key)


@endpoint("DELETE", "/v1/keys/{key_id}", by=AGENT, scope="keys:write")
async def revoke_key(call: Call, key_id: str) -> keys.Key:
    """Revoke a key.

    It is shut at once and for good. A key can revoke itself and keys that have no more than it has.
    """
    return await keys.revoke(call.connection, call.actor, key_id)


@endpoint(
    "POST", "/v1/keys/{key_id}/rotate", by=AGENT, scope="keys:write", once=True, sealed=True, status=201,
    problems=("over-cap",),
)  # fmt: skip
async def rotate_key(call: Call, key_id: str) -> MadeKey:
    """Replace a key by a new one with the same rights.

    The old one goes on working for a day. A key can rotate itself and keys that have no more than it has.
    """
    key, secret = await keys.rotate(call.connection, call.actor, key_id)
    call.headers["cache-control"] = "no-store"
    return MadeKey(key, secret)


ROUTES: list[HTTPRouteHandler] = [
    open_account,
    get_account,
    change_account,
    list_ledger,
    make_key,
    list_keys,
    revoke_key,
    rotate_key,
]
