"""The console where money did not go as meant: runs that paid nobody or not all, approvals that expired, suspense."""

from __future__ import annotations

import re
from html import unescape

from app.money import mirror
from market import audit_log, clock, ids, suspense
from tests.app.conftest import Caller, answer, ok, post_task
from tests.app.stripe_sandbox import Desk, desk, world
from tests.app.test_console import Desk as Browser
from tests.app.test_console import hidden, main
from tests.app.test_payout_runs import approved, earn, executed

__all__ = ["desk", "world"]


async def test_a_run_says_in_words_why_it_paid_nobody_and_waits_on_the_overview(
    desk: Desk, cy: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    await desk.fund(cy, 10_000)
    await desk.onboard(bo)
    await earn(desk.world, cy, bo, 1_000)
    run = await approved(olu, pia)
    browser = await Browser(desk.world, olu.secret).sign_in()
    assert "<span>Runs to go on with</span><strong>1</strong>" in main(await browser.open("/operator"))
    at = f"/operator/runs/{run['id']}"
    await browser.send("/operator/switches/payouts/turn", stopped="true", reason="strange")
    page = main(await browser.open(at))
    assert f'action="{at}/execute"' not in page and "Payouts are stopped, so nothing can be executed" in page
    await browser.send("/operator/switches/payouts/turn", stopped="false", reason="it was not")
    assert f'action="{at}/execute"' in main(await browser.open(at))
    ok(await olu.ask("PUT", f"/v1/operator/people/{bo.id}/hold", json={"reason": "under review"}), 204)
    ended = await executed(desk, olu, run)
    assert ended["status"] == "partial"
    page = main(await browser.open(f"/operator/runs/{run['id']}"))
    assert "Nothing was paid" in page and "Paid in part" not in page and "They are on hold" in page
    line = main(await browser.open(f"/operator/payouts/{ended['lines'][0]['id']}"))
    assert "They are on hold" in line
    runs = main(await browser.open("/operator/runs"))
    assert "Nothing was paid" in runs and "approval expired" not in runs
    async with desk.world.services.database.transaction() as connection:
        await clock.advance(connection, 4 * 86_400)
    browser = await Browser(desk.world, olu.secret).sign_in()
    assert "approval expired" in main(await browser.open("/operator/runs"))
    home = main(await browser.open("/operator"))
    assert "<span>Runs to approve</span><strong>1</strong>" in home
    assert "<span>Runs to go on with</span><strong>0</strong>" in home


async def test_what_a_line_in_suspense_was_is_chosen_and_a_buyer_named_by_id(
    desk: Desk, cy: Caller, olu: Caller
) -> None:
    services = desk.world.services
    await desk.control("/charge_elsewhere", amount=2_000)
    await mirror.mirror_balance(services.database, desk.sandbox.gateway())
    async with services.database.transaction() as connection:
        await clock.advance(connection, suspense.SUSPENSE_AFTER_S)
    await mirror.put_into_suspense(services.database)
    browser = await Browser(desk.world, olu.secret).sign_in()
    books = main(await browser.open("/operator/reconciliation"))
    assert "1 line of Stripe’s balance is in suspense" in books and 'class="done"' not in books
    [line] = ok(await olu.get("/v1/operator/balance-lines"))["items"]
    at = f"/operator/reconciliation/lines/{line['id']}"
    page = main(await browser.open(at))
    assert re.findall(r'<select name="target" required><option value="" selected>', page)
    form = {"once": hidden(page, "once"), "reason": "Cy paid by invoice"}
    for wrong, says in (
        ({}, "What it was: Fill this in."), ({"target": "buyer"}, "Whose balance: Say whose balance it is"),
        ({"target": "buyer", "account": "Cy"}, "Whose balance: Say whose balance it is"),
        ({"target": "platform:losses", "account": cy.id}, "Whose balance: A buyer is named"),
    ):  # fmt: skip
        refused = await browser.send(f"{at}/resolve", **form, **wrong)
        assert refused.status_code == 422 and says in unescape(re.sub("<[^>]+>", "", main(refused))), wrong
    asked = await browser.send(f"{at}/resolve", **form, target="buyer", account=cy.id)
    assert asked.status_code == 303
    page = main(await browser.open(asked.headers["location"]))
    assert f'href="{at}"' in page and f'href="/operator/accounts/{cy.id}"' in page and ">Cy</a>" in page
    [decision] = ok(await olu.get("/v1/operator/decisions"))["items"]
    assert decision["target"].startswith("buyer:") and decision["target"].endswith(":available")


async def test_whose_answer_a_clawback_is_about_and_what_became_of_its_pay(
    desk: Desk, ada: Caller, bo: Caller, olu: Caller
) -> None:
    answered = await answer(bo, await post_task(ada, title="Is the <b>bakery</b> open?"))
    await desk.world.jobs()
    browser = await Browser(desk.world, olu.secret).sign_in()
    page = main(await browser.open(f"/operator/people/{bo.id}"))
    assert answered["id"] in page and "$3.00" in page and "subject=sub_" in page and "<b>bakery" not in page
    asking = {"kind": "clawback", "subject": answered["id"], "reason": "another shop"}
    asked = await browser.send("/operator/decisions/ask", **asking, once="0" * 32)
    assert asked.status_code == 303, asked.text
    for path in (asked.headers["location"], "/operator/decisions"):
        page = main(await browser.open(path))
        assert f'href="/operator/people/{bo.id}"' in page and ">Bo</a>" in page and "bakery" in page, path
    assert "pending" in main(await browser.open(asked.headers["location"]))


async def test_who_looks_at_a_run_with_names_is_kept(desk: Desk, cy: Caller, bo: Caller, olu: Caller) -> None:
    await desk.fund(cy, 10_000)
    await desk.onboard(bo)
    await earn(desk.world, cy, bo, 1_000)
    browser = await Browser(desk.world, olu.secret).sign_in()
    assert re.search(r"prsn_….{6}</a> Bo<", main(await browser.open("/operator/runs/new")))
    run = ok(await olu.post("/v1/operator/payout-runs", {}), 201)
    for part in ("", "/lines"):
        assert re.search(r"prsn_….{6}</a> Bo<", main(await browser.open(f"/operator/runs/{run['id']}{part}"))), part
    async with desk.world.services.database.read() as connection:
        acts = await audit_log.listed(connection, before=None, limit=10)
    assert [(each.action, each.subject) for each in acts][:4] == [
        ("run_lines_page", run["id"]), ("run_page", run["id"]), ("make_payout_run", run["id"]), ("new_run_page", ""),
    ]  # fmt: skip


async def test_whose_payment_a_bank_suspects_is_named_and_who_looked_is_kept(
    desk: Desk, cy: Caller, olu: Caller
) -> None:
    await desk.fund(cy, 10_000)
    async with desk.world.services.database.read() as connection:
        charge = await connection.fetchval("SELECT charge_id FROM funding")
    await desk.control(f"/charges/{charge}/fraud_warning")
    await desk.rest()
    browser = await Browser(desk.world, olu.secret).sign_in()
    assert re.search(r"acct_….{6}</a> Cy<", main(await browser.open("/operator/fraud-warnings")))
    [warning] = ok(await olu.get("/v1/operator/fraud-warnings"))["items"]
    assert re.search(r"acct_….{6}</a> Cy<", main(await browser.open(f"/operator/fraud-warnings/{warning['id']}")))
    async with desk.world.services.database.read() as connection:
        acts = await audit_log.listed(connection, before=None, limit=3)
    assert [(each.action, each.subject) for each in acts] == [
        ("get_fraud_warning", warning["id"]), ("list_fraud_warnings", ""), ("list_fraud_warnings", ""),
    ]  # fmt: skip
    assert "Looked at a fraud warning" in main(await browser.open("/operator/audit"))


async def test_evidence_that_cannot_be_taken_stays_in_the_form_in_place_of_the_draft(
    desk: Desk, cy: Caller, olu: Caller
) -> None:
    await desk.fund(cy, 10_000)
    async with desk.world.services.database.read() as connection:
        charge = await connection.fetchval("SELECT charge_id FROM funding")
    await desk.control(f"/charges/{charge}/dispute")
    await desk.rest()
    [dispute] = ok(await olu.get("/v1/operator/disputes"))["items"]
    browser = await Browser(desk.world, olu.secret).sign_in()
    at = f"/operator/disputes/{dispute['id']}"
    once = hidden((await browser.open(at)).text, "once")
    typed = {"uncategorized_text": "Each was <b>delivered</b>,\r\nand used.", "customer_name": "x" * 501}
    page = main(await browser.send(f"{at}/answer", once=once, product_description="", **typed))
    assert "At most 500 characters." in page and page.count("aria-invalid") == 1
    assert 'name="product_description" rows="2">\n</textarea>' in page and "cy@example.com" not in page
    assert "Each was &lt;b&gt;delivered&lt;/b&gt;,\nand used.</textarea>" in page and f'value="{once}"' in page
    blank = await browser.send(f"{at}/answer", once=once, product_description=" ")
    assert blank.status_code == 422 and "An answer needs some evidence." in main(blank)


async def charged_back(desk: Desk, olu: Caller, **given: object) -> str:
    """A dispute about the newest payment: its page."""
    async with desk.world.services.database.read() as connection:
        charge = await connection.fetchval("SELECT charge_id FROM funding ORDER BY id DESC LIMIT 1")
    await desk.control(f"/charges/{charge}/dispute", **given)
    await desk.rest()
    return f"/operator/disputes/{ok(await olu.get('/v1/operator/disputes'))['items'][0]['id']}"


def cells(page: str) -> list[str]:
    """The rows of the page's tables, as text."""
    found = re.findall("<tr>(.*?)</tr>", page, re.DOTALL)
    return [re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", one))).strip() for one in found]


async def test_who_pays_for_a_chargeback_is_named_before_it_is_accepted(
    desk: Desk, cy: Caller, ada: Caller, olu: Caller
) -> None:
    await desk.fund(cy, 10_000)
    await post_task(cy, quantity=20)  # 20 times 3.30 is held for it
    at = await charged_back(desk, olu)
    browser = await Browser(desk.world, olu.secret).sign_in()
    page = main(await browser.open(at))
    assert f'href="{at}/accept"' in page and f'action="{at}/accept"' not in page, "one page before it is done"
    confirm = main(await browser.open(f"{at}/accept"))
    assert cells(confirm)[1:] == [
        "The buyer, Cy what is frozen of their balance, $34.00 $34.00", "The platform the rest, as its loss $66.00",
        "Taken by Stripe $100.00",
    ]  # fmt: skip
    done = await browser.send(f"{at}/accept", once=hidden(confirm, "once"))
    assert (done.status_code, done.headers["location"]) == (303, f"{at}?done=accepted")
    again = main(await browser.open(f"{at}/accept"))
    assert "There is nothing to accept" in again and "<form" not in again
    await desk.rest()
    ended = ok(await olu.get("/v1" + at))
    assert (ended["status"], ended["money"]["covered"]["amount"], ended["money"]["written_off"]["amount"]) == (
        "lost", 3_400, 6_600,
    )  # fmt: skip


async def test_what_giving_in_to_an_inquiry_sends_back_is_named_before_it_goes(
    desk: Desk, cy: Caller, olu: Caller
) -> None:
    await desk.fund(cy, 10_000)
    await post_task(cy, quantity=20)
    at = await charged_back(desk, olu, inquiry=True)
    browser = await Browser(desk.world, olu.secret).sign_in()
    assert f'href="{at}/refund"' in main(await browser.open(at))
    confirm = main(await browser.open(f"{at}/refund"))
    assert "<strong>$34.00</strong> of the $100.00" in confirm and "Refund $34.00</button>" in confirm
    done = await browser.send(f"{at}/refund", once=hidden(confirm, "once"))
    assert (done.status_code, done.headers["location"]) == (303, f"{at}?done=refunded")
    await desk.rest()
    [refund] = ok(await cy.get("/v1/refunds"))["items"]
    assert refund["amount"]["amount"] == 3_400
    assert "Nothing is left that could go back." in main(await browser.open(f"{at}/refund"))


async def test_the_dispute_that_is_due_soonest_stands_first_and_one_that_waits_for_the_bank_last(
    desk: Desk, cy: Caller, ada: Caller, olu: Caller
) -> None:
    first, second, third = [await a_dispute(desk, cy, olu) for _ in range(3)]
    async with desk.world.services.database.transaction() as connection:
        for dispute, days in ((first, 9), (second, -1), (third, 1)):
            await connection.execute(
                """UPDATE dispute SET evidence_due_at = market_now() + make_interval(days => $2, mins => 5)
                   WHERE id = $1""",
                ids.read("dispute", dispute), days,
            )  # fmt: skip
    browser = await Browser(desk.world, olu.secret).sign_in()
    page = main(await browser.open("/operator/disputes"))
    assert re.findall(r'href="/operator/disputes/(disp_\w+)"', page) == [second, third, first]
    assert "Overdue by 23 h" in page and "1 day left" in page and "9 days left" in page
    assert "Overdue by 23 h" in main(await browser.open(f"/operator/disputes/{second}"))
    evidence = {"evidence": {"uncategorized_text": "It was delivered."}}
    ok(await olu.post(f"/v1/operator/disputes/{second}/answer", evidence))
    page = main(await browser.open("/operator/disputes"))
    assert re.findall(r'href="/operator/disputes/(disp_\w+)"', page) == [third, first, second]
    assert "Overdue" not in page, "nobody has to act on it any more"
    cursor, seen = "", []
    while cursor is not None:
        query = {"order": "deadline", "limit": "1", **({"cursor": cursor} if cursor else {})}
        found = ok(await olu.get("/v1/operator/disputes", params=query))
        seen += [each["id"] for each in found["items"]]
        cursor = found["next_cursor"]
    assert seen == [third, first, second]
    newest = ok(await olu.get("/v1/operator/disputes"))["items"]
    assert [each["id"] for each in newest] == [third, second, first]


async def a_dispute(desk: Desk, buyer: Caller, olu: Caller) -> str:
    """A new payment of the buyer's, charged back: the dispute's id."""
    await desk.fund(buyer, 1_000)
    return (await charged_back(desk, olu)).rpartition("/")[2]
