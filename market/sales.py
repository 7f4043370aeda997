"""Sales: one posting that divides the price as it was declared, and a copy for the buyer, whose own it is from then on.

Royalties are lines of earnings, pending for the hold window like pay. Whoever is erased has nothing for sale, so each
royalty has somebody to go to.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids, keys, ledger, listings, ownership, shares
from market.errors import AlreadyOwned, Exclusive, Invalid, ListingNotActive, NotFound, PriceChanged
from market.listing_terms import Purchase, Role, Sale, SoldUnder
from market.money import Money
from market.ownership import Copy
from market.shares import Division, Part


class Sold(NamedTuple):
    """A sale that was made: how the buyer sees it, and their new data set, which is to be built."""

    sale: Sale
    dataset: UUID | None


async def buy(
    conn: asyncpg.Connection, actor: keys.Actor, listing: str, asked: Purchase, *, fee_bps: int, hold_s: int
) -> Sold:
    """Buy what is for sale, at the price now. hold_s: how long royalties are pending.

    Raises NotFound, AlreadyOwned, ListingNotActive, NotForResale, EvidenceLocked, Exclusive, PriceChanged, OverCap,
    AccountHeld, InsufficientFunds; Invalid for another currency, and for having alone what is not sold so.
    """
    row = await _locked(conn, actor, ids.read("listing", listing), asked)
    items = await conn.fetch(
        "SELECT observation_id, license, royalty_percent FROM listing_item WHERE listing_id = $1 ORDER BY position",
        row["id"],
    )
    wanted = [item["observation_id"] for item in items]
    # One sale of an observation at a time, whoever sells it: one of them may be the last for a while.
    await conn.execute("SELECT FROM observation WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", wanted)
    copies = await ownership.sellable(conn, row["account_id"], wanted)
    now = await conn.fetchval("SELECT market_now()")
    alone = max((each.exclusive_until for each in copies if each.exclusive_until is not None), default=None)
    if alone is not None and alone > now:
        raise Exclusive(f"Somebody has it for themselves until {alone.isoformat()}.")
    await _require_lacking(conn, actor.owner, wanted, with_owned=asked.with_owned)
    price = row["exclusive_price"] if asked.exclusive else row["price_now"]
    if price > asked.max_price.amount:
        raise PriceChanged(f"It costs {price} {row['currency']} in minor units now.")
    await keys.spend(conn, actor, price, one_task=price)
    parts = [
        Part(each.observation, each.person, item["royalty_percent"], each.upstream)
        for each, item in zip(copies, items, strict=True)
    ]
    divided = shares.divide(price, fee_bps, parts)
    dataset = await _dataset(conn, actor, wanted) if row["dataset_id"] is not None else None
    sale = await _insert(conn, actor, row, price, divided, dataset, exclusive=asked.exclusive)
    await _hand_over(conn, actor, sale, row, copies, items)
    await _pay(conn, actor, sale, row, price, divided, copies, hold_s)
    await _tell(conn, actor, sale, row, price, divided)
    return Sold(await get(conn, actor.owner, sale), dataset)


async def _locked(conn: asyncpg.Connection, actor: keys.Actor, listing: UUID, asked: Purchase) -> asyncpg.Record:
    """The listing, locked, if this actor may buy it so. Raises NotFound, AlreadyOwned, ListingNotActive, Invalid."""
    await conn.execute("SELECT FROM listing WHERE id = $1 FOR NO KEY UPDATE", listing)
    # Read in a statement of its own: the first one's snapshot may be older than the lock.
    row = await conn.fetchrow(f"SELECT l.*, {listings.PRICE} AS price_now FROM listing l WHERE l.id = $1", listing)
    if row is None:
        raise NotFound("There is no such listing.")
    if row["account_id"] == actor.owner:
        raise AlreadyOwned("This is your own listing.")
    if row["status"] != "active":
        raise ListingNotActive(f"The listing is {row['status']}.")
    if row["currency"] != actor.currency:
        raise Invalid(
            f"It is sold in {row['currency']}; this account trades in {actor.currency}.", pointer="/max_price"
        )
    if asked.max_price.currency != row["currency"]:
        raise Invalid(f"It is sold in {row['currency']}.", pointer="/max_price/currency")
    if asked.exclusive and row["exclusive_price"] is None:
        raise Invalid("It is not sold to one alone.", pointer="/exclusive")
    return row


async def _require_lacking(
    conn: asyncpg.Connection, account: UUID, wanted: Sequence[UUID], *, with_owned: bool
) -> None:
    """Raise AlreadyOwned when the account has all of these already, or some and does not say that it knows."""
    own = await conn.fetchval(
        f"SELECT count(*) FROM {ownership.HELD} h WHERE account_id = $1 AND observation_id = ANY ($2::uuid[])",
        account, wanted,
    )  # fmt: skip
    if own == len(wanted):
        raise AlreadyOwned
    if own and not with_owned:
        raise AlreadyOwned(
            f"You have {own} of its {len(wanted)} observations already. With `with_owned: true` you buy it all the "
            "same, at the same price; what you have keeps its terms.", pointer="/with_owned",
        )  # fmt: skip


async def _dataset(conn: asyncpg.Connection, actor: keys.Actor, wanted: Sequence[UUID]) -> UUID:
    """The buyer's own data set of what was sold as one: with other pseudonyms of people, and each line's licence."""
    found: UUID = await conn.fetchval(
        "INSERT INTO dataset (id, account_id, asked) VALUES ($1, $2, $3) RETURNING id",
        ids.new(), actor.owner, {"observation_ids": [ids.show("observation", each) for each in wanted]},
    )  # fmt: skip
    await events.append(conn, "dataset.begun", ("dataset", found), actor.name, account=actor.owner)
    return found


async def _insert(
    conn: asyncpg.Connection,
    actor: keys.Actor,
    row: asyncpg.Record,
    price: int,
    divided: Division,
    dataset: UUID | None,
    *,
    exclusive: bool,
) -> UUID:
    """The sale's row, and the shares of those who sold this copy before."""
    sale: UUID = await conn.fetchval(
        """INSERT INTO sale (id, listing_id, buyer_id, seller_id, price, currency, fee, royalty, shares, proceeds,
             exclusive_until, dataset_id)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, market_now() + make_interval(secs => $11), $12)
           RETURNING id""",
        ids.new(), row["id"], actor.owner, row["account_id"], price, row["currency"], divided.fee, divided.royalty,
        sum(divided.shares.values()), divided.rest, row["exclusive_s"] if exclusive else None, dataset,
    )  # fmt: skip
    await conn.executemany(
        "INSERT INTO sale_share (sale_id, account_id, amount) VALUES ($1, $2, $3)",
        [(sale, account, amount) for account, amount in sorted(divided.shares.items())],
    )
    return sale


async def _hand_over(
    conn: asyncpg.Connection,
    actor: keys.Actor,
    sale: UUID,
    row: asyncpg.Record,
    copies: Sequence[Copy],
    items: Sequence[asyncpg.Record],
) -> None:
    """Give the buyer a copy of each observation that they lack; one that they have keeps its own terms."""
    await conn.execute(
        f"""INSERT INTO holding (id, observation_id, account_id, sale_id, source, license, royalty_percent, resale,
              share_percent, exclusive_until)
            SELECT w.id, w.observation, $1, s.id, w.source, w.license, w.royalty, $3, $4, s.exclusive_until
            FROM sale s, unnest($5::uuid[], $6::uuid[], $7::uuid[], $8::uuid[], $9::int[])
              AS w (id, observation, source, license, royalty)
            WHERE s.id = $2 AND NOT EXISTS (
              SELECT FROM {ownership.HELD} h WHERE h.account_id = $1 AND h.observation_id = w.observation)""",
        actor.owner, sale, row["resale"], row["resale_share_percent"], [ids.new() for _ in copies],
        [each.observation for each in copies], [each.holding for each in copies],
        [item["license"] for item in items], [item["royalty_percent"] for item in items],
    )  # fmt: skip


async def _pay(
    conn: asyncpg.Connection,
    actor: keys.Actor,
    sale: UUID,
    row: asyncpg.Record,
    price: int,
    divided: Division,
    copies: Sequence[Copy],
    hold_s: int,
) -> None:
    """The lines of the royalties, and the posting of the sale. Raises InsufficientFunds."""
    people = {each.observation: each.person for each in copies}
    submissions = {each.observation: each.submission for each in copies}
    of = list(divided.royalties)
    await conn.execute(
        """INSERT INTO earning (royalty_id, sale_id, submission_id, person_id, amount, currency, release_at)
             SELECT w.id, $1, w.submission, w.person, w.amount, $2, market_now() + make_interval(secs => $3)
             FROM unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::bigint[]) AS w (id, submission, person, amount)""",
        sale, row["currency"], hold_s, [ids.new() for _ in of], [submissions[each] for each in of],
        [people[each] for each in of], [divided.royalties[each] for each in of],
    )  # fmt: skip
    await ledger.post(
        conn, "sale", f"sale:{sale}",
        [
            (ledger.buyer(actor.owner), price), (ledger.FEE_INCOME, -divided.fee),
            *((ledger.person(people[each], "pending"), -amount) for each, amount in divided.royalties.items()),
            *((ledger.buyer(account), -amount) for account, amount in divided.shares.items()),
            (ledger.buyer(row["account_id"]), -divided.rest),
        ],
        currency=row["currency"], actor=actor.name, subject=("sale", sale),
    )  # fmt: skip


async def _tell(
    conn: asyncpg.Connection, actor: keys.Actor, sale: UUID, row: asyncpg.Record, price: int, divided: Division
) -> None:
    """Tell the buyer, the seller, those who sold it before and the people; each of what is theirs."""
    told = {"currency": row["currency"], "listing": ids.show("listing", row["id"])}
    await events.append(
        conn, "sale.bought", ("sale", sale), actor.name, account=actor.owner, data=told | {"price": price}
    )  # fmt: skip
    await events.append(
        conn, "sale.sold", ("sale", sale), "market", account=row["account_id"],
        data=told | {"price": price, "proceeds": divided.rest},
    )  # fmt: skip
    await conn.execute(
        """INSERT INTO event (type, account_id, person_id, subject_type, subject_id, actor, data)
             SELECT 'sale.shared', account_id, NULL, 'sale', $1, 'market',
               jsonb_build_object('amount', amount, 'currency', $2::text, 'listing', $3::text)
               FROM sale_share WHERE sale_id = $1
             UNION ALL
             SELECT 'earning.royalty', NULL, person_id, 'sale', $1, 'market',
               jsonb_build_object('amount', sum(amount), 'currency', $2::text) FROM earning WHERE sale_id = $1
             GROUP BY person_id""",
        sale, row["currency"], told["listing"],
    )  # fmt: skip


_SALE = """SELECT s.*, h.amount AS share, l.title, l.resale, l.observation_id, l.dataset_id AS sold_dataset,
    (SELECT json_agg(json_build_object('id', c.name, 'text', c.text) ORDER BY c.name, c.digest)::text
       FROM license c WHERE c.id = ANY (l.license_ids)) AS licenses
  FROM sale s JOIN listing l ON l.id = s.listing_id LEFT JOIN sale_share h ON h.sale_id = s.id AND h.account_id = $1"""
# SQL: the sales in which account $1 has a role, each by an index of its own.
_ROLES = {
    "buyer": "SELECT id FROM sale WHERE buyer_id = $1",
    "seller": "SELECT id FROM sale WHERE seller_id = $1",
    "earlier_seller": "SELECT sale_id AS id FROM sale_share WHERE account_id = $1",
}


async def get(conn: asyncpg.Connection, account: UUID, sale: UUID) -> Sale:
    """One sale, as its buyer, its seller or somebody who sold it before sees it. Raises NotFound."""
    row = await conn.fetchrow(
        f"{_SALE} WHERE s.id = $2 AND ($1 IN (s.buyer_id, s.seller_id) OR h.amount IS NOT NULL)", account, sale
    )
    if row is None:
        raise NotFound("There is no such sale.")
    return _show(row, account)


async def listed(
    conn: asyncpg.Connection, account: UUID, *, role: Role | None = None, before: UUID | None = None, limit: int
) -> list[tuple[UUID, Sale]]:
    """The account's sales, in any role or in one, newest first; each with its place in the list."""
    either = " UNION ALL ".join(
        f"(SELECT id FROM ({mine}) r WHERE $2::uuid IS NULL OR id < $2 ORDER BY id DESC LIMIT $3)"
        for side, mine in _ROLES.items() if role in (None, side)
    )  # fmt: skip
    rows = await conn.fetch(
        f"{_SALE} WHERE s.id IN ({either}) ORDER BY s.id DESC LIMIT $3", account, before, limit
    )  # fmt: skip
    return [(row["id"], _show(row, account)) for row in rows]


def _show(row: asyncpg.Record, account: UUID) -> Sale:
    role: Role = (
        "buyer" if row["buyer_id"] == account else "seller" if row["seller_id"] == account else "earlier_seller"
    )
    currency = row["currency"]
    price, fee, royalty, part, proceeds = (
        Money(row[each], currency) for each in ("price", "fee", "royalty", "shares", "proceeds")
    )
    # An earlier seller knows the observation, and nothing of the data set that another made of it.
    dataset = {"buyer": row["dataset_id"], "seller": row["sold_dataset"]}.get(role)
    return Sale(
        ids.show("sale", row["id"]), role, ids.show("listing", row["listing_id"]),
        None if row["observation_id"] is None else ids.show("observation", row["observation_id"]),
        None if dataset is None else ids.show("dataset", dataset), row["title"],
        price, fee, royalty, part, None if row["share"] is None else Money(row["share"], currency), proceeds,
        msgspec.json.decode(row["licenses"], type=list[SoldUnder]), row["resale"], row["exclusive_until"],
        row["created_at"],
    )  # fmt: skip
