"""Awards of any percent of any price, fee and bond, to the unit."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market import (
    claims,
    ids,
    ledger,
    posting,
)
from tests.market.appealing import Court
from tests.market.conftest import Cast

CURRENCIES = ("usd", "jpy", "huf")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_nobody_loses_a_unit(cast: Cast, data: Any) -> None:
    """Odd rewards, fees, percents and currencies: the ledger is balanced, the escrow what the audit wants, and the two
    sides and the market have together what there was."""
    reward = data.draw(st.integers(1, 999_983))
    fee_bps = data.draw(st.integers(0, 10_000))
    percent = data.draw(st.integers(0, 100))
    currency = data.draw(st.sampled_from(CURRENCIES))
    kind = data.draw(st.sampled_from(["buyer", "market", "dispute"]))
    spare = data.draw(st.sampled_from([0, 1, reward // 7, 10 * reward]))
    full = data.draw(st.booleans())
    savepoint = cast.conn.transaction()
    await savepoint.start()
    try:
        await _one(cast, reward, fee_bps, percent, currency, kind, spare, full=full)
    finally:
        await savepoint.rollback()


async def _one(
    cast: Cast, reward: int, fee_bps: int, percent: int, currency: str, kind: str, spare: int, *, full: bool
) -> None:
    fee = reward * fee_bps // 10_000
    buyer = await cast.agent("fay", funds=0)
    await cast.conn.execute("UPDATE account SET currency = $2 WHERE id = $1", buyer.owner, currency)
    funds = reward + fee + spare
    await ledger.post(
        cast.conn, "funding", f"seed:{buyer.owner}", [(ledger.CLEARING, funds), (ledger.buyer(buyer.owner), -funds)],
        currency=currency, actor="test",
    )  # fmt: skip
    court = Court(cast, msgspec.structs.replace(buyer, currency=currency), await cast.person("bo"))
    cast.rates = posting.Rates(fee_bps)
    offered = {"reward": {"amount": reward, "currency": currency}}
    if kind == "dispute":
        await court.accepted(**offered)
        if spare < max(1, reward // 5):
            return  # without its bond there is no dispute
        await court.disputed()
    else:
        await court.rejected(kind, **offered)
        if full:
            await claims.claim(cast.conn, await cast.person("dee"), ids.show("task", court.task), None)
        await court.appealed()
    assert await cast.broken() == []
    await court.decided(percent)
    assert await cast.broken() == []
    seen = await court.seen()
    assert seen.paid is not None
    least = reward * percent / 100 + seen.bond.amount * percent / 100
    due = seen.paid.amount + seen.owed.amount
    assert least <= due < least + 2, "two parts, each rounded in the person's favour"
    assert not seen.owed.amount or (full and seen.paid.amount == 0)
    [pending] = await ledger.balances(cast.conn, [ledger.person(court.bo, "pending")], currency)
    assert pending == seen.paid.amount
    codes = [ledger.buyer(buyer.owner), ledger.escrow(court.task), ledger.person(court.bo, "pending")]
    rest = sum(await ledger.balances(cast.conn, codes, currency))
    taken = await ledger.derived(cast.conn, ledger.FEE_INCOME, currency)
    lost = await ledger.derived(cast.conn, ledger.LOSSES, currency)
    assert rest + taken == funds and lost == 0
    assert taken <= fee * percent // 100
