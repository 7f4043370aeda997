"""What an operator has typed at the console is never lost: not by a mistake in it, nor by a session that has ended."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest

from app.pages.operator.forms import plain
from market import audit_log
from tests.app.conftest import Caller, World, ok
from tests.app.test_console import Desk, hidden, main

TOO_LONG = "x" * 1_001


def field(page: httpx.Response, name: str, action: str) -> str:
    """The markup of a field with its label, of the form that goes to `action`."""
    text = unescape(main(page))
    text = text[text.index(f'action="{action}"') :]
    found = re.search(rf'<label(?:(?!</label>).)*name="{name}"(?:(?!</label>).)*</label>', text, re.DOTALL)
    assert found is not None, (name, text)
    return found[0]


@pytest.fixture
async def desk(world: World, olu: Caller) -> Desk:
    """Olu's."""
    return await Desk(world, olu.secret).sign_in()


@pytest.mark.parametrize(
    ("path", "form", "wrong", "says", "kept"),
    [
        ("people/{bo}/hold", {"reason": "under review", "days": "1.5"}, "days", "whole number", {"reason": "under"}),
        ("people/{bo}/hold", {"reason": "", "days": "3"}, "reason", "Fill this in.", {"days": '"3"'}),
        ("accounts/{ada}/hold", {"reason": "stolen", "days": "400"}, "days", "at most 365", {"reason": "stolen"}),
        ("switches/refunds/turn", {"stopped": "true", "reason": "x" * 501}, "reason", "At most 500", {}),
        ("runs/{run}/change", {"minimum": "2,5", "note": "May"}, "minimum", "write 2.50", {"note": "May"}),
        ("runs/{run}/exclude", {"person_id": "", "note": "waits"}, "person_id", "Fill this in", {"note": "waits"}),
        ("decisions/ask", {"kind": "clawback", "subject": "sub_1", "amount": "3", "reason": "another shop"}, "subject",
         "", {"reason": "another shop", "kind": 'value="clawback" selected', "amount": '"3"'}),
        ("decisions/ask", {"kind": "write_off", "subject": "prsn_1", "reason": TOO_LONG}, "reason", "At most 1000",
         {"subject": "prsn_1"}),
    ],
)  # fmt: skip
async def test_a_form_with_a_mistake_is_shown_again_with_what_was_typed_and_what_is_wrong_beside_it(
    desk: Desk, ada: Caller, bo: Caller, olu: Caller, path: str, form: dict[str, str], wrong: str, says: str,
    kept: dict[str, str],
) -> None:  # fmt: skip
    run = ok(await olu.post("/v1/operator/payout-runs", {"draft": True}), 201)["id"]
    action = "/operator/" + path.format(ada=ada.id, bo=bo.id, run=run)
    page = await desk.send(action, **form, **({"once": "0" * 32} if "decisions" in path else {}))
    assert page.status_code in (409, 422), page.text
    mistaken = field(page, wrong, action)
    assert 'class="wrong"' in mistaken and 'aria-invalid="true"' in mistaken and says in mistaken
    assert form[wrong] in mistaken and main(page).count("aria-invalid") == 1
    for name, value in kept.items():
        assert value in field(page, name, action), name
    told = re.sub("<[^>]+>", " ", main(page))
    assert "Nothing was done." in told and not re.search(r"`|/[a-z]+_|Expected|JSON|int\b", told)
    assert "<details open>" in page.text or "/hold" not in action


async def test_a_day_that_cannot_be_closed_says_so_on_the_page_of_the_closes(desk: Desk) -> None:
    wrong = await desk.send("/operator/closes", day="Tuesday")
    assert wrong.status_code == 422 and "Day: Write a day such as 2026-03-31." in main(wrong)
    assert "<h1>Daily closes</h1>" in wrong.text


async def test_a_run_that_is_looked_at_with_a_mistake_keeps_what_was_typed(desk: Desk) -> None:
    page = await desk.open("/operator/runs/new?currency=eur&most_in_all=1%2C5&note=October&once=" + "0" * 32)
    assert page.status_code == 422 and "write 1.50" in main(page)
    assert 'value="eur" selected' in page.text and 'value="October"' in page.text and 'value="1,5"' in page.text
    assert hidden(page.text, "once") == "0" * 32
    assert (await desk.open("/operator/runs/new?currency=xxx")).status_code == 422


async def test_a_form_that_is_at_work_keeps_its_key_and_one_whose_key_was_used_gets_a_new_one(desk: Desk) -> None:
    form = {"currency": "usd", "once": "1" * 32}
    assert hidden((await desk.send("/operator/runs", **form, minimum="x")).text, "once") == "1" * 32
    assert (await desk.send("/operator/runs", **form)).status_code == 303
    again = await desk.send("/operator/runs", **form, note="other")
    assert again.status_code == 422 and hidden(again.text, "once") != "1" * 32 and 'value="other"' in again.text


async def test_what_is_refused_is_said_on_the_page_as_it_stands_by_now(desk: Desk, olu: Caller) -> None:
    run = ok(await olu.post("/v1/operator/payout-runs", {"draft": True}), 201)["id"]
    nobody = await desk.send(f"/operator/runs/{run}/exclude", person_id="prsn_" + "0" * 32, note="waits")
    assert nobody.status_code == 404 and "Nothing is payable to this person" in main(nobody)
    assert 'value="waits"' in field(nobody, "note", f"/operator/runs/{run}/exclude")
    assert (await desk.send(f"/operator/runs/{run}/discard", any="")).status_code == 303
    assert "<h1>There is no such thing here</h1>" in (await desk.send(f"/operator/runs/{run}/freeze", any="")).text
    run = ok(await olu.post("/v1/operator/payout-runs", {}), 201)["id"]
    page = await desk.send(f"/operator/runs/{run}/freeze", any="")
    assert page.status_code == 409 and "Nothing was done." in main(page) and run[-6:] in main(page)


async def test_a_form_sent_after_the_session_has_ended_comes_back_filled_in_and_nothing_is_done(
    desk: Desk, world: World, olu: Caller, bo: Caller
) -> None:
    typed = {"reason": 'seen with "two" <b>phones</b>', "days": "14"}
    action = f"/operator/people/{bo.id}/hold"
    await desk.send("/operator/me/sign-out")
    away = await desk.send(action, **typed, proof_key=olu.secret)
    assert away.status_code == 307 and "Max-Age=0" in away.headers["set-cookie"]
    assert typed["reason"] not in away.headers["location"] and olu.secret not in away.headers["location"]
    door = await desk.send(away.headers["location"], **typed, proof_key=olu.secret)
    kept = hidden(door.text, "kept")
    assert door.status_code == 401 and olu.secret not in door.text and door.headers["cache-control"] == "no-store"
    wrong = await desk.send("/operator/sign-in", key="op_" + "x" * 43, kept=kept)
    assert wrong.status_code == 401 and hidden(wrong.text, "kept") == kept
    opened = await desk.send("/operator/sign-in", key=olu.secret, kept=kept)
    assert (opened.status_code, opened.headers["location"]) == (307, "/operator/again")
    desk.cookie = opened.headers["set-cookie"].split(";")[0]
    world.client.cookies.clear()
    page = await desk.send("/operator/again", kept=kept)
    assert page.status_code == 200 and "Nothing of this was sent yet." in main(page) and "<details open>" in page.text
    assert f'value="{typed["reason"]}"' in field(page, "reason", action) and "<b>phones" not in page.text
    assert 'value="14"' in field(page, "days", action)
    assert ok(await olu.get("/v1/operator/holds"))["items"] == []
    assert (await desk.send(action, **typed)).status_code == 303
    async with world.services.database.read() as connection:
        acts = await audit_log.listed(connection, before=None, limit=4)
    # Shown again is looked at.
    assert [act.action for act in acts] == [
        "hold_person", "list_holds", "get_person_for_operator", "open_operator_session",
    ]  # fmt: skip


async def test_who_does_not_prove_who_they_are_gets_their_form_back(desk: Desk, world: World, ada: Caller) -> None:
    await world.later(301)
    typed = {"stopped": "false", "reason": "it was found"}
    asked = await desk.send("/operator/switches/payouts/turn", **typed)
    page = await desk.send("/operator/again", kept=hidden(asked.text, "kept"))
    assert page.status_code == 200 and 'value="it was found"' in field(
        page, "reason", "/operator/switches/payouts/turn"
    )


async def test_a_page_is_found_again_with_what_it_was_asked_for(world: World, olu: Caller) -> None:
    guest = Desk(world, olu.secret)
    away = (await guest.open("/operator/runs/new?currency=eur&note=May%202")).headers["location"]
    page = await guest.open(away)
    assert hidden(page.text, "next") == "/operator/runs/new?currency=eur&note=May%202"
    for elsewhere in ("/operator?next=https://evil.example/x", "/operator\\evil", "/operator/a b"):
        door = await guest.open("/operator/sign-in?" + str(httpx.QueryParams(next=elsewhere)))
        assert hidden(door.text, "next") == "/operator"


async def test_nothing_but_a_form_of_ours_is_kept_and_from_our_own_pages_only(desk: Desk, world: World) -> None:
    for to in ("", "https://evil.example", "/operator/sign-in", "/operator/nowhere", "/w/me", "//evil/hold"):
        door = await desk.send("/operator/sign-in/kept?" + str(httpx.QueryParams(to=to)), reason="x")
        assert door.status_code == 401 and 'name="kept"' not in door.text, to
    assert (await desk.send("/operator/sign-in/kept?to=/operator/closes", "cross-site")).status_code == 403
    assert (await desk.send("/operator/again", "cross-site", kept="{}")).status_code == 403
    for kept, status in (
        ("", 400), ("{", 400), ("{}", 400), ('{"action": "/operator/closes", "texts": 1}', 400),
        ('{"action": "https://evil.example", "texts": {}}', 404),
        ('{"action": "/operator/people/prsn_0/hold", "texts": {}}', 404),
    ):  # fmt: skip
        assert (await desk.send("/operator/again", kept=kept)).status_code == status, kept


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("Expected `str` of length <= 500.", "At most 500 characters."), ("This field is required.", "Fill this in."),
        ("Expected `int | null`, got `str`.", "Write a whole number."), ("Expected `int` >= 1.", "At least 1."),
        ("Invalid enum value 'x'.", "Choose one of those that are offered."),
        ("Expected `object`, got `str`.", "This cannot be taken as it is."),
        ("Nobody gets less than $1.00.", "Nobody gets less than $1.00."),
    ],
)  # fmt: skip
def test_what_the_checks_say_is_said_in_plain_words(detail: str, words: str) -> None:
    assert plain(detail) == words


async def test_the_longest_evidence_is_kept_too_and_no_more_than_that_is_taken(desk: Desk, world: World) -> None:
    at = "/operator/sign-in/kept?to=/operator/disputes/disp_0/answer"
    door = await desk.send(at, uncategorized_text='"\n' * 60_000)
    assert door.status_code == 401 and hidden(door.text, "kept").count('\\"\\n') == 60_000
    kept = hidden(door.text, "kept")
    wrong = await desk.send("/operator/sign-in", key="op_" + "x" * 43, kept=kept)
    assert wrong.status_code == 401 and hidden(wrong.text, "kept") == kept
    assert (await desk.send(at, uncategorized_text="x" * 2_600_000)).status_code == 413
