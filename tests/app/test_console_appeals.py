"""The blind second review at the console: what is asked in full, a layout that tells nothing, sums before they move."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import httpx

from app.pages.operator.phrases import exactly, late, left
from market import audit
from market.clock import advance, now
from market.money import Money
from tests.app.conftest import Caller, World, claim, is_problem, ok, photo, picture, post_task, submit
from tests.app.test_console import Desk, hidden, main

MANUAL = {"mode": "manual", "checks": ["not_duplicate"]}
ASKED = {
    "photos": {"min": 1, "max": 3, "live_capture": True, "min_width": 400},
    "readings": [{"name": "noise", "unit": "dB"}],
    "questions": [
        {"id": "q1", "type": "choice", "text": "Is the shop's door open?", "choices": ["open", "shut"]},
        {"id": "q2", "type": "boolean", "text": "Is there a queue?"},
        {"id": "q3", "type": "number", "text": "How many tables are outside?", "min": 0, "required": False},
    ],
}
WORDS = 48 * 3600
REVIEW = 14 * 86_400
CITES = {"reason_code": "unreadable", "comment": "It is too dark to tell."}


async def at_the_desk(world: World, olu: Caller, after_s: int = 0) -> Desk:
    """Olu, so much later, by when the last session has ended."""
    if after_s:
        await world.later(after_s)
    return await Desk(world, olu.secret).sign_in()


async def handed_in(
    ada: Caller, bo: Caller, seed: int = 1, *, capture: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """What Bo has handed in to Ada, judged."""
    given = {"acceptance": MANUAL, "evidence": ASKED, "reward": {"amount": 315, "currency": "usd"}}
    claimed = await claim(bo, await post_task(ada, **(given | changes)))
    ok(await photo(bo, claimed, picture(seed), capture=capture))
    measured = [{"n": "noise", "u": "dB", "v": 61.5}]
    answers = {"q1": "open", "q2": False}
    found = await submit(bo, claimed, answers=answers, readings=measured, notes="The bell was ringing.")
    await bo.world.jobs()
    return dict(ok(await bo.get(f"/v1/people/submissions/{found['id']}")))


async def appeal_of(bo: Caller, submission: dict[str, Any]) -> str:
    """Bo appeals: the case's id."""
    path = f"/v1/people/submissions/{submission['id']}/appeal"
    return str(ok(await bo.post(path, {"words": "It was noon."}), 201)["id"])


async def appealed(ada: Caller, bo: Caller, seed: int = 1, why: dict[str, str] | None = None) -> str:
    """What Ada has refused and Bo appeals: the case's id."""
    found = await handed_in(ada, bo, seed)
    ok(await ada.post(f"/v1/submissions/{found['id']}/reject", why or CITES))
    return await appeal_of(bo, found)


async def disputed(ada: Caller, bo: Caller, seed: int = 1) -> str:
    """What the machine has accepted and Ada disputes: the case's id."""
    found = await handed_in(ada, bo, seed, acceptance={**MANUAL, "mode": "auto", "min_score": 0.0})
    assert found["status"] == "accepted", found
    wrong = {"reason_code": "unreadable", "words": CITES["comment"]}
    return str(ok(await ada.post(f"/v1/submissions/{found['id']}/dispute", wrong), 201)["id"])


def plainly(page: httpx.Response) -> str:
    """What somebody reads on a page."""
    look(page)
    text = unescape(re.sub("<[^>]+>", " ", main(page)))
    return re.sub(r"\s+", " ", text)


def look(page: httpx.Response) -> None:
    """Keep the page for whoever wants to see it: CONSOLE_PAGES=folder."""
    folder = os.environ.get("CONSOLE_PAGES")
    if folder:
        kept = Path(folder)
        kept.mkdir(parents=True, exist_ok=True)
        name = f"{len(list(kept.glob('*.html'))):02d}.html"
        (kept / name).write_text(page.text)


def rows(page: httpx.Response) -> list[str]:
    """The rows of the page's tables, as text."""
    found = re.findall("<tr>(.*?)</tr>", main(page), re.DOTALL)
    return [re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", one))).strip() for one in found]


async def test_a_reviewer_reads_what_was_asked_in_full_and_no_name(
    world: World, ada: Caller, bo: Caller, olu: Caller
) -> None:
    case = await appealed(ada, bo)
    desk = await at_the_desk(world, olu, WORDS)
    shown = await desk.open(f"/operator/appeals/{case}")
    page = plainly(shown)
    for said in (
        "Is the shop's door open? (one of: open, shut) open", "Is there a queue? (yes or no) no",
        "How many tables are outside? (a number from 0; it could be left out) not answered",
        "1 to 3 photos, taken in the app", "At least 400 pixels wide", "Noise in dB", "Noise 61.5 dB dB",
        "Stand across the street", "Opening-hours check", "The bell was ringing.", "within 80 m",
    ):  # fmt: skip
        assert said in page, (said, page)
    for secret in (ada.id, bo.id, "Ada", "example.com", "$", "reject", "buyer’s balance"):
        assert secret not in page, secret


async def test_the_layout_is_the_same_whoever_has_decided_whoever_contests_and_whatever_was_cited(
    world: World, ada: Caller, bo: Caller, olu: Caller
) -> None:
    by_reason = await appealed(ada, bo, 1)
    by_other_reason = await appealed(ada, bo, 2, why={"reason_code": "incomplete", "comment": CITES["comment"]})
    by_buyer = await disputed(ada, bo, 3)
    ok(await bo.post(f"/v1/disputes/{by_buyer}/statements", {"words": "It was noon."}), 201)
    elsewhere = {"lat": 48.1, "lon": 11.5}
    refused = await handed_in(ada, bo, 4, acceptance={**MANUAL, "checks": ["at_place"]}, capture=elsewhere)
    assert refused["status"] == "rejected", "by machine, which cites a check"
    by_machine = await appeal_of(bo, refused)
    desk = await at_the_desk(world, olu, WORDS)
    shapes, sections = set(), set()
    for each in (by_reason, by_other_reason, by_buyer, by_machine):
        page = main(await desk.open(f"/operator/appeals/{each}"))
        said = page[page.index('<h2 id="words">') : page.index('<h2 id="evidence">')]
        assert said.count("It was noon.") == 1 and said.index("Against") < said.index("For the evidence")
        assert each == by_machine or said.count(CITES["comment"]) == 1
        shapes.add(re.sub(r">[^<]*<", "><", said))
        sections.add(tuple(re.findall(r"<(?:h[1-6]|section|caption|form)[^>]*>", page.replace(each, ""))))
    assert len(shapes) == len(sections) == 1, (shapes, sections)


async def test_the_api_does_not_tell_who_disputes_either(world: World, ada: Caller, bo: Caller, olu: Caller) -> None:
    case = await disputed(ada, bo)
    ok(await ada.post(f"/v1/disputes/{case}/statements", {"words": "And it is blurred."}), 201)
    await world.later(WORDS)
    seen = ok(await olu.get(f"/v1/operator/appeals/{case}"))
    assert seen["objection"]["words"] == CITES["comment"]
    assert [(one["side"], one["words"]) for one in seen["statements"]] == [("against", "And it is blurred.")]


async def test_each_sum_is_named_to_the_unit_before_anything_moves(
    world: World, ada: Caller, bo: Caller, olu: Caller
) -> None:
    case = await appealed(ada, bo)
    desk = await at_the_desk(world, olu, WORDS)
    at = f"/operator/appeals/{case}"
    form = {"once": hidden((await desk.open(at)).text, "once"), "reason": 'Half of "it" & no more.'}
    confirm = await desk.send(f"{at}/decide", **form, award_percent="50")
    assert confirm.status_code == 200 and ok(await olu.get(f"/v1{at}"))["stage"] == "review", "nothing is decided"
    page = plainly(confirm)
    assert rows(confirm)[1:5] == [
        "The person 50 % of the pay, $3.15 157.5, rounded up to 158 $1.58",
        "The market 50 % of its fee, $0.31 15.5, rounded down to 15 $0.15",
        "The buyer the rest of both 173 $1.73", "In all 346 $3.46",
    ]  # fmt: skip
    assert rows(confirm)[6:] == [
        "The person 50 % of the bond 31.5, rounded up to 32 $0.32", "The buyer the rest of it 31 $0.31",
    ]  # fmt: skip
    assert "$0.63" in page and form["reason"] in page and "rounded up for the person" in page
    back = await desk.send("/operator/again", kept=hidden(confirm.text, "kept"))
    assert back.status_code == 200 and 'name="award_percent"' in back.text and 'value="50"' in back.text
    assert form["reason"] in unescape(main(back)) and "Nothing of this was sent yet." in main(back)
    # What was seen is of this part and no other.
    changed = await desk.send(f"{at}/decide", **form, award_percent="60", sums_seen="50")
    assert changed.status_code == 200 and "60 % of the pay" in plainly(changed)
    sent = {name: hidden(confirm.text, name) for name in ("once", "award_percent", "reason", "sums_seen")}
    done = await desk.send(f"{at}/decide", **sent)
    assert (done.status_code, done.headers["location"]) == (303, f"{at}?done=decided")
    assert ok(await bo.get("/v1/people/earnings"))["pending"]["amount"] == 158 + 32
    assert (await desk.send(f"{at}/decide", **sent)).status_code == 303, "sent twice, done once"
    late_one = await desk.send(f"{at}/decide", **(form | {"once": "1" * 32}), award_percent="0")
    assert late_one.status_code == 409 and "It has been decided." in main(late_one)
    async with world.services.database.read() as connection:
        assert await audit.audit(connection) == []


async def test_what_is_foreseen_is_what_moves_whoever_contests(
    world: World, ada: Caller, bo: Caller, olu: Caller
) -> None:
    """For every part, an appeal and a dispute foresee the same, and its sums are those that are posted."""
    cases = [await appealed(ada, bo, 1), await disputed(ada, bo, 2)]
    await world.later(WORDS)
    for percent in (0, 1, 33, 99, 100):
        seen = [ok(await olu.get(f"/v1/operator/appeals/{each}/award?award_percent={percent}")) for each in cases]
        assert seen[0] == seen[1], "it would tell who contests"
        sums = [seen[0][name]["amount"] for name in ("to_person", "to_market", "to_buyer")]
        assert sum(sums) == 315 + 31 and min(sums) >= 0
    for each, kept in zip(cases, ({"task": -409, "person": 125, "fee": 10, "buyer": 274},
                                  {"task": -63, "person": -190, "fee": -21, "buyer": 274}), strict=True):  # fmt: skip
        foreseen = ok(await olu.get(f"/v1/operator/appeals/{each}/award?award_percent=33"))
        is_problem(await olu.get(f"/v1/operator/appeals/{each}/outcome"), 409, "wrong-state")
        ok(await olu.post(f"/v1/operator/appeals/{each}/decide", {"award_percent": 33, "reason": "A third of it."}))
        ended = ok(await olu.get(f"/v1/operator/appeals/{each}/outcome"))
        assert ended["paid"]["amount"] == foreseen["to_person"]["amount"] + foreseen["bond_to_person"]["amount"] == 125
        assert ended["refunded"]["amount"] == 274 == foreseen["to_buyer"]["amount"] + 42
        assert {one["whose"]: one["amount"]["amount"] for one in ended["moved"]} == kept
        is_problem(await olu.get(f"/v1/operator/appeals/{each}/award"), 409, "wrong-state")


async def test_a_decided_case_says_so_by_whom_when_and_what_moved(
    world: World, ada: Caller, bo: Caller, olu: Caller
) -> None:
    case, left_alone = await appealed(ada, bo, 1), await disputed(ada, bo, 2)
    desk = await at_the_desk(world, olu, WORDS)
    at = f"/operator/appeals/{case}"
    assert "To be decided" in plainly(await desk.open(at))
    ok(await olu.post(f"/v1{at}/decide", {"award_percent": 0, "reason": "It cannot be read."}))
    shown = await desk.open(at)
    page = plainly(shown)
    for said in (
        "Decided", "By an operator", "Nothing is the person’s", "It cannot be read.", "To the person in all $0.00",
        "Back to the buyer $0.63", "What was held for it −$0.63", "The buyer’s balance $0.63",
    ):  # fmt: skip
        assert said in page, (said, page)
    assert re.search(r"Decided \d{4}-\d\d-\d\d \d\d:\d\d UTC", page) and f'action="{at}/decide"' not in shown.text
    assert "To be decided" not in page and "/operator/ledger/transactions/ltx_" in shown.text
    desk = await at_the_desk(world, olu, REVIEW)
    page = plainly(await desk.open(f"/operator/appeals/{left_alone}"))
    assert "By the deadline, as nobody had reviewed it in time" in page and "100 % of the pay is the person’s" in page
    over = await desk.open("/operator/appeals?over=yes")
    assert over.text.count("<td>Over</td>") == 2 and "apl_" not in plainly(await desk.open("/operator/appeals"))


async def test_what_the_buyer_cannot_pay_stands_on_the_page_as_owed(
    world: World, ada: Caller, bo: Caller, olu: Caller
) -> None:
    elsewhere = {"lat": 48.1, "lon": 11.5}
    refused = await handed_in(ada, bo, acceptance={**MANUAL, "checks": ["at_place"]}, capture=elsewhere)
    case = await appeal_of(bo, refused)
    ok(await ada.post(f"/v1/tasks/{refused['task_id']}/cancel"))
    await post_task(ada, reward={"amount": 90_900, "currency": "usd"})  # and with its fee all but ten cents are gone
    desk = await at_the_desk(world, olu, WORDS)
    at = f"/operator/appeals/{case}"
    ok(await olu.post(f"/v1{at}/decide", {"award_percent": 100, "reason": "It is the place."}))
    page = plainly(await desk.open(at))
    assert "Owed to the person $3.15, until the buyer’s balance covers it" in page
    assert "Nothing has moved by it" in page and "Fronted" not in page


async def test_the_most_urgent_stands_first_and_what_is_overdue_is_marked(
    world: World, ada: Caller, bo: Caller, olu: Caller
) -> None:
    desk = await at_the_desk(world, olu)
    home = main(await desk.open("/operator"))
    assert 'href="/operator/appeals"><span>Appeals to decide</span><strong>0</strong>' in home
    first = await appealed(ada, bo, 1)
    await world.later(3 * 86_400)
    second = await appealed(ada, bo, 2)
    desk = await at_the_desk(world, olu, WORDS)
    listed = await desk.open("/operator/appeals")
    assert listed.text.index(f"/operator/appeals/{first}") < listed.text.index(f"/operator/appeals/{second}")
    assert "8 days 23 h left" in plainly(listed) and "11 days 23 h left" in plainly(listed)
    query = {"order": "deadline", "limit": 1, "open": "true"}
    page = ok(await olu.get("/v1/operator/appeals", params=query))
    assert [each["id"] for each in page["items"]] == [first]
    page = ok(await olu.get("/v1/operator/appeals", params={**query, "cursor": page["next_cursor"]}))
    assert [each["id"] for each in page["items"]] == [second] and page["next_cursor"] is None
    wrong = is_problem(await olu.get("/v1/operator/appeals", params={**query, "cursor": "MSAyIDM"}), 422, "validation")
    assert wrong["errors"][0]["pointer"] == "/cursor"
    async with world.services.database.transaction() as connection:
        await advance(connection, 9 * 86_400 + 3_700)  # no sweep has come yet
    desk = await at_the_desk(world, olu)
    home = main(await desk.open("/operator"))
    assert 'href="/operator/appeals" class="alarm"><span>Appeals to decide</span><strong>2</strong>' in home
    assert "<small>1 overdue, first by " in home
    assert "Overdue by 1 h" in plainly(await desk.open("/operator/appeals"))
    assert "Overdue by 1 h" in plainly(await desk.open(f"/operator/appeals/{first}"))


async def test_how_long_there_is_and_a_part_before_it_is_rounded(world: World) -> None:
    async with world.services.database.read() as connection:
        at = await now(connection)
    for seconds, words in ((30, "less than a minute"), (3_599, "59 min"), (3_600, "1 h"), (90_000, "1 day 1 h"),
                           (172_800, "2 days"), (5_460, "1 h 31 min")):  # fmt: skip
        assert left(at + timedelta(seconds=seconds), at) == words == late(at - timedelta(seconds=seconds), at)
        assert late(at + timedelta(seconds=seconds), at) == "" == left(at - timedelta(seconds=seconds), at)
    assert [exactly(Money(301, "usd"), part) for part in (0, 1, 50, 100)] == ["0", "3.01", "150.5", "301"]
