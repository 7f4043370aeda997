"""Bo has a phone near the bakery, and earns with nothing but its browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.web.conftest import BAKERY, Phone, post_task, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FIRST_VIEW_BYTES = 60_000


def test_bo_signs_in_photographs_the_bakery_and_sees_what_is_earned(
    ada: httpx.Client, new_phone: Callable[..., Phone]
) -> None:
    task = post_task(ada)
    phone = new_phone()
    page = phone.page
    phone.open("/")
    phone.look("01-front")
    page.get_by_role("link", name="Tasks near me").click()
    # Position is granted, so the list comes by itself, for a guest too.
    page.get_by_role("link", name=task["title"]).wait_for()
    phone.look("02-near")
    page.get_by_role("link", name=task["title"]).click()
    expect(page.get_by_role("heading", name="How it is checked")).to_be_visible()
    for words in ("$3.00", "Taken now", "Live camera", "Opening-hours check for a delivery planner."):
        expect(page.get_by_text(words).first).to_be_visible()
    page.get_by_role("link", name="Sign in to claim").click()
    sign_in(phone, "Bo")

    page.get_by_role("button", name="Claim for $3.00").wait_for()
    phone.look("05-task")
    page.get_by_role("button", name="Claim for $3.00").click()
    expect(page.get_by_role("timer")).to_have_text(re.compile(r"59:\d\d|1:00:00"))
    expect(page.get_by_text("You are at the place.")).to_be_visible()
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("alert")).to_contain_text("1 more photo")
    phone.look("06-claim")
    page.get_by_role("button", name="Open camera").click()
    page.get_by_role("button", name="Take photo").click()
    expect(page.get_by_text("Photo 1: stored.")).to_be_visible()
    page.get_by_label("open", exact=True).check()
    phone.look("07-capture")
    page.get_by_role("button", name="Hand in").click()

    expect(page.get_by_role("heading", name="Accepted")).to_be_visible()
    expect(page.get_by_text("Photo 1 was taken in the app for this claim.")).to_be_visible()
    expect(page.get_by_text("Photo 1 was taken at the place.")).to_be_visible()
    phone.look("08-verdict")
    page.get_by_role("link", name="Earnings").first.click()
    expect(page.locator("#pending")).to_have_text("$3.00")
    phone.look("09-earnings")
    page.get_by_role("link", name="My work").click()
    expect(page.get_by_text("Accepted")).to_be_visible()
    phone.look("10-work")

    observed = ada.get("/v1/observations", params={"task_id": task["id"]}).json()["items"]
    assert [each["answers"] for each in observed] == [{"open": "open"}]


def test_the_first_view_is_small_and_loads_nothing_from_elsewhere(
    ada: httpx.Client, new_phone: Callable[..., Phone]
) -> None:
    post_task(ada, title="A small page, please")
    phone = new_phone()
    answer = phone.open(f"/w?lat={BAKERY['latitude']}&lon={BAKERY['longitude']}")
    phone.page.wait_for_load_state("networkidle")
    assert all(url.startswith(phone.url) for url in phone.loaded), phone.loaded
    assert len(phone.loaded) >= 4 and 0 < sum(phone.loaded.values()) <= FIRST_VIEW_BYTES, phone.loaded
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy


def test_without_scripts_one_can_sign_in_claim_and_hand_in_a_file(
    ada: httpx.Client, new_phone: Callable[..., Phone], tmp_path: object
) -> None:
    task = post_task(
        ada,
        title="How warm is it in the square?",
        kind="reading",
        evidence={
            "photos": {"min": 1, "max": 1},
            "readings": [{"name": "air_temperature", "unit": "Cel", "min_samples": 2}],
            "questions": [{"id": "sunny", "type": "boolean"}, {"id": "people", "type": "number", "required": False}],
        },
        acceptance={"mode": "auto", "checks": ["not_duplicate", "readings"], "min_score": 0.5},
    )
    photo = f"{tmp_path}/square.jpg"
    pixels = np.random.default_rng(7).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((1200, 900)).save(photo)
    phone = new_phone(java_script_enabled=False)
    page = phone.page
    phone.open("/w")
    page.get_by_label("Latitude").fill(str(BAKERY["latitude"]))
    page.get_by_label("Longitude").fill(str(BAKERY["longitude"]))
    page.get_by_role("button", name="Show tasks").click()
    page.get_by_role("link", name=task["title"]).click()
    page.get_by_role("link", name="Sign in to claim").click()
    sign_in_without_looking(phone, "Dee")
    page.get_by_text("Type my position").click()
    page.get_by_label("Latitude").fill(str(BAKERY["latitude"]))
    page.get_by_label("Longitude").fill(str(BAKERY["longitude"]))
    page.get_by_role("button", name=re.compile("Claim for")).click()
    page.get_by_label("Photo 1").set_input_files(photo)
    for n, value in ((1, "21,5"), (2, "21.7")):
        page.get_by_label(f"Air temperature, value {n}").fill(value)
    page.get_by_label("yes", exact=True).check()
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("heading", name=re.compile("Being checked|Accepted"))).to_be_visible()
    page.wait_for_timeout(1500)
    page.reload()
    expect(page.get_by_role("heading", name="Accepted")).to_be_visible()
    observed = ada.get("/v1/observations", params={"task_id": task["id"]}).json()["items"][0]
    assert observed["answers"] == {"sunny": True}
    assert [record["v"] for record in observed["readings"]] == [21.5, 21.7]


def sign_in_without_looking(phone: Phone, name: str) -> None:
    """As sign_in, on a phone whose scripts do not run."""
    page, email = phone.page, f"{name.lower()}@example.com"
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("I accept the terms").check()
    page.get_by_role("button", name="Mail me a code").click()
    page.get_by_label("Code").wait_for()
    mails = httpx.get(f"{phone.url}/sandbox/outbox", params={"to": email}).json()["items"]
    page.get_by_label("Code").fill(mails[0]["subject"].split()[0])
    page.get_by_role("button", name="Sign in").click()
