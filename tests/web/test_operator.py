"""Olu and Pia settle a day at the console, in a real Chromium, with the keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape

import httpx
import pytest
from playwright.sync_api import Browser, Playwright

from app.supervisor import System
from tests.web import operator_cast
from tests.web.conftest import find_chromium, wait_for
from tests.web.operator_cast import Console, control, later, make_operator, two_who_can_be_paid

MOST_PAGES = 300
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def new_console(playwright: Playwright, system: System) -> Iterator[Callable[..., Console]]:
    """Desks with nothing on them, each a browser of its own. Passkeys need a name, so they go by localhost."""
    browsers: list[Browser] = []

    def make(**options: object) -> Console:
        arguments = ["--disable-gpu", "--no-first-run", "--no-sandbox"]
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        browsers.append(browser)
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})  # type: ignore[arg-type]
        return Console(context, system.url.replace("127.0.0.1", "localhost"))

    yield make
    for browser in browsers:
        browser.close()


def sign_in_first(console: Console, key: str) -> None:
    """With the key, then a passkey is enrolled, and from now on that opens the door."""
    console.open("/operator")
    assert "/operator/sign-in?next=" in console.page.url
    console.write("Key", key)
    console.press("Sign in with the key")
    console.press("Me", exactly=True)
    console.write("Name, such as the machine", "laptop")
    console.press("Enrol")
    console.says("The passkey is enrolled.")
    console.press("Sign out")


def sign_in(console: Console) -> None:
    """With the passkey."""
    console.open("/operator")
    console.press("Sign in with a passkey")
    console.page.wait_for_url("**/operator")


def test_a_day_is_settled_by_two_operators_with_keyboards_and_passkeys(
    system: System, ada: httpx.Client, new_console: Callable[..., Console]
) -> None:
    bo, dee, _ = two_who_can_be_paid(system, ada)
    olu, pia = new_console(), new_console()
    keys = {name: make_operator(system, name) for name in ("Olu", "Pia")}
    for console, name in ((olu, "Olu"), (pia, "Pia")):
        console.give_passkeys()
        sign_in_first(console, keys[name])
        console.look(f"o01-signed-out-{name}")
        sign_in(console)
        console.look(f"o02-home-{name}")
    run = make_a_run(olu)
    four_eyes(system, olu, pia, run)
    an_ambiguous_transfer(system, olu, run, keys["Olu"])
    a_dispute(system, pia)
    close_the_day(system, pia)
    what_was_done(olu, pia, system)
    for person in (bo, dee):
        assert person.client.get("/v1/people/earnings").json()["paid"]["amount"] == 300


def make_a_run(olu: Console) -> str:
    olu.press("Payout runs")
    olu.press("New run")
    olu.says("to 2 people")
    olu.says("No payout account")
    olu.look("o03-run-preview")
    olu.press("Make a draft")
    run = olu.page.url.split("?")[0].rpartition("/")[2]
    olu.look("o04-run-draft")
    olu.press("Freeze")
    olu.press("Hand in for approval")
    olu.says("Somebody else has to approve it")
    olu.look("o05-run-submitted")
    return run


def four_eyes(system: System, olu: Console, pia: Console, run: str) -> None:
    """Olu cannot approve what Olu made; Pia can, and proves once more who sits there."""
    assert not [each for each in olu.page.locator("button").all_inner_texts() if "pprove" in each]
    refused = olu.page.request.post(
        f"{olu.url}/operator/runs/{run}/approve", headers={"sec-fetch-site": "same-origin", "accept": "text/html"},
        form={"lines_sha256": olu.page.locator(".hash").first.inner_text()},
    )  # fmt: skip
    assert refused.status == 403, refused.text()
    later(system, 301)
    pia.press("Runs to approve")
    pia.press("run_…")
    pia.says("exactly these 2 lines")
    pia.look("o06-run-to-approve")
    pia.press("Approve")
    pia.says("Show once more who you are")
    pia.look("o07-proof")
    pia.press("Use a passkey and go on")
    pia.says("Approved.")
    pia.look("o08-run-approved")


def an_ambiguous_transfer(system: System, olu: Console, run: str, key: str) -> None:
    """Stripe makes the first transfer and answers 500, and then answers nothing: nobody knows. Olu stops, and looks."""
    control(system, "/webhooks", {"drop": 1.0})
    transfers = {"path": "^/v1/transfers"}
    control(system, "/faults", {"rules": [
        {"fault": "error_after", "verb": "post", "times": 1, **transfers},
        {"fault": "error_before", "verb": "get", **transfers},
    ]})  # fmt: skip
    olu.open(f"/operator/runs/{run}")
    olu.press("Execute")
    olu.says("Show once more who you are")
    olu.write("Or your key", key)
    olu.press("Use the key and go on")
    olu.says("Transfers go out")
    headers = {"authorization": f"Bearer {key}"}
    path = f"{system.url}/v1/operator/operations?doubtful=true"
    wait_for(lambda: len(httpx.get(path, headers=headers).json()["items"]) == 1, 60)
    olu.press("Overview")
    olu.press("Switches", exactly=True)
    olu.write("Why stop them?", "a transfer is in doubt")  # payouts come first
    olu.press("Stop payouts")
    olu.says("Payouts are stopped")
    olu.look("o09-switches")
    control(system, "/faults", method="DELETE")
    olu.press("Overview")
    olu.look("o10-home-in-doubt")
    olu.press("Operations in doubt")
    olu.look("o11-in-doubt")
    olu.press("sop_…")
    olu.look("o12-operation")
    olu.press("Look it up at Stripe")
    olu.says("It has happened at Stripe")
    olu.look("o13-operation-found")
    olu.press("pay_…")
    olu.says("the same: at most one transfer")
    olu.look("o14-line")
    olu.press("Switches", exactly=True)
    olu.write("Why may they go on?", "it was found: paid once")
    olu.press("Start payouts")
    control(system, "/webhooks", {})
    control(system, "/webhooks/replay", {})
    olu.open(f"/operator/runs/{run}")
    wait_for(
        lambda: "Everybody in it was paid" in (olu.open(f"/operator/runs/{run}") or olu.page.inner_text("main")), 60
    )
    olu.look("o15-run-done")


def a_dispute(system: System, pia: Console) -> None:
    control(system, f"/charges/{operator_cast.last_charge(system)}/dispute")
    pia.open("/operator/disputes")
    wait_for(lambda: "disp_" in (pia.open("/operator/disputes") or pia.page.inner_text("main")))
    pia.look("o16-disputes")
    pia.press("disp_…")
    pia.says("without an answer it is lost")
    pia.look("o17-dispute")
    pia.write("Anything else", "Each of these answers was asked for, paid for and delivered.")
    pia.press("Hand the evidence in")
    pia.says("It is answered.")
    wait_for(lambda: "under review" in (pia.page.reload() and pia.page.inner_text("h1")))
    pia.look("o18-dispute-answered")


def close_the_day(system: System, pia: Console) -> None:
    """Midnight passes, and with it the session; Pia comes back and closes the day."""
    later(system, 86_400)
    pia.open("/operator/closes")
    pia.press("Sign in with a passkey")
    pia.page.wait_for_url("**/operator/closes")
    wait_for(lambda: "agree" in (pia.open("/operator/reconciliation") or pia.page.inner_text("main")))
    pia.look("o19-reconciliation")
    pia.press("Daily closes")
    pia.look("o20-closes")
    pia.press("Close 2")
    pia.says("Ed25519 signature")
    pia.look("o21-close")


def what_was_done(olu: Console, pia: Console, system: System) -> None:
    """Every act stands in the audit log, whose chain is whole; and the books are in balance."""
    pia.press("Audit log")
    pia.press("Follow the chain")
    pia.says("The chain is whole")
    pia.says("Approve payout run")
    pia.look("o22-audit")
    pia.press("Trial balance")
    pia.says("balanced")
    pia.look("o23-trial-balance")
    pia.press("platform:fee")
    pia.look("o24-ledger")
    pia.press("platform:fee", exactly=True)
    pia.look("o25-book")
    pia.press("Submission accept")
    pia.look("o26-transaction")
    for name, path in (
        ("o27-people", "/operator/people"), ("o28-accounts", "/operator/accounts"), ("o29-holds", "/operator/holds"),
        ("o30-decisions", "/operator/decisions"), ("o31-events", "/operator/events?all=yes"),
        ("o32-me", "/operator/me"),
        ("o33-operations", "/operator/operations?all=yes"), ("o34-fraud", "/operator/fraud-warnings"),
        ("o35-lines", "/operator/reconciliation/lines"), ("o36-transactions", "/operator/ledger/transactions"),
        ("o37-home", "/operator"), ("o38-runs", "/operator/runs"),
    ):  # fmt: skip
        pia.open(path)
        pia.look(name)
    pia.open("/operator/people")
    pia.press("prsn_…")
    pia.look("o39-person")
    pia.open("/operator/accounts")
    pia.press("acct_…")
    pia.look("o40-account")


def test_every_link_of_the_console_leads_somewhere(system: System, ada: httpx.Client) -> None:
    """From the overview on, whatever the tests before have left there."""
    browser = httpx.Client(base_url=system.url, timeout=30, headers={"accept": "text/html"})
    form = {"key": make_operator(system, "Ole"), "next": "/operator"}
    assert browser.post("/operator/sign-in", data=form, headers={"sec-fetch-site": "same-origin"}).status_code == 303
    waiting, seen = ["/operator"], set()
    while waiting and len(seen) < MOST_PAGES:
        path = waiting.pop(0)
        seen.add(path)
        page = browser.get(path)
        assert page.status_code == 200, (path, page.text)
        links = {unescape(link).partition("#")[0] for link in re.findall(r'href="(/[^"]+)"', page.text)}
        assert all(link.startswith(("/operator", "/static/", "/v1/operator/exports/")) for link in links), path
        # Exports are files, and one list of acts is like another.
        new = {link for link in links if link.startswith("/operator") and "audit?subject" not in link} - seen
        waiting += sorted(new - set(waiting))
    assert len(seen) > 25


def test_in_the_dark_the_console_has_the_same_look(
    system: System, ada: httpx.Client, new_console: Callable[..., Console]
) -> None:
    console = new_console(color_scheme="dark")
    console.open("/operator/sign-in")
    console.look("o50-dark-sign-in")
    console.write("Key", make_operator(system, "Ola"))
    console.press("Sign in with the key")
    console.look("o51-dark-home")
    console.open("/operator/runs/run_" + "0" * 32)
    console.says("There is no such payout run.")
    console.look("o52-dark-problem")


def stands(console: Console, name: str) -> str:
    """What stands in a field of the form that asks for a decision."""
    return console.page.locator(f'form[action="/operator/decisions/ask"] [name={name}]').input_value()


def test_what_was_typed_before_the_session_ended_is_there_after_signing_in_and_after_a_mistake(
    system: System, new_console: Callable[..., Console]
) -> None:
    console, key = new_console(), make_operator(system, "Odo")
    console.give_passkeys()
    sign_in_first(console, key)
    sign_in(console)
    typed = {"subject": "Bo, the one with the phone", "amount": "2,5", "reason": "“gone” <abroad>"}
    console.open("/operator/decisions")
    console.page.locator("[name=kind]").select_option("clawback")
    for label, name in (("Person or answer", "subject"), ("Amount", "amount"), ("Why", "reason")):
        console.write(label, typed[name])
    later(system, 86_400)
    console.press("Ask", exactly=True)
    console.says("You had been signed out.")
    console.look("o60-kept")
    console.press("Sign in with a passkey")
    console.says("Nothing of this was sent yet.")
    assert {name: stands(console, name) for name in typed} == typed and stands(console, "kind") == "clawback"
    console.look("o61-as-it-was")
    console.press("Ask", exactly=True)
    console.says("Nothing was done.")
    assert console.page.evaluate("document.activeElement.name") == "amount"
    console.look("o62-mistake")
    console.write("Amount", "2.50")
    later(system, 86_400)
    console.press("Ask", exactly=True)
    console.write("Key", key)
    console.press("Sign in with the key")
    console.says("Nothing of this was sent yet.")
    assert {name: stands(console, name) for name in typed} == {**typed, "amount": "2.50"}
    console.press("Ask", exactly=True)
    console.says("Person or answer:")
    assert stands(console, "reason") == typed["reason"]
    assert key not in console.page.content() and "?" not in console.page.url


def test_who_is_asked_for_a_proof_can_go_back_to_the_form(system: System, new_console: Callable[..., Console]) -> None:
    console, key = new_console(), make_operator(system, "Ona")
    console.open("/operator/sign-in")
    console.write("Key", key)
    console.press("Sign in with the key")
    console.press("Switches", exactly=True)
    console.write("Why stop them?", "a strange transfer")
    console.press("Stop payouts")
    later(system, 301)
    console.write("Why may they go on?", "it was found")
    console.press("Start payouts")
    console.says("Show once more who you are")
    console.press("Not now: back to the form")
    console.says("Nothing of this was sent yet.")
    assert console.page.locator("[name=reason]").first.input_value() == "it was found"
    console.says("Payouts are stopped")
    console.press("Start payouts")
    console.press("Use the key and go on")
    console.says("Show once more")  # without a key nothing goes on
    console.write("Or your key", key)
    console.press("Use the key and go on")
    console.says("Started again.")


def test_in_a_narrow_window_the_navigation_is_folded_and_opens_by_the_keyboard(
    system: System, new_console: Callable[..., Console]
) -> None:
    console = new_console(viewport={"width": 390, "height": 844})
    console.open("/operator/sign-in")
    console.look("o70-narrow-sign-in", narrow=True)
    console.write("Key", make_operator(system, "Oma"))
    console.press("Sign in with the key")
    head = console.page.locator("h1").bounding_box()
    assert head is not None and head["y"] < 160
    console.look("o71-narrow-home", narrow=True)
    console.reach("Menu")
    console.page.keyboard.press("Enter")
    menu = console.page.locator(".bar summary").bounding_box()
    assert menu is not None and menu["y"] < 60 and console.page.locator(".bar .ways").is_visible()
    console.look("o72-narrow-menu", narrow=True)
    console.press("Payout runs")
    assert console.page.url.endswith("/operator/runs")
    console.look("o73-narrow-runs", narrow=True)
    console.open("/operator/runs/new")
    console.look("o74-narrow-new-run", narrow=True)
