"""The invariants of resale, in the form of `market.audit`: what was sold was for sale, and paid for as declared."""

CHECKS = {
    "each sale is one posting, which moves what the sale says for each account, and no other is": """
        SELECT coalesce(said.sale, moved.sale)::text || ' ' || coalesce(said.code, moved.code) AS what
        FROM (SELECT sale, code, currency, sum(amount) AS amount FROM (
                SELECT id AS sale, 'buyer:' || buyer_id || ':available' AS code, currency, price AS amount FROM sale
                UNION ALL SELECT id, 'buyer:' || seller_id || ':available', currency, -proceeds FROM sale
                UNION ALL SELECT id, 'platform:fee', currency, -fee FROM sale
                UNION ALL SELECT p.sale_id, 'buyer:' || p.account_id || ':available', s.currency, -p.amount
                  FROM sale_share p JOIN sale s ON s.id = p.sale_id
                UNION ALL SELECT sale_id, 'person:' || person_id || ':pending', currency, -amount FROM earning
                  WHERE sale_id IS NOT NULL) AS parts
              GROUP BY sale, code, currency HAVING sum(amount) <> 0) AS said
          FULL JOIN (
            SELECT x.subject_id AS sale, a.code, e.currency, e.amount
            FROM ledger_tx x JOIN ledger_entry e ON e.tx_id = x.id JOIN ledger_account a ON a.id = e.account_id
            WHERE x.kind = 'sale' AND x.idem_key = 'sale:' || x.subject_id) AS moved
            ON moved.sale = said.sale AND moved.code = said.code AND moved.currency = said.currency
        WHERE said.amount IS DISTINCT FROM moved.amount""",
    "the parts of a sale are its lines: royalties of the people in it, shares of those who sold it before": """
        SELECT s.id::text AS what FROM sale s
          LEFT JOIN (SELECT e.sale_id, sum(e.amount) AS amount, bool_and(o.person_id = e.person_id
                       AND i.listing_id IS NOT NULL AND e.currency = s.currency) AS theirs
                     FROM earning e JOIN sale s ON s.id = e.sale_id
                       LEFT JOIN observation o ON o.submission_id = e.submission_id
                       LEFT JOIN listing_item i ON i.listing_id = s.listing_id AND i.observation_id = o.id
                     GROUP BY e.sale_id) r ON r.sale_id = s.id
          LEFT JOIN (SELECT sale_id, sum(amount) AS amount FROM sale_share GROUP BY sale_id) p ON p.sale_id = s.id
        WHERE coalesce(r.amount, 0) <> s.royalty OR NOT coalesce(r.theirs, false)
          OR coalesce(p.amount, 0) <> s.shares""",
    "the royalty of a sale is what was declared, rounded down, and something": """
        SELECT s.id::text AS what FROM sale s
          JOIN (SELECT listing_id, sum(royalty_percent) AS percents, count(*) AS items, min(royalty_percent) AS least
                FROM listing_item GROUP BY listing_id) i ON i.listing_id = s.listing_id
          JOIN listing l ON l.id = s.listing_id
        WHERE s.royalty <> greatest(1, s.price * i.percents / (100 * i.items)) OR i.least < l.royalty_percent""",
    "whoever sold something had it to sell, and may have sold it on": """
        SELECT h.id::text AS what FROM holding h JOIN sale s ON s.id = h.sale_id
          JOIN observation o ON o.id = h.observation_id LEFT JOIN holding own ON own.id = h.source
          LEFT JOIN listing_item i ON i.listing_id = s.listing_id AND i.observation_id = h.observation_id
        WHERE i.listing_id IS NULL OR h.account_id <> s.buyer_id OR h.account_id = o.account_id
          OR (h.license, h.royalty_percent, h.exclusive_until)
            IS DISTINCT FROM (i.license, i.royalty_percent, s.exclusive_until)
          OR CASE WHEN h.source IS NULL THEN o.account_id <> s.seller_id OR o.license <> 'resale'
             ELSE own.account_id <> s.seller_id OR own.observation_id <> o.id OR NOT own.resale
               OR own.license <> h.license OR own.royalty_percent > h.royalty_percent END""",
    "nothing was sold while somebody had it alone, and only what was accepted": """
        SELECT h.id::text AS what FROM holding h JOIN observation o ON o.id = h.observation_id
          JOIN submission u ON u.id = o.submission_id
        WHERE h.created_at < o.exclusive_until OR u.status <> 'accepted'
          OR EXISTS (SELECT FROM holding x WHERE x.observation_id = h.observation_id AND x.id < h.id
                       AND x.created_at <= h.created_at AND x.exclusive_until > h.created_at)""",
    "what is for sale has somebody behind it": """
        SELECT DISTINCT l.id::text AS what FROM listing l JOIN listing_item i ON i.listing_id = l.id
          JOIN observation o ON o.id = i.observation_id JOIN person p ON p.id = o.person_id
        WHERE l.status IN ('active', 'paused') AND p.erased_at IS NOT NULL""",
}
