"""The ledger refuses whatever would make the books wrong, however it is asked."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from market import ids, ledger
from market.errors import InsufficientFunds

ADA, BO, TASK = (UUID(int=n) for n in (1, 2, 3))
WALLET, ESCROW, PENDING = ledger.buyer(ADA), ledger.escrow(TASK), ledger.person(BO, "pending")
Lines = list[tuple[str, int]]


async def post(conn: asyncpg.Connection, key: str, lines: Lines, **given: Any) -> bool:
    return await ledger.post(conn, "test", key, lines, **({"currency": "usd", "actor": "test"} | given))


async def deposit(conn: asyncpg.Connection, amount: int = 1000, currency: str = "usd") -> None:
    await post(conn, f"deposit:{currency}", [(ledger.CLEARING, amount), (WALLET, -amount)], currency=currency)


async def settle(conn: asyncpg.Connection) -> None:
    """Run the checks that otherwise wait for COMMIT."""
    await conn.execute("SET CONSTRAINTS ALL IMMEDIATE")


async def refused(conn: asyncpg.Connection, sql: str, *given: Any) -> str:
    """The SQLSTATE with which `sql` is refused, now or at the end of its transaction."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with conn.transaction():
            await conn.execute(sql, *given)
            await settle(conn)
    return str(caught.value.sqlstate)


async def a_transaction(conn: asyncpg.Connection) -> UUID:
    """Open a ledger transaction by hand, as a faulty program might."""
    made: UUID = await conn.fetchval(
        """INSERT INTO ledger_tx (id, kind, idem_key, body_hash, actor, effective_at)
           VALUES ($1, 'test', gen_random_uuid()::text, '', 'test', now()) RETURNING id""",
        ids.new(),
    )
    return made


async def add_entry(conn: asyncpg.Connection, tx: UUID, line: int, code: str, amount: int) -> None:
    await conn.execute(
        """INSERT INTO ledger_entry (tx_id, line, account_id, currency, amount)
           VALUES ($1, $2, ledger_open($3, 'usd'), 'usd', $4)""",
        tx, line, code, amount,
    )  # fmt: skip


async def test_money_moves_and_balances_are_seen_from_their_owners_side(conn: asyncpg.Connection) -> None:
    await deposit(conn)
    await post(conn, "hold", [(WALLET, 330), (ESCROW, -330)])
    await post(conn, "accept", [(ESCROW, 330), (PENDING, -300), (ledger.FEE_INCOME, -30)])
    await settle(conn)
    assert await ledger.balances(conn, [WALLET, ESCROW, PENDING, ledger.buyer(BO)], "usd") == [670, 0, 300, 0]
    assert await ledger.derived(conn, ledger.FEE_INCOME, "usd") == 30
    assert await ledger.derived(conn, ledger.CLEARING, "usd") == 1000


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([(ledger.CLEARING, 5)], id="one entry"),
        pytest.param([], id="no entry"),
        pytest.param([(ledger.CLEARING, 0), (WALLET, 0)], id="nothing but zeros"),
        pytest.param([(ledger.CLEARING, 5), (WALLET, -4)], id="a unit lost"),
        pytest.param([(ledger.CLEARING, 5), (WALLET, -6)], id="a unit made"),
        pytest.param([(ledger.CLEARING, 5), (ledger.CLEARING, -5)], id="an account with itself"),
    ],
)
async def test_what_does_not_balance_over_two_accounts_never_commits(conn: asyncpg.Connection, lines: Lines) -> None:
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with conn.transaction():
            await post(conn, "wrong", lines)
            await settle(conn)
    assert caught.value.sqlstate == "LG003"


async def test_each_currency_balances_by_itself(conn: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with conn.transaction():
            tx = await a_transaction(conn)
            await add_entry(conn, tx, 0, ledger.CLEARING, 5)
            await conn.execute(
                """INSERT INTO ledger_entry (tx_id, line, account_id, currency, amount)
                   VALUES ($1, 1, ledger_open('suspense', 'eur'), 'eur', -5)""",
                tx,
            )
            await settle(conn)
    assert caught.value.sqlstate == "LG003"


async def test_an_entry_is_in_the_currency_of_its_account(conn: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with conn.transaction():
            tx = await a_transaction(conn)
            await conn.execute(
                """INSERT INTO ledger_entry (tx_id, line, account_id, currency, amount)
                   VALUES ($1, 0, ledger_open('suspense', 'eur'), 'usd', -5)""",
                tx,
            )


async def test_a_purse_in_one_currency_does_not_pay_in_another(conn: asyncpg.Connection) -> None:
    await deposit(conn, 1000, "eur")
    with pytest.raises(InsufficientFunds):
        async with conn.transaction():
            await post(conn, "hold", [(WALLET, 1), (ESCROW, -1)])
    assert await ledger.balances(conn, [WALLET], "eur") == [1000]


async def test_a_finished_transaction_takes_no_more_entries(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        await deposit(conn)
        tx = await conn.fetchval("SELECT id FROM ledger_tx")
        with pytest.raises(asyncpg.PostgresError) as caught:
            async with conn.transaction():
                await add_entry(conn, tx, 7, ledger.CLEARING, 5)
                await add_entry(conn, tx, 8, "suspense", -5)
        assert caught.value.sqlstate == "LG002"


@pytest.mark.parametrize("table", ["ledger_tx", "ledger_entry", "event"])
async def test_what_is_written_stays(conn: asyncpg.Connection, table: str) -> None:
    await deposit(conn)
    await conn.execute(
        "INSERT INTO event (type, subject_type, subject_id, actor) VALUES ('test', 'task', $1, 'test')", TASK
    )
    await settle(conn)
    column = "amount" if table == "ledger_entry" else "actor"
    for change in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        assert await refused(conn, change) == "LG001"


async def test_nobody_spends_what_is_not_there(conn: asyncpg.Connection) -> None:
    await deposit(conn, 100)
    with pytest.raises(InsufficientFunds):
        async with conn.transaction():
            await post(conn, "hold", [(WALLET, 101), (ESCROW, -101)])
    assert await ledger.balances(conn, [WALLET, ESCROW], "usd") == [100, 0]
    assert await conn.fetchval("SELECT count(*) FROM ledger_tx WHERE idem_key = 'hold'") == 0
    assert await post(conn, "hold", [(WALLET, 100), (ESCROW, -100)]), "the last unit may be spent"


async def test_a_receivable_has_its_floor_on_the_other_side(conn: asyncpg.Connection) -> None:
    owed = ledger.person(BO, "receivable")
    await post(conn, "lent", [(owed, 50), (ledger.CLEARING, -50)])
    with pytest.raises(InsufficientFunds):
        async with conn.transaction():
            await post(conn, "repaid", [(ledger.CLEARING, 51), (owed, -51)])


async def test_the_floor_holds_against_plain_sql_too(conn: asyncpg.Connection) -> None:
    await deposit(conn, 100)
    assert await refused(conn, "UPDATE ledger_account SET posted = 1 WHERE code = $1", WALLET) == "23514"


async def test_a_closed_account_takes_nothing(conn: asyncpg.Connection) -> None:
    await deposit(conn, 100)
    assert await refused(conn, "UPDATE ledger_account SET closed_at = now() WHERE code = $1", WALLET) == "23514"
    await conn.execute("SELECT ledger_open($1, 'usd')", ESCROW)
    await conn.execute("UPDATE ledger_account SET closed_at = now() WHERE code = $1", ESCROW)
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with conn.transaction():
            await post(conn, "hold", [(WALLET, 5), (ESCROW, -5)])
    assert caught.value.sqlstate == "LG005"


async def test_the_same_posting_again_changes_nothing(conn: asyncpg.Connection) -> None:
    await deposit(conn)
    lines: Lines = [(WALLET, 5), (ESCROW, -5)]
    assert await post(conn, "hold", lines) is True
    assert await post(conn, "hold", lines) is False
    assert await post(conn, "hold", [*lines, (PENDING, 0)]) is False, "a line of zero is no line"
    assert await ledger.balances(conn, [WALLET, ESCROW], "usd") == [995, 5]


@pytest.mark.parametrize(
    ("lines", "given"),
    [
        ([(WALLET, 6), (ESCROW, -6)], {}),
        ([(WALLET, 5), (PENDING, -5)], {}),
        ([(WALLET, 5), (ESCROW, -5)], {"currency": "eur"}),
    ],
    ids=["amount", "account", "currency"],
)
async def test_a_key_is_never_used_for_something_else(conn: asyncpg.Connection, lines: Lines, given: Any) -> None:
    await deposit(conn)
    await post(conn, "hold", [(WALLET, 5), (ESCROW, -5)])
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with conn.transaction():
            await post(conn, "hold", lines, **given)
    assert caught.value.sqlstate == "LG004"


async def test_another_kind_under_the_same_key_is_something_else(conn: asyncpg.Connection) -> None:
    await deposit(conn)
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with conn.transaction():
            await ledger.post(
                conn, "other", "deposit:usd", [(ledger.CLEARING, 1000), (WALLET, -1000)], currency="usd", actor="test"
            )
    assert caught.value.sqlstate == "LG004"


async def test_a_transaction_is_reversed_once(conn: asyncpg.Connection) -> None:
    await deposit(conn)
    await post(conn, "hold", [(WALLET, 5), (ESCROW, -5)])
    tx = await conn.fetchval("SELECT id FROM ledger_tx WHERE idem_key = 'hold'")
    back: Lines = [(ESCROW, 5), (WALLET, -5)]
    assert await post(conn, "back", back, reverses=tx)
    assert await post(conn, "back", back, reverses=tx) is False
    with pytest.raises(asyncpg.UniqueViolationError):
        async with conn.transaction():
            await post(conn, "back again", back, reverses=tx)
    assert await ledger.balances(conn, [WALLET, ESCROW], "usd") == [1000, 0]


@pytest.mark.parametrize(
    "code",
    ["", "platform:cash", "stripe:", f"buyer:{ADA}", f"buyer:{ADA}:payable", f"task:{TASK}:escrow:2", "buyer:me:held",
     f" {WALLET}", f"{WALLET}\n", f"{WALLET}\nsuspense"],
)  # fmt: skip
async def test_only_accounts_of_the_chart_are_opened(conn: asyncpg.Connection, code: str) -> None:
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with conn.transaction():
            await post(conn, "odd", [(ledger.CLEARING, 5), (code, -5)])
    assert caught.value.sqlstate == "LG006"
    assert await conn.fetchval("SELECT count(*) FROM ledger_account WHERE code = $1", code) == 0


async def test_an_unknown_currency_is_refused(conn: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with conn.transaction():
            await deposit(conn, 5, "xau")


async def test_every_posting_leaves_a_chain_of_balances(conn: asyncpg.Connection) -> None:
    await deposit(conn)
    for n in range(1, 4):
        await post(conn, f"hold {n}", [(WALLET, n), (ESCROW, -n)])
    chain = await conn.fetch(
        """SELECT account_version, balance_after FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
           WHERE a.code = $1 ORDER BY account_version""",
        WALLET,
    )
    assert [tuple(row) for row in chain] == [(1, -1000), (2, -999), (3, -997), (4, -994)]


async def test_lines_on_one_account_become_one_entry(conn: asyncpg.Connection) -> None:
    await deposit(conn)
    await post(conn, "hold", [(WALLET, 5), (WALLET, 7), (ESCROW, -12)])
    amounts = await conn.fetchval(
        """SELECT array_agg(amount ORDER BY amount) FROM ledger_entry e JOIN ledger_tx t ON t.id = e.tx_id
           WHERE t.idem_key = 'hold'"""
    )
    assert amounts == [-12, 12]
