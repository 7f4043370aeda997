"""What is for sale: offered by accounts, found by all of them, bought; and the sales."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import jobs, photos
from app.answers import Answer
from app.auth import AGENT
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.errors import FieldError, Problem
from app.paging import Page, Window, page, read_text, read_uuid
from app.request_headers import IF_NONE_MATCH
from market import ids, listings, sales, stock
from market.errors import Invalid
from market.listing_terms import Listing, ListingChange, ListingDraft, Purchase, Role, Sale
from market.money import LARGEST
from market.stock import Spot, Wish
from market.terms import Kind, Place

SELLS = ("not-for-resale", "evidence-locked", "already-listed", "wrong-state")
BUYS = (
    "already-owned", "listing-not-active", "not-for-resale", "evidence-locked", "exclusive", "price-changed",
    "insufficient-funds", "over-cap", "account-held",
)  # fmt: skip
EXAMPLE = {
    "observation_id": "obs_0199a7c26d1e7c4b9a530f2b8e6d4c11",
    "price": {"amount": 200, "currency": "usd"},
    "freshness": {"floor": {"amount": 20, "currency": "usd"}, "half_life_s": 86_400},
    "royalty_percent": 15,
    "license": {"id": "CC-BY-4.0"},
    "resale": True,
    "resale_share_percent": 5,
    "exclusive": {"for_s": 604_800, "price": {"amount": 900, "currency": "usd"}},
}


NEAR_M = 2000


class ListingsAsked(Window, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which listings: all filters together."""

    near: (
        Annotated[
            str,
            msgspec.Meta(
                max_length=80, description="lat,lon in degrees. Places are compared by the middle of their cell of "
                "about 1 km.", examples=["52.52,13.405"],
            ),
        ]
        | None
    ) = None  # fmt: skip
    radius_m: (
        Annotated[
            float,
            msgspec.Meta(
                ge=5, le=100_000, examples=[2000], description="Around `near`, 2000 if left out. A cell that may reach "
                "into it counts, so `distance_m` may be 750 m more.",
            ),
        ]
        | None
    ) = None  # fmt: skip
    what: (
        Annotated[
            str,
            msgspec.Meta(
                min_length=1, max_length=500, examples=["bakery open"],
                description='Words of title and questions; `"a phrase"`, `or` and `-not` are understood.',
            ),
        ]
        | None
    ) = None  # fmt: skip
    kind: Annotated[Kind, msgspec.Meta(description="Of the task; of a data set, of any in it.")] | None = None
    since: Annotated[datetime, msgspec.Meta(tz=True, description="Captured at or after.")] | None = None
    until: Annotated[datetime, msgspec.Meta(tz=True, description="Captured before.")] | None = None
    max_age_s: (
        Annotated[int, msgspec.Meta(ge=1, le=10**9, description="Captured so long ago at most.", examples=[86_400])]
        | None
    ) = None
    license: (
        Annotated[str, msgspec.Meta(max_length=64, examples=["CC-BY-4.0"], description="Of some of it.")] | None
    ) = None
    max_price: (
        Annotated[
            int, msgspec.Meta(ge=1, le=LARGEST, description="Of `price_now`, in minor units of your currency.")
        ]
        | None
    ) = None  # fmt: skip
    seller: (
        Annotated[
            str, msgspec.Meta(max_length=64, description="`seller.id` of a listing; `me`: your own, in any state.")
        ]
        | None
    ) = None  # fmt: skip


class SalesAsked(Window, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which sales."""

    role: Annotated[Role, msgspec.Meta(description="Your side; all without it.")] | None = None


@endpoint(
    "POST", "/v1/listings", by=AGENT, scope="tasks:write", once=True, status=201, problems=SELLS, example=EXAMPLE
)  # fmt: skip
async def make_listing(call: Call, data: ListingDraft) -> Listing:
    """Offer an observation or a data set that you have.

    Of each sale the market keeps its fee; whoever observed it has `royalty_percent`; those who sold this copy before
    have the share that they declared; the rest is yours. What you bought you may sell on where that sale said `resale`,
    under the licence and with at least the royalty that it came with.
    """
    listing = await listings.create(call.connection, call.actor, data, fee_bps=call.services.config.fee_bps)
    wake(EVENTS)
    return listing


@endpoint("GET", "/v1/listings", by=AGENT, scope="data:read")
async def list_listings(call: Call, query: ListingsAsked) -> Page[Listing]:
    """What is for sale in your currency, of all accounts: nearest first where `near` is given, else newest first.

    Answers are not shown before they are bought, places only to about a kilometre.
    """
    if query.radius_m is not None and query.near is None:
        raise Invalid("It is the radius around `near`, which is left out.", pointer="/radius_m")
    place = None if query.near is None else _near(query.near, query.radius_m or NEAR_M)
    found = await stock.search(
        call.connection, call.actor,
        Wish(
            place, query.what, query.kind, query.since,
            query.until, query.max_age_s, query.license, query.max_price, query.seller,
        ),
        after=_after(query.cursor), limit=query.limit + 1,
    )  # fmt: skip
    return page(found, query.limit, lambda each: stock.write_spot(each[0]), lambda each: each[1])


def _near(text: str, radius_m: float) -> Place:
    try:
        lat, lon = (float(part) for part in text.split(","))
        if lat != lat or lon != lon:  # NaN is within all bounds
            raise ValueError
        return msgspec.convert({"lat": lat, "lon": lon, "radius_m": radius_m}, Place)
    except ValueError:  # msgspec's own errors are of this class
        wrong = FieldError("/near", "This reads `lat,lon`, in degrees.")
        raise Problem("validation", "One field is not as it must be.", errors=[wrong]) from None


def _after(cursor: str | None) -> Spot | None:
    text = read_text(cursor)
    try:
        return None if text is None else stock.read_spot(text)
    except ValueError:
        wrong = FieldError("/cursor", "This is no cursor of this list.")
        raise Problem("validation", "One field is not as it must be.", errors=[wrong]) from None


@endpoint("GET", "/v1/listings/{listing_id}", by=AGENT, scope="data:read")
async def get_listing(call: Call, listing_id: str) -> Listing:
    """One listing, of whomever, with what it costs now."""
    return await listings.get(call.connection, call.actor, listing_id)


@endpoint(
    "PATCH", "/v1/listings/{listing_id}", by=AGENT, scope="tasks:write", problems=("listing-over", "wrong-state"),
    example={"price": {"amount": 150, "currency": "usd"}, "status": "paused"},
)  # fmt: skip
async def change_listing(call: Call, listing_id: str, data: ListingChange) -> Listing:
    """Set another price for sales to come, up or down; pause or resume. All other terms stay."""
    listing = await listings.change(call.connection, call.actor, listing_id, data)
    wake(EVENTS)
    return listing


@endpoint(
    "POST", "/v1/listings/{listing_id}/end", by=AGENT, scope="tasks:write", once=True, problems=("listing-over",)
)  # fmt: skip
async def end_listing(call: Call, listing_id: str) -> Listing:
    """Take a listing off the market for good. What was bought stays bought."""
    listing = await listings.end(call.connection, call.actor, listing_id)
    wake(EVENTS)
    return listing


@endpoint(
    "POST", "/v1/listings/{listing_id}/buy", by=AGENT, scope="tasks:write", once=True, status=201, problems=BUYS,
    example={"max_price": {"amount": 200, "currency": "usd"}},
)  # fmt: skip
async def buy_listing(call: Call, listing_id: str, data: Purchase) -> Sale:
    """Buy at `price_now`, unless that is above `max_price`; `exclusive`: alone, for the time and price declared.

    The observation is yours at once, in GET /v1/observations and in data sets. A data set is built for you in the
    background, with its own manifest. What it costs counts against the caps of key and account.
    """
    config = call.services.config
    sold = await sales.buy(
        call.connection, call.actor, listing_id, data, fee_bps=config.fee_bps, hold_s=config.hold_window_s
    )
    if sold.dataset is not None:
        await jobs.enqueue(call.connection, "dataset", {"dataset_id": str(sold.dataset)})
    wake(EVENTS)
    return sold.sale


@endpoint(
    "GET", "/v1/listings/{listing_id}/preview/{n}", by=AGENT, scope="data:read", uses="own", produces="image/jpeg",
    problems=("listing-not-active", "erased"), headers=(IF_NONE_MATCH,),
)  # fmt: skip
async def get_preview(call: Call, listing_id: str, n: int) -> Answer:
    """A photo of what is for sale: at most 320 pixels, what its person hid hidden, PREVIEW written across it."""
    async with call.services.database.read() as connection:
        photo = await listings.preview(connection, call.actor, listing_id, n)
    return await photos.send(call.services, call.request, photo, "preview")


@endpoint("GET", "/v1/sales", by=AGENT, scope="data:read")
async def list_sales(call: Call, query: SalesAsked) -> Page[Sale]:
    """What you have bought and sold, and what others sold on of it, newest first, with who got what of each price."""
    found = await sales.listed(
        call.connection, call.actor.owner, role=query.role, before=read_uuid(query.cursor), limit=query.limit + 1
    )
    return page(found, query.limit, lambda each: each[0], lambda each: each[1])


@endpoint("GET", "/v1/sales/{sale_id}", by=AGENT, scope="data:read")
async def get_sale(call: Call, sale_id: str) -> Sale:
    """One sale in which you have a part."""
    return await sales.get(call.connection, call.actor.owner, ids.read("sale", sale_id))


ROUTES: list[HTTPRouteHandler] = [
    make_listing, list_listings, get_listing, change_listing, end_listing, buy_listing, get_preview, list_sales,
    get_sale,
]  # fmt: skip
