"""Kill switches: a kind of payment is stopped, and started again."""

from typing import Annotated, get_args

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import OPERATOR, require_proof
from app.edge import Call, endpoint
from app.errors import Problem
from market import switches
from market.switches import Name, Switch


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether to stop or to start again, and why."""

    stopped: bool
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500, examples=["transfers arrive twice; looking"])]


class Switches(msgspec.Struct, frozen=True):
    """All of them."""

    items: list[Switch]


@endpoint("GET", "/v1/operator/switches", by=OPERATOR)
async def list_switches(call: Call) -> Switches:
    """Which kinds of payment are stopped: payouts, refunds, top_ups."""
    return Switches(await switches.listed(call.connection))


@endpoint("PUT", "/v1/operator/switches/{switch_name}", by=OPERATOR, problems=("proof-required",))
async def turn_switch(call: Call, switch_name: str, data: Turn) -> Switch:
    """Stop a kind of payment at once, or start it again.

    Nobody else is needed. What is on its way to Stripe arrives; what is planned waits, and goes on afterwards. Starting
    again takes a fresh proof of who asks, stopping does not.
    """
    if switch_name not in get_args(Name):
        raise Problem("not-found", f"There is no such switch; there are {', '.join(get_args(Name))}.")
    if not data.stopped:
        require_proof(call.actor)
    name: Name = switch_name  # type: ignore[assignment]
    return await switches.turn(call.connection, call.actor.owner, name, stopped=data.stopped, reason=data.reason)


ROUTES: list[HTTPRouteHandler] = [list_switches, turn_switch]
