"""What was observed is sold on: whose it is then, who may sell and buy, and what goes with it."""

from typing import Any
from uuid import UUID

import pytest

from market import (
    datasets,
    evidence_receipts,
    ids,
    keys,
    listings,
    observations,
    sales,
)
from market.clock import advance
from market.errors import (
    AlreadyOwned,
    EvidenceLocked,
    Exclusive,
    Invalid,
    NotForResale,
    NotFound,
    Refusal,
    WrongState,
)
from market.money import Money
from tests.market.conftest import Cast
from tests.market.resale import Traders
from tests.market.test_datasets import lines, snapshot

DAY = 86_400


# ---- owning


async def test_whoever_bought_it_has_it_like_its_first_owner(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, seen: str
) -> None:
    own = [await market.observed(cy, await cast.person("kim")) for _ in range(2)]
    for look in (observations.get, evidence_receipts.get):
        with pytest.raises(NotFound):
            await look(cast.conn, cy.owner, seen)
    sale = (await market.buy(cy, await market.offer(ada, seen, 500, license={"id": "ODbL-1.0"}, resale=True))).sale
    theirs, mine = [await observations.get(cast.conn, each.owner, seen) for each in (cy, ada)]
    assert (theirs.answers, theirs.place, theirs.photos) == (mine.answers, mine.place, mine.photos)
    assert (theirs.license, theirs.resale, theirs.sale_id) == ("ODbL-1.0", True, sale.id)
    assert (mine.license, mine.resale, mine.sale_id) == ("resale", True, None)
    assert theirs.person != mine.person and theirs.person == observations.pseudonym(
        cy.owner, await person_of(cast, seen)
    )
    assert (mine.task_external_id, theirs.task_external_id) == ("ours-1", None), "what Ada calls her task is hers"
    assert (await observations.photo(cast.conn, cy.owner, seen, 1)).sha256 == b"\x01" * 32
    assert await evidence_receipts.get(cast.conn, cy.owner, seen) is not None
    # In one order, the latest first, page by page.
    pages, before = [], None
    while found := await observations.listed(cast.conn, cy.owner, before=before, limit=1):
        pages += [each.id for each in found]
        before = found[-1].id
    assert pages == [seen, *own[::-1]]
    assert [each.id for each in await observations.listed(cast.conn, cy.owner, license="ODbL-1.0", limit=9)] == [seen]
    assert [each.id for each in await observations.listed(cast.conn, ada.owner, limit=9)] == [seen]


async def person_of(cast: Cast, observation: str) -> UUID:
    found: UUID = await cast.conn.fetchval(
        "SELECT person_id FROM observation WHERE id = $1", ids.read("observation", observation)
    )
    return found


async def test_a_bought_observation_goes_into_data_sets_under_its_licence(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, bo: UUID, seen: str
) -> None:
    await market.observed(cy, bo)
    await market.buy(cy, await market.offer(ada, seen, 500))
    for asked in ({"query": {}}, {"observation_ids": [seen]}):
        made = await snapshot(cast, cy, **asked)
        items = {item["observation_id"]: item for item in await lines(cast, cy, made)}
        assert items[seen]["license"] == "CC-BY-4.0" and "CC-BY-4.0" in made.licenses
        assert items[seen]["person"] == observations.pseudonym(cy.owner, bo)
    assert (await snapshot(cast, ada, query={})).licenses == ["resale"]


async def test_a_data_set_that_is_sold_is_built_anew_for_its_buyer(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, dee: keys.Actor, bo: UUID, seen: str
) -> None:
    await market.observed(ada, bo)
    made = await snapshot(cast, ada, query={})
    sold = await market.buy(cy, await market.offer(ada, made.id, 900, resale=True))
    assert sold.dataset is not None and sold.sale.dataset_id == ids.show("dataset", sold.dataset) != made.id
    await datasets.build(cast.conn, sold.dataset)
    theirs = await datasets.get(cast.conn, cy.owner, sold.sale.dataset_id)
    assert (theirs.status, theirs.rows, theirs.licenses) == ("ready", 2, ["CC-BY-4.0"])
    assert theirs.manifest_sha256 != made.manifest_sha256, "other pseudonyms"
    [(_, mine)] = await sales.listed(cast.conn, ada.owner, limit=9)
    assert (mine.role, mine.dataset_id) == ("seller", made.id)
    with pytest.raises(NotFound):
        await datasets.get(cast.conn, cy.owner, made.id)
    # And on: each line keeps its licence.
    again = await market.offer(cy, sold.sale.dataset_id, 900, license=None)
    assert [each.id for each in again.licenses] == ["CC-BY-4.0"]
    await market.buy(dee, again)
    assert await cast.broken() == []


async def test_a_data_set_of_which_one_has_some_is_bought_knowingly(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, bo: UUID, seen: str
) -> None:
    await market.observed(ada, bo)
    await market.buy(cy, await market.offer(ada, seen, 500, license={"id": "CC0-1.0"}))
    whole = await market.offer(ada, (await snapshot(cast, ada, query={})).id, 900)
    had = await market.has(cy)
    with pytest.raises(AlreadyOwned, match="1 of its 2") as refused:
        await market.buy(cy, whole)
    assert refused.value.pointer == "/with_owned" and await market.has(cy) == had
    await market.buy(cy, whole, with_owned=True)
    assert await market.has(cy) == had - 900
    assert (await observations.get(cast.conn, cy.owner, seen)).license == "CC0-1.0", "it keeps its terms"
    assert await cast.broken() == []


async def test_sales_are_listed_for_all_who_have_a_part(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, dee: keys.Actor, bo: UUID, seen: str
) -> None:
    other = await market.observed(ada, bo)
    terms = {"resale": True, "resale_share_percent": 7}
    one = (await market.buy(cy, await market.offer(ada, seen, 500, **terms))).sale
    two = (await market.buy(cy, await market.offer(ada, other, 300))).sale
    three = (await market.buy(dee, await market.offer(cy, seen, 700))).sale
    assert [each.id for _, each in await sales.listed(cast.conn, cy.owner, limit=9)] == [three.id, two.id, one.id]
    assert [each.role for _, each in await sales.listed(cast.conn, cy.owner, limit=9)] == ["seller", "buyer", "buyer"]
    bought = await sales.listed(cast.conn, cy.owner, role="buyer", limit=1)
    assert [each.id for _, each in bought] == [two.id]
    rest = await sales.listed(cast.conn, cy.owner, role="buyer", before=bought[0][0], limit=9)
    assert [each.id for _, each in rest] == [one.id]
    with pytest.raises(NotFound):
        await sales.get(cast.conn, dee.owner, ids.read("sale", one.id))
    found = [(each.id, each.role, each.share) for _, each in await sales.listed(cast.conn, ada.owner, limit=9)]
    assert found == [
        (three.id, "earlier_seller", Money(49, "usd")), (two.id, "seller", None), (one.id, "seller", None),
    ]  # fmt: skip
    [(_, shared)] = await sales.listed(cast.conn, ada.owner, role="earlier_seller", limit=9)
    assert shared == await sales.get(cast.conn, ada.owner, ids.read("sale", three.id))
    assert (shared.observation_id, shared.dataset_id, shared.shares.amount) == (seen, None, 49)
    told = await cast.conn.fetchval("SELECT data FROM event WHERE type = 'sale.shared'")
    assert told == {"amount": 49, "currency": "usd", "listing": three.listing_id}


# ---- what may be sold


@pytest.mark.parametrize(
    ("what", "refused"),
    [
        ("UPDATE observation SET license = 'exclusive' WHERE id = $1", NotForResale),
        ("UPDATE observation SET locked = true WHERE id = $1", EvidenceLocked),
        ("UPDATE earning SET clawed_back_at = now(), released_at = now() WHERE id = (SELECT submission_id "
         "FROM observation WHERE id = $1)", NotForResale),
        ("UPDATE person SET erased_at = now() WHERE id = (SELECT person_id FROM observation WHERE id = $1)",
         NotForResale),
    ],
    ids=["its task did not allow it", "contested", "fraud", "erased"],
)  # fmt: skip
async def test_what_may_not_be_sold_is_neither_listed_nor_sold(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, seen: str, what: str, refused: type[Refusal]
) -> None:
    listing = await market.offer(ada, seen, 500)
    await cast.conn.execute(what, ids.read("observation", seen))
    with pytest.raises(refused):
        await market.buy(cy, listing)
    await listings.end(cast.conn, ada, listing.id)
    with pytest.raises(refused):
        await market.offer(ada, seen, 500)


async def test_others_have_nothing_to_list(
    market: Traders, ada: keys.Actor, cy: keys.Actor, cast: Cast, seen: str
) -> None:
    with pytest.raises(NotFound):
        await market.offer(cy, seen, 500)
    made = await snapshot(cast, ada, query={})
    with pytest.raises(NotFound):
        await market.offer(cy, made.id, 500)
    empty = await snapshot(cast, cy, query={})
    with pytest.raises(WrongState):
        await market.offer(cy, empty.id, 500)


async def test_a_buyer_sells_on_only_where_the_sale_allowed_it(
    market: Traders, ada: keys.Actor, cy: keys.Actor, dee: keys.Actor, seen: str, cast: Cast
) -> None:
    await market.buy(cy, await market.offer(ada, seen, 500, resale=False))
    with pytest.raises(NotForResale):
        await market.offer(cy, seen, 500)
    made = await snapshot(cast, cy, query={})
    with pytest.raises(NotForResale):
        await market.offer(cy, made.id, 500)


async def test_a_licence_follows_what_it_was_given_for(
    market: Traders, ada: keys.Actor, cy: keys.Actor, dee: keys.Actor, seen: str, cast: Cast
) -> None:
    own = {"id": "LicenseRef-Ada-1", "text": "For research alone."}
    await market.buy(cy, await market.offer(ada, seen, 500, license=own, resale=True))
    with pytest.raises(Invalid, match="LicenseRef-Ada-1"):
        await market.offer(cy, seen, 500)
    with pytest.raises(Invalid, match="LicenseRef-Ada-1"):
        await market.offer(cy, seen, 500, license=own | {"text": "For all."})
    listing = await market.offer(cy, seen, 500, license=None)
    assert [(each.id, each.text) for each in listing.licenses] == [("LicenseRef-Ada-1", "For research alone.")]
    sale = (await market.buy(dee, listing)).sale
    assert [each.text for each in sale.licenses] == ["For research alone."]
    assert (await observations.get(cast.conn, dee.owner, seen)).license == "LicenseRef-Ada-1"


@pytest.mark.parametrize(
    ("terms", "pointer"),
    [
        ({"license": {"id": "LicenseRef-X"}}, "/license/text"),
        ({"license": {"id": "CC-BY-4.0", "text": "x"}}, "/license/text"),
        ({"license": {"id": "My-Own-1"}}, "/license/id"),
        ({"license": {"id": "LicenseRef-", "text": "x"}}, "/license/id"),
        ({"license": None}, "/license"),
        ({"price": {"amount": 5, "currency": "eur"}}, "/price/currency"),
        ({"freshness": {"floor": {"amount": 501, "currency": "usd"}, "half_life_s": 60}}, "/freshness/floor/amount"),
        ({"freshness": {"floor": {"amount": 1, "currency": "jpy"}, "half_life_s": 60}}, "/freshness/floor/currency"),
        ({"resale_share_percent": 5}, "/resale_share_percent"),
        ({"exclusive": {"for_s": 60, "price": {"amount": 499, "currency": "usd"}}}, "/exclusive/price/amount"),
        ({"exclusive": {"for_s": 60, "price": {"amount": 999, "currency": "eur"}}}, "/exclusive/price/currency"),
        ({"dataset_id": "data_" + "0" * 32}, "/observation_id"),
    ],
)
async def test_an_offer_that_makes_no_sense_names_its_field(
    market: Traders, ada: keys.Actor, seen: str, terms: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await market.offer(ada, seen, **{"price": 500} | terms)
    assert refused.value.pointer == pointer


# ---- having it alone


async def test_the_tasks_own_exclusivity_is_waited_for(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, bo: UUID
) -> None:
    seen = await market.observed(ada, bo, license={"exclusive_s": DAY, "resale": True})
    listing = await market.offer(ada, seen, 500)
    until = (await observations.get(cast.conn, ada.owner, seen)).exclusive_until
    assert listing.available_from == until is not None
    with pytest.raises(Exclusive):
        await market.buy(cy, listing)
    await advance(cast.conn, DAY)
    assert (await listings.get(cast.conn, cy, listing.id)).available_from is None
    await market.buy(cy, listing)
    assert await cast.broken() == []


async def test_what_one_bought_alone_nobody_else_buys_from_anybody(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, dee: keys.Actor, bo: UUID, seen: str
) -> None:
    eve = await market.agent("eve")
    terms = {"resale": True, "exclusive": {"for_s": DAY, "price": market.money(2_000)}}
    first = await market.offer(ada, seen, 500, **terms)
    await market.buy(cy, first)
    with pytest.raises(Invalid, match="first owner") as refused:  # a reseller would take it from all others
        await market.offer(cy, seen, 400, license=None, exclusive=terms["exclusive"])
    assert refused.value.pointer == "/exclusive"
    second = await market.offer(cy, seen, 400, license=None)
    assert (first.copies, second.copies) == (0, 1), "who would buy it alone knows that somebody has it"
    await market.observed(ada, bo)
    made = await snapshot(cast, ada, query={})
    whole = await market.offer(ada, made.id, 900)
    sale = (await market.buy(dee, first, exclusive=True)).sale
    assert sale.price.amount == 2_000 and sale.exclusive_until is not None
    for listing in (first, second, whole):
        with pytest.raises(Exclusive):
            await market.buy(eve, listing)
        assert (await listings.get(cast.conn, eve, listing.id)).available_from == sale.exclusive_until
    third = await market.offer(dee, seen, 3_000, license=None)
    with pytest.raises(Exclusive):
        await market.buy(eve, third)
    await advance(cast.conn, DAY)
    await market.buy(eve, second)
    await market.buy(eve, whole, with_owned=True)
    with pytest.raises(AlreadyOwned):
        await market.buy(eve, third)
    with pytest.raises(Invalid):
        await market.buy(eve, second, exclusive=True)
    assert await cast.broken() == []
