"""Who may take a task that belongs to others: SQL, where the row of a task (`task`) is at hand.

All of it is asked only of tasks in a group; `group_id IS NULL` answers for the rest.
"""

# Claims that count as an answer of their person's, or may yet: a rejected one does while it is appealed.
COUNTS = """(c.status IN ('active', 'submitted', 'awarded')
  OR c.status = 'rejected' AND EXISTS (SELECT FROM submission x WHERE x.claim_id = c.id AND x.status = 'disputed'))"""

# Nobody has a part of the route, and all its parts may be taken now: so it is taken as a whole. Once a part is taken or
# has ended, what is left of it, and what comes free, are tasks like any other: no slot waits for what cannot come.
UNTOUCHED = """(task.status = 'open' AND task.claimed = 0 AND task.done = 0
    AND task.opens_at <= market_now() AND task.closes_at > market_now())"""
# Parts are looked for by `g.id`: by what is outside the query, that would come first, also for each cell of an area.
PART_OF_ROUTE = f"""EXISTS (SELECT FROM task_group g WHERE g.id = task.group_id AND g.kind = 'route'
    AND NOT EXISTS (SELECT FROM task m WHERE m.group_id = g.id AND NOT {UNTOUCHED.replace("task.", "m.")}))"""


def by_another(person: str) -> str:
    """SQL: the series wants another person for each task, and this one has, or may yet have, an answer to another."""
    # CASE keeps the order: whoever has many claims would else have all of them read for each cell of an area.
    return f"""CASE WHEN (SELECT g.same_person FROM task_group g WHERE g.id = task.group_id) = 'forbidden'
      THEN EXISTS (SELECT FROM task m JOIN claim c ON c.task_id = m.id WHERE m.group_id = task.group_id
        AND m.id <> task.id AND c.person_id = {person} AND {COUNTS}) ELSE false END"""


def reserved(person: str) -> str:
    """SQL: whoever has an accepted answer in the series has a head start, there is such a person, and this is none.

    An answer to this very task does not count: who has given it cannot give another, so nothing is kept for them.
    """
    accepted = """SELECT FROM task m JOIN submission s ON s.task_id = m.id
      WHERE m.group_id = g.id AND m.id <> task.id AND s.status = 'accepted'"""
    return f"""EXISTS (SELECT FROM task_group g WHERE g.id = task.group_id AND g.same_person = 'preferred'
      AND market_now() < task.opens_at + make_interval(secs => g.head_start_s)
      AND EXISTS ({accepted} AND EXISTS (SELECT FROM person p WHERE p.id = s.person_id AND p.erased_at IS NULL))
      AND NOT EXISTS ({accepted} AND s.person_id = {person}))"""


def free_to(person: str, *, tour: str = "false") -> str:
    """SQL: what else is in the task's group does not stand against its being taken.

    person: an SQL expression; for nobody in particular (NULL) only routes matter. tour: SQL, whether it is taken with
    all of its route.
    """
    return f"""(task.group_id IS NULL OR (({tour} OR NOT {PART_OF_ROUTE})
      AND ({person}::uuid IS NULL OR NOT ({by_another(person)} OR {reserved(person)}))))"""
