"""Small phones and thumbs: nothing covers anything, targets are large, and what will be refused is said beforehand."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Geolocation, expect

from tests.web.conftest import BAKERY, Phone, post_task, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NARROW = {"width": 320, "height": 640}
# Links and buttons below 44 px in height or width; but for the card's own link, whose target is all of the card.
SMALL = """() => [...document.querySelectorAll('a, button, summary, input, select, textarea')]
  .filter(e => e.offsetParent && !e.matches('.skip') && !['hidden', 'radio', 'checkbox'].includes(e.type))
  .filter(e => getComputedStyle(e, '::after').position !== 'absolute')
  .filter(e => { const at = e.getBoundingClientRect(); return at.height < 43.5 || at.width < 43.5; })
  .map(e => e.outerHTML.slice(0, 90))"""
OVERLAP = """() => { const [a, b] = ['.brand', '.top .tag'].map(q => document.querySelector(q).getBoundingClientRect());
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom; }"""


@pytest.fixture
def square(tmp_path: Path) -> Path:
    """A photo file of a square."""
    pixels = np.random.default_rng(11).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((1200, 900)).save(tmp_path / "square.jpg")
    return tmp_path / "square.jpg"


def post_route(ada: httpx.Client) -> str:
    """Three stops on one street; the route's page."""
    stops: list[dict[str, Any]] = [
        {
            "kind": "photo", "title": f"Is shop number {n} of the long street open?", "instructions": "All of it.",
            "purpose": "Opening hours for a planner.", "evidence": {"photos": {"min": 1}},
            "place": {"lat": BAKERY["latitude"], "lon": BAKERY["longitude"] + n / 100, "radius_m": 80},
            "reward": {"amount": 300, "currency": "usd"},
        }
        for n in range(3)
    ]  # fmt: skip
    draft = {"title": "Along the street", "claim_ttl_s": 7200, "tasks": stops}
    posted = ada.post("/v1/routes", json=draft, headers={"idempotency-key": os.urandom(8).hex()})
    assert posted.status_code == 201, posted.text
    return f"/w/routes/{posted.json()['id']}"


def test_on_a_narrow_phone_nothing_is_covered_and_every_target_is_large(
    ada: httpx.Client, new_phone: Callable[..., Phone]
) -> None:
    task, route = post_task(ada, title="Is the butcher open?"), post_route(ada)
    phone = new_phone(viewport=NARROW)
    page = phone.page

    def fits(name: str) -> None:
        phone.look(f"narrow-{name}")
        assert not page.evaluate(SMALL), name
        assert not page.evaluate(OVERLAP), name

    phone.open("/w/sign-in")
    fits("sign-in")
    sign_in(phone, "Flo")
    expect(page.get_by_role("link", name=task["title"])).to_be_visible()
    for name, path in (("front", "/"), ("task", f"/w/tasks/{task['id']}"), ("terms", "/w/terms")):
        phone.open(path)
        fits(name)
    phone.open(route)
    page.get_by_text("How it is checked and paid").first.click()
    fits("route")
    page.get_by_role("button", name="Take all 3").click()
    expect(page.get_by_text("Stop 1 of 3")).to_be_visible()
    fits("claim")
    page.get_by_role("button", name="Give the task back").click()
    page.get_by_role("link", name="My work").click()
    expect(page.get_by_text("given back")).to_be_visible()
    fits("work")
    for name, path in (("earnings", "/w/earnings"), ("me", "/w/me")):
        phone.open(path)
        fits(name)


def test_what_will_be_refused_is_said_before_it_is_handed_in_and_not_forbidden(
    ada: httpx.Client, new_phone: Callable[..., Phone], square: Path
) -> None:
    photos = {"min": 1, "max": 2, "live_capture": True, "min_width": 600, "min_height": 1600}
    checks = {"mode": "auto", "checks": ["fresh", "at_place", "live", "quality"], "min_score": 0.5}
    task = post_task(ada, title="Is the tailor open?", evidence={"photos": photos}, acceptance=checks)
    phone = new_phone()
    page, warned = phone.page, phone.page.locator("#warned")
    phone.open(f"/w/sign-in?next=/w/tasks/{task['id']}")
    sign_in(phone, "Gus")
    page.get_by_role("button", name="Claim for $3.00").click()
    expect(page.get_by_text("You are at the place.")).to_be_visible()
    page.get_by_role("button", name="Open camera").click()
    page.get_by_role("button", name="Take photo").click()
    expect(page.get_by_text("Photo 1: stored.")).to_be_visible()
    expect(warned.get_by_role("listitem")).to_have_text(
        ["Photo 1: It has 640 × 480 pixels, fewer than the task asks for."]
    )
    away = Geolocation(latitude=BAKERY["latitude"] + 0.01, longitude=BAKERY["longitude"], accuracy=9.0)
    page.context.set_geolocation(away)
    expect(page.get_by_text("You are 1.1 km from the place; go within 80 m.")).to_be_visible()
    page.get_by_text("Use a file instead").click()
    page.get_by_label("Photo file").set_input_files(square)
    for says in ("only photos of the camera in this page", "taken 1.1 km from the place", "has 1200 × 900 pixels"):
        expect(warned).to_contain_text(says)
    assert not page.evaluate(SMALL)
    phone.look("warned")
    page.get_by_role("button", name="Take again").first.click()
    page.get_by_role("button", name="Take again").first.click()
    expect(warned).to_be_hidden()
    page.get_by_label("Photo file").set_input_files(square)
    expect(warned).to_be_visible()
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("heading", name="Not accepted")).to_be_visible()


def test_photos_of_before_and_after_too_near_together_are_said_to_be(
    ada: httpx.Client, new_phone: Callable[..., Phone]
) -> None:
    photos = {"min": 2, "max": 2, "before": 1, "work_s": 300}
    task = post_task(
        ada, title="Right the fallen bench", kind="action", evidence={"photos": photos}, acceptance={"min_score": 0.5}
    )
    phone = new_phone()
    page, warned = phone.page, phone.page.locator("#warned")
    phone.open(f"/w/sign-in?next=/w/tasks/{task['id']}")
    sign_in(phone, "Hal")
    page.get_by_role("button", name="Claim for $3.00").click()
    expect(page.get_by_text("You are at the place.")).to_be_visible()
    expect(page.get_by_text("taken at least 5 minutes before any of how it is after")).to_be_visible()
    page.get_by_role("button", name="Open camera").click()
    page.get_by_role("button", name="Take photo").click()
    expect(page.get_by_text("Photo 1, before: stored.")).to_be_visible()
    expect(warned).to_be_hidden()
    page.get_by_role("button", name="Take photo").click()
    expect(warned).to_contain_text("lie between before and after: the task asks for 5 minutes at least")
    page.get_by_label("What is asked for is not there").check()
    expect(warned).to_be_hidden()  # what is gone has no after
