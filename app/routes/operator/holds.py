"""Holds: a person is not paid for now, an account neither buys nor is refunded."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import OPERATOR
from app.edge import Call, endpoint
from app.paging import Cursor, Limit, Page, page, read_uuid
from market import holds, ids


class HoldDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why, and until when; without a time, until it is released."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500, examples=["identity under review"])]
    expires_at: datetime | None = None


class HoldsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of people, of accounts, or both."""

    kind: Literal["person", "account"] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


@endpoint("GET", "/v1/operator/holds", by=OPERATOR, audited=True)
async def list_holds(call: Call, query: HoldsQuery) -> Page[holds.Hold]:
    """Who is held, why, by whom and until when; those that have ended by themselves are marked `expired`."""
    after = read_uuid(query.cursor)
    found = await holds.listed(call.connection, after=after, limit=query.limit + 1, kind=query.kind)
    return page(found, query.limit, lambda hold: ids.read(hold.kind, hold.id), lambda hold: hold)


@endpoint("PUT", "/v1/operator/people/{person_id}/hold", by=OPERATOR, status=204)
async def hold_person(call: Call, person_id: str, data: HoldDraft) -> None:
    """Keep somebody out of payouts. Replaces an earlier hold."""
    person = ids.read("person", person_id)
    await holds.put(call.connection, "person", person, call.actor.owner, data.reason, data.expires_at)


@endpoint("DELETE", "/v1/operator/people/{person_id}/hold", by=OPERATOR)
async def release_person(call: Call, person_id: str) -> None:
    """End a hold on a person."""
    await holds.release(call.connection, "person", ids.read("person", person_id), call.actor.owner)


@endpoint("PUT", "/v1/operator/accounts/{account_id}/hold", by=OPERATOR, status=204)
async def hold_account(call: Call, account_id: str, data: HoldDraft) -> None:
    """Keep an account from posting tasks, raising prices and getting refunds.

    Replaces an earlier hold. Tasks that run go on: people who are at work are paid.
    """
    account = ids.read("account", account_id)
    await holds.put(call.connection, "account", account, call.actor.owner, data.reason, data.expires_at)


@endpoint("DELETE", "/v1/operator/accounts/{account_id}/hold", by=OPERATOR)
async def release_account(call: Call, account_id: str) -> None:
    """End a hold on an account."""
    await holds.release(call.connection, "account", ids.read("account", account_id), call.actor.owner)


ROUTES: list[HTTPRouteHandler] = [list_holds, hold_person, release_person, hold_account, release_account]
