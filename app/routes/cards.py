"""Saved cards, and automatic top-ups that charge them."""

from __future__ import annotations

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import AGENT
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.jobs import enqueue
from app.money import top_ups as begun
from market import cards, top_ups
from market.cards import Card
from market.top_ups import TopUp, TopUpDraft


class Cards(msgspec.Struct, frozen=True):
    """An account's saved cards: the one of automatic top-ups, then the newest first."""

    items: list[Card]


@endpoint("GET", "/v1/cards", by=AGENT, scope="funding:write")
async def list_cards(call: Call) -> Cards:
    """The saved cards.

    A card is kept when somebody has paid with it at a `checkout_url`. Its `id` is good as a `payment_method`.
    """
    return Cards(await cards.listed(call.connection, call.actor.owner))


@endpoint("DELETE", "/v1/cards/{card_id}", by=AGENT, scope="funding:write", problems=("wrong-state",))
async def remove_card(call: Call, card_id: str) -> None:
    """Remove a card.

    It can never be charged again, here or at Stripe. One that automatic top-ups use cannot be removed: give them
    another one or turn them off first.
    """
    await cards.remove(call.connection, call.actor.owner, card_id, call.actor.name)
    await enqueue(call.connection, "detach_card", {"card": card_id}, only_one=f"detach_card:{card_id}")
    wake(EVENTS)


@endpoint("GET", "/v1/auto-top-up", by=AGENT, scope="funding:write")
async def get_auto_top_up(call: Call) -> TopUp:
    """Automatic top-ups, whether they are paused and why; not-found while they are off."""
    return await top_ups.get(call.connection, call.actor.owner)


@endpoint(
    "PUT", "/v1/auto-top-up", by=AGENT, scope="funding:write",
    example={"threshold": 2_000, "amount": 5_000, "max_per_day": 10_000, "card": "pm_1Ab2Cd3Ef4Gh5Ij6Kl7Mn8Op"},
)  # fmt: skip
async def set_auto_top_up(call: Call, data: TopUpDraft) -> TopUp:
    """Top up automatically.

    When the available balance falls below `threshold`, `amount` is charged to a saved card, one charge at a time, and
    no more than `max_per_day` in a UTC day: what was asked for today counts, whether it has arrived or not. A refusal
    of the card pauses it, and the account's owner gets a mail with a page to pay at; setting it again goes on.
    """
    found = await top_ups.put(call.connection, call.actor, data)
    await begun.begin(call.connection, call.actor.owner)
    wake(EVENTS)
    return found


@endpoint("DELETE", "/v1/auto-top-up", by=AGENT, scope="funding:write")
async def stop_auto_top_up(call: Call) -> None:
    """Turn automatic top-ups off. One that is under way may still arrive."""
    await top_ups.drop(call.connection, call.actor)
    wake(EVENTS)


ROUTES: list[HTTPRouteHandler] = [list_cards, remove_card, get_auto_top_up, set_auto_top_up, stop_auto_top_up]
