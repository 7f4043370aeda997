"""Where Bo is paid: his account at Stripe is made once, what Stripe asks is said plainly, nothing earned is lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest

from app import payout_words
from app.money.outgoing import send_op
from app.pages.render import render
from market import events, ids, ledger, payout_accounts, stripe_ops
from tests.app.conftest import Caller, Json, World, is_problem, ok, person
from tests.app.stripe_sandbox import Desk, desk, world

__all__ = ["desk", "world"]
PATH = "/v1/people/payout-account"
RUNS = "/v1/operator/payout-runs"
HTML = {"accept": "text/html"}
PASSPORT = "identity.individual.documents.primary_verification"


async def row(desk: Desk, query: str, *values: object) -> Any:
    async with desk.world.services.database.read() as connection:
        return await connection.fetchval(query, *values)


async def account_of(desk: Desk, who: Caller) -> str:
    query = "SELECT stripe_id FROM payout_account WHERE person_id = $1"
    found: str = await row(desk, query, ids.read("person", who.id))
    return found


async def mails(desk: Desk, who: Caller) -> list[Json]:
    """What Bo was mailed of his payouts, newest first."""
    outbox = ok(await desk.world.client.get("/sandbox/outbox", params={"to": f"{who.name.lower()}@example.com"}))
    return [mail for mail in outbox["items"] if "code" not in mail["subject"]]


async def news(desk: Desk, who: Caller, kind: str) -> list[Json]:
    async with desk.world.services.database.read() as connection:
        found = await events.after(connection, person=ids.read("person", who.id), cursor=None, limit=100)
    return [each.data for each in found if each.type == kind]


async def owe(world: World, who: Caller, amount: int, currency: str = "usd") -> None:
    """`who` has earned something that is out of the hold window."""
    async with world.services.database.transaction() as connection:
        payable = ledger.person(ids.read("person", who.id), "payable")
        await ledger.post(
            connection, "earned", f"test:{ids.new()}", [(ledger.CLEARING, amount), (payable, -amount)],
            currency=currency, actor="test",
        )  # fmt: skip


async def test_an_account_is_made_once_and_active_when_stripe_says_so(desk: Desk, bo: Caller) -> None:
    assert ok(await bo.get(PATH))["status"] == "none"
    first, second = [ok(await bo.post(f"{PATH}?country=de"), 201) for _ in range(2)]
    assert first["onboarding_url"] != second["onboarding_url"]
    assert (first["status"], first["requirements"]) == ("incomplete", ["default_payout_method"])
    assert await row(desk, "SELECT count(*) FROM payout_account") == 1
    await desk.press(second["onboarding_url"], action="finish")
    assert ok(await bo.get(PATH))["status"] == "active"  # fetched again, before any event came
    await desk.rest()
    ready = ok(await bo.get(PATH))
    assert (ready["status"], ready["requirements"], ready["country"]) == ("active", [], "de")
    assert await news(desk, bo, "payout_account.changed") == [{"transfers": "active", "news": "ready"}]
    assert await mails(desk, bo) == []


async def test_a_country_is_one_of_the_worlds(desk: Desk, bo: Caller) -> None:
    for country in ("zz", "DE", "d", "de%0A", "deu", ""):
        refused = is_problem(await bo.post(f"{PATH}?country={country}"), 422, "validation")
        assert refused["errors"][0]["pointer"] == "/country"
    assert await row(desk, "SELECT count(*) FROM stripe_op") == 0


async def test_a_refusal_has_stripes_words_and_another_country_may_be_tried(desk: Desk, bo: Caller) -> None:
    rule = {"fault": "inactive_capability", "path": "/v2/core/accounts$", "verb": "post", "times": 1}
    await desk.control("/faults", rules=[rule])
    refused = is_problem(await bo.post(f"{PATH}?country=cu"), 403, "policy-refused")
    assert "Your destination account needs" in refused["detail"]
    seen = ok(await bo.get(PATH))
    assert (seen["status"], seen["country"]) == ("refused", "cu") and "Your destination account" in seen["refusal"]
    page = (await bo.get("/w/earnings", headers=HTML)).text
    assert "Stripe does not open an account for Cuba. It says: Your destination account needs" in page
    assert ok(await bo.post(f"{PATH}?country=de"), 201)["status"] == "incomplete"
    assert await row(desk, "SELECT array_agg(attempt) FROM stripe_op") == [1, 2]


async def begun(desk: Desk, bo: Caller) -> stripe_ops.Op:
    """Stripe has made the account, and whoever asked for it died before the answer."""
    async with desk.world.services.database.transaction() as connection:
        planned = await payout_accounts.plan(connection, ids.read("person", bo.id), "de")
    async with desk.world.services.database.transaction() as connection:
        op = await stripe_ops.take(connection, planned)
    assert op is not None
    await desk.sandbox.gateway().create_recipient(op.key, str(op.subject), "bo@example.com", "Bo", "de")
    return op


async def test_an_account_whose_maker_died_is_found_by_its_event(desk: Desk, bo: Caller) -> None:
    op = await begun(desk, bo)
    assert ok(await bo.get(PATH))["status"] == "checking"
    await desk.rest()  # the lease still stands, so only the event can have told
    assert ok(await bo.get(PATH))["status"] == "incomplete"
    async with desk.world.services.database.transaction() as connection:
        with pytest.raises(stripe_ops.LeaseLost):
            await stripe_ops.succeeded(connection, op, "acct_late")


async def test_an_account_whose_maker_died_long_ago_is_looked_up_and_not_made_again(desk: Desk, bo: Caller) -> None:
    op = await begun(desk, bo)
    gateway = desk.sandbox.gateway()
    for n in range(101):  # others came since, more than a page of Stripe's list
        await gateway.create_recipient(f"other-{n}", str(ids.new()), "x@example.com", "X", "de")
    async with desk.world.services.database.transaction() as connection:
        await connection.execute(
            "UPDATE stripe_op SET leased_until = now(), first_sent_at = now() - interval '2 days' WHERE id = $1", op.id
        )
    await send_op(desk.world.services, {"op": str(op.id)})
    assert ok(await bo.get(PATH))["status"] == "incomplete"
    with closing(sqlite3.connect(desk.sandbox.state)) as state:
        made = state.execute(
            "SELECT id FROM object WHERE kind = 'v2.core.account' AND body LIKE ?", (f"%{op.subject}%",)
        )
        assert made.fetchall() == [(await account_of(desk, bo),)]


async def test_a_lost_capability_is_told_once_in_plain_words_and_so_is_its_return(
    desk: Desk, bo: Caller, olu: Caller
) -> None:
    await desk.onboard(bo)
    await owe(desk.world, bo, 500)
    account = await account_of(desk, bo)
    wanted = [PASSPORT, "identity.attestations.terms_of_service.account"]
    for _ in range(2):
        lost = {"status": "restricted", "requirements": wanted, "due_s": 7 * 86_400}
        await desk.control(f"/accounts/{account}/capability", **lost)
        await desk.rest()
    seen = ok(await bo.get(PATH))
    assert (seen["status"], seen["requirements"]) == ("lost", wanted)
    assert seen["lost_at"] is not None and seen["due_at"] > seen["lost_at"]
    (mail,) = await mails(desk, bo)
    assert mail["subject"] == "Stripe has stopped paying to your account"
    for words in ("Nothing is lost", "- Stripe wants a photo of your passport or identity card.\n", "/w/earnings"):
        assert words in mail["text"]
    page = (await bo.get("/w/earnings", headers=HTML)).text
    for words in ("Stripe does not pay to your account since", "Nothing is lost", "wants you to accept its terms"):
        assert words in page
    run = ok(await olu.post(RUNS, {}), 201)
    assert [(one["person_id"], one["reason"]) for one in run["exclusions"]] == [(bo.id, "capability_inactive")]

    await desk.control(f"/accounts/{account}/capability", status="active")
    await desk.rest()
    back = ok(await bo.get(PATH))
    assert (back["status"], back["lost_at"], back["due_at"]) == ("active", None, None)
    assert [mail["subject"] for mail in await mails(desk, bo)] == [
        "You can be paid again", "Stripe has stopped paying to your account",
    ]  # fmt: skip
    changes = await news(desk, bo, "payout_account.changed")
    assert [change.get("news") for change in changes] == ["ready", "lost", "back"]


async def test_the_look_that_began_later_counts_whichever_is_written_last(desk: Desk, bo: Caller) -> None:
    await desk.onboard(bo)
    account, before = await account_of(desk, bo), await row(desk, "SELECT market_now()")
    async with desk.world.services.database.transaction() as connection:
        await payout_accounts.update(connection, account, "restricted", (PASSPORT,))
        late = await payout_accounts.update(connection, account, "active", (), seen_at=before)
    assert late is not None and late.news == ""
    assert await row(desk, "SELECT transfers FROM payout_account") == "restricted"


async def test_an_account_that_stripe_has_shut_says_so(desk: Desk, bo: Caller) -> None:
    await desk.onboard(bo)
    await desk.control(f"/accounts/{await account_of(desk, bo)}/capability", status="rejected")
    await desk.rest()
    assert ok(await bo.get(PATH))["status"] == "refused"
    assert "Stripe has shut your account" in (await bo.get("/w/earnings", headers=HTML)).text


async def test_a_link_that_was_too_old_leads_to_a_new_one(desk: Desk, bo: Caller) -> None:
    again = "/w/earnings/payout-account"
    assert (await bo.get(again)).headers["location"] == "/w/earnings?back=stripe"  # nothing to go on with
    made = ok(await bo.post(PATH), 201)
    first = await bo.get(again)
    assert first.status_code == 303 and first.headers["location"].startswith(desk.sandbox.url)
    assert first.headers["location"] != made["onboarding_url"]
    done = await desk.press(first.headers["location"], action="finish")
    assert done.headers["location"].endswith("/w/earnings?back=stripe")
    assert "That is all: you can be paid." in (await bo.get("/w/earnings?back=stripe", headers=HTML)).text
    assert (await bo.get(again)).headers["location"] == "/w/earnings?back=stripe"
    is_problem(await bo.get("/w/earnings?back=elsewhere"), 422, "validation")


async def paid(desk: Desk, who: Caller, olu: Caller, pia: Caller, amount: int) -> Json:
    """`who` is paid `amount` by a run; the run."""
    async with desk.world.services.database.transaction() as connection:
        payable = ledger.person(ids.read("person", who.id), "payable")
        buyer = await connection.fetchval("SELECT code FROM ledger_account WHERE code LIKE 'buyer:%:available'")
        await ledger.post(
            connection, "earned", f"test:{ids.new()}", [(buyer, amount), (payable, -amount)], currency="usd",
            actor="test",
        )  # fmt: skip
    run = ok(await olu.post(RUNS, {}), 201)
    ok(await olu.post(f"{RUNS}/{run['id']}/submit"))
    ok(await pia.post(f"{RUNS}/{run['id']}/approve"))
    ok(await olu.post(f"{RUNS}/{run['id']}/execute"))
    await desk.rest()
    done: Json = ok(await olu.get(f"{RUNS}/{run['id']}"))
    assert done["status"] == "done", done
    return done


async def test_a_bank_that_sends_money_back_is_told_with_the_reason_and_no_late_event_hides_it(
    desk: Desk, cy: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    await desk.fund(cy, 10_000)
    await desk.onboard(bo)
    await paid(desk, bo, olu, pia, 1_250)
    account = await account_of(desk, bo)
    sent = await desk.control(f"/accounts/{account}/payout", amount=1_250)
    await desk.rest()
    (bank,) = ok(await bo.get("/v1/people/payouts"))["bank"]
    assert (bank["id"], bank["status"], bank["amount"]["amount"]) == (sent["id"], "in_transit", 1_250)
    await desk.control(f"/payouts/{sent['id']}/pay")
    await desk.rest()
    assert ok(await bo.get("/v1/people/payouts"))["bank"][0]["status"] == "paid"
    assert await mails(desk, bo) == []
    await desk.control(f"/payouts/{sent['id']}/fail", failure_code="no_account")
    await desk.rest()
    for webhook in desk.receiver.received * 2:  # everything again, paid after failed too
        await desk.bring(webhook)
    await desk.rest()
    (bank,) = ok(await bo.get("/v1/people/payouts"))["bank"]
    assert (bank["status"], bank["failure"]) == ("failed", "no_account")
    (mail,) = await mails(desk, bo)
    assert mail["subject"] == "Your bank did not take $12.50"
    assert "The bank found no account with these details. Check the details at Stripe" in mail["text"]
    assert "The bank found no account with these details." in (await bo.get("/w/earnings", headers=HTML)).text
    (failed,) = await news(desk, bo, "bank_payout.failed")
    assert failed == {"bank_payout": sent["id"], "amount": 1_250, "currency": "usd", "failure": "no_account"}
    await desk.agrees()


async def test_payouts_are_listed_with_their_dates_to_their_owner_alone(
    desk: Desk, cy: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    await desk.fund(cy, 10_000)
    await desk.onboard(bo)
    runs = [await paid(desk, bo, olu, pia, amount) for amount in (500, 700)]
    found = ok(await bo.get("/v1/people/payouts?limit=1"))
    (newest,) = found["items"]
    assert newest["amount"] == {"amount": 700, "currency": "usd"} and newest["status"] == "paid"
    assert newest["transfer_id"] == runs[1]["lines"][0]["transfer_id"] and newest["sent_at"] is not None
    older = ok(await bo.get(f"/v1/people/payouts?limit=1&cursor={found['next_cursor']}"))
    assert [one["amount"]["amount"] for one in older["items"]] == [500] and older["next_cursor"] is None
    dee = await person(desk.world, "Dee")
    assert ok(await dee.get("/v1/people/payouts")) == {"items": [], "next_cursor": None, "bank": []}
    is_problem(await bo.get("/v1/people/payouts?cursor=%00"), 422, "validation")
    ok(await olu.post(RUNS, {}), 201)
    assert len(ok(await bo.get("/v1/people/payouts"))["items"]) == 2


async def test_whoever_was_left_out_of_the_last_payout_reads_why(
    desk: Desk, cy: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    await desk.fund(cy, 10_000)
    nina, sam = await person(desk.world, "Nina"), await person(desk.world, "Sam")
    for one in (bo, sam):
        await desk.onboard(one)
    await owe(desk.world, nina, 500)
    await owe(desk.world, sam, 40)
    page = (await nina.get("/w/earnings", headers=HTML)).text
    assert "You were not in the payout" not in page
    await paid(desk, bo, olu, pia, 500)
    page = (await nina.get("/w/earnings", headers=HTML)).text
    assert "You were not in the payout of" in page and "because you have not told Stripe yet where to pay" in page
    page = (await sam.get("/w/earnings", headers=HTML)).text
    assert "Payouts begin at $1.00: $0.40 stays for the next one." in page
    assert "because it was below the least that is paid out" in page
    assert "You were not in the payout" not in (await bo.get("/w/earnings", headers=HTML)).text


async def test_an_erased_person_is_mailed_nothing_and_breaks_nothing(desk: Desk, bo: Caller) -> None:
    await desk.onboard(bo)
    account = await account_of(desk, bo)
    async with desk.world.services.database.transaction() as connection:
        await connection.execute("UPDATE person SET email = '', display_name = '', erased_at = market_now()")
    sent = await row(desk, "SELECT count(*) FROM mail")
    await desk.control(f"/accounts/{account}/capability", status="restricted")
    await desk.rest()
    assert await row(desk, "SELECT transfers FROM payout_account") == "restricted"
    assert await row(desk, "SELECT count(*) FROM mail") == sent
    assert await row(desk, "SELECT count(*) FROM stripe_event WHERE handled_at IS NULL") == 0


async def test_events_about_accounts_of_others_change_nothing(desk: Desk, bo: Caller) -> None:
    await desk.onboard(bo)
    stranger = await desk.sandbox.gateway().create_recipient("x", str(UUID(int=7)), "x@example.com", "X", "de")
    await desk.control(f"/accounts/{stranger.id}/capability", status="active")
    await desk.rest()
    assert await row(desk, "SELECT count(*) FROM payout_account") == 1
    assert await row(desk, "SELECT count(*) FROM stripe_event WHERE handled_at IS NULL OR failure <> ''") == 0


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("identity.individual.date_of_birth.day", "Stripe wants your date of birth."),
        ("individual.dob.month", "Stripe wants your date of birth."),
        ("identity.individual.id_numbers.us_ssn_last_4", "the last four digits of your Social Security number"),
        ("identity.individual.id_numbers.de_stn", "your tax number or the number of your identity card"),
        ("individual.verification.document", "a photo of your passport or identity card"),
        ("external_account", "the bank account or debit card"),
        ("configuration.recipient.default_outbound_destination", "the bank account or debit card"),
        ("tos_acceptance.ip", "accept its terms"),
        (
            "identity.attestations.moon_landing",
            "Stripe asks for something more: attestations, moon landing. Its page says what.",
        ),
        ("", "Stripe asks for something more"),
    ],
)
def test_what_stripe_asks_for_is_said_in_a_sentence(name: str, sentence: str) -> None:
    (said,) = payout_words.requirements([name, name])
    assert sentence in said


def test_three_parts_of_a_date_are_one_sentence() -> None:
    parts = [f"identity.individual.date_of_birth.{part}" for part in ("day", "month", "year")]
    assert payout_words.requirements(parts) == ["Stripe wants your date of birth."]


def test_whatever_a_bank_answers_there_is_something_to_do() -> None:
    assert payout_words.bank_failure("account_closed").startswith("The bank account has been closed. Give Stripe")
    assert payout_words.bank_failure("some_new_code") == (
        "The bank sent it back: some new code. Look at your account at Stripe."
    )
    assert "it gave no reason" in payout_words.bank_failure("")
    for reason in ("held", "no_payout_account", "capability_inactive", "in_another_run", "below_minimum",
                   "over_run_cap", "excluded", "owes"):  # fmt: skip
        assert not payout_words.left_out(reason).startswith("Stripe said")
    assert render("payout.html", now=None, signed_in=True, sandbox=True, link="https://x.example/<b>").count("<b>") == 0
