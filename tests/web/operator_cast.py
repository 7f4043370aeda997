"""Olu and Pia at the console: each in a browser of their own, with a passkey, driven by the keyboard alone; and a
market with something to settle."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import BrowserContext, CDPSession, ConsoleMessage, Page

from app.supervisor import System
from tests.app.conftest import picture
from tests.web.conftest import BAKERY, post_task, wait_for

Json = dict[str, Any]

# What has the focus, as somebody would call it who hears the page.
FOCUSED = """() => {
  const e = document.activeElement;
  if (!e || e === document.body) return "";
  const label = e.labels && e.labels.length && e.type !== "hidden" ? e.labels[0].innerText : "";
  return (label || e.getAttribute("aria-label") || e.innerText || e.value || e.tagName).trim().replace(/\\s+/g, " ");
}"""
RING = """() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
}"""
MOST_TABS = 250


class Console:
    """Somebody at a desk: a wide window, no mouse. `look` keeps a picture and complains of what is wrong."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self._pictures = os.environ.get("SCREENSHOTS")
        self.cdp: CDPSession = context.new_cdp_session(self.page)

    def _hear(self, message: ConsoleMessage) -> None:
        # A page that says 403 or 409 is meant to; browsers write that down as an error of loading.
        if message.type in ("error", "warning") and "status of 4" not in message.text:
            self.complaints.append(message.text)

    def give_passkeys(self) -> None:
        """A security key that is always touched, by the one whom it knows."""
        self.cdp.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})

    # ---- the keyboard

    def open(self, path: str) -> None:
        """Type an address."""
        self.page.goto(self.url + path)

    def reach(self, name: str, *, exactly: bool = False) -> None:
        """Tab on until the focus, which must be seen, is on what is called `name`."""
        seen = []
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            here = self.page.evaluate(FOCUSED)
            if here == name or (not exactly and here.startswith(name)):
                assert self.page.evaluate(RING), f"the focus on {name} cannot be seen"
                return
            seen.append(here)
        raise AssertionError(f"no way to {name!r} by the keyboard: {seen[:80]}")

    def press(self, name: str, *, exactly: bool = False) -> None:
        """Go to a link or button and press Enter; the next page has come when this returns."""
        self.reach(name, exactly=exactly)
        before = self.page.evaluate("performance.timeOrigin")
        self.page.keyboard.press("Enter")
        wait_for(lambda: self._moved(before))
        self.page.wait_for_load_state()

    def _moved(self, before: float) -> bool:
        try:
            return bool(self.page.evaluate("performance.timeOrigin") != before)
        except Exception:  # the page is between two
            return False

    def write(self, name: str, text: str) -> None:
        """Go to a field, unless the page has put the focus there, and type."""
        if not self.page.evaluate(FOCUSED).startswith(name):
            self.reach(name)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    # ---- looking

    def says(self, text: str) -> None:
        """The page shows this."""
        shown = self.page.inner_text("main")
        assert text in shown, f"{text!r} is not on {self.page.url}:\n{shown[:3000]}"

    def look(self, name: str, *, narrow: bool = False) -> None:
        """Nothing has gone wrong, everything fits, every field has a name; keep a picture. narrow: tables scroll."""
        assert not self.complaints, (name, self.complaints)
        page = self.page
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than the window"
        wide = page.evaluate(
            """() => [...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > e.clientWidth)
                 .map(e => e.innerText.slice(0, 80))"""
        )
        assert narrow or not wide, (name, "a table does not fit", wide)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a')]
                 .filter(e => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()))
                 .map(e => e.outerHTML.slice(0, 80))"""
        )
        assert not nameless, (name, nameless)
        assert page.evaluate("document.querySelectorAll('h1').length") == 1, name
        if self._pictures:
            folder = Path(self._pictures)
            folder.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=folder / f"{name}.png", full_page=not narrow)


def make_operator(system: System, name: str) -> str:
    """The key that `sensorium operator add` prints."""
    email = f"{name.lower()}@sensorium.example"
    command = [sys.executable, "-P", "-m", "app.cli", "operator", "add", "--email", email, "--name", name]
    done = subprocess.run(command, env=system.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass
class Answerer:
    """Somebody with a phone, over HTTP."""

    client: httpx.Client
    id: str

    def answer(self, task: Json, seed: int) -> None:
        """Claim, photograph, hand in; returns when it is accepted."""
        here = {"lat": BAKERY["latitude"], "lon": BAKERY["longitude"], "accuracy_m": 8.0}
        claimed = self._post(f"/v1/people/tasks/{task['id']}/claims", here)
        photo = picture(seed)
        capture = {"taken_at": datetime.now(UTC).isoformat(), **here, "nonce": claimed["challenge"]["nonce"]}
        headers = {
            "content-type": "image/jpeg", "capture": json.dumps(capture),
            "content-digest": f"sha-256=:{b64encode(hashlib.sha256(photo).digest()).decode()}:",
        }  # fmt: skip
        self.client.put(
            f"/v1/people/claims/{claimed['id']}/photos/1", content=photo, headers=headers
        ).raise_for_status()
        handed = self._post(f"/v1/people/claims/{claimed['id']}/submission", {"answers": {"open": "open"}})
        path = f"/v1/people/submissions/{handed['id']}"
        wait_for(lambda: self.client.get(path).json()["status"] == "accepted", 40)

    def onboard(self) -> None:
        """Fill in Stripe's form; returns when Stripe pays them."""
        opened = self._post("/v1/people/payout-account", None)
        httpx.post(opened["onboarding_url"], data={"action": "finish"})
        wait_for(lambda: self.client.get("/v1/people/payout-account").json()["status"] == "active")

    def _post(self, path: str, body: Json | None) -> Json:
        answer = self.client.post(path, json=body, headers={"idempotency-key": os.urandom(8).hex()})
        assert answer.is_success, answer.text
        found: Json = answer.json()
        return found


def answerer(system: System, name: str) -> Answerer:
    """Somebody who has signed up and in by a code."""
    client = httpx.Client(base_url=system.url, timeout=30)
    email = f"{name.lower()}@example.com"
    client.post("/v1/people", json={"email": email, "display_name": name, "accept_terms": True}).raise_for_status()
    mails = client.get("/sandbox/outbox", params={"to": email}).json()["items"]
    code = mails[0]["subject"].split()[0]
    token = client.post("/v1/people/session", json={"email": email, "code": code}).raise_for_status().json()["token"]
    client.headers["authorization"] = f"Bearer {token}"
    return Answerer(client, client.get("/v1/people/me").json()["id"])


def two_who_can_be_paid(system: System, ada: httpx.Client) -> list[Answerer]:
    """Bo and Dee have answered Ada, have an account at Stripe, and their hold window is over. Cy has no account."""
    people = [answerer(system, name) for name in ("Bo", "Dee", "Cy")]
    task = post_task(ada, quantity=3)
    for seed, each in enumerate(people):
        each.answer(task, 100 + seed)
    for each in people[:2]:
        each.onboard()
    later(system, 8 * 86_400)
    return people


def later(system: System, seconds: int) -> None:
    """The market's clock moves on."""
    httpx.post(f"{system.url}/sandbox/clock", json={"advance_s": seconds}, timeout=60).raise_for_status()


def control(system: System, path: str, body: Json | None = None, method: str = "POST") -> Json:
    """Something happens at Stripe, by the sandbox's control door."""
    answer = httpx.request(method, f"{system.stripe_url}/control{path}", json={} if body is None else body, timeout=30)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json() if answer.content else {}
    return found


def last_charge(system: System) -> str:
    """The id of the newest charge at Stripe."""
    assert system.config is not None
    headers = {"authorization": f"Bearer {system.config.stripe_api_key}"}
    events = httpx.get(f"{system.stripe_url}/v1/events?limit=100", headers=headers).raise_for_status().json()["data"]
    return next(str(each["data"]["object"]["id"]) for each in events if each["type"] == "charge.succeeded")
