"""Early fraud warnings in the books: what is left of a payment is frozen once, until an operator or a bank decides."""

from __future__ import annotations

from uuid import UUID

import pytest

from market import disputes, fraud_warnings, ids, refunds
from market.errors import NotFound, WrongState
from market.fraud_warnings import Warned
from tests.market.test_disputes import Desk, chargeback, desk, line

__all__ = ["desk"]


async def warned(desk: Desk, stripe_id: str = "issfr_1") -> UUID | None:
    return await fraud_warnings.report(desk.conn, Warned(stripe_id, "ch_1", "made_with_stolen_card", True))


async def test_a_warning_freezes_what_is_left_of_its_payment_once(desk: Desk) -> None:
    funding = await desk.paid(5_000)
    await desk.came(4_000)
    await refunds.ask(desk.conn, desk.account, 1_000, by="test", funding=funding)
    assert await warned(desk) is not None
    assert await warned(desk) is None
    assert await warned(desk, "issfr_2") is not None  # the same charge, again
    books = await desk.books()
    assert (books["available"], books["held"]) == (4_000, 4_000)
    await desk.sound()


@pytest.mark.parametrize("refunded", [True, False])
async def test_an_operator_ends_a_warning_and_the_freeze_with_it(desk: Desk, refunded: bool) -> None:
    funding = await desk.paid(5_000)
    warning = await warned(desk)
    assert warning is not None
    freed = await fraud_warnings.settle(desk.conn, desk.olu, warning, refunded=refunded)
    assert freed == (desk.account, funding, 5_000, "usd")
    shown = await fraud_warnings.get(desk.conn, warning)
    assert (shown.status, shown.frozen.amount, shown.handled_by) == (
        "refunded" if refunded else "dismissed", 0, ids.show("operator", desk.olu),
    )  # fmt: skip
    with pytest.raises(WrongState):
        await fraud_warnings.settle(desk.conn, desk.olu, warning, refunded=False)
    with pytest.raises(NotFound):
        await fraud_warnings.settle(desk.conn, desk.olu, UUID(int=0), refunded=False)
    assert (await desk.books())["available"] == 5_000
    await desk.sound()


@pytest.mark.parametrize("amount", [2_000, 3_000, 5_000])
async def test_a_chargeback_takes_the_freeze_of_the_warning_over(desk: Desk, amount: int) -> None:
    """Of 3,500 that is left of 5,000, whatever the chargeback is about."""
    await desk.paid(5_000)
    await desk.spent(1_500)
    warning = await warned(desk)
    assert warning is not None and (await desk.books())["held"] == 3_500
    taken = line(-amount)
    await disputes.apply(desk.conn, chargeback("needs_response", taken, amount=amount))
    books, frozen = await desk.books(), min(amount, 3_500)
    assert (books["held"], books["available"]) == (frozen, 3_500 - frozen)
    assert (await fraud_warnings.get(desk.conn, warning)).status == "disputed"
    await desk.sound()
    await disputes.apply(desk.conn, chargeback("lost", taken, amount=amount))
    assert (await desk.row())["written_off"] == max(0, amount - 3_500)
    await desk.sound()


async def test_a_warning_that_comes_after_its_chargeback_freezes_nothing(desk: Desk) -> None:
    await desk.paid(5_000)
    await disputes.apply(desk.conn, chargeback("needs_response", line(-3_000)))
    warning = await warned(desk)
    assert warning is not None
    shown = await fraud_warnings.get(desk.conn, warning)
    assert (shown.status, shown.frozen.amount) == ("disputed", 0)
    assert (await desk.books())["held"] == 3_000
    await desk.sound()


async def test_an_inquiry_leaves_the_warning_as_it_is(desk: Desk) -> None:
    await desk.paid(5_000)
    warning = await warned(desk)
    assert warning is not None
    await disputes.apply(desk.conn, chargeback("warning_needs_response"))
    assert (await fraud_warnings.get(desk.conn, warning)).status == "open"
    assert [one.status for one in await fraud_warnings.listed(desk.conn, before=None, limit=9, waiting=True)] == [
        "open"
    ]
    assert await fraud_warnings.listed(desk.conn, before=None, limit=9, waiting=False) == []
    await desk.sound()
