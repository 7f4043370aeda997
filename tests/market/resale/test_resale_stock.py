"""What is for sale is found by place to a kilometre, time, words, kind, licence and price; the answers are not told."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from market import ids, keys, listings, near, stock
from market.clock import advance
from market.listing_terms import Listing
from market.stock import Spot, Wish
from market.terms import Place, TaskDraft
from tests.market.conftest import BAKERY, Cast
from tests.market.resale import Traders
from tests.market.test_datasets import snapshot

HERE = BAKERY["place"]
DAY = 86_400


def at(lat: float, lon: float, radius_m: float = 80) -> dict[str, float]:
    return {"lat": lat, "lon": lon, "radius_m": radius_m}


async def found(market: Traders, actor: keys.Actor, page: int = 50, **wish: Any) -> list[str]:
    """All that a search finds, page by page, each once."""
    ids_: list[str] = []
    after: Spot | None = None
    while rows := await stock.search(market.conn, actor, Wish(**wish), after=after, limit=page):
        ids_ += [listing.id for _, listing in rows]
        after = stock.read_spot(stock.write_spot(rows[-1][0]))
    assert len(set(ids_)) == len(ids_)
    return ids_


async def test_each_filter_finds_what_it_says(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, bo: UUID
) -> None:
    bakery = await market.offer(ada, await market.observed(ada, bo), 500)
    asks = {"questions": [{"id": "queue", "type": "number", "text": "Wie viele stehen in der Schlange?"}]}
    post_office = await market.offer(
        cy, await market.observed(cy, bo, kind="action", title="Queue at the post office", evidence=asks | {
            "photos": {"min": 1, "max": 1}}, place=None), 900, license={"id": "CC0-1.0"},
    )  # fmt: skip
    await advance(cast.conn, 2 * DAY)
    kiosk = await market.offer(ada, await market.observed(ada, bo, title="Kiosk", instructions="The shutter."), 300)
    every = [kiosk.id, post_office.id, bakery.id]
    assert await found(market, cy) == await found(market, ada, page=1) == every
    for wish, expected in (
        ({"what": "BAKERY"}, [bakery.id]), ({"what": "SHUTTER"}, []),
        ({"what": "stehen schlange"}, [post_office.id]),
        ({"what": '"post office" -kiosk'}, [post_office.id]), ({"what": "bakery kiosk"}, []),
        ({"what": "bakery or kiosk"}, [kiosk.id, bakery.id]), ({"what": "open"}, [kiosk.id, bakery.id]),
        ({"kind": "action"}, [post_office.id]), ({"max_age_s": DAY}, [kiosk.id]),
        ({"since": kiosk.captured_at}, [kiosk.id]), ({"until": kiosk.captured_at}, every[1:]),
        ({"license": "CC0-1.0"}, [post_office.id]), ({"max_price": 500}, [kiosk.id, bakery.id]),
        ({"seller": kiosk.seller.id}, [kiosk.id, bakery.id]), ({"seller": "me"}, [post_office.id]),
        ({"seller": "s_nobody"}, []),
        ({"near_to": Place(**HERE)}, [kiosk.id, bakery.id]),
        ({"near_to": Place(**HERE | {"lat": HERE["lat"] + 0.02})}, []),
        ({"near_to": Place(**HERE | {"radius_m": 2_000})}, [kiosk.id, bakery.id]),
    ):  # fmt: skip
        assert await found(market, cy, **wish) == expected, wish
    await listings.end(cast.conn, ada, kiosk.id)
    assert await found(market, ada) == every[1:], "what is over is found by its seller alone"
    assert await found(market, ada, seller="me") == [kiosk.id, bakery.id]


async def test_what_falls_in_price_is_found_by_the_price_now(
    cast: Cast, market: Traders, ada: keys.Actor, bo: UUID
) -> None:
    fresh = {"floor": market.money(100), "half_life_s": DAY}
    listing = await market.offer(ada, await market.observed(ada, bo), 900, freshness=fresh)
    assert await found(market, ada, max_price=500) == []
    await advance(cast.conn, DAY)
    assert await found(market, ada, max_price=500) == [listing.id]


async def test_others_currencies_are_not_found(cast: Cast, market: Traders, ada: keys.Actor, bo: UUID) -> None:
    await market.offer(ada, await market.observed(ada, bo), 900)
    assert await found(market, await Traders(cast, "jpy").agent("yen")) == []


async def test_places_are_known_to_their_cell_and_searched_by_its_middle(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, bo: UUID
) -> None:
    """Two places in one cell cannot be told apart, however one asks; across ±180° and near a pole they are found."""
    middle = near.coarse(HERE["lat"], HERE["lon"])
    places = [(middle[0] + 0.003, middle[1] + 0.005), (middle[0] - 0.003, middle[1] - 0.005)]
    for place in places:
        await market.offer(ada, await market.observed(ada, bo, place=at(*place)), 500)
    for lat in (middle[0] - 0.01, middle[0], middle[0] + 0.004):
        for radius in (100, 400, 700, 1_500):
            rows = await stock.search(
                market.conn, cy, Wish(near_to=Place(lat=lat, lon=middle[1], radius_m=radius)), limit=9
            )
            assert len(rows) in (0, 2)
            assert len({listing.distance_m for _, listing in rows}) <= 1
            for _, listing in rows:
                assert [(each["lat"], each["lon"]) for each in listing.coarse_places] == [middle]
                told = msgspec.json.encode(listing).decode()
                assert not [text for place in places for text in map(str, place) if text in told]
    for lat, lon, asked in ((10.0, 179.999, -179.999), (-17.5, -179.9999, 179.999), (88.0, 12.0, 12.3)):
        listing = await market.offer(ada, await market.observed(ada, bo, place=at(lat, lon)), 500)
        assert await found(market, cy, near_to=Place(lat=lat, lon=asked, radius_m=5_000)) == [listing.id]


async def test_nearest_first_over_pages_as_a_full_scan_has_them(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, bo: UUID
) -> None:
    made: list[Listing] = []
    for n in range(12):
        place = at(HERE["lat"] + (n * 7 % 12) * 0.01, HERE["lon"] + (n * 5 % 3) * 0.01)
        made.append(await market.offer(ada, await market.observed(ada, bo, place=place), 500))
    wanted = Place(lat=HERE["lat"], lon=HERE["lon"], radius_m=9_000)

    def away(listing: Listing) -> float:
        [cell] = listing.coarse_places
        return near.distance_m(wanted.lat, wanted.lon, cell["lat"], cell["lon"])

    expected = sorted(
        (each for each in made if away(each) <= 9_000 + stock.CELL_M),
        key=lambda each: (round(away(each), 3), -int(each.id[5:], 16)),
    )
    assert 5 < len(expected) < 12
    for page in (1, 4, 50):
        assert await found(market, cy, page=page, near_to=wanted) == [each.id for each in expected]
    [(_, first), *_] = await stock.search(market.conn, cy, Wish(near_to=wanted), limit=1)
    assert first.distance_m == pytest.approx(away(first), abs=0.1)


async def test_the_answers_the_place_and_the_seller_stay_untold(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, bo: UUID
) -> None:
    asks = {"photos": {"min": 1, "max": 3}, "questions": [{"id": "open", "type": "text", "text": "Is it open?"}]}
    posted = await market.observed(ada, bo, evidence=asks, external_id="zebra", metadata={"note": "zebra"})
    await cast.conn.execute('UPDATE submission SET answers = \'{"open": "zebra"}\'')
    sellers = set()
    for named in (False, True):
        listing = await market.offer(ada, posted, 500, named=named)
        seen = await listings.get(cast.conn, cy, listing.id)
        told = msgspec.json.encode(seen).decode()
        for secret in ("zebra", posted, str(HERE["lat"]), str(HERE["lon"]), bo.hex, ada.owner.hex):
            assert secret not in told.replace(seen.id, "")
        assert [(each.id, each.text) for each in seen.asks] == [("open", "Is it open?")]
        assert seen.seller.name == ("ada" if named else None)
        assert (seen.photos, len(seen.previews), seen.own, seen.title) == (1, 1, False, BAKERY["title"])
        assert (await listings.get(cast.conn, ada, listing.id)).observation_id == posted
        await listings.end(cast.conn, ada, listing.id)
        sellers.add(seen.seller.id)
    assert len(sellers) == 2, "what is sold under a name does not name the rest"


async def test_a_data_set_is_found_where_any_of_it_lies(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, bo: UUID
) -> None:
    for n, title in enumerate(("Tulips", "Roses", "Lilacs", "Daisies")):
        await market.observed(ada, bo, title=title, place=at(HERE["lat"] + n * 0.1, HERE["lon"]))
    made = await snapshot(cast, ada, query={})
    listing = await market.offer(ada, made.id, 500)
    assert (listing.items, listing.places, len(listing.coarse_places), listing.photos) == (4, 4, 4, 4)
    assert listing.title == "4 observations: Tulips · Roses · Lilacs and 1 more"
    for n in range(4):
        spot = Place(lat=HERE["lat"] + n * 0.1, lon=HERE["lon"], radius_m=2_000)
        assert await found(market, cy, near_to=spot) == [listing.id]
    assert await found(market, cy, what="daisies") == [listing.id]


# ---- what is known already


def a_draft(**changes: Any) -> TaskDraft:
    return msgspec.convert(BAKERY | changes, TaskDraft)


async def known(market: Traders, actor: keys.Actor, draft: TaskDraft, **bounds: Any) -> list[str]:
    return [each.id for each in await stock.known(market.conn, actor.owner, draft, **bounds)]


async def test_what_may_answer_a_draft_is_known_best_first(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, bo: UUID
) -> None:
    two = {"photos": {"min": 1, "max": 3}, "questions": [
        {"id": "open", "type": "choice", "choices": ["open", "closed"]},
        {"id": "n", "type": "number", "text": "How many  wait?"}]}  # fmt: skip
    once = await market.offer(ada, await market.observed(ada, bo), 100)
    await market.offer(ada, await market.observed(ada, bo, place=at(HERE["lat"] + 1, HERE["lon"])), 100)
    await market.offer(ada, await market.observed(ada, bo, kind="action"), 100)
    await market.offer(ada, await market.observed(ada, bo, place=None), 100)
    other = {"photos": {"min": 1, "max": 1}, "questions": [{"id": "colour", "type": "text"}]}
    await market.offer(ada, await market.observed(ada, bo, evidence=other), 100)
    both = await market.offer(ada, await market.observed(ada, bo, evidence=two), 900)
    paused = await market.offer(ada, await market.observed(ada, bo), 100)
    await cast.conn.execute("UPDATE listing SET status = 'paused' WHERE id = $1", ids.read("listing", paused.id))
    alone = await market.observed(ada, bo, license={"exclusive_s": DAY, "resale": True})
    await market.offer(ada, alone, 100)
    renamed = {
        "photos": {"min": 1, "max": 1},
        "questions": [{"id": "queue", "type": "number", "text": "how many wait?"}],
    }
    draft = a_draft(evidence=two)
    assert await known(market, cy, draft) == [both.id, once.id]
    assert await known(market, cy, draft, limit=1) == [both.id]
    assert await known(market, cy, a_draft(evidence=renamed)) == [both.id], "by its words"
    assert await known(market, ada, draft) == [], "not what one sells oneself"
    await market.buy(cy, both)
    assert await known(market, cy, draft) == [once.id], "nor what one has"
    await advance(cast.conn, DAY)
    assert await known(market, cy, draft, max_age_s=DAY // 2) == []
    assert len(await known(market, cy, draft)) == 2, "what somebody had alone is for sale now"


async def test_a_draft_of_photos_alone_is_answered_by_what_it_is_called(
    market: Traders, ada: keys.Actor, cy: keys.Actor, bo: UUID
) -> None:
    shot = {"photos": {"min": 1, "max": 1}}
    bakery = await market.offer(ada, await market.observed(ada, bo, evidence=shot), 100)
    await market.offer(ada, await market.observed(ada, bo, evidence=shot, title="Manhole", instructions="Lid."), 100)
    assert await known(market, cy, a_draft(evidence=shot, title="Photo of the bakery, please")) == [bakery.id]
    assert await known(market, cy, a_draft(evidence={"photos": {"min": 2, "max": 2}})) == [], "too few photos"


async def test_without_a_place_what_has_none_is_known(
    market: Traders, ada: keys.Actor, cy: keys.Actor, bo: UUID
) -> None:
    somewhere = await market.offer(ada, await market.observed(ada, bo, place=None), 100)
    await market.offer(ada, await market.observed(ada, bo), 100)
    assert await known(market, cy, a_draft(place=None)) == [somewhere.id]


@pytest.mark.parametrize(
    "text", ["", "x", "1.0", "nan 0199a7c2-6d1e-7c4b-9a53-0f2b8e6d4c11", "-1 x", "1e99 x", "1.0 x"]
)
def test_what_is_no_place_in_the_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        stock.read_spot(text)
