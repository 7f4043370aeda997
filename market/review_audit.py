"""The invariants of submissions, claims, fix-ups and appeals: what belongs together, in every state."""

# SQL: submission `s` with what contests it, `a`. Accepted, as far as the books go, is also what its buyer disputes.
_CONTESTED = "submission s LEFT JOIN appeal a ON a.submission_id = s.id"
_HELD = "(s.status = 'accepted' OR s.status = 'disputed' AND a.side = 'buyer')"
# What an award owes has no line of earnings before the buyer has it.
_UNPAID = "coalesce(a.owed > 0 AND a.paid = 0, false)"
_AWARDED = "(s.status = 'accepted' AND coalesce(a.side = 'person', false))"

CHECKS = {
    "a task counts as claimed what is claimed, judged, mended or appealed in a slot, and as done what filled one": f"""
        SELECT t.id::text AS what FROM task t LEFT JOIN (
          SELECT c.task_id,
                 count(*) FILTER (WHERE c.status = 'active' OR s.status IN ('checking', 'needs_review')
                   OR s.status = 'disputed' AND a.stake = 'slot') AS claimed,
                 count(*) FILTER (WHERE s.status = 'accepted' AND coalesce(a.stake IN ('slot', 'paid'), true)
                   OR s.status IN ('disputed', 'rejected') AND a.side = 'buyer') AS done
          FROM claim c LEFT JOIN ({_CONTESTED}) ON s.claim_id = c.id GROUP BY c.task_id) AS real ON real.task_id = t.id
        WHERE t.claimed <> coalesce(real.claimed, 0) OR t.done <> coalesce(real.done, 0)""",
    "a task holds slots and bonds for the appeals that are open": """
        SELECT t.id::text AS what FROM task t LEFT JOIN (
          SELECT task_id, count(*) FILTER (WHERE stake = 'held') AS held, sum(bond) AS bonds
          FROM appeal WHERE status = 'open' GROUP BY task_id) AS real ON real.task_id = t.id
        WHERE t.appealed <> coalesce(real.held, 0) OR t.bonds <> coalesce(real.bonds, 0)""",
    "each accepted submission is one observation, one earning and one posting": f"""
        SELECT s.id::text AS what FROM {_CONTESTED}
          LEFT JOIN observation o ON o.submission_id = s.id LEFT JOIN earning e ON e.id = s.id
          LEFT JOIN ledger_tx x ON x.idem_key = 'accept:' || s.id LEFT JOIN ledger_tx w ON w.idem_key = 'award:' || s.id
          LEFT JOIN ledger_tx r ON r.idem_key = 'redecide:' || s.id
        WHERE coalesce({_HELD}, false) <> (o.id IS NOT NULL)
          OR coalesce({_HELD} AND NOT {_UNPAID}, false) <> (e.id IS NOT NULL)
          OR (x.id IS NOT NULL) <> (coalesce({_HELD}, false) AND NOT {_AWARDED}
               OR s.status = 'rejected' AND coalesce(a.side = 'buyer', false))
          OR (w.id IS NOT NULL) <> ({_AWARDED} AND NOT coalesce(a.owed > 0 AND a.bond = 0, false))
          OR (s.status = 'rejected' AND coalesce(a.side = 'buyer', false) AND r.id IS NULL)
          OR (r.id IS NOT NULL AND coalesce(a.side <> 'buyer' OR a.status = 'open', true))""",
    "a claim is where its submission is": f"""
        SELECT c.id::text AS what FROM claim c LEFT JOIN ({_CONTESTED}) ON s.claim_id = c.id
        WHERE (s.id IS NULL AND c.status NOT IN ('active', 'released', 'expired'))
          OR (s.id IS NOT NULL AND c.status::text <> CASE
            WHEN s.status = 'fix_up' THEN 'active'
            WHEN s.status = 'rejected' OR (s.status = 'disputed' AND a.side = 'person') THEN 'rejected'
            WHEN {_AWARDED} THEN 'awarded' ELSE 'submitted' END)""",
    "what is disputed has an appeal that is open, and what is mended a fix-up": f"""
        SELECT s.id::text AS what FROM {_CONTESTED} LEFT JOIN fix_up f ON f.submission_id = s.id AND f.ended IS NULL
        WHERE (s.status = 'disputed') <> coalesce(a.status = 'open', false)
          OR (s.status = 'fix_up') <> (f.submission_id IS NOT NULL)""",
    "what a buyer disputes is not released, and read by nobody; nor is what the market has fronted": f"""
        SELECT s.id::text AS what FROM {_CONTESTED}
          LEFT JOIN observation o ON o.submission_id = s.id LEFT JOIN earning e ON e.id = s.id
        WHERE coalesce(e.contested, false) <> coalesce(s.status = 'disputed' AND a.side = 'buyer', false)
          OR coalesce(o.locked, false) <> coalesce(s.status = 'disputed' AND a.side = 'buyer'
               OR (a.fronted > 0 OR a.owed > 0) AND a.collected_at IS NULL, false)""",
    "a bonus that came after the acceptance is one posting of it, for what nobody contested": """
        SELECT x.id::text AS what FROM ledger_tx x LEFT JOIN submission s ON s.id = x.subject_id
          LEFT JOIN (SELECT e.tx_id, -sum(e.amount) AS paid FROM ledger_entry e
                     JOIN ledger_account a ON a.id = e.account_id AND a.code LIKE 'person:%:pending'
                     GROUP BY e.tx_id) p ON p.tx_id = x.id
        WHERE x.kind = 'submission.bonus' AND (s.status IS DISTINCT FROM 'accepted' OR x.idem_key <> 'bonus:' || s.id
          OR p.paid IS DISTINCT FROM s.bonus OR EXISTS (SELECT FROM appeal a WHERE a.submission_id = s.id))""",
    "an appeal that is decided has paid what it says": """
        SELECT a.id::text AS what FROM appeal a LEFT JOIN earning e ON e.id = a.submission_id
        WHERE a.status <> 'open' AND coalesce(a.paid, -1) <> coalesce(e.amount, 0)""",
}
