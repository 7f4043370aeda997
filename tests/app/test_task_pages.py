"""What decides payment stands on the pages before somebody claims, while they work, and after: with its true sums."""

from __future__ import annotations

import pytest

from market import appeal_views
from tests.app.conftest import BAKERY, Caller, World, answer, claim, is_problem, ok, post_task
from tests.app.grouping import a_route, a_series

HTML = {"accept": "text/html"}
MANUAL = {"mode": "manual", "checks": ["fresh"]}


async def page(who: Caller, path: str) -> str:
    found = await who.get(path, headers=HTML)
    assert found.status_code == 200, found.text
    return " ".join(found.text.split())


async def test_before_claiming_one_reads_where_it_is_and_what_comes_of_a_refusal(ada: Caller, bo: Caller) -> None:
    task = await post_task(ada)
    read = await page(bo, f"/w/tasks/{task['id']}")
    assert f'href="geo:{BAKERY["lat"]},{BAKERY["lon"]}' in read and "52.52000, 13.40500" in read
    assert "You have 3 tries" in read and "appeal, once, within 3 days" in read


async def test_what_a_negative_pays_is_the_sum_that_is_paid(world: World, ada: Caller, bo: Caller) -> None:
    rising = {"max": {"amount": 900, "currency": "usd"}, "step_s": 1800, "step_percent": 15}
    task = await post_task(ada, price_schedule=rising, acceptance={"honest_negative_percent": 45})
    read = await page(bo, f"/w/tasks/{task['id']}")
    assert "$1.35, with a photo that shows it" in read and "to $3.45, <time" in read
    await world.later(1800)
    held = await claim(bo, task)
    read = await page(bo, f"/w/claims/{held['id']}")
    assert "it pays $1.55; one photo must show it" in read and "paid the same" not in read
    assert "What is checked" in read and "You are within 80 m of the place" in read and "geo:" in read


async def test_a_series_says_who_may_answer_it(world: World, ada: Caller, bo: Caller) -> None:
    for rule, words in (("forbidden", "wants another person each time"), ("preferred", "may claim it first")):
        posted = ok(await ada.post("/v1/series", a_series(same_person=rule)), 201)
        group = ok(await ada.get(f"/v1/groups/{posted['id']}"))
        assert words in await page(bo, f"/w/tasks/{group['tasks'][0]}")


async def test_a_route_says_what_all_of_it_pays_and_is_given_back_in_one(ada: Caller, bo: Caller) -> None:
    ok(await ada.post("/v1/routes", a_route()), 201)
    [route] = ok(await bo.get("/v1/people/routes", params=BAKERY))["items"]
    path = f"/w/routes/{route['id']}"
    read = await page(bo, path)
    assert "$9.00" in read and "$0.90" in read and "2 hours for all" in read and read.count("geo:") == 3
    assert "decided by machine, in doubt by the buyer within" in read
    taken = ok(await bo.post(f"/v1/people/routes/{route['id']}/claims", {**BAKERY, "accuracy_m": 5}), 201)["claims"]
    assert f'href="{path}"' in await page(bo, f"/w/claims/{taken[0]['id']}")
    back = await bo.post(f"{path}/release", data={}, headers=HTML)
    assert (back.status_code, back.headers["location"]) == (303, path)
    assert ok(await bo.get("/v1/people/claims"))["items"] == []


async def test_what_was_let_go_is_not_lost_from_sight(world: World, ada: Caller, bo: Caller) -> None:
    gone = await post_task(ada, title="Is the kiosk open?", claim_ttl_s=60)
    given = await post_task(ada, title="Is the bank open?")
    await claim(bo, gone)
    held = await claim(bo, given)
    await world.later(61)
    ok(await bo.delete(f"/v1/people/claims/{held['id']}"), 204)
    read = await page(bo, "/w/submissions")
    assert "its time ran out" in read and "given back" in read and "Is the kiosk open?" in read
    await world.later(8 * 86_400)
    assert "its time ran out" not in await page(bo, "/w/submissions")


async def test_when_it_is_paid_is_said_as_it_is(world: World, ada: Caller, bo: Caller) -> None:
    found = await answer(bo, await post_task(ada))
    line = ok(await bo.get("/v1/people/earnings"))["lines"][0]
    path = f"/w/submissions/{found['id']}"
    read = await page(bo, path)
    assert "It is payable from <time" in read and line["release_at"][:16] in read
    await world.later(8 * 86_400)
    assert "It is in your next payout." in await page(bo, path)


async def test_an_award_names_each_of_its_parts(world: World, ada: Caller, bo: Caller) -> None:
    found = await answer(bo, await post_task(ada, acceptance=MANUAL))
    ok(await ada.post(f"/v1/submissions/{found['id']}/reject", {"reason_code": "unreadable", "comment": "Too dark."}))
    ok(await bo.post(f"/v1/people/submissions/{found['id']}/appeal", {"words": "It is bright enough."}), 201)
    await world.later(15 * 86_400)
    read = await page(bo, f"/w/submissions/{found['id']}")
    assert "100 % of the pay is yours: $3.60 in all, $0.60 of it from what the buyer had put at risk" in read


async def test_a_fault_of_ours_is_a_page_like_the_others(
    bo: Caller, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await answer(bo, await post_task(ada, acceptance=MANUAL))
    ok(await ada.post(f"/v1/submissions/{found['id']}/reject", {"reason_code": "unreadable", "comment": "Too dark."}))
    ok(await bo.post(f"/v1/people/submissions/{found['id']}/appeal", {"words": "It is bright enough."}), 201)

    async def breaks(*given: object, **named: object) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(appeal_views, "get", breaks)
    path = f"/w/submissions/{found['id']}"
    broken = await bo.get(path, headers=HTML)
    assert broken.status_code == 500 and "the inside" not in broken.text
    for part in ('class="brand"', 'class="tabs"', "What you had sent before is kept", broken.headers["x-request-id"]):
        assert part in broken.text
    assert broken.text.count("nothing has been done") == 1
    is_problem(await bo.get(path), 500, "internal")
