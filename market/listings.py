"""What accounts offer of what they have: put up for sale, changed, ended, withdrawn with its evidence.

    status     change    pause      resume    end      buy
    active     active    paused     -         ended    active
    paused     paused    -          active    ended    not active
    ended, withdrawn: over, for good

Locks: people, the listing, the observations in it by id, then as everywhere; see ledger.py.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids, keys, near, ownership, photos
from market.asked import Asked, asked_of, matched_by
from market.errors import AlreadyListed, Invalid, ListingNotActive, ListingOver, NotFound, WrongState
from market.listing_terms import (
    ExclusiveOffer,
    Freshness,
    Listing,
    ListingChange,
    ListingDraft,
    Seller,
    SoldUnder,
    check,
    check_price,
)
from market.money import Money, Price
from market.ownership import Copy
from market.shares import WHOLE

MOST_ITEMS = 10_000
MOST_PREVIEWS = 20
MOST_PLACES = 20
MOST_ASKS = 100
LONGEST_SEARCHED = 200_000  # characters

# SQL, where the row of a listing is at hand: what it costs now, and until when somebody has some of it alone.
PRICE = "fresh_price(l.price, l.lowest, l.half_life_s, extract(epoch FROM market_now() - l.captured_at)::float8)"
ALONE = """greatest(l.available_from, (SELECT max(h.exclusive_until) FROM listing_item i
  JOIN holding h ON h.observation_id = i.observation_id WHERE i.listing_id = l.id AND h.exclusive_until IS NOT NULL))"""
COLUMNS = f"""l.*, {PRICE} AS price_now, {ALONE} AS alone_until, market_now() AS now, a.name AS seller_name,
  (SELECT json_agg(json_build_object('id', c.name, 'text', c.text) ORDER BY c.name, c.digest)::text
     FROM license c WHERE c.id = ANY (l.license_ids)) AS licenses,
  (SELECT count(*) FROM listing_cell p WHERE p.listing_id = l.id) AS places,
  CASE WHEN l.observation_id IS NULL THEN (SELECT count(*) FROM sale s WHERE s.listing_id = l.id)
    ELSE (SELECT count(*) FROM holding h WHERE h.observation_id = l.observation_id) END AS copies,
  (SELECT json_agg(json_build_object('lat', p.lat, 'lon', p.lon) ORDER BY p.lat, p.lon)::text FROM (
     SELECT lat, lon FROM listing_cell WHERE listing_id = l.id ORDER BY lat, lon LIMIT {MOST_PLACES}) p) AS coarse"""
FROM = "listing l JOIN account a ON a.id = l.account_id"


def pseudonym(account: UUID, *, named: bool) -> str:
    """The id of a seller: another for what they sell under their name, so that nothing links the rest to it.

    Ids of accounts hold 74 random bits, so nobody finds one by trying.
    """
    return "s_" + hashlib.sha256((b"named seller" if named else b"seller") + account.bytes).hexdigest()[:16]


async def create(conn: asyncpg.Connection, actor: keys.Actor, draft: ListingDraft, *, fee_bps: int) -> Listing:
    """Put something up for sale. Raises Invalid, NotFound, NotForResale, EvidenceLocked, AlreadyListed."""
    check(draft, actor.currency)
    wanted = await _wanted(conn, actor.owner, draft)
    # So that no erasure that goes on overlooks it, and no dispute that begins now.
    await conn.execute(
        """SELECT FROM person WHERE id IN (SELECT person_id FROM observation WHERE id = ANY ($1::uuid[]))
           ORDER BY id FOR SHARE""",
        wanted,
    )
    await conn.execute("SELECT FROM observation WHERE id = ANY ($1::uuid[]) ORDER BY id FOR SHARE", wanted)
    copies = await ownership.sellable(conn, actor.owner, wanted)
    if draft.exclusive is not None and any(each.holding is not None for each in copies):
        raise Invalid(
            "Only its first owner sells it to one alone: for all others it would be taken away.", pointer="/exclusive"
        )
    _check_percents(draft, copies, fee_bps)
    own = await _license(conn, draft, copies)
    listing = await _insert(conn, actor, draft, copies, own)
    await conn.copy_records_to_table(
        "listing_item", columns=["listing_id", "position", "observation_id", "license", "royalty_percent"],
        records=[
            (listing, n, each.observation, each.license or own, max(draft.royalty_percent, each.royalty_percent or 0))
            for n, each in enumerate(copies)
        ],
    )  # fmt: skip
    await _place(conn, listing)
    await events.append(conn, "listing.created", ("listing", listing), actor.name, account=actor.owner)
    return await get(conn, actor, ids.show("listing", listing))


async def _wanted(conn: asyncpg.Connection, account: UUID, draft: ListingDraft) -> list[UUID]:
    """The observations that are to be sold. Raises NotFound, Invalid, WrongState for a data set that is not ready."""
    if draft.observation_id is not None:
        return [ids.read("observation", draft.observation_id)]
    assert draft.dataset_id is not None
    row = await conn.fetchrow(
        "SELECT id, status, rows FROM dataset WHERE id = $1 AND account_id = $2",
        ids.read("dataset", draft.dataset_id), account,
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such dataset.")
    if row["status"] != "ready":
        raise WrongState(f"The data set is {row['status']}.")
    if row["rows"] > MOST_ITEMS:
        raise Invalid(f"A data set of more than {MOST_ITEMS} observations is sold in parts.", pointer="/dataset_id")
    items = await conn.fetch(
        "SELECT observation_id FROM dataset_item WHERE dataset_id = $1 ORDER BY position", row["id"]
    )
    return [item["observation_id"] for item in items]


def _check_percents(draft: ListingDraft, copies: Sequence[Copy], fee_bps: int) -> None:
    """What was declared for an observation holds on, and all together leave the seller something. Raises Invalid."""
    declared = max(each.royalty_percent or 0 for each in copies)
    if draft.observation_id is not None and draft.royalty_percent < declared:
        raise Invalid(f"You bought it with a royalty of {declared} %, which follows it.", pointer="/royalty_percent")
    royalties = sum(max(draft.royalty_percent, each.royalty_percent or 0) for each in copies)
    upstream = sum(percent for each in copies for _, percent in each.upstream)
    if (royalties + upstream) * 10_000 + fee_bps * WHOLE * len(copies) > 10_000 * WHOLE * len(copies):
        raise Invalid(
            f"Royalties ({royalties / len(copies):g} %), shares of earlier sellers ({upstream / len(copies):g} %) and "
            f"the market's fee ({fee_bps / 100:g} %) exceed the price.", pointer="/royalty_percent",
        )  # fmt: skip


async def _license(conn: asyncpg.Connection, draft: ListingDraft, copies: Sequence[Copy]) -> UUID | None:
    """The licence of what its seller was the first to own; None where there is nothing such. Raises Invalid."""
    given = draft.license
    if given is None:
        if any(each.license is None for each in copies):
            raise Invalid("Say under which licence it is sold.", pointer="/license")
        return None
    if draft.observation_id is not None and copies[0].license is not None:
        row = await conn.fetchrow("SELECT name, text FROM license WHERE id = $1", copies[0].license)
        if (given.id, given.text) != (row["name"], row["text"]):
            raise Invalid(f"It was sold to you under {row['name']}, which follows it.", pointer="/license/id")
        return None
    if all(each.license is not None for each in copies):
        return None
    await conn.execute(
        """INSERT INTO license (id, name, text, digest)
             VALUES ($1, $2, $3, sha256(convert_to(coalesce($3, ''), 'UTF8'))) ON CONFLICT (name, digest) DO NOTHING""",
        ids.new(), given.id, given.text,
    )  # fmt: skip
    found: UUID = await conn.fetchval(
        "SELECT id FROM license WHERE name = $1 AND digest = sha256(convert_to(coalesce($2, ''), 'UTF8'))",
        given.id, given.text,
    )  # fmt: skip
    return found


async def _insert(
    conn: asyncpg.Connection, actor: keys.Actor, draft: ListingDraft, copies: Sequence[Copy], own: UUID | None
) -> UUID:
    """The listing's row, with what may be known of its observations. Raises AlreadyListed."""
    wanted = [each.observation for each in copies]
    tasks = await conn.fetch(
        """SELECT DISTINCT t.id, t.title, t.evidence FROM task t JOIN observation o ON o.task_id = t.id
           WHERE o.id = ANY ($1::uuid[]) ORDER BY t.id""",
        wanted,
    )
    asks = list(dict.fromkeys(each for task in tasks for each in asked_of(task["evidence"])))
    titles = list(dict.fromkeys(task["title"] for task in tasks))
    texts = [*titles, *(each.text for each in asks), *(each.id for each in asks)]
    fresh, alone = draft.freshness, draft.exclusive
    licenses = {license for each in copies if (license := each.license or own) is not None}
    found: UUID | None = await conn.fetchval(
        """INSERT INTO listing (id, account_id, observation_id, dataset_id, price, currency, lowest, half_life_s,
             license_ids, royalty_percent, resale, resale_share_percent, exclusive_s, exclusive_price, seller, named,
             title, kinds, asks, asked, upstream_percent, search, items, photos, captured_from, captured_at,
             available_from)
           SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
             array_agg(DISTINCT o.kind), $18, $19, $20, to_tsvector('simple', $21), count(*),
             coalesce(sum((SELECT count(*) FROM photo p JOIN submission s ON s.claim_id = p.claim_id
                           WHERE s.id = o.submission_id)), 0)::int,
             min(o.captured_at), max(o.captured_at), max(o.exclusive_until)
           FROM observation o WHERE o.id = ANY ($22::uuid[]) ON CONFLICT DO NOTHING RETURNING id""",
        ids.new(), actor.owner, draft.observation_id and wanted[0],
        draft.dataset_id and ids.read("dataset", draft.dataset_id), draft.price.amount, draft.price.currency,
        fresh and fresh.floor.amount, fresh and fresh.half_life_s, sorted(licenses),
        max(draft.royalty_percent, min(each.royalty_percent or 0 for each in copies)), draft.resale,
        draft.resale_share_percent, alone and alone.for_s, alone and alone.price.amount,
        pseudonym(actor.owner, named=draft.named), draft.named, _title(titles, len(copies)),
        msgspec.to_builtins(asks[:MOST_ASKS]), matched_by(asks[:MOST_ASKS]),
        max(sum(percent for _, percent in each.upstream) for each in copies),
        "\n".join(texts)[:LONGEST_SEARCHED], wanted,
    )  # fmt: skip
    if found is None:
        raise AlreadyListed(await _already(conn, actor.owner, draft))
    return found


async def _already(conn: asyncpg.Connection, account: UUID, draft: ListingDraft) -> str:
    """Which listing offers it already, where that has been committed."""
    column, value = ("observation", draft.observation_id) if draft.observation_id else ("dataset", draft.dataset_id)
    there = await conn.fetchval(
        f"""SELECT id FROM listing
            WHERE {column}_id = $1 AND account_id = $2 AND status IN ('active', 'paused')""",
        ids.read(column, value or ""), account,
    )  # fmt: skip
    return f"It is in {ids.show('listing', there)}." if there is not None else ""


def _title(titles: list[str], items: int) -> str:
    """What a listing is called: as the task was, or, of several, as the first were."""
    if items == 1:
        return titles[0]
    more = f" and {len(titles) - 3} more" if len(titles) > 3 else ""
    return f"{items} observations: {' · '.join(titles[:3])}{more}"


async def _place(conn: asyncpg.Connection, listing: UUID) -> None:
    """Note the cells in which a listing's observations lie."""
    rows = await conn.fetch(
        """SELECT DISTINCT o.coarse_lat AS lat, o.coarse_lon AS lon FROM listing_item i
             JOIN observation o ON o.id = i.observation_id WHERE i.listing_id = $1 AND o.coarse_lat IS NOT NULL""",
        listing,
    )
    await conn.executemany(
        "INSERT INTO listing_cell (listing_id, lat, lon, cell) VALUES ($1, $2, $3, $4)",
        [(listing, row["lat"], row["lon"], asyncpg.Point(*near.project(row["lat"], row["lon"]))) for row in rows],
    )


async def get(conn: asyncpg.Connection, actor: keys.Actor, listing: str) -> Listing:
    """A listing, of whomever: what is for sale is for all to see, and what was stays so without its previews."""
    row = await conn.fetchrow(f"SELECT {COLUMNS} FROM {FROM} WHERE l.id = $1", ids.read("listing", listing))
    if row is None:
        raise NotFound("There is no such listing.")
    return show(row, actor.owner)


async def change(conn: asyncpg.Connection, actor: keys.Actor, listing: str, change: ListingChange) -> Listing:
    """Set another price, pause or resume. Raises NotFound, ListingOver, WrongState, Invalid."""
    row = await _own(conn, actor, listing)
    if change.status is not None and change.status == row["status"]:
        raise WrongState(f"The listing is {row['status']} already.")
    price = change.price or Price(row["price"], row["currency"])
    fresh = change.freshness or _freshness(row)
    check_price(price, fresh, row["currency"])
    if row["exclusive_price"] is not None and price.amount > row["exclusive_price"]:
        raise Invalid("It would cost more than having it alone.", pointer="/price/amount")
    await conn.execute(
        """UPDATE listing SET price = $2, lowest = $3, half_life_s = $4, version = version + 1,
             status = coalesce($5, status::text)::listing_status
           WHERE id = $1 AND status IN ('active', 'paused')""",
        row["id"], price.amount, fresh and fresh.floor.amount, fresh and fresh.half_life_s, change.status,
    )  # fmt: skip
    told: dict[str, Any] = {"price": price.amount, "currency": price.currency, "status": change.status or row["status"]}
    await events.append(
        conn, "listing.changed", ("listing", row["id"]), actor.name, account=actor.owner, data=told
    )  # fmt: skip
    return await get(conn, actor, listing)


async def end(conn: asyncpg.Connection, actor: keys.Actor, listing: str) -> Listing:
    """Take it off the market for good. Raises NotFound, ListingOver."""
    row = await _own(conn, actor, listing)
    await conn.execute(
        """UPDATE listing SET status = 'ended', ended_at = market_now(), version = version + 1
           WHERE id = $1 AND status IN ('active', 'paused')""",
        row["id"],
    )
    await events.append(conn, "listing.ended", ("listing", row["id"]), actor.name, account=actor.owner)
    return await get(conn, actor, listing)


async def _own(conn: asyncpg.Connection, actor: keys.Actor, listing: str) -> asyncpg.Record:
    """The actor's own listing, locked, unless it is over. Raises NotFound, ListingOver."""
    row = await conn.fetchrow(
        "SELECT * FROM listing WHERE id = $1 AND account_id = $2 FOR NO KEY UPDATE",
        ids.read("listing", listing), actor.owner,
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such listing of yours.")
    if row["status"] in ("ended", "withdrawn"):
        raise ListingOver
    return row


async def withdraw(conn: asyncpg.Connection, which: str, given: UUID, actor: str) -> int:
    """Withdraw what is for sale of the evidence that `which` (of observation `o`, submission `s`) finds; how much.

    A sale that goes on is waited for, later ones find it withdrawn. To be called before any ledger account is locked.
    """
    rows = await conn.fetch(
        f"""SELECT id FROM listing WHERE status IN ('active', 'paused') AND id IN (
              SELECT i.listing_id FROM listing_item i JOIN observation o ON o.id = i.observation_id
                JOIN submission s ON s.id = o.submission_id WHERE {which})
            ORDER BY id FOR NO KEY UPDATE""",
        given,
    )
    await conn.execute(
        """WITH gone AS (
             UPDATE listing SET status = 'withdrawn', ended_at = market_now(), version = version + 1
             WHERE id = ANY ($1::uuid[]) AND status IN ('active', 'paused') RETURNING id, account_id)
           INSERT INTO event (type, account_id, subject_type, subject_id, actor, data)
             SELECT 'listing.withdrawn', account_id, 'listing', id, $2, '{}' FROM gone""",
        [row["id"] for row in rows], actor,
    )  # fmt: skip
    return len(rows)


async def preview(conn: asyncpg.Connection, actor: keys.Actor, listing: str, n: int) -> photos.Kept:
    """The n-th photo of what is for sale, for a copy with a watermark. Raises NotFound, ListingNotActive, Erased."""
    row = await conn.fetchrow("SELECT * FROM listing WHERE id = $1", ids.read("listing", listing))
    if row is None or not 1 <= n <= MOST_PREVIEWS:
        raise NotFound("There is no such preview.")
    if row["status"] != "active" and (row["account_id"] != actor.owner or row["status"] != "paused"):
        raise ListingNotActive
    found = await conn.fetchrow(
        """SELECT p.claim_id, p.n FROM listing_item i JOIN observation o ON o.id = i.observation_id
             JOIN submission s ON s.id = o.submission_id JOIN photo p ON p.claim_id = s.claim_id
           WHERE i.listing_id = $1 AND NOT o.locked ORDER BY i.position, p.n OFFSET $2 LIMIT 1""",
        row["id"], n - 1,
    )  # fmt: skip
    if found is None:
        raise NotFound("There is no such preview.")
    return await photos.find(conn, "c.id = $2", found["n"], found["claim_id"])


def _freshness(row: asyncpg.Record) -> Freshness | None:
    if row["half_life_s"] is None:
        return None
    return Freshness(floor=Price(row["lowest"], row["currency"]), half_life_s=row["half_life_s"])


def show(row: asyncpg.Record, account: UUID, distance_m: float | None = None) -> Listing:
    """A row of COLUMNS as `account` sees it."""
    public, currency, own = ids.show("listing", row["id"]), row["currency"], row["account_id"] == account
    alone: datetime | None = row["alone_until"]
    where = msgspec.json.decode(row["coarse"], type=list[dict[str, float]]) if row["coarse"] else []
    shown = min(row["photos"], MOST_PREVIEWS) if row["status"] in ("active", "paused") else 0
    return Listing(
        public, row["status"],
        ids.show("observation", row["observation_id"]) if own and row["observation_id"] else None,
        ids.show("dataset", row["dataset_id"]) if own and row["dataset_id"] else None,
        row["title"], row["kinds"], msgspec.convert(row["asks"], list[Asked]), row["items"], row["photos"],
        row["captured_from"], row["captured_at"], where, row["places"], row["copies"],
        msgspec.json.decode(row["licenses"], type=list[SoldUnder]), row["royalty_percent"], row["resale"],
        row["resale_share_percent"], row["upstream_percent"],
        Money(row["price_now"], currency), Money(row["price"], currency), _freshness(row),
        None if row["exclusive_s"] is None else ExclusiveOffer(
            for_s=row["exclusive_s"], price=Price(row["exclusive_price"], currency)
        ),
        alone if alone is not None and alone > row["now"] else None,
        Seller(row["seller"], row["seller_name"] if row["named"] else None), own, row["version"], row["created_at"],
        row["ended_at"], [f"/v1/listings/{public}/preview/{n}" for n in range(1, shown + 1)],
        {"self": f"/v1/listings/{public}", "buy": f"/v1/listings/{public}/buy"}, distance_m,
    )  # fmt: skip
