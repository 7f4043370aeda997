"""The console where money did not go as meant: runs that paid nobody or not all, approvals that expired, suspense."""

from __future__ import annotations

import re
from html import unescape

from app.money import mirror
from market import audit_log, clock, suspense
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
