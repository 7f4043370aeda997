"""What the gateway makes of Stripe's answers: our structs, and what each failure proves."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from app.gateways.stripe import Ambiguous, BadSignature, Definite, RateLimited, StripeGateway
from app.sandbox.stripe.delivery import sign
from tests.app.stripe_sandbox import SECRET, Sandbox, running_sandbox, sandbox, webhook_receiver

__all__ = ["sandbox"]
EVENT = json.dumps(
    {"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "livemode": False,
     "data": {"object": {"id": "pi_1", "object": "payment_intent"}}}
)  # fmt: skip


@pytest.fixture
async def gateway(sandbox: Sandbox) -> AsyncIterator[StripeGateway]:
    opened = sandbox.gateway()
    yield opened
    await opened.close()


async def paid(gateway: StripeGateway, key: str, amount: int = 10_000, method: str = "pm_card_visa") -> str:
    customer = await gateway.create_customer(f"customer:{key}", "acc_1", "ada@example.test", "Ada")
    intent = await gateway.charge(
        key, amount=amount, currency="usd", customer=customer, method=method, metadata={"funding": key}
    )
    return intent.id


async def onboarded(gateway: StripeGateway, sandbox: Sandbox, key: str) -> str:
    recipient = await gateway.create_recipient(key, "per_bo", "bo@example.test", "Bo", "us")
    assert recipient.transfers == "restricted" and recipient.requirements
    url = await gateway.onboarding_link(f"{key}:link", recipient.id, "http://a.test/again", "http://a.test/done")
    assert sandbox.press(url, action="finish").status_code == 303
    return recipient.id


async def test_a_charge_comes_back_with_its_fee(gateway: StripeGateway) -> None:
    intent = await gateway.retrieve_intent(await paid(gateway, "fund:1:1"))
    assert (intent.status, intent.amount, intent.metadata) == ("succeeded", 10_000, {"funding": "fund:1:1"})
    assert intent.txn is not None and (intent.txn.fee, intent.txn.net, intent.txn.type) == (320, 9_680, "charge")


async def test_a_declined_card_is_definite_and_names_its_intent(gateway: StripeGateway) -> None:
    with pytest.raises(Definite) as refused:
        await paid(gateway, "fund:2:1", method="pm_card_chargeCustomerFail")
    assert refused.value.code == "generic_decline"
    assert (await gateway.retrieve_intent(refused.value.object_id)).failure_code == "generic_decline"


async def test_a_transfer_is_found_again_by_its_metadata(gateway: StripeGateway, sandbox: Sandbox) -> None:
    await paid(gateway, "fund:3:1")
    destination = await onboarded(gateway, sandbox, "recipient:3:1")
    assert (await gateway.retrieve_recipient(destination)).transfers == "active"
    sent = [
        await gateway.create_transfer(
            f"payout:{n}:1", amount=n, currency="usd", destination=destination, group="g", metadata={"payout": str(n)}
        )
        for n in (5, 6)
    ]
    assert await gateway.find_transfer("g", {"payout": "5"}) == sent[0]
    assert await gateway.retrieve_transfer(sent[1].id) == sent[1]
    assert await gateway.find_transfer("g", {"payout": "7"}) is None
    lines = [line async for line in gateway.balance_txns_since(datetime.fromtimestamp(0, UTC))]
    assert {line.source for line in lines if line.type == "transfer"} >= {one.id for one in sent}


async def test_short_balance_and_missing_capability_are_definite(gateway: StripeGateway, sandbox: Sandbox) -> None:
    fresh = await gateway.create_recipient("recipient:4:1", "per_cy", "cy@example.test", "Cy", "us")
    funds = (await gateway.balance()).get("usd", 0)
    ready = await onboarded(gateway, sandbox, "recipient:5:1")
    cases = ((ready, funds + 1, "balance_insufficient"), (fresh.id, 1, "insufficient_capabilities_for_transfer"))
    for destination, amount, code in cases:
        with pytest.raises(Definite) as refused:
            await gateway.create_transfer(
                f"payout:{code}:1", amount=amount, currency="usd", destination=destination, group="g", metadata={}
            )
        assert refused.value.code == code


async def test_a_reused_key_proves_nothing(gateway: StripeGateway) -> None:
    await paid(gateway, "fund:6:1", 1_000)
    with pytest.raises(Ambiguous, match="same parameters"):
        await paid(gateway, "fund:6:1", 2_000)


async def test_a_wrong_key_proves_nothing(sandbox: Sandbox) -> None:
    stranger = StripeGateway("sk_live_wrong_mode", SECRET, sandbox.url)
    with pytest.raises(Ambiguous, match="live key"):
        await stranger.balance()
    await stranger.close()


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"HTTP/1.1 500 x\r\nContent-Length: 31\r\n\r\n" + b'{"error":{"message":"sorry now"}}'[:31], Ambiguous),
        (b'HTTP/1.1 409 x\r\nContent-Length: 28\r\n\r\n{"error":{"message":"wait"}}', Ambiguous),
        (b'HTTP/1.1 429 x\r\nContent-Length: 28\r\n\r\n{"error":{"message":"slow"}}', RateLimited),
        (b"", Ambiguous),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{", Ambiguous),
        (None, Ambiguous),
    ],
    ids=["500 without JSON", "409", "429", "reset", "half an answer", "silence"],
)
async def test_what_a_broken_answer_proves(answer: bytes | None, failure: type[Exception]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        if answer is None:
            await reader.read()  # until the client gives up
        else:
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    gateway = StripeGateway("sk_test_x", SECRET, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", 0.5)
    with pytest.raises(failure):
        await gateway.create_customer("k", "acc_1", "ada@example.test", "Ada")
    await gateway.close()
    server.close()


async def test_nobody_listening_is_ambiguous() -> None:
    gateway = StripeGateway("sk_test_x", SECRET, "http://127.0.0.1:9", 2)
    with pytest.raises(Ambiguous):
        await gateway.balance()
    await gateway.close()


# ---- webhooks


def test_only_a_fresh_event_signed_with_our_secret_is_read(sandbox: Sandbox) -> None:
    gateway, now = sandbox.gateway(), int(time.time())
    webhook = gateway.read_webhook(EVENT.encode(), sign(EVENT, SECRET, now))
    assert (webhook.id, webhook.object_type, webhook.object_id) == ("evt_1", "payment_intent", "pi_1")
    assert gateway.same_mode(webhook)
    forged = [
        sign(EVENT, "whsec_" + "00" * 32, now),
        sign(EVENT, SECRET, now - 360),
        sign(EVENT + " ", SECRET, now),
        sign(EVENT, SECRET, now).replace("v1=", "v0="),
        "t=x,v1=y",
        "",
        None,
    ]
    for header in forged:
        with pytest.raises(BadSignature):
            gateway.read_webhook(EVENT.encode(), header)


def test_signed_rubbish_is_refused(sandbox: Sandbox) -> None:
    now = int(time.time())
    for content in ("[]", "{}", "null", '{"object": "event"}'):
        with pytest.raises(BadSignature, match="not an event"):
            sandbox.gateway().read_webhook(content.encode(), sign(content, SECRET, now))


def test_either_of_two_secrets_is_good() -> None:
    gateway = StripeGateway("sk_test_x", f"whsec_old, {SECRET}", "http://127.0.0.1:9")
    assert gateway.read_webhook(EVENT.encode(), sign(EVENT, SECRET, int(time.time()))).id == "evt_1"


async def test_events_are_sent_signed_again_until_taken_and_survive_kill_9() -> None:
    async with webhook_receiver() as receiver:
        manager = running_sandbox(receiver.url)
        sandbox = await asyncio.to_thread(manager.__enter__)
        try:
            gateway = sandbox.gateway()
            receiver.failing = 1_000_000
            intent = await paid(gateway, "fund:7:1")
            await gateway.close()
            await asyncio.to_thread(sandbox.end, signal.SIGKILL)
            receiver.failing = 0
            await asyncio.to_thread(sandbox.start)
            reader = sandbox.gateway()
            await receiver.wait_for(4)
            # One whose answer came too late for a busy machine is sent once more: at least once, as Stripe does.
            while len(read := {each.id: each for each in (reader.read_webhook(*one) for one in receiver.received)}) < 4:
                await receiver.wait_for(len(receiver.received) + 1)
            assert ("payment_intent.succeeded", intent) in {(one.type, one.object_id) for one in read.values()}
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)


async def test_onboarding_sends_a_thin_event() -> None:
    async with webhook_receiver() as receiver:
        manager = running_sandbox(receiver.url)
        sandbox = await asyncio.to_thread(manager.__enter__)
        try:
            gateway = sandbox.gateway()
            recipient = await gateway.create_recipient("recipient:9:1", "per_bo", "bo@example.test", "Bo", "us")
            url = await gateway.onboarding_link("link:9:1", recipient.id, "http://a.test/again", "http://a.test/done")
            await asyncio.to_thread(sandbox.press, url, action="finish")
            await receiver.wait_for(5)
            read = [gateway.read_webhook(*one) for one in receiver.received]
            assert {(one.object_type, one.object_id) for one in read} == {("v2.core.account", recipient.id)}
            assert sum(one.type.endswith("capability_status_updated") for one in read) == 2
            await gateway.close()
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)
