"""What must hold when everything is at rest: the books close to the cent, and each effect stands once at Stripe."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from io import StringIO
from typing import Any

from app.money.outgoing import stripe_of
from app.reconciliation import reconcile
from market import audit, books, csv_cells, journal
from tests.simulation.life import Life
from tests.simulation.world import World

Rows = list[dict[str, Any]]


async def broken(life: Life) -> list[str]:
    """Everything that is not as it must be."""
    world = life.world
    found: list[str] = []
    async with world.services.database.read() as connection:
        found += [f"{each.rule}: {each.count}, {each.examples}" for each in await audit.audit(connection)]
        rows = {
            name: [dict(row) for row in await connection.fetch(f"SELECT * FROM {name}")]
            for name in ("funding", "payout", "refund", "stripe_op", "stripe_balance_txn", "dispute")
        }
    stripe = stripe_of(world.services)
    agreed = await reconcile(world.services.database, stripe)
    if not agreed.agrees or agreed.unmatched:
        found.append(f"ledger and Stripe differ: {agreed}")
    found += await _books(life)
    found += _once(life, rows) + _charges(life, rows["funding"]) + _lines(life, rows["stripe_balance_txn"])
    found += [f"unexpected: {each}" for each in world.failures if "AssertionError" in each or "KeyError" in each]
    return found


async def _books(life: Life) -> list[str]:
    """The journal that operators export rebuilds every balance; the trial balance and statements add up."""
    world, olu = life.world, life.operators[0]
    answer = await world.ask("GET", "/v1/operator/exports/journal", olu.secret)
    rebuilt = journal.rebuild(csv_cells.read(StringIO(answer.text, newline="")))
    found = [f"journal: {each}" for each in rebuilt.wrong]
    async with world.services.database.read() as connection:
        found += [f"journal: {each}" for each in await journal.differences(connection, rebuilt)]
        trial = await books.trial_balance(connection)
        if not all(each.balanced and each.debits == each.credits for each in trial.sums):
            found.append(f"trial balance: {trial}")
        some = await connection.fetch("SELECT id FROM ledger_tx ORDER BY random() LIMIT 5")
        for row in some:
            opened = await books.transaction(connection, row["id"])
            if sum(line.debit - line.credit for line in opened.lines) != 0:
                found.append(f"transaction {row['id']} does not open into what sums to zero")
    for who, path in (*((each, "/v1/people/earnings/statement") for each in life.people),
                      *((each, "/v1/account/statement") for each in life.buyers)):  # fmt: skip
        found += await _statement(world, path, who.secret)
    return found


async def _statement(world: World, path: str, secret: str) -> list[str]:
    async with world.services.database.read() as connection:
        today = await connection.fetchval("SELECT (market_now() AT TIME ZONE 'utc')::date")
    span = f"?from={today - timedelta(days=365)}&to={today}"
    answer = await world.ask("GET", path + span, secret)
    if answer.status_code != 200:
        return [f"{path}: {answer.text}"]
    told = answer.json()
    wrong = [
        part
        for part, opening in told["opening"].items()
        if opening + sum(line["change"][part] for line in told["lines"]) != told["closing"][part]
    ]
    return [f"{path}: {', '.join(wrong)} do not add up"] if wrong else []


def _once(life: Life, rows: dict[str, Rows]) -> list[str]:
    """Each thing of ours that succeeded stands exactly once at Stripe, and nothing else does."""
    found = []
    for kind, ours, key, done in (
        ("transfer", "payout", "payout", {"paid"}),
        ("refund", "refund", "refund", {"succeeded", "failed"}),
    ):
        waiting = {one["metadata"].get(key) for one in life.world.objects(kind) if one.get("status") == "pending"}
        there = Counter(one["metadata"][key] for one in life.world.objects(kind) if (one["metadata"] or {}).get(key))
        found += [f"{kind} for {key} {each} stands {count} times" for each, count in there.items() if count > 1]
        settled = {str(row["id"]): row for row in rows[ours]}
        found += [f"{kind} for {each}, of which we know nothing" for each in there if each not in settled]
        for identity, row in settled.items():
            stands = row["status"] in done and (kind != "refund" or row["stripe_id"] is not None)
            # Stripe itself holds a refund back until the platform's balance covers it.
            stands = stands or (row["status"] == "pending" and identity in waiting)
            if stands != (there[identity] == 1):
                found.append(f"{ours} {identity} is {row['status']} and stands {there[identity]} times at Stripe")
    return found


def _charges(life: Life, fundings: Rows) -> list[str]:
    """Each funding that succeeded was paid once; nobody was charged for one that did not."""
    paid = Counter(
        one["metadata"]["funding"]
        for one in life.world.objects("payment_intent")
        if one["status"] == "succeeded" and one["metadata"].get("funding")
    )
    found = [f"funding {each} was paid {count} times" for each, count in paid.items() if count > 1]
    ours = {str(row["id"]): row["status"] for row in fundings}
    found += [f"funding {each} was paid and is {ours.get(each)}" for each in paid if ours.get(each) != "succeeded"]
    found += [
        f"funding {each} succeeded and nobody paid"
        for each, status in ours.items()
        if status == "succeeded" and not paid[each]
    ]
    asked = life.acknowledged.get("POST funding", 0)
    by_hand = sum(1 for row in fundings if row["cause"] == "asked")
    if by_hand < asked:
        found.append(f"{asked} fundings were acknowledged, and {by_hand} are there")
    return found


def _lines(life: Life, mirrored: Rows) -> list[str]:
    """Every line of Stripe's balance is in the mirror, and stands for one posting."""
    there = {one["id"]: one["net"] for one in life.world.objects("balance_transaction")}
    ours = {row["id"]: row["net"] for row in mirrored}
    found = [f"balance line {each} is not mirrored" for each in there if each not in ours]
    found += [f"balance line {each} is none of Stripe's" for each in ours if each not in there]
    found += [f"balance line {row['id']} has no posting" for row in mirrored
              if row["ledger_key"] is None and row["suspense_key"] is None]  # fmt: skip
    return found
