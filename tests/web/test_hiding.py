"""Bo looks at a photo in Chromium and decides what others shall not see of it."""

import json
from collections.abc import Callable

import httpx
from playwright.sync_api import expect

from tests.web.conftest import Phone, post_task, sign_in


def test_bo_blurs_a_spot_sees_it_and_confirms(ada: httpx.Client, new_phone: Callable[..., Phone]) -> None:
    task = post_task(ada)
    phone = new_phone()
    page = phone.page
    phone.open(f"/w/tasks/{task['id']}")
    expect(page.get_by_text("you can hide faces and number plates")).to_be_visible()
    page.get_by_role("link", name="Sign in to claim").click()
    sign_in(phone, "Bo")
    page.get_by_role("button", name="Claim for $3.00").click()
    page.get_by_role("button", name="Open camera").click()
    page.get_by_role("button", name="Take photo").click()
    expect(page.get_by_text("Photo 1: stored.")).to_be_visible()
    page.get_by_role("button", name="Blur faces and plates").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("These are guesses")).to_be_visible()
    dialog.get_by_role("button", name="Blur nothing").click()
    expect(dialog.get_by_text("Nothing is blurred.")).to_be_visible()
    with page.expect_response(lambda answer: "/preview?regions=0." in answer.url) as previewed:
        dialog.get_by_role("img").click()
    assert previewed.value.ok
    phone.look("hide")
    with page.expect_request(lambda request: request.method == "PUT") as confirmed:
        dialog.get_by_role("button", name="Others see it like this").click()
    sent = json.loads(confirmed.value.post_data or "")
    assert (len(sent["regions"]), sent["confirmed"]) == (1, True)
    expect(page.get_by_text("Photo 1: stored; 1 blurred for others.")).to_be_visible()
    page.get_by_label("open", exact=True).check()
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("heading", name="Accepted")).to_be_visible()
