"""How reliable answers have been: by how often different people's accepted answers to one question agree."""

from typing import NamedTuple

import asyncpg

from market.decision_value import Accuracy, accuracy_of, learned_accuracy

HISTORY_DAYS = 60
MOST_TASKS = 20_000
USUAL = 0.9  # the accuracy assumed where nothing is known
BROAD_STRENGTH, OWN_STRENGTH = 20.0, 8.0  # pairs that the assumption counts for


class Reliability(NamedTuple):
    """accuracy: of answers to such questions · based_on: comparisons of two people's answers behind it."""

    accuracy: Accuracy
    based_on: int


async def learn(conn: asyncpg.Connection) -> None:
    """Compare anew, over the last 60 days: accepted answers of different people to one question of one task, in one
    round of it. n answers say what n - 1 independent comparisons would, in the shares in which pairs of them agree."""
    await conn.execute("DELETE FROM answer_agreement")
    await conn.execute(
        """INSERT INTO answer_agreement (kind, type, choices, compared, agreed)
           WITH lately AS (
             SELECT id, kind, evidence FROM task
             WHERE done >= 2 AND created_at > market_now() - make_interval(days => $1)
               AND evidence->'questions' <> '[]' ORDER BY id DESC LIMIT $2),
           asked AS (
             SELECT lately.id, lately.kind, q->>'id' AS question, q->>'type' AS type,
               CASE q->>'type' WHEN 'boolean' THEN 2 ELSE jsonb_array_length(q->'choices') END AS choices
             FROM lately CROSS JOIN LATERAL jsonb_array_elements(lately.evidence->'questions') AS q
             WHERE q->>'type' IN ('boolean', 'choice')),
           answered AS (
             SELECT DISTINCT ON (a.id, a.question, c.round, s.person_id) a.*, c.round, s.answers->a.question AS answer
             FROM asked a JOIN submission s ON s.task_id = a.id AND s.status = 'accepted' AND s.outcome = 'done'
               JOIN claim c ON c.id = s.claim_id
             WHERE s.answers ? a.question
             ORDER BY a.id, a.question, c.round, s.person_id, s.id DESC),
           counted AS (
             SELECT id, question, round, kind, type, choices, answer, count(*) AS n FROM answered
             GROUP BY id, question, round, kind, type, choices, answer),
           compared AS (
             SELECT kind, type, choices, sum(n) AS n, sum(n * (n - 1)) AS same FROM counted
             GROUP BY id, question, round, kind, type, choices HAVING sum(n) >= 2)
           SELECT kind, type, choices, sum(n - 1)::float8, sum(same / n)::float8 FROM compared
           GROUP BY kind, type, choices""",
        HISTORY_DAYS, MOST_TASKS,
    )  # fmt: skip


async def of(conn: asyncpg.Connection, kind: str, type: str, answers: int) -> Reliability:
    """The accuracy of answers to such questions, were they given by one-coin people; thin history is drawn to that of
    all kinds of tasks and questions, and that to nine in ten."""
    rows = await conn.fetch("SELECT kind, type, choices, compared, agreed FROM answer_agreement")
    weight = sum(row["compared"] for row in rows)
    right = sum(row["compared"] * accuracy_of(row["agreed"] / row["compared"], row["choices"]) for row in rows)
    usual = (right + USUAL * BROAD_STRENGTH) / (weight + BROAD_STRENGTH)
    own = [row for row in rows if (row["kind"], row["type"], row["choices"]) == (kind, type, answers)]
    agreed, compared = sum(row["agreed"] for row in own), sum(row["compared"] for row in own)
    found = learned_accuracy(agreed, compared, answers, usual=usual, strength=OWN_STRENGTH)
    return Reliability(found, round(compared))
