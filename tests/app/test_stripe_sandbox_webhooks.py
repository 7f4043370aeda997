"""Webhooks of the sandbox gone astray, and the lists of events in which they are found again."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import stripe

from app.gateways.stripe import StripeGateway
from app.sandbox.stripe.delivery import deliver_forever
from app.sandbox.stripe.store import Store
from tests.app.stripe_api import Caller
from tests.app.stripe_sandbox import SECRET, Receiver, Sandbox, running_sandbox, sandbox, webhook_receiver

__all__ = ["sandbox"]


@pytest.fixture
def caller(sandbox: Sandbox) -> Caller:
    return Caller(sandbox)


# ---- webhooks gone astray


async def settled(caller: Caller) -> dict[str, int]:
    """How the receiver answered, once nothing waits any more."""
    shown = await asyncio.to_thread(caller.get, "/control/webhooks")
    while shown["waiting"]:
        shown = await asyncio.to_thread(caller.get, "/control/webhooks")
    answers: dict[str, int] = shown["answers"]
    return answers


def genuine(receiver: Receiver, secret: str = SECRET) -> list[dict[str, Any]]:
    """The events among what arrived that the service would believe."""
    gateway = StripeGateway("sk_test_tests", secret, "http://127.0.0.1:9")
    believed = []
    for body, signature in receiver.received:
        try:
            webhook = gateway.read_webhook(body, signature)
        except Exception:
            continue
        if gateway.same_mode(webhook):
            believed.append(json.loads(body))
    return believed


async def test_dropped_webhooks_are_found_in_the_list_of_events() -> None:
    async with webhook_receiver() as receiver:
        with running_sandbox(receiver.url) as leaky:
            caller = Caller(leaky)
            caller.control("/webhooks", drop=0.5, seed=3)
            for _ in range(20):
                await asyncio.to_thread(caller.charge)
            await settled(caller)
            listed = caller.list("/v1/events?limit=100")
            lost = caller.list("/v1/events?limit=100&delivery_success=false")
            arrived = {event["id"] for event in genuine(receiver)}
            assert 10 < len(lost) < 50
            assert {event["id"] for event in listed} == arrived | {event["id"] for event in lost}
            assert not arrived & {event["id"] for event in lost}
            assert {event["id"] for event in caller.list("/v1/events?limit=100&delivery_success=true")} == arrived


async def test_webhooks_come_doubled_shuffled_and_beside_strange_ones() -> None:
    async with webhook_receiver() as receiver:
        with running_sandbox(receiver.url) as wild:
            caller = Caller(wild)
            rules = {"duplicate": 3, "shuffle": True, "stale": 1, "forge": 1, "wrong_mode": 1, "delay_s": 3600}
            caller.control("/webhooks", **rules)
            for _ in range(5):
                await asyncio.to_thread(caller.charge)
            assert not receiver.received
            assert caller.control("/webhooks/flush")["flushed"] == 15 * 6
            answers = await settled(caller)
            assert answers == {"forge taken": 15, "genuine taken": 45, "stale taken": 15, "wrong_mode taken": 15}
            counts = Counter(event["id"] for event in genuine(receiver))
            order = [event["id"] for event in caller.list("/v1/events?limit=100")[::-1]]
            assert counts == dict.fromkeys(order, 3)
            assert list(counts) != order
            assert all(event["pending_webhooks"] == 0 for event in caller.list("/v1/events?limit=100"))


async def test_everything_can_be_sent_again_and_late_ones_keep_their_time() -> None:
    async with webhook_receiver() as receiver:
        with running_sandbox(receiver.url) as again:
            caller = Caller(again)
            await asyncio.to_thread(caller.charge)
            await receiver.wait_for(3)
            assert caller.control("/webhooks/replay")["queued"] == 3
            await receiver.wait_for(6)
            caller.control("/webhooks", delay_s=0.3)
            await asyncio.to_thread(caller.charge)
            assert caller.get("/control/webhooks")["waiting"] == 3
            await receiver.wait_for(9)
            caller.control("/webhooks")
            await asyncio.to_thread(caller.charge)
            await receiver.wait_for(12)
            now = caller.control("/clock", advance_s=100)["now"]
            await asyncio.to_thread(caller.charge)
            await receiver.wait_for(15)
            assert caller.control("/webhooks/replay", since=now)["queued"] == 3


async def test_strange_webhooks_are_refused_by_the_receiver_and_not_tried_again() -> None:
    async with webhook_receiver() as receiver:
        receiver.failing = 3
        with running_sandbox(receiver.url) as forged:
            caller = Caller(forged)
            caller.control("/webhooks", forge=1, delay_s=3600)
            await asyncio.to_thread(caller.charge)
            # Forged ones go first of each pair; the three answers that are 500 hit two of them and one genuine one.
            caller.control("/webhooks/flush")
            await receiver.wait_for(4)
            assert (await settled(caller))["genuine taken"] == 3


# ---- events kept


def test_events_are_kept_for_thirty_days(caller: Caller) -> None:
    caller.charge()
    event, notice = caller.list("/v1/events?limit=1")[0], caller.list("/v2/core/events?limit=1")
    caller.control("/clock", advance_s=30 * 86400 + 1)
    assert caller.list("/v1/events") == [] and caller.list("/v2/core/events") == []
    assert caller.http.get(f"/v1/events/{event['id']}").status_code == 404
    for one in notice:
        assert caller.http.get(f"/v2/core/events/{one['id']}").status_code == 404
    caller.charge()
    assert len(caller.list("/v1/events")) == 3


async def test_notices_are_listed_page_by_page_and_by_time(sandbox: Sandbox) -> None:
    caller = Caller(sandbox)
    for _ in range(3):
        caller.recipient(sandbox, onboarded=False)
    client = stripe.StripeClient("sk_test_tests", base_addresses={"api": sandbox.url})
    everything = caller.list("/v2/core/events?limit=100")
    paged = list((await client.v2.core.events.list_async({"limit": 2})).auto_paging_iter())
    assert [one.id for one in paged] == [one["id"] for one in everything] and len(paged) >= 6
    accounts = list((await client.v2.core.accounts.list_async({"limit": 1})).auto_paging_iter())
    assert len({one.id for one in accounts}) == len(accounts) >= 3
    newest = everything[0]["created"]
    later = await client.v2.core.events.list_async({"created": {"gt": newest}})
    since = await client.v2.core.events.list_async({"created": {"gte": newest.replace(".000Z", "+00:00")}})
    assert not later.data and everything[0]["id"] in [one.id for one in since.data]
    assert caller.http.get("/v2/core/events?created[gte]=yesterday").status_code == 400


def test_events_are_filtered_by_time_and_type(caller: Caller) -> None:
    now = caller.control("/clock", advance_s=60)["now"]
    caller.charge()
    found = caller.list(f"/v1/events?created[gte]={now}&types[]=charge.succeeded&types[]=charge.failed")
    assert [event["type"] for event in found] == ["charge.succeeded"]


async def test_sending_ends_when_told_to_in_the_very_moment_of_a_commit(tmp_path: Path) -> None:
    store = Store(tmp_path / "stripe.sqlite")
    sending = asyncio.create_task(deliver_forever(store, "http://127.0.0.1:9", SECRET))
    await asyncio.sleep(0.3)  # it waits for the next commit
    store.committed.set()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await sending
    await store.close()
