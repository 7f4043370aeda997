"""Send events to the webhook URL, signed as Stripe signs, from the queue that was committed with them.

Not delivered means tried again: after 1, 2, 4 … 10 s, for three days, and at once after a restart. Stripe waits longer.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from functools import partial

import httpx

from app.sandbox.stripe.store import State, Store

TIMEOUT_S = 15.0
AT_ONCE = 8
LONGEST_WAIT_S = 10.0
GIVE_UP_AFTER_S = 3 * 86400.0


def sign(payload: str, secret: str, timestamp: int) -> str:
    """The Stripe-Signature header: HMAC-SHA256 over `timestamp.payload`."""
    mac = hmac.new(secret.encode(), f"{timestamp}.{payload}".encode(), hashlib.sha256)
    return f"t={timestamp},v1={mac.hexdigest()}"


async def deliver_forever(store: Store, url: str, secret: str) -> None:
    """Runs until cancelled. Sends in the order of the events, several at once."""
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
        while True:
            store.committed.clear()
            due = await store.run_quietly(_due)
            if due:
                outcomes = await asyncio.gather(*(_send(client, url, secret, payload) for _, payload, _ in due))
                tried = [(seq, attempts, error) for (seq, _, attempts), error in zip(due, outcomes, strict=True)]
                await store.run_quietly(partial(_settle, tried=tried))
                continue
            wait = await store.run_quietly(_seconds_to_next)
            try:
                await asyncio.wait_for(store.committed.wait(), wait)
            except TimeoutError:
                pass


def _due(state: State) -> list[tuple[int, str, int]]:
    return state.db.execute(
        "SELECT d.event_seq, e.body, d.attempts FROM delivery d JOIN event e ON e.seq = d.event_seq"
        " WHERE d.due <= ? ORDER BY d.event_seq LIMIT ?",
        (time.time(), AT_ONCE),
    ).fetchall()


def _seconds_to_next(state: State) -> float:
    row = state.db.execute("SELECT min(due) FROM delivery").fetchone()
    return LONGEST_WAIT_S if row[0] is None else max(0.01, row[0] - time.time())


async def _send(client: httpx.AsyncClient, url: str, secret: str, payload: str) -> str:
    """'' when the receiver answered 2xx, otherwise what went wrong."""
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": sign(payload, secret, int(time.time())),
        "User-Agent": "Stripe/1.0 (sandbox)",
    }
    try:
        response = await client.post(url, content=payload.encode(), headers=headers)
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    return "" if response.is_success else f"HTTP {response.status_code}"


def _settle(state: State, tried: list[tuple[int, int, str]]) -> None:
    for seq, attempts, error in tried:
        if not error:
            state.db.execute("DELETE FROM delivery WHERE event_seq = ?", (seq,))
            row = state.db.execute("SELECT body FROM event WHERE seq = ?", (seq,)).fetchone()
            body = json.loads(row[0])
            if "pending_webhooks" in body:
                body["pending_webhooks"] = 0
                state.db.execute("UPDATE event SET body = ? WHERE seq = ?", (json.dumps(body), seq))
        elif attempts * LONGEST_WAIT_S > GIVE_UP_AFTER_S:
            state.db.execute("DELETE FROM delivery WHERE event_seq = ?", (seq,))
        else:
            wait = min(LONGEST_WAIT_S, 2.0**attempts)
            state.db.execute(
                "UPDATE delivery SET attempts = attempts + 1, due = ?, last_error = ? WHERE event_seq = ?",
                (time.time() + wait, error[:500], seq),
            )
