"""Send events to the webhook URL, signed as Stripe signs, from the queue that was committed with them.

Not delivered means tried again: after 1, 2, 4 … 10 s, for three days, and at once after a restart. Stripe waits longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from functools import partial

import httpx

from app.sandbox.stripe.events import seconds
from app.sandbox.stripe.store import State, Store, new_id
from app.sandbox.stripe.webhook_rules import NEVER, STRANGE

TIMEOUT_S = 15.0
AT_ONCE = 8
LONGEST_WAIT_S = 10.0
GIVE_UP_AFTER_S = 3 * 86400.0
STALE_S = 6 * 60


@dataclass(frozen=True)
class Webhook:
    """One delivery that is due: `payload` as the event stands, `manner` '' | stale | forge | wrong_mode."""

    seq: int
    event_seq: int
    manner: str
    payload: str
    attempts: int

    def sent(self, secret: str) -> tuple[str, str]:
        """(body, Stripe-Signature) as they go over the wire."""
        # The receiver's clock is the machine's, so the signature is too, wherever the sandbox's own clock stands.
        now, payload = int(time.time()), self.payload
        if self.manner in ("forge", "wrong_mode"):
            event = json.loads(payload)
            event["id"] = new_id(event["id"].rpartition("_")[0])
            event["livemode"] = self.manner == "wrong_mode"
            payload = json.dumps(event)
        if self.manner == "stale":
            return payload, sign(payload, secret, now - STALE_S)
        return payload, sign(payload, "whsec_somebody_else" if self.manner == "forge" else secret, now)


def sign(payload: str, secret: str, timestamp: int) -> str:
    """The Stripe-Signature header: HMAC-SHA256 over `timestamp.payload`."""
    mac = hmac.new(secret.encode(), f"{timestamp}.{payload}".encode(), hashlib.sha256)
    return f"t={timestamp},v1={mac.hexdigest()}"


async def deliver_forever(store: Store, url: str, secret: str) -> None:
    """Runs until cancelled. Sends in the order of the events, several at once."""
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
        while True:
            store.committed.clear()
            due = await store.run_quietly(next_due)
            if due:
                outcomes = await asyncio.gather(*(_send(client, url, secret, webhook) for webhook in due))
                await store.run_quietly(partial(settle, outcomes=list(zip(due, outcomes, strict=True))))
                continue
            wait = await store.run_quietly(_seconds_to_next)
            # Not wait_for: before Python 3.12 it loses a cancellation that comes together with a commit, for good.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await store.committed.wait()


def next_due(state: State) -> list[Webhook]:
    """The next that may go together. A shuffled one goes alone: its order is the seed's and not the network's."""
    rows = state.db.execute(
        "SELECT d.seq, d.event_seq, d.manner, e.body, d.attempts, d.rank FROM delivery d"
        " JOIN event e ON e.seq = d.event_seq WHERE d.due <= ? ORDER BY d.rank, d.seq LIMIT ?",
        (time.time(), AT_ONCE),
    ).fetchall()
    together = rows[:1] if rows and rows[0][5] else [row for row in rows if not row[5]]
    return [Webhook(*row[:5]) for row in together]


def _seconds_to_next(state: State) -> float:
    row = state.db.execute("SELECT min(due) FROM delivery").fetchone()
    return LONGEST_WAIT_S if row[0] is None else min(LONGEST_WAIT_S, max(0.01, row[0] - time.time()))


async def _send(client: httpx.AsyncClient, url: str, secret: str, webhook: Webhook) -> str:
    """'' when the receiver answered 2xx, otherwise what went wrong."""
    payload, signature = webhook.sent(secret)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": signature,
        "User-Agent": "Stripe/1.0 (sandbox)",
    }
    try:
        response = await client.post(url, content=payload.encode(), headers=headers)
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    return "" if response.is_success else f"HTTP {response.status_code}"


def settle(state: State, outcomes: list[tuple[Webhook, str]]) -> None:
    """Take what was received off the queue, and let the rest wait. outcomes: with '' or what went wrong."""
    for webhook, error in outcomes:
        state.webhooks.answers[f"{webhook.manner or 'genuine'} {error or 'taken'}"] += 1
        if not error or webhook.manner in STRANGE:
            state.db.execute("DELETE FROM delivery WHERE seq = ?", (webhook.seq,))
            _mark_delivered(state, webhook)
            continue
        given_up = webhook.attempts * LONGEST_WAIT_S > GIVE_UP_AFTER_S
        wait = min(LONGEST_WAIT_S, 2.0**webhook.attempts)
        state.db.execute(
            "UPDATE delivery SET attempts = attempts + 1, due = ?, last_error = ? WHERE seq = ?",
            (NEVER if given_up else time.time() + wait, error[:500], webhook.seq),
        )


def _mark_delivered(state: State, webhook: Webhook) -> None:
    body = json.loads(webhook.payload)
    if "pending_webhooks" not in body or not body["pending_webhooks"]:
        return
    left = state.db.execute("SELECT count(*) FROM delivery WHERE event_seq = ?", (webhook.event_seq,)).fetchone()[0]
    if not left:
        body["pending_webhooks"] = 0
        state.db.execute("UPDATE event SET body = ? WHERE seq = ?", (json.dumps(body), webhook.event_seq))


def replay(state: State, since: int) -> int:
    """Put every event since then (Unix seconds, by the sandbox's clock) into the queue once more; how many."""
    rows = state.db.execute("SELECT seq, json_extract(body, '$.created') FROM event ORDER BY seq").fetchall()
    again = [seq for seq, created in rows if seconds(created) >= since]
    for seq in again:
        state.webhooks.queue(state.db, seq)
    return len(again)


def flush(state: State) -> int:
    """Let everything that is only late go now; how many. What was dropped stays lost."""
    return state.db.execute("UPDATE delivery SET due = 0 WHERE due < ?", (NEVER,)).rowcount


def counts(state: State) -> tuple[int, int]:
    """How many deliveries wait, and how many were dropped or given up."""
    row = state.db.execute(
        "SELECT count(*) FILTER (WHERE due < ?), count(*) FILTER (WHERE due >= ?) FROM delivery", (NEVER, NEVER)
    ).fetchone()
    return int(row[0]), int(row[1])
