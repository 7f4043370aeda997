"""The invariants of settlement, in the form of `market.audit`: money in, money out, and what stands between."""

CHECKS = {
    "each funding that succeeded is one posting, and no other is": """
        SELECT f.id::text AS what FROM funding f LEFT JOIN ledger_tx x ON x.idem_key = 'fund:' || f.id
        WHERE (f.status = 'succeeded') <> (x.id IS NOT NULL)""",
    "each line of Stripe's balance is what its posting moved, on stripe:clearing or on suspense where it was put": """
        SELECT b.id AS what FROM stripe_balance_txn b JOIN ledger_tx x ON x.idem_key = b.ledger_key
          LEFT JOIN (SELECT e.tx_id, sum(e.amount) FILTER (WHERE a.code = 'stripe:clearing') AS cleared,
                       sum(e.amount) FILTER (WHERE a.code = 'suspense') AS unsuspended
                     FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
                       AND a.code IN ('stripe:clearing', 'suspense') GROUP BY e.tx_id) c ON c.tx_id = x.id
        WHERE coalesce(c.cleared, 0) <> CASE WHEN b.suspense_key IS NULL THEN b.net ELSE 0 END
           OR coalesce(c.unsuspended, 0) <> CASE WHEN b.suspense_key IS NULL THEN 0 ELSE b.net END""",
    "a line of Stripe's balance that was put into suspense moved there what it brought": """
        SELECT b.id AS what FROM stripe_balance_txn b JOIN ledger_tx x ON x.idem_key = b.suspense_key
          LEFT JOIN (SELECT e.tx_id, sum(e.amount) FILTER (WHERE a.code = 'stripe:clearing') AS cleared,
                       sum(e.amount) FILTER (WHERE a.code = 'suspense') AS put
                     FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
                       AND a.code IN ('stripe:clearing', 'suspense') GROUP BY e.tx_id) c ON c.tx_id = x.id
        WHERE c.cleared IS DISTINCT FROM b.net OR c.put IS DISTINCT FROM -b.net""",
    "suspense holds the lines of Stripe's balance that nobody has explained, and nothing else": """
        SELECT currency || ' ' || coalesce(held, 0) AS what
        FROM (SELECT a.currency, -sum(e.amount) AS held FROM ledger_account a JOIN ledger_entry e ON e.account_id = a.id
              WHERE a.code = 'suspense' GROUP BY a.currency) s
          FULL JOIN (SELECT currency, sum(net) AS open FROM stripe_balance_txn
                     WHERE suspense_key IS NOT NULL AND ledger_key IS NULL GROUP BY currency) b USING (currency)
        WHERE coalesce(held, 0) <> coalesce(open, 0)""",
    "what two operators decided on a line of Stripe's balance was posted for it, until its true cause came": """
        SELECT d.id::text AS what FROM money_decision d
          LEFT JOIN ledger_tx x ON x.idem_key = 'suspense_resolved:' || d.id
          LEFT JOIN ledger_tx undone ON undone.reverses = x.id
          LEFT JOIN stripe_balance_txn b ON b.id = d.txn_id AND b.ledger_key = x.idem_key
        WHERE d.kind = 'suspense' AND ((d.status = 'approved') <> (x.id IS NOT NULL)
          OR (d.status = 'approved' AND undone.id IS NULL) <> (b.id IS NOT NULL))""",
    "a refund holds its amount until it has left Stripe's balance or failed, and nothing afterwards": """
        SELECT r.id::text AS what FROM refund r
          LEFT JOIN ledger_tx x ON x.idem_key = 'refund-sent:' || r.id
          LEFT JOIN ledger_account l ON l.code = 'refund:' || r.id AND l.currency = r.currency
        WHERE coalesce(-l.posted, 0) <> CASE WHEN r.status = 'pending' AND x.id IS NULL THEN r.amount ELSE 0 END""",
    "a refund that succeeded left Stripe's balance in one posting, and came back in one if it was returned": """
        SELECT r.id::text AS what FROM refund r
          LEFT JOIN ledger_tx x ON x.idem_key = 'refund-sent:' || r.id
          LEFT JOIN ledger_tx y ON y.idem_key = 'refund-back:' || r.id
        WHERE ((r.status = 'succeeded' OR r.returned) AND x.id IS NULL)
           OR (r.status = 'failed' AND NOT r.returned AND x.id IS NOT NULL) OR r.returned <> (y.id IS NOT NULL)""",
    "a refund that is under way has an operation that was not refused, and one that succeeded is its object": """
        SELECT r.id::text AS what FROM refund r
          LEFT JOIN stripe_op o ON o.kind = 'refund' AND o.subject_id = r.id AND o.status <> 'rejected'
        WHERE (r.status <> 'failed' AND o.id IS NULL)
           OR (r.status = 'succeeded' AND o.object_id IS DISTINCT FROM r.stripe_id)""",
    "what a funding has refunded is the sum of its refunds that have not failed": """
        SELECT f.id::text AS what FROM funding f
          LEFT JOIN (SELECT funding_id, sum(amount) AS amount FROM refund WHERE status <> 'failed' GROUP BY 1) r
            ON r.funding_id = f.id
        WHERE f.refunded <> coalesce(r.amount, 0)""",
    "automatic top-ups ask for no more in a day than their cap, since it was last set": """
        SELECT t.account_id::text AS what FROM auto_top_up t
          JOIN funding f ON f.account_id = t.account_id AND f.cause = 'auto' AND f.created_at >= t.updated_at
        GROUP BY t.account_id, t.max_per_day, (f.created_at AT TIME ZONE 'utc')::date
        HAVING sum(f.amount) > t.max_per_day""",
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
    "what is held of a buyer's balance is what their open chargebacks and fraud warnings have frozen": """
        WITH frozen AS (
          SELECT account_id, currency, sum(frozen) AS amount FROM (
            SELECT account_id, currency, frozen FROM dispute
            UNION ALL
            SELECT w.account_id, f.currency, w.frozen FROM fraud_warning w JOIN funding f ON f.id = w.funding_id) p
          GROUP BY account_id, currency)
        SELECT coalesce(l.code, f.account_id::text) AS what
        FROM (SELECT * FROM ledger_account WHERE code LIKE 'buyer:%:held') l
          FULL JOIN frozen f ON l.code = 'buyer:' || f.account_id || ':held' AND l.currency = f.currency
        WHERE coalesce(-l.posted, 0) <> coalesce(f.amount, 0)""",
    "an open dispute stands against what Stripe has taken for it, and a closed one against nothing": """
        SELECT d.id::text AS what FROM dispute d
          LEFT JOIN ledger_account l ON l.code = 'dispute:' || d.id AND l.currency = d.currency
        WHERE coalesce(l.posted, 0) <> CASE WHEN d.closed_at IS NULL THEN d.withdrawn ELSE 0 END""",
    "what a closed dispute has cost was paid by its buyer, or is a loss that was posted": """
        SELECT d.id::text AS what FROM dispute d
          LEFT JOIN (SELECT x.subject_id, sum(e.amount) AS lost FROM ledger_tx x
                     JOIN ledger_entry e ON e.tx_id = x.id
                     JOIN ledger_account a ON a.id = e.account_id AND a.code = 'platform:losses'
                     WHERE x.subject_type = 'dispute' GROUP BY x.subject_id) p ON p.subject_id = d.id
        WHERE coalesce(p.lost, 0) <> d.written_off
           OR d.closed_at IS NOT NULL AND d.withdrawn <> d.covered + d.written_off""",
    "a funding counts as disputed what chargebacks of it are open or lost": """
        SELECT f.id::text AS what FROM funding f
          LEFT JOIN (SELECT funding_id, sum(amount) AS amount FROM dispute
                     WHERE status IN ('needs_response', 'under_review', 'lost') GROUP BY funding_id) d
            ON d.funding_id = f.id
        WHERE f.disputed <> least(f.amount, coalesce(d.amount, 0))""",
    "of a payout has come back what its reversals have posted": """
        SELECT p.id::text AS what FROM payout p
          LEFT JOIN (SELECT x.subject_id, -sum(e.amount) AS back FROM ledger_tx x JOIN ledger_entry e ON e.tx_id = x.id
                     JOIN ledger_account a ON a.id = e.account_id AND a.code LIKE 'person:%:payable'
                     WHERE x.kind = 'payout_reversed' GROUP BY x.subject_id) r ON r.subject_id = p.id
        WHERE coalesce(r.back, 0) <> p.reversed""",
    "pay that was taken back is one posting, and no other is": """
        SELECT e.id::text AS what FROM earning e LEFT JOIN ledger_tx x ON x.idem_key = 'clawback:' || e.id
        WHERE (e.clawed_back_at IS NOT NULL) <> (x.id IS NOT NULL)""",
    "what two operators have decided on a clawback or a debt is what was done, and nothing else was": """
        SELECT d.id::text AS what FROM money_decision d
          LEFT JOIN ledger_tx x ON x.idem_key = CASE d.kind WHEN 'write_off' THEN 'write_off:' || d.id
            ELSE 'clawback:' || d.subject_id END AND (d.kind = 'write_off' OR x.meta->>'decision' = d.id::text)
        WHERE d.kind IN ('clawback', 'write_off') AND (d.status = 'approved') <> (x.id IS NOT NULL)""",
}
