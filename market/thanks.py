"""Thanks: a bonus or a rating for an answer that the machine, the deadline or the buyer accepted before, once."""

import asyncpg

from market import decisions, events, ledger
from market.errors import PaidOut, WrongState


async def give(
    conn: asyncpg.Connection, row: asyncpg.Record, actor: str, *, bonus: int = 0, rating: int | None = None
) -> None:
    """Add to an accepted answer what its buyer gives on top. Who has thanked for it cannot dispute it any more.

    row: of decisions.lock, accepted. bonus: minor units of the task's currency, paid with the reward, so only while
    that is pending. Raises WrongState where it was thanked for or contested before, PaidOut.
    """
    submission, currency = row["id"], row["currency"]
    done = await conn.fetchrow(
        """WITH s AS (
             UPDATE submission s SET bonus = $2, rating = $3
             WHERE s.id = $1 AND s.status = 'accepted' AND s.bonus = 0 AND s.rating IS NULL
               AND NOT EXISTS (SELECT FROM appeal a WHERE a.submission_id = s.id) RETURNING s.id),
           e AS (
             UPDATE earning e SET amount = e.amount + $2 FROM s
             WHERE e.id = s.id AND $2 > 0 AND e.released_at IS NULL AND e.clawed_back_at IS NULL RETURNING e.id)
           SELECT (SELECT id FROM e) IS NOT NULL AS pending FROM s""",
        submission, bonus, rating,
    )  # fmt: skip
    if done is None:
        raise WrongState("You have thanked for this already, or it was contested: what was decided then is final.")
    if bonus and not done["pending"]:
        raise PaidOut("Its pay has been released: a bonus goes with it, so it is too late for one. A rating may come.")
    await events.append(
        conn, "submission.thanked", ("submission", submission), actor, account=row["account_id"],
        person=row["person_id"], data=decisions.told(row) | {"bonus": bonus, "rating": rating},
    )  # fmt: skip
    if bonus:
        await ledger.post(
            conn, "submission.bonus", f"bonus:{submission}",
            [(ledger.buyer(row["account_id"]), bonus), (ledger.person(row["person_id"], "pending"), -bonus)],
            currency=currency, actor=actor, subject=("submission", submission),
        )  # fmt: skip
