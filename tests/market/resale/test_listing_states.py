"""Every state of a listing with everything that may be tried; its terms stay, and what is over stays over."""

import asyncpg
import pytest

from app.errors import of_refusal
from market import (
    ids,
    keys,
    listings,
)
from market.errors import (
    AlreadyListed,
    ListingNotActive,
    ListingOver,
    NotFound,
    Refusal,
    WrongState,
)
from market.listing_terms import Listing, ListingChange
from market.money import Price
from tests.market.conftest import Cast
from tests.market.resale import Traders

DAY = 86_400


STATES = ("active", "paused", "ended", "withdrawn")
ACTIONS: dict[str, dict[str, type[Refusal] | str]] = {
    "change": {"active": "active", "paused": "paused", "ended": ListingOver, "withdrawn": ListingOver},
    "pause": {"active": "paused", "paused": WrongState, "ended": ListingOver, "withdrawn": ListingOver},
    "resume": {"active": WrongState, "paused": "active", "ended": ListingOver, "withdrawn": ListingOver},
    "end": {"active": "ended", "paused": "ended", "ended": ListingOver, "withdrawn": ListingOver},
    "buy": {"active": "active", "paused": ListingNotActive, "ended": ListingNotActive, "withdrawn": ListingNotActive},
    "withdraw": {"active": "withdrawn", "paused": "withdrawn", "ended": "ended", "withdrawn": "withdrawn"},
    "list": {"active": AlreadyListed, "paused": AlreadyListed, "ended": "ended", "withdrawn": "withdrawn"},
    "preview": {
        "active": "active", "paused": ListingNotActive, "ended": ListingNotActive, "withdrawn": ListingNotActive,
    },
    "strange": {"active": NotFound, "paused": NotFound, "ended": NotFound, "withdrawn": NotFound},
}  # fmt: skip

SLUGS: dict[type[Refusal], str] = {
    ListingOver: "listing-over", ListingNotActive: "listing-not-active", AlreadyListed: "already-listed",
    WrongState: "wrong-state", NotFound: "not-found",
}  # fmt: skip


async def attempt(market: Traders, action: str, ada: keys.Actor, cy: keys.Actor, seen: str, listing: Listing) -> None:
    conn, public = market.conn, listing.id
    if action in ("pause", "resume"):
        status = "paused" if action == "pause" else "active"
        await listings.change(conn, ada, public, ListingChange(status=status))  # type: ignore[arg-type]
    elif action == "change":
        await listings.change(conn, ada, public, ListingChange(price=Price(400, "usd")))
    elif action == "end":
        await listings.end(conn, ada, public)
    elif action == "buy":
        await market.buy(cy, public)
    elif action == "list":
        await market.offer(ada, seen, 700)
    elif action == "preview":
        await listings.preview(conn, cy, public, 1)
    elif action == "strange":
        await listings.end(conn, cy, public)
    else:
        await listings.withdraw(conn, "o.id = $1", ids.read("observation", seen), "market")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", ACTIONS)
async def test_every_state_with_everything_that_may_be_tried(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, seen: str, state: str, action: str
) -> None:
    listing = await market.offer(ada, seen, 500)
    before = {"paused": "pause", "ended": "end", "withdrawn": "withdraw"}
    if state in before:
        await attempt(market, before[state], ada, cy, seen, listing)
    expected = ACTIONS[action][state]
    if isinstance(expected, str):
        await attempt(market, action, ada, cy, seen, listing)
    else:
        with pytest.raises(expected) as refused:
            await attempt(market, action, ada, cy, seen, listing)
        assert of_refusal(refused.value).slug == SLUGS[expected]
    found = (await listings.get(cast.conn, cy, listing.id)).status
    assert found == (expected if isinstance(expected, str) else state)
    assert await cast.broken() == []


@pytest.mark.parametrize("change", ["royalty_percent = 11", "resale = true", "status = 'active', ended_at = NULL"])
async def test_the_terms_stay_and_what_is_over_stays_over(
    cast: Cast, market: Traders, ada: keys.Actor, seen: str, change: str
) -> None:
    listing = await market.offer(ada, seen, 500)
    if "status" in change:
        await listings.end(cast.conn, ada, listing.id)
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with cast.conn.transaction():
            await cast.conn.execute(f"UPDATE listing SET {change}")
    assert caught.value.sqlstate == "ST001"
