"""Bo has a phone near the bakery, and earns with nothing but its browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.web.conftest import BAKERY, Phone, post_task, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FIRST_VIEW_BYTES = 60_000


@pytest.fixture
def square(tmp_path: Path) -> Path:
    """A photo file of a square."""
    pixels = np.random.default_rng(7).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((1200, 900)).save(tmp_path / "square.jpg")
    return tmp_path / "square.jpg"


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
    sign_in(phone, "Bo", looking=True)

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
    # Signed by the phone's own key. This browser's camera is a program, and it does not move.
    expect(page.get_by_text("Photo 1 was taken and signed for this claim.")).to_be_visible()
    expect(page.get_by_text("Photo 1 was taken at the place.")).to_be_visible()
    expect(page.get_by_text("Is it open now?")).to_be_visible()
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
    ada: httpx.Client, new_phone: Callable[..., Phone], square: Path
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
    phone = new_phone(java_script_enabled=False)
    page = phone.page
    phone.open("/w")
    page.get_by_label("Latitude").fill(str(BAKERY["latitude"]))
    page.get_by_label("Longitude").fill(str(BAKERY["longitude"]))
    page.get_by_role("button", name="Show tasks").click()
    page.get_by_role("link", name=task["title"]).click()
    page.get_by_role("link", name="Sign in to claim").click()
    sign_in(phone, "Dee")
    page.get_by_text("Type my position").click()
    page.get_by_label("Latitude").fill(str(BAKERY["latitude"]))
    page.get_by_label("Longitude").fill(str(BAKERY["longitude"]))
    page.get_by_role("button", name=re.compile("Claim for")).click()
    page.get_by_label("Photo 1").set_input_files(square)
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


def test_a_file_does_not_pass_for_a_live_photo_and_eve_is_told_why(
    ada: httpx.Client, new_phone: Callable[..., Phone], square: Path
) -> None:
    task = post_task(ada, title="Is the kiosk open?")
    phone = new_phone(color_scheme="dark")
    page = phone.page
    phone.open("/w/sign-in")
    sign_in(phone, "Eve")
    page.get_by_role("link", name=task["title"]).click()
    phone.look("11-task-dark")
    page.get_by_role("button", name=re.compile("Claim for")).click()
    page.get_by_text("Use a file instead").click()
    expect(page.get_by_text("a file will not be accepted")).to_be_visible()
    page.get_by_label("Photo file").set_input_files(square)
    expect(page.get_by_text("Photo 1: stored. A file, not taken here.")).to_be_visible()
    page.get_by_label("closed").check()
    page.get_by_label("Notes for the buyer").fill("The shutters are down.")
    phone.look("12-file-dark")
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("heading", name="Not accepted")).to_be_visible()
    refused = page.url.removeprefix(phone.url)
    expect(page.get_by_text("was not taken in the app").first).to_be_visible()
    expect(page.get_by_text("Because of: Live camera")).to_be_visible()
    expect(page.get_by_text("2 tries left")).to_be_visible()
    phone.look("13-rejected-dark")
    page.get_by_role("link", name="Try again").click()
    page.get_by_role("button", name=re.compile("Claim for")).click()
    expect(page.get_by_role("timer")).to_have_text(re.compile(r"59:\d\d|1:00:00"))
    httpx.post(f"{ada.base_url}/v1/tasks/{task['id']}/cancel", headers={**ada.headers, "idempotency-key": "end"})
    phone.open(refused)
    expect(page.get_by_text("This task cannot be tried again just now: A person has one answer")).to_be_visible()
    page.goto(f"{phone.url}/w/submissions")
    page.get_by_role("link", name=task["title"]).first.click()
    page.get_by_role("button", name="Give the task back").click()
    page.wait_for_url("**/w?lat=*")  # the list has found its position again
    phone.open(refused)
    expect(page.get_by_text("This task cannot be tried again just now: The task is not open.")).to_be_visible()


def test_readings_and_a_photo_survive_a_hole_in_the_reception(
    ada: httpx.Client, new_phone: Callable[..., Phone]
) -> None:
    task = post_task(
        ada,
        title="How loud is the crossing?",
        kind="reading",
        evidence={
            "photos": {"min": 1, "max": 1, "live_capture": True},
            "readings": [{"name": "sound_level", "unit": "dB", "min_samples": 2}],
            "questions": [{"id": "rain", "type": "boolean"}, {"id": "cars", "type": "number", "required": False}],
        },
        acceptance={"mode": "auto", "checks": ["fresh", "at_place", "live", "readings"], "min_score": 0.7},
    )
    phone = new_phone()
    page = phone.page
    phone.open(f"/w/sign-in?next=/w/tasks/{task['id']}")
    sign_in(phone, "Fay")
    page.get_by_role("button", name=re.compile("Claim for")).click()
    expect(page.get_by_text("You are at the place.")).to_be_visible()
    page.get_by_role("button", name="Open camera").click()
    expect(page.get_by_role("button", name="Take photo")).to_be_enabled()
    page.context.set_offline(True)
    page.get_by_role("button", name="Take photo").click()
    expect(page.get_by_text("waiting for reception")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("Photo 1: stored.")).to_be_visible()
    phone.complaints.clear()  # the browser complains of the failed request, rightly
    page.get_by_label("Sound level, value 1").fill("61,5")
    page.get_by_label("Sound level, value 2").fill("loud")
    page.get_by_label("no", exact=True).check()
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("alert")).to_contain_text("“loud” is no number.")
    page.get_by_label("Sound level, value 2").fill("63")
    page.get_by_role("button", name="Add a reading").click()
    page.get_by_label("Sound level, value 3").fill("62.25")
    phone.look("14-readings")
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("heading", name="Accepted")).to_be_visible()
    phone.look("15-readings-verdict")
    observed = ada.get("/v1/observations", params={"task_id": task["id"]}).json()["items"][0]
    assert [(record["u"], record["v"]) for record in observed["readings"]] == [("dB", 61.5), ("dB", 63), ("dB", 62.25)]
    assert observed["answers"] == {"rain": False}


def test_after_the_clock_was_moved_photos_still_count_as_taken_now(
    ada: httpx.Client, new_phone: Callable[..., Phone]
) -> None:
    task = post_task(ada, title="Is the library open?")
    phone = new_phone()
    page = phone.page
    httpx.post(f"{phone.url}/sandbox/clock", json={"advance_s": 7200}).raise_for_status()
    phone.open(f"/w/sign-in?next=/w/tasks/{task['id']}")
    sign_in(phone, "Gus")
    page.get_by_role("button", name=re.compile("Claim for")).click()
    expect(page.get_by_role("timer")).to_have_text(re.compile(r"59:\d\d|1:00:00"))
    page.get_by_role("button", name="Open camera").click()
    page.get_by_role("button", name="Take photo").click()
    expect(page.get_by_text("Photo 1: stored.")).to_be_visible()
    page.get_by_label("gone").check()
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_text("Photo 1 was taken during your claim.")).to_be_visible()


def test_a_button_pressed_before_the_script_has_come_claims_all_the_same(
    ada: httpx.Client, new_phone: Callable[..., Phone]
) -> None:
    task = post_task(ada, title="Is the tailor open?")
    phone = new_phone()
    page = phone.page
    page.route("**/task.js", lambda route: route.abort(), times=1)
    phone.open(f"/w/sign-in?next=/w/tasks/{task['id']}")
    sign_in(phone, "Ned")
    page.get_by_role("button", name=re.compile("Claim for")).click()
    expect(page.get_by_role("timer")).to_have_text(re.compile(r"59:\d\d|1:00:00"))
    assert page.url.startswith(f"{phone.url}/w/claims/claim_")


def test_hal_changes_a_name_sets_up_payouts_and_signs_out(new_phone: Callable[..., Phone]) -> None:
    phone = new_phone()
    page = phone.page
    phone.open("/w/earnings")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(phone, "Hal")
    expect(page.get_by_text("Nothing earned yet.")).to_be_visible()
    page.get_by_role("button", name="Set up payouts").click()
    link = page.get_by_role("link", name="Continue at Stripe")
    assert str(link.get_attribute("href")).startswith("http")
    phone.look("16-payout")
    page.get_by_role("link", name="Me", exact=True).click()
    page.get_by_label("Name").fill("Hal <b>")
    page.get_by_label("Languages").fill("en, pt-BR")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("Hal <b>")
    phone.look("17-me")
    phone.open("/w/terms")
    expect(page.get_by_role("link", name="Sign in")).to_have_count(0)
    phone.open("/w/me")
    page.get_by_label("Languages").fill("English!")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("en, de or pt-BR")
    phone.complaints.clear()  # the browser notes the 422
    phone.look("18-problem")
    page.get_by_role("link", name="Back").click()
    expect(page.get_by_label("Languages")).to_have_value("en, pt-BR")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/w?lat=*")  # the list has found its position again
    expect(page.get_by_text("You look around as a guest.")).to_be_visible()
    phone.open("/w/me")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_wrong_code_is_told_and_another_site_may_sign_nobody_in(new_phone: Callable[..., Phone]) -> None:
    phone = new_phone()
    page = phone.page
    phone.open("/w/terms")
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    phone.open("/w/sign-in?next=//evil.example")
    expect(page.get_by_role("alert")).to_be_visible()
    phone.open("/w/sign-in")
    page.get_by_label("E-mail address").fill("ida@example.com")
    page.get_by_label("I accept the terms").check()
    page.get_by_role("button", name="Mail me a code").click()
    page.get_by_label("Code").wait_for()
    page.reload()  # as a phone does that forgot the page while the mail was read
    page.get_by_label("Code").fill("nothing")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not right")
    form = {"email": "ida@example.com", "terms": "yes"}
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {}):
        refused = httpx.post(f"{phone.url}/w/sign-in", data=form, headers=headers)
        assert refused.status_code == 403, headers
    stale = httpx.get(
        f"{phone.url}/w/me", headers={"cookie": "sensorium_session=wk_old_old_old", "accept": "text/html"}
    )
    assert stale.status_code == 303 and stale.headers["location"] == "/w/sign-in?next=/w/me"
    assert "Max-Age=0" in stale.headers["set-cookie"]
