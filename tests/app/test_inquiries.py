"""A bank only asks: Olu gives in by a refund, which settles it before it costs a fee."""

from __future__ import annotations

from market import ids
from tests.app import test_console
from tests.app.conftest import Caller, is_problem, ok, post_task
from tests.app.stripe_sandbox import Desk, desk, world
from tests.app.test_console import hidden, main
from tests.app.test_disputes import DISPUTES, EVIDENCE, balance, buyer, disputed, money, seen
from tests.app.test_payout_runs import row

__all__ = ["buyer", "desk", "world"]
REFUNDS = "SELECT array_agg(status || ' ' || amount) FROM refund"


async def test_a_refund_of_the_payment_settles_an_inquiry(desk: Desk, buyer: Caller, olu: Caller) -> None:
    await desk.fund(buyer, 10_000)  # the bank asks about this one of two
    inquiry = await disputed(desk, olu, inquiry=True)
    is_problem(await olu.post(f"{DISPUTES}/{inquiry['id']}/accept"), 409, "wrong-state")
    told = ok(await olu.post(f"{DISPUTES}/{inquiry['id']}/refund"))
    assert (told["status"], await balance(buyer)) == ("warning_needs_response", 10_000)
    await desk.rest()
    assert (await seen(olu, inquiry))["status"] == "warning_closed"
    assert (await money(olu, inquiry), await row(desk, REFUNDS)) == ({}, ["succeeded 10000"])
    is_problem(await olu.post(f"{DISPUTES}/{inquiry['id']}/refund"), 409, "wrong-state")
    assert await row(desk, "SELECT array_agg(actor) FROM event WHERE type = 'dispute.giving_in'") == [
        f"operator:{ids.read('operator', olu.id)}"
    ]
    await desk.agrees()


async def test_what_the_buyer_has_left_goes_back_also_after_an_answer_and_once_for_two_requests(
    desk: Desk, buyer: Caller, olu: Caller
) -> None:
    await post_task(buyer, quantity=10)
    inquiry = await disputed(desk, olu, inquiry=True)
    ok(await olu.post(f"{DISPUTES}/{inquiry['id']}/answer", EVIDENCE))
    await desk.rest()
    assert (await seen(olu, inquiry))["status"] == "warning_under_review"
    for _ in range(2):
        ok(await olu.post(f"{DISPUTES}/{inquiry['id']}/refund", headers={"idempotency-key": "give-in-1"}))
    is_problem(await olu.post(f"{DISPUTES}/{inquiry['id']}/refund"), 409, "wrong-state")  # nothing is left
    await desk.rest()
    assert await row(desk, REFUNDS) == ["succeeded 6700"]
    assert (await seen(olu, inquiry))["status"] == "warning_under_review"  # not all of it came back
    await desk.agrees()


async def test_a_chargeback_is_not_refunded_and_a_stranger_refunds_nothing(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller
) -> None:
    inquiry = await disputed(desk, olu, inquiry=True)
    for stranger in (buyer, bo):
        is_problem(await stranger.post(f"{DISPUTES}/{inquiry['id']}/refund"), 403, "forbidden")
    is_problem(await olu.post(f"{DISPUTES}/disp_{'0' * 32}/refund"), 404, "not-found")
    await desk.control(f"/disputes/{inquiry['stripe_id']}/escalate")
    await desk.rest()
    told = is_problem(await olu.post(f"{DISPUTES}/{inquiry['id']}/refund"), 409, "wrong-state")
    assert "is needs_response" in told["detail"]
    assert await row(desk, REFUNDS) is None


async def test_the_page_of_an_inquiry_has_the_button_and_that_of_a_chargeback_has_not(
    desk: Desk, buyer: Caller, olu: Caller
) -> None:
    await desk.fund(buyer, 10_000)
    browser = await test_console.Desk(desk.world, olu.secret).sign_in()
    inquiry = await disputed(desk, olu, inquiry=True)
    path = f"/operator/disputes/{inquiry['id']}"
    page = await browser.open(path)
    assert "Refund the payment" in main(page) and "Accept" not in main(page) and "Freeze" not in main(page)
    gone = await browser.send(f"{path}/refund", once=hidden(page.text, "once"))
    assert (gone.status_code, gone.headers["location"]) == (303, f"{path}?done=refunded"), gone.text
    await desk.rest()
    assert "Refund the payment" not in main(await browser.open(path))
    assert await row(desk, REFUNDS) == ["succeeded 10000"]
    await desk.fund(buyer, 5_000)
    page = await browser.open(f"/operator/disputes/{(await disputed(desk, olu))['id']}")
    assert "Accept" in main(page) and "Refund the payment" not in main(page)
