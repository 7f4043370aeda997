"""The sandbox as adversary: faults by a script, a control door, a clock that moves; and the same without a port."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
import stripe

from app.gateways.stripe import StripeGateway
from app.sandbox.stripe.faults import FaultRule
from app.sandbox.stripe.in_process import InProcess, open_sandbox
from tests.app.stripe_api import RECIPIENT, Caller
from tests.app.stripe_sandbox import SECRET, Sandbox, running_sandbox, sandbox

__all__ = ["sandbox"]
PAYMENTS = "^/v1/payment_intents$"


@pytest.fixture
def caller(sandbox: Sandbox) -> Caller:
    return Caller(sandbox)


def script(caller: Caller, fault: str, **more: Any) -> None:
    caller.control("/faults", rules=[{"fault": fault, "path": PAYMENTS, "times": 1, **more}])


# ---- faults over HTTP


@pytest.mark.parametrize(
    ("fault", "status"), [("rate_limit", 429), ("error_before", 500), ("conflict", 409), ("reset_before", 0)]
)
def test_what_strikes_before_the_call_began_is_not_remembered_and_moved_nothing(
    caller: Caller, fault: str, status: int
) -> None:
    before = caller.balance()
    script(caller, fault)
    if status:
        assert caller.charge(key=f"b-{fault}").status_code == status
    else:
        with pytest.raises(httpx.RemoteProtocolError):
            caller.charge(key=f"b-{fault}")
    assert caller.balance() == before
    again = caller.charge(key=f"b-{fault}")
    assert again.json()["status"] == "succeeded" and "Idempotent-Replayed" not in again.headers


@pytest.mark.parametrize("fault", ["timeout_after", "reset_after"])
def test_an_answer_lost_after_the_commit_is_had_again_under_its_key(caller: Caller, fault: str) -> None:
    before = caller.balance()
    script(caller, fault)
    caller.http.timeout = httpx.Timeout(1)
    with pytest.raises((httpx.ReadTimeout, httpx.RemoteProtocolError)):
        caller.charge(key=f"a-{fault}")
    assert caller.balance() == before + 9_680
    again = caller.charge(key=f"a-{fault}")
    assert again.json()["status"] == "succeeded" and again.headers["Idempotent-Replayed"] == "true"
    assert caller.balance() == before + 9_680


def test_a_500_after_the_commit_stands_under_its_key_until_the_key_expires(caller: Caller) -> None:
    before = caller.balance()
    script(caller, "error_after")
    for _ in range(2):
        assert caller.charge(key="late-500", **{"metadata[order]": "7"}).status_code == 500
    assert caller.balance() == before + 9_680
    found = caller.list("/v1/payment_intents?limit=1")[0]
    assert (found["status"], found["metadata"]) == ("succeeded", {"order": "7"})
    caller.control("/clock", advance_s=24 * 3600 + 1)
    assert caller.charge(key="late-500", **{"metadata[order]": "7"}).status_code == 200
    assert caller.balance() == before + 2 * 9_680


def test_a_v2_call_that_failed_after_its_commit_answers_with_what_was_done(caller: Caller) -> None:
    caller.control("/faults", rules=[{"fault": "error_after", "path": "^/v2/core/accounts$", "times": 1}])
    assert caller.post("/v2/core/accounts", RECIPIENT, "v2-late").status_code == 500
    again = caller.post("/v2/core/accounts", RECIPIENT, "v2-late")
    assert again.status_code == 200 and again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("balance_insufficient", "balance_insufficient"),
        ("inactive_capability", "insufficient_capabilities_for_transfer"),
    ],
)
def test_a_refusal_by_script_is_remembered_as_a_real_one(
    caller: Caller, sandbox: Sandbox, fault: str, code: str
) -> None:
    caller.charge()
    account = caller.recipient(sandbox)
    caller.control("/faults", rules=[{"fault": fault, "path": "transfers", "verb": "post", "times": 1}])
    sent = {"amount": "100", "currency": "usd", "destination": account}
    for _ in range(2):
        refused = caller.post("/v1/transfers", sent, f"t-{fault}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, code)
    assert caller.post("/v1/transfers", sent, f"t-{fault}-2").status_code == 200
    assert caller.balance(account) == 100


def test_rules_strike_after_some_calls_and_only_so_often_and_only_their_verb(caller: Caller) -> None:
    script(caller, "rate_limit", after=1, times=2, verb="post")
    assert [caller.charge().status_code for _ in range(4)] == [200, 429, 429, 200]
    assert caller.get("/v1/payment_intents")["object"] == "list"
    shown = caller.get("/control/faults")["rules"][0]
    assert (shown["matched"], shown["struck"]) == (4, 2)
    assert caller.http.delete("/control/faults").json() == {"rules": []}


def test_a_probability_is_drawn_from_the_seed(caller: Caller) -> None:
    def run(seed: int) -> list[int]:
        script(caller, "rate_limit", probability=0.5, seed=seed, times=None)
        return [caller.charge().status_code for _ in range(12)]

    first = run(1)
    assert set(first) == {200, 429} and run(1) == first and run(2) != first
    caller.http.delete("/control/faults")


def test_silence_ends_when_it_was_said_to_and_as_a_lost_connection(caller: Caller) -> None:
    script(caller, "timeout_after", delay_s=0.1)
    with pytest.raises(httpx.RemoteProtocolError):
        caller.charge(key="short-silence")


def test_the_sandbox_ends_well_while_a_caller_hangs() -> None:
    with running_sandbox() as hung:
        caller = Caller(hung)
        script(caller, "timeout_after")
        caller.http.timeout = httpx.Timeout(0.5)
        with pytest.raises(httpx.ReadTimeout):
            caller.charge()
        assert hung.end() == 0


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "timeout_after"])
async def test_the_official_sdk_sees_a_connection_error(sandbox: Sandbox, fault: str) -> None:
    caller = Caller(sandbox)
    caller.control("/faults", rules=[{"fault": fault, "path": "customers", "times": 1}])
    client = stripe.StripeClient(
        "sk_test_tests", base_addresses={"api": sandbox.url}, max_network_retries=0,
        http_client=stripe.HTTPXClient(timeout=0.5),
    )  # fmt: skip
    with pytest.raises(stripe.APIConnectionError):
        await client.v1.customers.create_async({"email": "a@example.test"}, {"idempotency_key": f"sdk-{fault}"})
    made = await client.v1.customers.create_async({"email": "a@example.test"}, {"idempotency_key": f"sdk-{fault}"})
    assert made.email == "a@example.test"


# ---- the control door


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/faults", {"rules": [{"fault": "meteor"}]}, "meteor"),
        ("/faults", {"rules": [{"fault": "rate_limit", "path": "("}]}, "regular expression"),
        ("/faults", {"rules": [{"fault": "rate_limit", "probability": 2}]}, "probability"),
        ("/faults", {"rule": []}, "rule"),
        ("/clock", {"advance_s": -1}, "advance_s"),
        ("/clock", {}, "advance_s"),
        ("/balance", {"pending_s": -5}, "pending_s"),
        ("/webhooks", {"drop": 1.5}, "drop"),
        ("/webhooks", {"speed": 1}, "speed"),
        ("/webhooks/replay", {}, "webhook"),
        ("/charge_elsewhere", {"amount": 1}, "at least 50"),
        ("/platform_payout", {"amount": 10**8}, "no more"),
    ],
)
def test_the_door_says_what_it_cannot_do(caller: Caller, path: str, body: dict[str, Any], named: str) -> None:
    refused = caller.http.post(f"/control{path}", json=body)
    assert refused.status_code == 400 and named in refused.json()["error"]["message"]


def test_the_door_knows_its_paths_and_objects(caller: Caller) -> None:
    assert caller.http.post("/control/weather", json={}).status_code == 404
    assert caller.http.post("/control/charges/ch_none/dispute", json={}).status_code == 404
    assert caller.http.post("/control/clock", content=b"{").status_code == 400


@pytest.mark.parametrize("name", ["Origin", "Sec-Fetch-Site", "X-Forwarded-For", "Forwarded"])
def test_the_door_is_shut_to_browsers_and_proxies(caller: Caller, name: str) -> None:
    body = {"amount": 5_000}
    before = caller.balance()
    refused = caller.http.post("/control/charge_elsewhere", json=body, headers={name: "http://example.test"})
    assert refused.status_code == 403 and caller.balance() == before


def test_the_clock_goes_on_from_where_it_was_set_also_after_a_restart() -> None:
    with running_sandbox() as moved:
        caller = Caller(moved)
        caller.control("/clock", advance_s=3 * 86400)
        caller.control("/balance", pending_s=60)
        moved.end()
        moved.start()
        caller = Caller(moved)
        assert caller.get("/control/clock")["ahead_s"] == 3 * 86400
        assert caller.charge().json()["created"] >= time.time() + 3 * 86400 - 60
        assert caller.get("/v1/balance")["pending"][0]["amount"] == 9_680


# ---- without a port


async def opened(gateway_of: InProcess) -> StripeGateway:
    return StripeGateway("sk_test_1", gateway_of.secret, gateway_of.url, transport=gateway_of.transport)


async def test_the_same_sandbox_serves_its_own_process() -> None:
    async with open_sandbox(SECRET) as inside:
        gateway = await opened(inside)
        customer = await gateway.create_customer("c1", "acct_1", "ada@example.test", "Ada")
        for fault in ("timeout_after", "reset_after", "reset_before", "error_before"):
            inside.api.script.follow([FaultRule(fault=fault, times=1)])  # type: ignore[arg-type]
            with pytest.raises(Exception, match=r"APIConnectionError|500"):
                await gateway.create_customer(f"c-{fault}", "acct_1", "ada@example.test", "Ada")
            assert await gateway.create_customer(f"c-{fault}", "acct_1", "ada@example.test", "Ada")
        async with inside.client() as client:
            assert (
                len((await client.get("/v1/customers", headers={"Authorization": "Bearer sk_test_1"})).json()["data"])
                == 5
            )
            assert (await client.post("/control/clock", json={"advance_s": 5})).json()["ahead_s"] == 5
            assert (await client.post("/checkout/cs_none", data={"action": "pay"})).status_code == 404
        webhooks = await inside.take_webhooks()
        assert gateway.read_webhook(*webhooks[0]).object_id == customer and len(webhooks) == 5
        assert await inside.take_webhooks() == []


async def test_a_caller_cancelled_before_or_after_the_commit_leaves_all_or_nothing() -> None:
    async with open_sandbox(SECRET) as inside:
        gateway = await opened(inside)
        made = []
        for steps in range(1, 6):
            task = asyncio.create_task(gateway.create_customer(f"k{steps}", "acct_1", "ada@example.test", "Ada"))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            made.append(len(await inside.take_webhooks()))
            assert await gateway.create_customer(f"k{steps}", "acct_1", "ada@example.test", "Ada")
            made[-1] += len(await inside.take_webhooks())
        assert made == [1] * 5
