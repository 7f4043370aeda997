"""Holds: somebody is not paid for now."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import OPERATOR
from app.edge import Call, endpoint
from market import ids, payout_accounts


class Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why somebody is not paid for now, and until when; without a time, until it is released."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500, examples=["identity under review"])]
    expires_at: datetime | None = None


@endpoint("PUT", "/v1/operator/people/{person_id}/hold", by=OPERATOR, status=204)
async def hold_person(call: Call, person_id: str, data: Hold) -> None:
    """Keep somebody out of payouts. Replaces an earlier hold."""
    person = ids.read("person", person_id)
    await payout_accounts.hold(call.connection, person, call.actor.owner, data.reason, data.expires_at)


@endpoint("DELETE", "/v1/operator/people/{person_id}/hold", by=OPERATOR)
async def release_person(call: Call, person_id: str) -> None:
    """End a hold."""
    await payout_accounts.release(call.connection, ids.read("person", person_id), call.actor.owner)


ROUTES: list[HTTPRouteHandler] = [hold_person, release_person]
