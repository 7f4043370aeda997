DROP FUNCTION ledger_post;
-- Post one balanced transaction. True: it is new; false: an identical one stands under this key already.
CREATE FUNCTION ledger_post(p_id uuid, p_kind text, p_key text, p_actor text, p_currency text,
    p_codes text[], p_amounts bigint[], p_subject_type text, p_subject uuid, p_meta jsonb, p_reverses uuid)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  h bytea := sha256(convert_to(concat_ws('|', p_kind, p_currency, p_codes::text, p_amounts::text, p_reverses::text), 'UTF8'));
  ids bigint[]; v_code text; r record; bal bigint; ver bigint; n smallint := 0;
BEGIN
  INSERT INTO ledger_tx (id, kind, idem_key, body_hash, reverses, subject_type, subject_id, actor, effective_at, meta)
    VALUES (p_id, p_kind, p_key, h, p_reverses, p_subject_type, p_subject, p_actor, market_now(), p_meta)
    ON CONFLICT (idem_key) DO NOTHING;
  IF NOT FOUND THEN
    IF (SELECT body_hash FROM ledger_tx WHERE idem_key = p_key) IS DISTINCT FROM h
    THEN RAISE EXCEPTION 'ledger key % was used with other content', p_key USING ERRCODE = 'LG004'; END IF;
    RETURN false;
  END IF;
  -- Looked up one by one, so that each is an index scan whatever the planner thinks of the array's length.
  SELECT array_agg((SELECT a.id FROM ledger_account a WHERE a.code = e.c AND a.currency = p_currency) ORDER BY e.n)
    INTO ids FROM unnest(p_codes) WITH ORDINALITY AS e (c, n);
  IF array_position(ids, NULL) IS NOT NULL THEN
    -- Opening waits for whoever opens the same account: hence in one order as well.
    FOR v_code IN SELECT DISTINCT c FROM unnest(p_codes, ids) AS e (c, i) WHERE i IS NULL ORDER BY c LOOP
      PERFORM ledger_open(v_code, p_currency);
    END LOOP;
    SELECT array_agg((SELECT a.id FROM ledger_account a WHERE a.code = e.c AND a.currency = p_currency) ORDER BY e.n)
      INTO ids FROM unnest(p_codes) WITH ORDINALITY AS e (c, n);
  END IF;
  -- One global lock order, by id, so that two postings over the same accounts never wait for each other in a ring.
  PERFORM 1 FROM ledger_account WHERE id = ANY (ids) AND tracked ORDER BY id FOR NO KEY UPDATE;
  FOR r IN SELECT a.id, a.tracked, a.closed_at, a.code, sum(e.v)::bigint AS v
           FROM unnest(ids, p_amounts) AS e (a, v) JOIN ledger_account a ON a.id = e.a
           WHERE a.id = ANY (ids) GROUP BY a.id HAVING sum(e.v) <> 0 ORDER BY a.id LOOP
    IF r.closed_at IS NOT NULL THEN RAISE EXCEPTION 'ledger account % is closed', r.code USING ERRCODE = 'LG005'; END IF;
    bal := NULL; ver := NULL;
    IF r.tracked THEN
      UPDATE ledger_account SET posted = posted + r.v, version = version + 1
        WHERE id = r.id RETURNING posted, version INTO bal, ver;
    END IF;
    INSERT INTO ledger_entry VALUES (p_id, n, r.id, p_currency, r.v, ver, bal);
    n := n + 1;
  END LOOP;
  RETURN true; END$$;
