"""The invariants of settlement, in the form of `market.audit`: money in, money out, and what stands between."""

CHECKS = {
    "each funding that succeeded is one posting, and no other is": """
        SELECT f.id::text AS what FROM funding f LEFT JOIN ledger_tx x ON x.idem_key = 'fund:' || f.id
        WHERE (f.status = 'succeeded') <> (x.id IS NOT NULL)""",
    "each line of Stripe's balance is what its posting moved on stripe:clearing": """
        SELECT b.id AS what FROM stripe_balance_txn b JOIN ledger_tx x ON x.idem_key = b.ledger_key
          LEFT JOIN (SELECT e.tx_id, sum(e.amount) AS moved FROM ledger_entry e
                     JOIN ledger_account a ON a.id = e.account_id AND a.code = 'stripe:clearing'
                     GROUP BY e.tx_id) c ON c.tx_id = x.id
        WHERE coalesce(c.moved, 0) <> b.net""",
    "a payout holds its amount while its transfer is under way, and nothing before or after": """
        SELECT p.id::text AS what FROM payout p
          LEFT JOIN ledger_account l ON l.code = 'payout:' || p.id AND l.currency = p.currency
        WHERE coalesce(-l.posted, 0) <> CASE WHEN p.status = 'planned' THEN p.amount ELSE 0 END""",
    "a payout that is under way has an operation under way, and one that was paid a transfer that succeeded": """
        SELECT p.id::text AS what FROM payout p
          LEFT JOIN stripe_op o ON o.kind = 'transfer' AND o.subject_id = p.id AND o.status <> 'rejected'
        WHERE (p.status = 'planned') <> coalesce(o.status IN ('planned', 'sending', 'unknown'), false)
           OR (p.status = 'paid') <> coalesce(o.status = 'succeeded' AND o.object_id = p.transfer_id, false)""",
    "a run that has ended has no line under way, and is done when all are paid": """
        SELECT r.id::text AS what FROM payout_run r JOIN payout p ON p.run_id = r.id
        WHERE r.status IN ('done', 'partial') GROUP BY r.id
        HAVING bool_or(p.status IN ('listed', 'planned')) OR (r.status = 'done') <> bool_and(p.status = 'paid')""",
    "an approved run was approved by somebody who neither made nor submitted it": """
        SELECT r.id::text AS what FROM payout_run r LEFT JOIN payout_approval a ON a.run_id = r.id
        WHERE r.approved_by IS NOT NULL AND (a.run_id IS NULL OR a.approved_by IN (r.made_by, r.submitted_by)
          OR a.lines_hash <> r.lines_hash)""",
}
