"""Forms from hostile or broken senders: a page that says what is wrong, never a failure of ours, nothing half-done."""

from __future__ import annotations

import httpx
import pytest

from app.supervisor import System
from tests.web.conftest import BAKERY, post_task

pytestmark = [pytest.mark.slow]

HERE = {"lat": str(BAKERY["latitude"]), "lon": str(BAKERY["longitude"])}
JPEG = b"\xff\xd8\xff\xe0" + b"not really" * 20


@pytest.fixture
def bo(system: System) -> httpx.Client:
    """Bo's browser, signed in: it sends its cookie and says that its own page has caused the request."""
    client = httpx.Client(
        base_url=system.url, timeout=30, headers={"accept": "text/html", "sec-fetch-site": "same-origin"}
    )
    email = "bo-by-form@example.com"
    client.post("/v1/people", json={"email": email, "display_name": "Bo", "accept_terms": True})
    code = client.get("/sandbox/outbox", params={"to": email}, headers={"accept": "application/json"})
    form = {"email": email, "code": code.json()["items"][0]["subject"].split()[0], "next": "/w/me"}
    entered = client.post("/w/sign-in/code", data=form)
    assert entered.status_code == 303 and entered.headers["location"] == "/w/me"
    assert "HttpOnly; SameSite=Lax" in entered.headers["set-cookie"]
    return client


def claim(bo: httpx.Client, task_id: str) -> str:
    """Claim by form; the address of the claim's page."""
    answer = bo.post(f"/w/tasks/{task_id}/claims", data=HERE)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_a_claim_without_a_position_asks_for_it_and_takes_nothing(ada: httpx.Client, bo: httpx.Client) -> None:
    task = post_task(ada, title="Is the cobbler open?")
    answer = bo.post(f"/w/tasks/{task['id']}/claims", data={"lat": "", "lon": "", "accuracy_m": ""})
    assert answer.status_code == 200 and "Your position is still missing" in answer.text
    assert ada.get(f"/v1/tasks/{task['id']}").json()["slots"]["open"] == 1
    taken = claim(bo, task["id"])
    assert bo.post(f"{taken}/release").status_code == 303


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("/w/me", {"data": {"display_name": "x" * 81}}, 422),
        ("/w/me", {"data": {"display_name": "x", "role": "operator"}}, 422),
        ("/w/me", {"data": {"display_name": "\x00"}}, 422),
        ("/w/me", {"content": b"\xff\xfe=1", "headers": {"content-type": "application/x-www-form-urlencoded"}}, 400),
        ("/w/me", {"content": b"a=1&" * 600, "headers": {"content-type": "application/x-www-form-urlencoded"}}, 400),
        ("/w/me", {"content": b"x" * 200_000, "headers": {"content-type": "application/x-www-form-urlencoded"}}, 413),
        ("/w/me", {"json": {"display_name": "x"}}, 415),
        ("/w/me", {"content": b"--x\r\n", "headers": {"content-type": "multipart/form-data; boundary=y"}}, 400),
        ("/w/me", {"content": b"", "headers": {"content-type": "multipart/form-data"}}, 400),
        ("/w/sign-in", {"data": {"email": "nobody", "terms": "yes"}}, 422),
        ("/w/sign-in", {"data": {"email": "kim@example.com"}}, 422),
        ("/w/sign-in/code", {"data": {"email": "a@example.com", "code": "1", "next": "https://evil.example"}}, 422),
        ("/w/tasks/task_nothing/claims", {"data": HERE}, 404),
        ("/w/tasks/task_nothing/claims", {"data": {"lat": "91", "lon": "nan"}}, 422),
        ("/w/claims/claim_nothing/submission", {"data": {}}, 404),
        ("/w/claims/claim_nothing/release", {"data": {}}, 404),
        ("/w/earnings/payout-account", {"data": {"country": "U$"}}, 422),
    ],
)
def test_a_bad_form_gets_a_page_that_says_what_is_wrong(
    bo: httpx.Client, path: str, sent: dict[str, object], status: int
) -> None:
    answer = bo.post(path, **sent)  # type: ignore[arg-type]
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert 'role="alert"' in answer.text and "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/w?lat=north", 422), ("/w?lat=52&lon=13&radius_m=-1", 422), ("/w?lat=52&lon=13&skip=99999", 422),
        ("/w?unknown=1", 422), ("/w?lat=52", 200), ("/w?lat=90&lon=180&radius_m=100000", 200), ("/w/tasks/task_x", 404),
        ("/w/claims/claim_x", 404), ("/w/submissions/sub_x", 404), ("/w/submissions?cursor=%00", 422),
        ("/static/old/style.css", 200), ("/static/old/../render.py", 404), ("/static/x/nothing.js", 404),
    ],
)  # fmt: skip
def test_a_bad_address_gets_a_page_that_says_what_is_wrong(bo: httpx.Client, path: str, status: int) -> None:
    assert bo.get(path).status_code == status


def test_a_bad_answer_leaves_the_claim_open_and_nothing_handed_in(bo: httpx.Client, ada: httpx.Client) -> None:
    questions = [{"id": "cars", "type": "number"}, {"id": "rain", "type": "boolean", "required": False}]
    evidence = {"photos": {"min": 1, "max": 1}, "questions": questions}
    task = post_task(ada, title="How many cars?", evidence=evidence, acceptance={"checks": ["fresh"]})
    page = claim(bo, task["id"])
    photo = {"photo_1": ("a.jpg", JPEG, "image/jpeg")}
    for form, files, status, says in (
        ({"answer_cars": "many"}, photo, 422, "no number"),
        ({"answer_cars": "1e999"}, photo, 422, "no number"),
        ({"answer_cars": "3", "answer_rain": "perhaps"}, photo, 422, "yes or no"),
        ({"answer_rain": "yes"}, photo, 422, "no answer to: cars"),
        ({"answer_cars": "3"}, {"photo_1": ("a.jpg", b"hello", "image/jpeg")}, 415, "no photo"),
        ({"answer_cars": "3"}, {"photo_2": ("a.jpg", JPEG, "image/jpeg")}, 422, "photos 1 to 1"),
        ({"answer_cars": "3", "outcome": "win"}, photo, 422, "no outcome"),
        ({"answer_cars": "3"}, {"other": ("a.jpg", JPEG, "image/jpeg")}, 422, "asks for 1 photo"),
    ):
        answer = bo.post(f"{page}/submission", data=form, files=files)
        assert answer.status_code == status and says in answer.text, (form, answer.text)
        assert f'href="{page}"' in answer.text  # the way back
    assert bo.get("/w/submissions").text.count("data-until") == 1  # still in progress, nothing handed in
    done = bo.post(f"{page}/submission", data={"answer_cars": "3"}, files=photo)
    assert done.status_code == 303 and done.headers["location"].startswith("/w/submissions/")
    again = bo.post(f"{page}/submission", data={"answer_cars": "3"}, files=photo)
    assert again.status_code == 409


def test_another_person_sees_none_of_it(system: System, bo: httpx.Client, ada: httpx.Client) -> None:
    task = post_task(ada, title="Whose claim is it?", acceptance={"checks": ["fresh"]})
    page = claim(bo, task["id"])
    guest = httpx.Client(base_url=system.url, headers={"accept": "text/html", "sec-fetch-site": "same-origin"})
    assert guest.get(page).headers["location"] == f"/w/sign-in?next={page}"
    guest.post("/v1/people", json={"email": "cy@example.com", "display_name": "Cy", "accept_terms": True})
    mails = guest.get("/sandbox/outbox", params={"to": "cy@example.com"}, headers={"accept": "application/json"})
    code = mails.json()["items"][0]["subject"].split()[0]
    guest.post("/w/sign-in/code", data={"email": "cy@example.com", "code": code})
    assert guest.get("/w/me").status_code == 200
    assert guest.get(page).status_code == 404
    assert guest.post(f"{page}/release", data={}).status_code == 404
    assert guest.post(f"{page}/submission", data={}).status_code == 404
    assert bo.post(f"{page}/release", data={}, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert bo.post(f"{page}/release", data={}).headers["location"] == "/w"
