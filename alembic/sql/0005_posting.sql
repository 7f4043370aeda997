-- Postings by the set: many balanced transactions cost a few statements together, and one costs no more than before.
DROP FUNCTION ledger_post;

-- Post balanced transactions, each under a key of its own, in their order. How many are new: one whose key stands
-- already with the same content is left as it is. Line i, of transaction p_of[i] (from 1), moves p_amounts[i] at
-- p_codes[i].
CREATE FUNCTION ledger_post(p_kind text, p_actor text, p_currency text, p_ids uuid[], p_keys text[],
    p_subject_types text[], p_subjects uuid[], p_metas jsonb[], p_reverses uuid[],
    p_of int[], p_codes text[], p_amounts bigint[])
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  hashes bytea[]; fresh uuid[]; ids bigint[]; v_code text;
BEGIN
  SELECT array_agg(sha256(convert_to(concat_ws('|', p_kind, p_currency, coalesce(l.codes, '{}'),
      coalesce(l.amounts, '{}'), p.reverses::text), 'UTF8')) ORDER BY p.n)
    INTO hashes FROM unnest(p_ids, p_reverses) WITH ORDINALITY AS p (id, reverses, n) LEFT JOIN (
      SELECT o.of, array_agg(o.code ORDER BY o.n)::text AS codes, array_agg(o.amount ORDER BY o.n)::text AS amounts
      FROM unnest(p_of, p_codes, p_amounts) WITH ORDINALITY AS o (of, code, amount, n) GROUP BY o.of) AS l ON l.of = p.n;
  WITH made AS (
    INSERT INTO ledger_tx (id, kind, idem_key, body_hash, reverses, subject_type, subject_id, actor, effective_at, meta)
      SELECT p.id, p_kind, p.key, p.hash, p.reverses, p.subject_type, p.subject, p_actor, market_now(), p.meta
      FROM unnest(p_ids, p_keys, hashes, p_reverses, p_subject_types, p_subjects, p_metas) WITH ORDINALITY
        AS p (id, key, hash, reverses, subject_type, subject, meta, n) ORDER BY p.n
      ON CONFLICT (idem_key) DO NOTHING RETURNING id)
  SELECT coalesce(array_agg(id), '{}') INTO fresh FROM made;
  IF cardinality(fresh) < cardinality(p_ids) THEN
    SELECT p.key INTO v_code FROM unnest(p_keys, hashes) AS p (key, hash)
      JOIN ledger_tx t ON t.idem_key = p.key AND t.body_hash <> p.hash LIMIT 1;
    IF FOUND THEN RAISE EXCEPTION 'ledger key % was used with other content', v_code USING ERRCODE = 'LG004'; END IF;
    IF fresh = '{}' THEN RETURN 0; END IF;
  END IF;
  -- Opening waits for whoever opens the same account: hence in one order as well.
  FOR v_code IN SELECT DISTINCT c.code FROM unnest(p_codes) AS c (code)
      WHERE NOT EXISTS (SELECT FROM ledger_account a WHERE a.code = c.code AND a.currency = p_currency) ORDER BY 1 LOOP
    PERFORM ledger_open(v_code, p_currency);
  END LOOP;
  -- Looked up one by one, so that each is an index scan whatever the planner thinks of the array's length.
  SELECT array_agg((SELECT a.id FROM ledger_account a WHERE a.code = o.code AND a.currency = p_currency) ORDER BY o.n)
    INTO ids FROM unnest(p_codes) WITH ORDINALITY AS o (code, n);
  -- One global lock order, by id, so that two postings over the same accounts never wait for each other in a ring.
  -- The filter stands in the aggregate: as a condition it would go into the inner query, and leave nothing to lock.
  SELECT min(a.code) FILTER (WHERE a.closed_at IS NOT NULL) INTO v_code FROM (
    SELECT code, closed_at FROM ledger_account WHERE id = ANY (ids) AND (tracked OR closed_at IS NOT NULL)
    ORDER BY id FOR NO KEY UPDATE) AS a;
  IF v_code IS NOT NULL THEN RAISE EXCEPTION 'ledger account % is closed', v_code USING ERRCODE = 'LG005'; END IF;
  WITH line AS (
    SELECT o.of, o.account, sum(o.amount)::bigint AS v
    FROM unnest(p_of, ids, p_amounts) AS o (of, account, amount) WHERE p_ids[o.of] = ANY (fresh)
    GROUP BY o.of, o.account HAVING sum(o.amount) <> 0),
  moved AS (
    UPDATE ledger_account a SET posted = a.posted + s.v, version = a.version + s.n
    FROM (SELECT account, sum(v)::bigint AS v, count(*) AS n FROM line GROUP BY account) AS s
    WHERE a.id = s.account AND a.id = ANY (ids) AND a.tracked
    RETURNING a.id, a.posted - s.v AS posted, a.version - s.n AS version, a.floor_zero, a.normal, a.code),
  entry AS (
    SELECT l.of, l.account, l.v, row_number() OVER (PARTITION BY l.of ORDER BY l.account) - 1 AS n,
      m.version + row_number() OVER chain AS version, (m.posted + sum(l.v) OVER chain)::bigint AS balance,
      m.floor_zero, m.normal, m.code
    FROM line l LEFT JOIN moved m ON m.id = l.account WINDOW chain AS (PARTITION BY l.account ORDER BY l.of)),
  kept AS (
    INSERT INTO ledger_entry (tx_id, line, account_id, currency, amount, account_version, balance_after)
      SELECT p_ids[e.of], e.n, e.account, p_currency, e.v, e.version, e.balance FROM entry e ORDER BY e.of, e.n)
  SELECT min(e.code) INTO v_code FROM entry e WHERE e.floor_zero AND e.normal * e.balance < 0;
  -- The table holds the last balance to its floor; those between two of these transactions are held to it here.
  IF v_code IS NOT NULL THEN
    RAISE EXCEPTION 'ledger account % falls below its floor', v_code
      USING ERRCODE = 'check_violation', TABLE = 'ledger_account', CONSTRAINT = 'ledger_account_floor';
  END IF;
  RETURN cardinality(fresh); END$$;
