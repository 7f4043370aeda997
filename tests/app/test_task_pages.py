"""What decides payment stands on the pages before somebody claims, while they work, and after: with its true sums."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.pages import facts, words
from market import appeal_views, claims
from market.money import Money
from tests.app.conftest import (
    BAKERY,
    Caller,
    World,
    an_area,
    answer,
    claim,
    is_problem,
    ok,
    photo,
    post_task,
    submit,
)
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
    assert 'href="geo:52.52000,13.40500?q=52.52000,13.40500">Open in maps' in read
    assert "Where: <span>52.52000, 13.40500" in read and "within 80 m" in read
    assert "You have 3 tries" in read and "appeal, once, within 3 days" in read
    assert "at the latest 14 days after your appeal" in read and "with up to $0.60 on top" in read


async def test_how_many_tries_are_left_is_said_before_the_next_one(ada: Caller, bo: Caller) -> None:
    task = await post_task(ada)
    assert "of them" not in await page(bo, f"/w/tasks/{task['id']}")
    assert (await answer(bo, task, lat=52.53))["status"] == "rejected"
    assert "You have 3 tries, while the task is open: 2 of them are left." in await page(bo, f"/w/tasks/{task['id']}")


async def test_before_claiming_one_reads_who_decides_and_within_exactly_how_long(ada: Caller, bo: Caller) -> None:
    for mode, says in (("auto", "A machine decides"), ("manual", "The buyer decides")):
        decided = {"mode": mode, "checks": ["fresh"], "min_score": 0.65, "review_deadline_s": 129_600}
        read = await page(bo, f"/w/tasks/{(await post_task(ada, acceptance=decided))['id']}")
        assert says in read and "within 1 day 12 hours" in read and "it counts as accepted, and is paid" in read
        assert ("from a score of 65 of 100" in read) == (mode == "auto")


async def test_cells_of_an_area_are_told_apart_by_where_they_are(ada: Caller, bo: Caller) -> None:
    ok(await ada.post("/v1/areas", an_area()), 201)
    await post_task(ada, title="Is the kiosk open?")
    read = (await bo.get("/w", params=BAKERY, headers=HTML)).text
    found = ok(await bo.get("/v1/people/tasks", params=BAKERY))["items"]
    cells = [each for each in found if each["title"] == an_area()["task"]["title"]]
    assert len(cells) > 1
    for each in cells:
        assert words.position(each["place"]["lat"], each["place"]["lon"]) in read
    assert "52.52000, 13.40500" not in read  # the kiosk's title is its own


async def test_what_a_negative_pays_is_the_sum_that_is_paid(world: World, ada: Caller, bo: Caller) -> None:
    rising = {"max": {"amount": 900, "currency": "usd"}, "step_s": 1800, "step_percent": 15}
    task = await post_task(ada, price_schedule=rising, acceptance={"honest_negative_percent": 45})
    read = await page(bo, f"/w/tasks/{task['id']}")
    assert "$1.35, with a photo that shows it" in read
    assert "by $0.45 to $3.45, <time" in read and "at most to $9.00" in read
    assert "rises to $3.45" in (await bo.get("/w", params=BAKERY, headers=HTML)).text
    await world.later(1800)
    held = await claim(bo, task)
    read = await page(bo, f"/w/claims/{held['id']}")
    assert "it pays $1.55; one photo must show it" in read and "paid the same" not in read
    assert "What is checked" in read and "You are within 80 m of the place" in read and "geo:" in read


async def test_a_claim_says_the_bounds_that_it_is_checked_by(ada: Caller, bo: Caller) -> None:
    photos = {"min": 2, "max": 2, "before": 1, "work_s": 100, "min_width": 1600, "min_height": 1200, "min_sharpness": 6}
    task = await post_task(
        ada, kind="action", evidence={"photos": {**photos, "live_capture": True}}, acceptance={"min_score": 0.5}
    )
    read = await page(bo, f"/w/claims/{(await claim(bo, task))['id']}")
    checked = read[read.index("What is checked</h2>") :]
    for bound in (
        "within 80 m of the place", "with the camera on our page", "taken at least 1 minute 40 seconds before",
        "At least 1600 × 1200 pixels", "A sharpness of 6 or more", "A machine decides",
    ):  # fmt: skip
        assert bound in checked, bound
    for told in ('data-work="100"', 'data-checks="', 'data-claimed="2'):
        assert told in read
    assert checked.index("At least 1600") < checked.index("Hand in</button>")


async def test_a_negative_without_photos_promises_none(ada: Caller, bo: Caller) -> None:
    asked = {"questions": [{"id": "open", "type": "boolean"}]}
    task = await post_task(ada, kind="answer", evidence=asked, acceptance={"checks": []})
    read = await page(bo, f"/w/tasks/{task['id']}")
    assert "$3.00, if the buyer believes it" in read and "with a photo" not in read


async def test_a_series_says_who_may_answer_it(world: World, ada: Caller, bo: Caller) -> None:
    rules = {
        "forbidden": "wants another person each time", "preferred": "may claim it first", "any": "answer it each time"
    }  # fmt: skip
    for rule, says in rules.items():
        posted = ok(await ada.post("/v1/series", a_series(same_person=rule)), 201)
        group = ok(await ada.get(f"/v1/groups/{posted['id']}"))
        each = [ok(await ada.get(f"/v1/tasks/{task}")) for task in group["tasks"]]
        read = await page(bo, f"/w/tasks/{group['tasks'][0]}")
        assert says in read and "Next times:" in read and f'It opens <time datetime="{each[0]["opens_at"][:19]}' in read
        times = [read.index(f'<li><time datetime="{one["opens_at"][:19]}') for one in each[1:]]
        assert times == sorted(times) and len(times) == 2
        assert "This is the last time." in await page(bo, f"/w/tasks/{group['tasks'][2]}")


async def test_a_head_start_says_from_when_on_anybody_may(world: World, ada: Caller, bo: Caller) -> None:
    posted = ok(await ada.post("/v1/series", a_series(same_person="preferred", head_start_s=1800)), 201)
    task = ok(await ada.get(f"/v1/groups/{posted['id']}"))["tasks"][0]
    opens = datetime.fromisoformat(ok(await ada.get(f"/v1/tasks/{task}"))["opens_at"])
    path, free = f"/w/tasks/{task}", (opens + timedelta(seconds=1800)).isoformat()[:19]
    assert f'from <time datetime="{free}' in await page(bo, path)
    await world.later(int((opens - datetime.now(UTC)).total_seconds()) + 1900)
    read = await page(bo, path)
    assert "anybody may by now" in read and "It opens" not in read and "Claim for $3.00" in read


async def test_a_standing_task_says_when_it_is_asked_next(ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, standing={"every_s": 5400, "per_person": 2}, quantity=10)
    read = await page(bo, f"/w/tasks/{task['id']}")
    assert "every 1 hour 30 minutes; you may answer 2 times each time, next from <time" in read
    assert "You have 6 tries each time it is asked" in read


async def test_a_route_says_what_all_of_it_pays_and_is_given_back_in_one(ada: Caller, bo: Caller) -> None:
    rising = {"max": {"amount": 400, "currency": "usd"}, "step_s": 1800, "step_percent": 15}
    terms = {"mode": "auto", "checks": ["fresh", "at_place"], "min_score": 0.5, "honest_negative_percent": 45}
    parts = [{**part, "acceptance": terms, "price_schedule": rising} for part in a_route()["tasks"]]
    ok(await ada.post("/v1/routes", a_route(tasks=parts)), 201)
    [route] = ok(await bo.get("/v1/people/routes", params=BAKERY))["items"]
    path = f"/w/routes/{route['id']}"
    read = await page(bo, path)
    assert "$9.00" in read and "$0.90" in read and "2 hours for all" in read and read.count("geo:") == 3
    assert "decided by machine, in doubt by the buyer within 1 day" in read
    assert "by $1.35 to $10.35, <time" in read and "at most to $12.00" in read and "$4.05 for all of them" in read
    alone = await page(bo, f"/w/tasks/{ok(await bo.get(path.replace('/w/', '/v1/people/')))['tasks'][0]['id']}")
    for fact in (
        "You are within 80 m of the place", "A machine decides", "it counts as accepted, and is paid",
        "You have 3 tries", "$1.35, with a photo that shows it", "7 days after it is accepted", "The task ends",
    ):  # fmt: skip
        assert read.count(fact) >= 3 and fact in alone, fact
    taken = ok(await bo.post(f"/v1/people/routes/{route['id']}/claims", {**BAKERY, "accuracy_m": 5}), 201)["claims"]
    first, last = [await page(bo, f"/w/claims/{taken[n]['id']}") for n in (0, 2)]
    assert f'href="{path}"' in first and "Stop 1 of 3" in first and "Give back all 3 that are left" in first
    assert f'Next: <a class="tap" href="/w/claims/{taken[1]["id"]}">Stop 2</a>' in first
    assert f'Next: <a class="tap" href="/w/claims/{taken[0]["id"]}">' in last  # passed by, and not handed in
    ok(await photo(bo, taken[0]))
    handed_in = await submit(bo, taken[0])
    read = await page(bo, f"/w/submissions/{handed_in['id']}")
    assert f'href="/w/claims/{taken[1]["id"]}">Next stop: Stop 2</a>' in read
    read = await page(bo, f"/w/claims/{taken[2]['id']}")
    assert f'href="/w/claims/{taken[1]["id"]}">' in read and "Give back all 2 that are left" in read
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
    assert "You have given it back" in await page(bo, f"/w/claims/{held['id']}")
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
    assert "100 % of the pay</dt><dd>$3.00" in read and "<strong>$3.60</strong>" in read
    assert "100 % of the $0.60 that the buyer had put at risk</dt><dd>$0.60" in read


async def test_an_award_of_a_part_names_that_part(world: World, ada: Caller, bo: Caller, olu: Caller) -> None:
    found = await answer(bo, await post_task(ada, acceptance=MANUAL))
    ok(await ada.post(f"/v1/submissions/{found['id']}/reject", {"reason_code": "unreadable", "comment": "Too dark."}))
    path = f"/w/submissions/{found['id']}"
    until = datetime.fromisoformat(ok(await bo.get(f"/v1/people/submissions/{found['id']}"))["decided_at"])
    assert f'once, until <strong><time datetime="{(until + timedelta(days=3)).isoformat()[:19]}' in await page(bo, path)
    appeal = ok(
        await bo.post(f"/v1/people/submissions/{found['id']}/appeal", {"words": "It is bright enough."}), 201
    )  # fmt: skip
    await world.later(2 * 86_400)
    given = {"award_percent": 25, "reason": "Half of it can be read."}
    ok(await olu.post(f"/v1/operator/appeals/{appeal['id']}/decide", given))
    read = await page(bo, path)
    assert "25 % of the pay</dt><dd>$0.75" in read and "25 % of the $0.60" in read
    assert "put at risk</dt><dd>$0.15" in read and "<strong>$0.90</strong>" in read and "Half of it can" in read


async def test_an_award_that_the_buyer_cannot_pay_yet_is_said_to_be_due() -> None:
    bond, none = Money(60, "usd"), Money(0, "usd")
    due = facts.award(none, Money(360, "usd"), bond, 100)
    assert (due.pay.amount, due.bond.amount, due.total.amount, due.due) == (300, 60, 360, True)
    assert facts.award(none, none, bond, 0).total == none


async def test_pay_that_was_taken_back_is_told_with_its_reason(
    world: World, ada: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    found = await answer(bo, await post_task(ada))
    asking = {"kind": "clawback", "subject": found["id"], "reason": "The photo is of another shop."}
    asked = ok(await olu.post("/v1/operator/decisions", asking), 201)
    path = f"/w/submissions/{found['id']}"
    assert "another shop" not in await page(bo, path)
    ok(await pia.post(f"/v1/operator/decisions/{asked['id']}/approve"))
    assert "They say: The photo is of another shop." in await page(bo, path)
    assert "taken back, since it should not have been paid" in await page(bo, "/w/earnings")


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
    for part in ('class="brand"', 'class="tabs"', "Nothing is lost", f'href="{path}"', broken.headers["x-request-id"]):
        assert part in broken.text
    shown = broken.text[broken.text.index("<body") :]
    assert shown.count("went wrong on our side") == 1 and shown.count("was not done") == 1
    is_problem(await bo.get(path), 500, "internal")


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (ConnectionError(), 503, "busy or away for a moment"),
        (RuntimeError("the inside"), 500, "What you just asked for was not"),
    ],
)
async def test_every_page_fails_in_the_same_frame_and_says_that_nothing_is_lost(
    bo: Caller, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, says: str
) -> None:
    async def breaks(*given: object, **named: object) -> None:
        raise error

    monkeypatch.setattr(claims, "active", breaks)
    broken = await bo.get("/w/submissions", headers=HTML)
    assert broken.status_code == status, broken.text
    for part in (says, "Nothing is lost", "Go back, and try again", 'class="brand"', 'class="tabs"'):
        assert broken.text.count(part) == 1, part


async def test_what_opens_later_says_when(world: World, ada: Caller) -> None:
    opens = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    task = await post_task(ada, opens_at=opens)
    guest = await world.client.get(f"/w/tasks/{task['id']}", headers=HTML)
    assert "It opens <time" in guest.text and "Sign in to claim" not in guest.text
    await world.later(86_401)
    guest = await world.client.get(f"/w/tasks/{task['id']}", headers=HTML)
    assert "It opens" not in guest.text and "Sign in to claim" in guest.text
