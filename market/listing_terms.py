"""What a seller may offer and a buyer is told: the shapes of listings and sales, with their bounds."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from market.asked import Asked
from market.errors import Invalid
from market.money import Money, Price
from market.terms import LEAST_ROYALTY_PERCENT, Strict

# Licences for data and pictures, by their SPDX ids. Others are written out, under a name of one's own.
SPDX = (
    "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-ND-4.0", "CC-BY-NC-SA-4.0", "CC-BY-NC-ND-4.0",
    "CC-BY-3.0", "CC-BY-SA-3.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "CDLA-Sharing-1.0", "C-UDA-1.0",
    "O-UDA-1.0", "ODbL-1.0", "ODC-By-1.0", "PDDL-1.0", "OGL-UK-3.0", "etalab-2.0", "DL-DE-BY-2.0", "DL-DE-ZERO-2.0",
    "Apache-2.0", "MIT",
)  # fmt: skip
LONGEST_EXCLUSIVE_S = 10 * 365 * 86_400


class SoldUnder(Strict, frozen=True, kw_only=True):
    """A licence: an SPDX id for data or content, or `LicenseRef-…` with its text."""

    id: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[A-Za-z0-9.+-]{1,64}$(?!\n)", examples=["CC-BY-4.0"],
            description="An SPDX id, or LicenseRef- and a name of letters, digits, `.` and `-`, with `text`.",
        ),
    ]  # fmt: skip
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)] | None = None


class Freshness(Strict, frozen=True, kw_only=True):
    """How the price falls with the age of the observation: by half of what is above `floor` in each half-life."""

    floor: Price
    half_life_s: Annotated[int, msgspec.Meta(ge=60, le=10 * 365 * 86_400, examples=[86_400])]


class ExclusiveOffer(Strict, frozen=True, kw_only=True):
    """For so many seconds nobody else may buy it, whoever sells it; at a price of its own, which does not fall."""

    for_s: Annotated[int, msgspec.Meta(ge=60, le=LONGEST_EXCLUSIVE_S, examples=[604_800])]
    price: Price


class ListingDraft(Strict, frozen=True, kw_only=True):
    """Something to be sold: an observation or a data set.

    royalty_percent: of the price, to whoever observed it, at least 10 and what was declared when it was bought ·
    license: left out for what was bought, whose licence follows it · resale: whether buyers may sell it on ·
    resale_share_percent: of the price of each time that this copy is sold on, to you · named: your account's name is
    shown, else a pseudonym.
    """

    observation_id: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    dataset_id: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    price: Price
    freshness: Freshness | None = None
    royalty_percent: Annotated[int, msgspec.Meta(ge=LEAST_ROYALTY_PERCENT, le=100)] = LEAST_ROYALTY_PERCENT
    license: SoldUnder | None = None
    resale: bool = False
    resale_share_percent: Annotated[int, msgspec.Meta(ge=0, le=50)] = 0
    exclusive: ExclusiveOffer | None = None
    named: bool = False


class ListingChange(Strict, frozen=True, kw_only=True):
    """What may change, for sales to come: the price, how it falls, and whether it is for sale for now."""

    price: Price | None = None
    freshness: Freshness | None = None
    status: Literal["active", "paused"] | None = None


class Purchase(Strict, frozen=True, kw_only=True):
    """What the buyer pays at most. exclusive: at the price for having it alone · with_owned: also a data set of which
    they have some already; it costs the same, and what they have keeps the terms that it came with."""

    max_price: Price
    exclusive: bool = False
    with_owned: bool = False


class Seller(msgspec.Struct, frozen=True):
    """Who sells. `id` is the same for all that they sell; the name only where they show it."""

    id: str
    name: str | None


class Listing(msgspec.Struct, frozen=True):
    """What is for sale, without the answers: where to about a kilometre, previews with a watermark.

    observation_id, dataset_id: for its seller alone · kinds, licenses: of all that is in it · coarse_places: middles of
    cells, at most 20 of `places` · copies: sold so far, of an observation by anybody · captured_from, captured_at: its
    oldest and newest observation; the price falls with the age of the newest · upstream_percent: of the price of a
    resale, to those who sold it before you, beside `resale_share_percent` · available_from: until then somebody has it
    alone; null: now · distance_m: from the middle of the nearest cell to where was asked about.
    """

    id: str
    status: str
    observation_id: str | None
    dataset_id: str | None
    title: str
    kinds: list[str]
    asks: list[Asked]
    items: int
    photos: int
    captured_from: datetime
    captured_at: datetime
    coarse_places: list[dict[str, float]]
    places: int
    copies: int
    licenses: list[SoldUnder]
    royalty_percent: int
    resale: bool
    resale_share_percent: int
    upstream_percent: int
    price_now: Money
    price: Money
    freshness: Freshness | None
    exclusive: ExclusiveOffer | None
    available_from: datetime | None
    seller: Seller
    own: bool
    version: int
    created_at: datetime
    ended_at: datetime | None
    previews: list[str]
    links: dict[str, str]
    distance_m: float | None = None


Role = Literal["buyer", "seller", "earlier_seller"]


class Sale(msgspec.Struct, frozen=True):
    """One sale: price = fee + royalty + shares + proceeds.

    role: which side you are; earlier_seller: somebody sold on what you had sold. royalty: to whoever observed it ·
    shares: to those who sold this copy before, `share` of them to you · proceeds: the seller's. observation_id,
    dataset_id: yours · resale: whether the buyer may sell it on.
    """

    id: str
    role: Role
    listing_id: str
    observation_id: str | None
    dataset_id: str | None
    title: str
    price: Money
    fee: Money
    royalty: Money
    shares: Money
    share: Money | None
    proceeds: Money
    licenses: list[SoldUnder]
    resale: bool
    exclusive_until: datetime | None
    created_at: datetime


def check(draft: ListingDraft, currency: str) -> None:
    """The rules that bounds alone cannot say. Raises Invalid naming the field."""
    if (draft.observation_id is None) == (draft.dataset_id is None):
        raise Invalid("Give either `observation_id` or `dataset_id`.", pointer="/observation_id")
    check_price(draft.price, draft.freshness, currency)
    if draft.resale_share_percent and not draft.resale:
        raise Invalid("Where nothing may be sold on there is no share of that.", pointer="/resale_share_percent")
    if draft.exclusive is not None:
        if draft.exclusive.price.currency != currency:
            raise Invalid(f"This account trades in {currency}.", pointer="/exclusive/price/currency")
        if draft.exclusive.price.amount < draft.price.amount:
            raise Invalid("Alone it costs no less than `price`.", pointer="/exclusive/price/amount")
    if draft.license is not None:
        own = draft.license.id.startswith("LicenseRef-") and len(draft.license.id) > len("LicenseRef-")
        if not own and draft.license.id not in SPDX:
            raise Invalid(f"Known here are {', '.join(SPDX)}; or LicenseRef-… with `text`.", pointer="/license/id")
        if own != (draft.license.text is not None):
            raise Invalid("A LicenseRef-… has its text, an SPDX id has none.", pointer="/license/text")


def check_price(price: Price, freshness: Freshness | None, currency: str) -> None:
    """Raise Invalid for a price in another currency, or one that falls to more than itself."""
    if price.currency != currency:
        raise Invalid(f"This account trades in {currency}.", pointer="/price/currency")
    if freshness is None:
        return
    if freshness.floor.currency != currency:
        raise Invalid(f"This account trades in {currency}.", pointer="/freshness/floor/currency")
    if freshness.floor.amount > price.amount:
        raise Invalid("The price falls to it, so it is not above.", pointer="/freshness/floor/amount")
