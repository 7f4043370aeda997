"""The console's forms: once each, from our own pages only, kept while a proof is asked for; and what they refuse."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest

from market import audit_log
from tests.app import console_cases
from tests.app.conftest import Caller, World, ok

OWN = {"sec-fetch-site": "same-origin", "accept": "text/html"}


class Desk:
    """Somebody's browser at the console, without scripts."""

    def __init__(self, world: World, key: str) -> None:
        self.world, self.key, self.cookie = world, key, ""

    async def sign_in(self) -> Desk:
        answer = await self.send("/operator/sign-in", key=self.key, next="/operator/runs")
        assert (answer.status_code, answer.headers["location"]) == (303, "/operator/runs"), answer.text
        self.cookie = answer.headers["set-cookie"].split(";")[0]
        self.world.client.cookies.clear()
        return self

    async def open(self, path: str) -> httpx.Response:
        return await self.world.client.get(path, headers={"cookie": self.cookie, **OWN})

    async def send(self, path: str, site: str = "same-origin", **form: str) -> httpx.Response:
        headers = {"cookie": self.cookie, **OWN, "sec-fetch-site": site}
        return await self.world.client.post(path, data=form, headers=headers)


def hidden(page: str, name: str) -> str:
    """What a hidden field of the page holds."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    assert found is not None, name
    return unescape(found[1])


def main(page: httpx.Response) -> str:
    return page.text[page.text.index("<main") :]


@pytest.fixture
async def desk(world: World, olu: Caller) -> Desk:
    """Olu's."""
    return await Desk(world, olu.secret).sign_in()


async def test_every_page_opens_or_says_that_there_is_no_such_thing(desk: Desk, ada: Caller, bo: Caller) -> None:
    names = {
        **console_cases.NAMES, "run_id": "run_" + "0" * 32, "payout_id": "pay_" + "0" * 32, "person_id": bo.id,
        "account_id": ada.id, "operation_id": "sop_" + "0" * 32,
    }  # fmt: skip
    for path in console_cases.PAGES:
        if path in ("/operator/me/proof", "/operator/reconciliation"):
            continue  # the one asks for a proof, the other asks Stripe, which is not there
        page = await desk.open(path.format(**names))
        nothing = "{" in path and not any(name in path for name in ("person_id", "account_id"))
        assert page.status_code == (404 if nothing else 200), (path, page.text)
        assert "default-src 'none'" in page.headers["content-security-policy"], path
        assert page.headers["cache-control"] == "no-store" and "<h1" in page.text


async def test_a_guest_is_sent_to_sign_in_and_on_to_our_own_pages_only(world: World, olu: Caller) -> None:
    guest = Desk(world, olu.secret)
    away = await guest.open("/operator/runs")
    assert (away.status_code, away.headers["location"]) == (303, "/operator/sign-in?next=/operator/runs")
    assert "Max-Age=0" in away.headers["set-cookie"] and "SameSite=Strict" in away.headers["set-cookie"]
    for elsewhere in ("https://evil.example", "//evil.example", "/operator.evil", "/w", "/operator/../w"):
        page = await guest.open(f"/operator/sign-in?next={elsewhere}")
        assert hidden(page.text, "next") == "/operator"
        assert (await guest.send("/operator/sign-in", key=olu.secret, next=elsewhere)).status_code == 422
    wrong = await guest.send("/operator/sign-in", key="op_" + "x" * 43)
    assert wrong.status_code == 401 and "no operator" in wrong.text and "set-cookie" not in wrong.headers


async def test_a_person_is_asked_to_sign_in_as_an_operator_and_stays_signed_in_as_themselves(
    world: World, olu: Caller, bo: Caller
) -> None:
    visitor = Desk(world, olu.secret)
    visitor.cookie = f"sensorium_session={bo.secret}"
    away = await visitor.open("/operator/people?search=Bo")
    assert away.status_code == 303 and "set-cookie" not in away.headers, "the person's session goes on"
    door = await visitor.open(away.headers["location"])
    assert door.status_code == 200 and "signed in as a person" in door.text and 'href="/w"' in door.text
    assert hidden(door.text, "next") == "/operator/people?search=Bo" and 'name="key"' in door.text
    assert "signed in as a person" not in (await visitor.open("/operator/sign-in")).text
    # What was typed goes along; from elsewhere nothing does.
    hold = f"/operator/people/{bo.id}/hold"
    sent = await visitor.send(hold, reason="under review")
    assert sent.status_code == 307 and "set-cookie" not in sent.headers
    kept = await visitor.send(sent.headers["location"], reason="under review")
    assert "under review" in hidden(kept.text, "kept") and "You had been signed out" not in kept.text
    assert (await visitor.send(hold, "cross-site", reason="under review")).status_code == 403
    signed_in = await visitor.send("/operator/sign-in", key=olu.secret)
    operators = signed_in.headers["set-cookie"].split(";")[0]
    world.client.cookies.clear()
    visitor.cookie = f"{visitor.cookie}; {operators}"
    assert (await visitor.open("/operator")).status_code == 200 and (await visitor.open("/w/me")).status_code == 200
    # A program with a person's key is told what it has done wrong, as ever.
    told = await bo.get("/operator", headers={"accept": "text/html"})
    assert told.status_code == 403


async def test_another_site_makes_no_form_of_the_console_do_anything(desk: Desk, world: World, olu: Caller) -> None:
    for path, form in console_cases.FORMS.items():
        names = {**console_cases.NAMES, "switch_name": "payouts"}
        names |= dict.fromkeys(("run_id", "person_id", "account_id", "operation_id", "event_id"), "x")
        answer = await desk.send(path.format(**names), "cross-site", **form)
        assert answer.status_code == 403, path
    signing = await desk.send("/operator/sign-in", "cross-site", key=olu.secret)
    assert signing.status_code == 403
    async with world.services.database.read() as connection:
        [newest, *_] = await audit_log.listed(connection, before=None, limit=5)
    assert newest.action == "open_operator_session"


async def test_a_form_sent_twice_makes_one_run_and_one_without_our_key_none(desk: Desk, olu: Caller) -> None:
    page = await desk.open("/operator/runs/new")
    form = {"currency": "usd", "minimum": "1.00", "note": "October", "once": hidden(page.text, "once")}
    first, second = await desk.send("/operator/runs", **form), await desk.send("/operator/runs", **form)
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    other = await desk.send("/operator/runs", **{**form, "minimum": "2.00"})
    assert other.status_code == 422 and "used for" in main(other)
    for once in ("", "x", "0" * 33):
        assert (await desk.send("/operator/runs", **{**form, "once": once})).status_code == 422
    [run] = ok(await olu.get("/v1/operator/payout-runs"))["items"]
    assert (run["minimum"]["amount"], run["note"], run["status"]) == (100, "October", "frozen")


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"minimum": "12,5x"}, "is no amount"),
        ({"most_in_all": "1,5"}, "Most in all: '1,5' is no amount; write 1.50."),
        ({"minimum": "1,500"}, "is no amount"), ({"minimum": "1,500.00"}, "is no amount"),
        ({"currency": "jpy", "minimum": "1,500"}, "such as 1250"), ({"minimum": "1.005"}, "is no amount"),
        ({"currency": "jpy", "minimum": "1.50"}, "such as 1250"),
        ({"currency": "xxx"}, "Currency: This is not a currency known here"),
        ({"minimum": "-1"}, "is no amount"), ({"most_per_line": "0.50"}, "nobody gets the minimum"),
        ({"note": "x" * 501}, "Note: At most 500 characters."), ({"unknown": "1"}, "Unknown: There is no such field"),
        ({"minimum": "999999999999"}, "Least for one: That is too much"),
        ({"note": "\x00"}, "NUL"),
    ],
)  # fmt: skip
async def test_a_bad_form_gets_a_page_that_names_the_field(desk: Desk, form: dict[str, str], says: str) -> None:
    answer = await desk.send("/operator/runs", once="0" * 32, **form)
    assert answer.status_code == 422, answer.text
    assert says in unescape(re.sub("<[^>]+>", "", main(answer))) and 'href="/operator/runs"' in answer.text


async def test_what_stands_in_the_fields_of_a_new_run_is_what_is_made(desk: Desk, olu: Caller) -> None:
    page = main(await desk.open("/operator/runs/new?currency=eur&most_per_line=7.00&once=" + "0" * 32))
    [form] = re.findall(r'<form[^>]* id="run".*?</form>', page, re.DOTALL)
    names = set(re.findall(r'name="(\w+)"', form))
    assert names == {"once", "currency", "minimum", "most_per_line", "most_in_all", "note"}
    makers = re.findall(r'<button[^>]* form="run" formmethod="post" formaction="/operator/runs"[^>]*>([^<]+)', page)
    assert makers == ["Make the run", "Make a draft, to change it"] and page.count('name="most_per_line"') == 1
    typed = {"currency": "eur", "minimum": "", "most_per_line": "5.00", "most_in_all": "50,00", "note": "once only"}
    assert (await desk.send("/operator/runs", **typed, once=hidden(form, "once"), draft="true")).status_code == 303
    [run] = ok(await olu.get("/v1/operator/payout-runs"))["items"]
    caps = [run[name]["amount"] for name in ("most_per_line", "most_in_all")]
    assert (caps, run["note"], run["status"]) == ([500, 5_000], "once only", "draft")


async def test_the_terms_of_a_draft_are_changed_by_its_page(desk: Desk, olu: Caller) -> None:
    run = ok(await olu.post("/v1/operator/payout-runs", {"draft": True, "most_per_line": 900, "note": "May"}), 201)
    at = f"/operator/runs/{run['id']}"
    page = main(await desk.open(at))
    assert f'action="{at}/change"' in page and 'name="most_per_line" inputmode="decimal" value="9.00"' in page
    form = {"currency": "usd", "minimum": "2.50", "most_per_line": "", "most_in_all": "80", "note": ""}
    assert (await desk.send(f"{at}/change", **form)).headers["location"] == f"{at}?done=changed"
    run = ok(await olu.get(f"/v1/operator/payout-runs/{run['id']}"))
    assert (run["minimum"]["amount"], run["most_per_line"], run["most_in_all"]["amount"]) == (250, None, 8_000)
    assert run["note"] == ""
    ok(await olu.post(f"/v1/operator/payout-runs/{run['id']}/freeze"))
    assert (
        f"{at}/change" not in main(await desk.open(at)) and (await desk.send(f"{at}/change", **form)).status_code == 409
    )


async def test_an_unknown_address_of_the_console_is_a_page_of_the_console(desk: Desk, world: World) -> None:
    for path in ("/operator/nowhere", "/operator/runs/x/y/z"):
        page = await desk.open(path)
        assert page.status_code == 404 and 'aria-label="Console"' in page.text and f'href="{path}"' not in page.text
        assert (await world.client.get(path)).json()["status"] == 404
    assert 'aria-label="Console"' not in (await desk.open("/nowhere")).text


async def test_the_key_field_has_the_focus_and_the_log_speaks_plainly(desk: Desk, world: World, olu: Caller) -> None:
    await desk.send("/operator/switches/payouts/turn", stopped="true", reason="a strange transfer")
    assert "Turned a switch" in main(await desk.open("/operator/audit"))
    proof, sign_in = await desk.open("/operator/me/proof"), await desk.open("/operator/sign-in")
    assert 'name="proof_key" autofocus' in proof.text and 'name="key" required autofocus' in sign_in.text
    # Nobody has a passkey yet: the key comes first.
    assert sign_in.text.index("With a key") < sign_in.text.index("With a passkey")


async def test_amounts_are_read_and_shown_with_the_currencys_own_decimals(desk: Desk, olu: Caller) -> None:
    for currency, typed, units, shown in (
        ("jpy", "1250", 1250, "JPY 1,250"),
        ("eur", "12.5", 1250, "€12.50"),
        ("usd", "1,50", 150, "$1.50"),
    ):
        once = hidden((await desk.open("/operator/runs/new")).text, "once")
        made = await desk.send("/operator/runs", currency=currency, minimum=typed, once=once)
        page = await desk.open(made.headers["location"])
        assert shown in page.text
        run = made.headers["location"].partition("?")[0].rpartition("/")[2]
        assert ok(await olu.get(f"/v1/operator/payout-runs/{run}"))["minimum"]["amount"] == units


async def test_a_stale_session_is_asked_for_a_proof_and_the_form_goes_on_with_it(
    desk: Desk, world: World, olu: Caller, pia: Caller
) -> None:
    stop = {"stopped": "true", "reason": "a <b>strange</b> transfer"}
    await world.later(301)
    path = "/operator/switches/payouts/turn"
    assert (await desk.send(path, **stop)).status_code == 303  # stopping takes none
    start = {"stopped": "false", "reason": "it was <i>found</i>"}
    asked = await desk.send(path, **start)
    assert asked.status_code == 403 and 'data-passkey="prove"' in asked.text
    kept = {name: hidden(asked.text, name) for name in start}
    assert kept == start and f'action="{path}"' in asked.text
    for wrong in (pia.secret, "op_" + "x" * 43):
        again = await desk.send(path, **kept, proof_key=wrong)
        assert again.status_code == 403 and 'name="proof_key"' in again.text and wrong not in again.text
    assert [each["stopped"] for each in ok(await olu.get("/v1/operator/switches"))["items"]].count(True) == 1
    done = await desk.send(path, **kept, proof_key=olu.secret)
    assert (done.status_code, done.headers["location"]) == (303, "/operator/switches?done=started")
    assert not any(each["stopped"] for each in ok(await olu.get("/v1/operator/switches"))["items"])
    async with world.services.database.read() as connection:
        acts = await audit_log.listed(connection, before=None, limit=10)
    assert [each.action for each in acts][:4] == [
        "turn_switch", "prove_operator", "turn_switch.refused", "turn_switch",
    ]  # fmt: skip
    assert olu.secret not in repr(acts)


async def test_what_is_shown_of_people_is_kept_and_no_text_of_theirs_is_markup(
    desk: Desk, world: World, bo: Caller
) -> None:
    ok(await bo.patch("/v1/people/me", {"display_name": "<script>alert(1)</script>"}))
    page = await desk.open(f"/operator/people/{bo.id}")
    assert "<script>alert" not in page.text and "&lt;script&gt;alert" in page.text
    await desk.open(f"/operator/people?search={bo.id}")
    await desk.send(f"/operator/people/{bo.id}/hold", reason="identity under review", days="3")
    page = await desk.open(f"/operator/people/{bo.id}")
    assert "identity under review" in page.text and "On hold" in page.text
    async with world.services.database.read() as connection:
        acts = await audit_log.listed(connection, before=None, limit=10)
    assert [each.action for each in acts][:4] == [
        "get_person_for_operator", "hold_person", "find_people", "get_person_for_operator",
    ]  # fmt: skip
    assert acts[0].subject == bo.id


async def test_a_broken_chain_is_told_where_it_breaks(desk: Desk, world: World) -> None:
    assert "The chain is whole" in (await desk.open("/operator/audit?check=yes")).text
    async with world.services.database.transaction() as connection:
        await connection.execute("ALTER TABLE audit_log DISABLE TRIGGER USER")
        await connection.execute("UPDATE audit_log SET data = '{}' WHERE seq = 1")
        await connection.execute("ALTER TABLE audit_log ENABLE TRIGGER USER")
    assert "The chain breaks at act 1" in (await desk.open("/operator/audit?check=yes")).text
