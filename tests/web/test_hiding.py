"""Bo looks at a photo in Chromium and decides what others shall not see of it."""

import json
import os
from collections.abc import Callable

import httpx
from playwright.sync_api import Locator, Page, Route, expect

from tests.web.conftest import Phone, post_task, sign_in

NOTE = "These are guesses."


def photographed(ada: httpx.Client, phone: Phone) -> Page:
    """Bo's claim, with one photo stored."""
    task = post_task(ada)
    page = phone.page
    phone.open(f"/w/tasks/{task['id']}")
    expect(page.get_by_text("you can hide faces and number plates")).to_be_visible()
    page.get_by_role("link", name="Sign in to claim").click()
    sign_in(phone, "Bo")
    page.get_by_role("button", name="Claim for $3.00").click()
    page.get_by_role("button", name="Open camera").click()
    page.get_by_role("button", name="Take photo").click()
    expect(page.get_by_text("Photo 1: stored.")).to_be_visible()
    return page


def touch(picture: Locator, x: float, y: float) -> None:
    """Once the picture is there: touch it at fractions of its sides."""
    expect(picture).to_have_js_property("complete", True)
    picture.evaluate("async (image) => { while (!image.naturalWidth) await new Promise((go) => setTimeout(go, 20)); }")
    box = picture.bounding_box()
    assert box is not None
    picture.click(position={"x": x * box["width"], "y": y * box["height"]})


def test_bo_blurs_a_spot_takes_another_away_and_confirms(ada: httpx.Client, new_phone: Callable[..., Phone]) -> None:
    phone = new_phone(viewport={"width": 390, "height": 844})
    page = photographed(ada, phone)
    guess = {"region": {"x": 0.1, "y": 0.1, "w": 0.2, "h": 0.25}, "kind": "face", "confidence": 0.7}
    told = {"suggested": [guess], "hidden": [], "note": NOTE}
    page.route("**/photos/1/regions", lambda route: route.fulfill(json=told))
    page.get_by_role("button", name="Blur faces and plates").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(NOTE)).to_be_visible()
    expect(dialog.get_by_text("1 blurred.")).to_be_visible()
    touch(dialog.get_by_role("img"), 0.7, 0.6)
    expect(dialog.get_by_text("2 blurred.")).to_be_visible()
    phone.look("hide")
    if pictures := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{pictures}/hide-390.png")
    with page.expect_response(lambda answer: "/preview?regions=0.6" in answer.url) as previewed:
        dialog.get_by_role("button", name="Do not blur spot 1").click()
    assert previewed.value.ok
    expect(dialog.get_by_text("1 blurred.")).to_be_visible()
    first, second = (dialog.get_by_role("button", name=name).bounding_box() for name in ("Blur nothing", "Cancel"))
    assert first is not None and second is not None and first["x"] + first["width"] + 8 <= second["x"]
    with page.expect_request(lambda request: request.method == "PUT") as confirmed:
        dialog.get_by_role("button", name="Others see it like this").click()
    sent = json.loads(confirmed.value.post_data or "")
    assert (len(sent["regions"]), sent["confirmed"]) == (1, True)
    expect(page.get_by_text("Photo 1: stored; 1 blurred for others.")).to_be_visible()
    expect(page.get_by_text("Photo 1: stored; 1 blurred for others.")).to_have_class("done")
    page.unroute("**/photos/1/regions")
    page.get_by_role("button", name="Blur faces and plates").click()
    expect(dialog.get_by_text("This is blurred so far.")).to_be_visible()
    dialog.get_by_role("button", name="Blur nothing").click()
    expect(dialog.get_by_text("Nothing is blurred.")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    page.get_by_label("open", exact=True).check()
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("heading", name="Accepted")).to_be_visible()


def test_bo_blurs_by_hand_where_nothing_can_be_looked_for_and_failures_look_like_failures(
    ada: httpx.Client, new_phone: Callable[..., Phone]
) -> None:
    phone = new_phone()
    page = photographed(ada, phone)
    tries = 0

    def crowded_then_broken(route: Route) -> None:
        nonlocal tries
        tries += 1
        slug, status = ("rate-limited", 429) if tries == 1 else ("internal", 500)
        route.fulfill(status=status, json={"type": f"/problems/{slug}", "detail": "It broke."})

    page.route("**/photos/1/regions", crowded_then_broken)
    page.route("**/photos/1/blur", lambda route: route.abort())
    page.get_by_role("button", name="Blur faces and plates").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("It broke.")).to_have_class("bad")
    assert tries == 2
    touch(dialog.get_by_role("img"), 0.5, 0.5)
    expect(dialog.get_by_text("1 blurred.")).to_be_visible()
    dialog.get_by_role("button", name="Others see it like this").click()
    expect(dialog.get_by_text("Not kept: There was no answer")).to_have_class("bad")
    page.unroute("**/photos/1/blur")
    dialog.get_by_role("button", name="Others see it like this").click()
    expect(page.get_by_text("Photo 1: stored; 1 blurred for others.")).to_be_visible()
