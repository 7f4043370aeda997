"""The invariants of tasks that belong together, and of rounds: who may have which answers, and how many there are."""

CHECKS = {
    "no person has answers to two tasks of a series in which that is forbidden": """
        SELECT g.id || ' ' || c.person_id AS what
        FROM task_group g JOIN task t ON t.group_id = g.id JOIN claim c ON c.task_id = t.id
        WHERE g.same_person = 'forbidden' AND c.status IN ('active', 'submitted', 'awarded')
        GROUP BY g.id, c.person_id HAVING count(DISTINCT t.id) > 1""",
    "no person has more answers to a task, or to a round of it, than one may have": """
        SELECT t.id || ' ' || c.person_id AS what FROM task t JOIN claim c ON c.task_id = t.id
        WHERE c.status IN ('active', 'submitted', 'awarded')
        GROUP BY t.id, c.person_id, c.round HAVING count(*) > coalesce(t.per_person, 1)""",
    "no round of a task has more answers than it asks for": """
        SELECT t.id || ' ' || c.round AS what FROM task t JOIN claim c ON c.task_id = t.id
        WHERE t.per_round IS NOT NULL AND c.status IN ('active', 'submitted')
        GROUP BY t.id, c.round HAVING count(*) > t.per_round""",
    "each cell of an area has one task": """
        SELECT group_id || ' ' || cell AS what FROM task WHERE cell IS NOT NULL
        GROUP BY group_id, cell HAVING count(*) > 1""",
    "the tasks of a group are its buyer's, in its currency, and none is missing": """
        SELECT g.id::text AS what FROM task_group g LEFT JOIN task t ON t.group_id = g.id GROUP BY g.id
        HAVING count(t.id) = 0 OR max(t.place_in_group) <> count(t.id)
          OR bool_or(t.account_id <> g.account_id OR t.currency <> g.currency)""",
}
