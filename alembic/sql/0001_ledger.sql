-- Double entry. An amount is in signed minor units of its currency: debit > 0, credit < 0.

-- The market's clock. Only the sandbox ever moves it, and only forward.
CREATE TABLE market_clock (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  ahead interval NOT NULL DEFAULT '0' CHECK (ahead >= '0'));
INSERT INTO market_clock DEFAULT VALUES;
CREATE FUNCTION market_now() RETURNS timestamptz LANGUAGE sql STABLE AS
  'SELECT now() + (SELECT ahead FROM market_clock)';

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'LG001'; END$$;

CREATE TABLE currency (
  code text PRIMARY KEY CHECK (code ~ '^[a-z]{3}$'),
  exponent smallint NOT NULL CHECK (exponent BETWEEN 0 AND 4),
  payout_multiple int NOT NULL DEFAULT 1 CHECK (payout_multiple > 0));
INSERT INTO currency (code, exponent, payout_multiple) VALUES
  ('usd', 2, 1), ('eur', 2, 1), ('gbp', 2, 1), ('chf', 2, 1), ('sek', 2, 1), ('jpy', 0, 1),
  ('huf', 2, 100), ('twd', 2, 100), ('isk', 2, 100), ('ugx', 2, 100);

CREATE TABLE ledger_account (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  code text NOT NULL,                           -- 'buyer:<id>:available', 'task:<id>:escrow', …
  class text NOT NULL CHECK (class IN ('asset', 'liability', 'income', 'expense', 'equity')),
  normal smallint NOT NULL CHECK (normal IN (1, -1)),   -- +1 debit-normal, -1 credit-normal
  currency text NOT NULL REFERENCES currency,
  floor_zero boolean NOT NULL,                  -- its natural balance may not go below 0
  tracked boolean NOT NULL,                     -- false: hot platform account without cached balance or row lock
  posted bigint NOT NULL DEFAULT 0,             -- signed sum of its entries (tracked only)
  version bigint NOT NULL DEFAULT 0,
  closed_at timestamptz,
  UNIQUE (code, currency),
  UNIQUE (id, currency),
  CHECK (NOT floor_zero OR tracked),
  CONSTRAINT ledger_account_floor CHECK (NOT floor_zero OR normal * posted >= 0),
  CHECK (closed_at IS NULL OR posted = 0));

CREATE TABLE ledger_tx (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  idem_key text NOT NULL UNIQUE,                -- our own: 'accept:<submission id>'
  body_hash bytea NOT NULL,
  reverses uuid UNIQUE REFERENCES ledger_tx,    -- one full reversal at most
  subject_type text, subject_id uuid,
  actor text NOT NULL,
  effective_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  meta jsonb NOT NULL DEFAULT '{}');
CREATE INDEX ledger_tx_subject ON ledger_tx (subject_id) WHERE subject_id IS NOT NULL;

CREATE TABLE ledger_entry (
  tx_id uuid NOT NULL REFERENCES ledger_tx,
  line smallint NOT NULL,
  account_id bigint NOT NULL,
  currency text NOT NULL,
  amount bigint NOT NULL CHECK (amount <> 0),
  account_version bigint, balance_after bigint, -- tracked accounts: a gapless chain for each
  PRIMARY KEY (tx_id, line),
  UNIQUE (account_id, account_version),
  FOREIGN KEY (account_id, currency) REFERENCES ledger_account (id, currency));
CREATE INDEX ledger_entry_account ON ledger_entry (account_id, tx_id);

CREATE TRIGGER ledger_tx_keep BEFORE UPDATE OR DELETE ON ledger_tx FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER ledger_entry_keep BEFORE UPDATE OR DELETE ON ledger_entry FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER ledger_tx_whole BEFORE TRUNCATE ON ledger_tx FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER ledger_entry_whole BEFORE TRUNCATE ON ledger_entry FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE FUNCTION ledger_entry_same_xact() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  IF (SELECT xid FROM ledger_tx WHERE id = NEW.tx_id) IS DISTINCT FROM pg_current_xact_id()
  THEN RAISE EXCEPTION 'entries may only be added by the transaction that made their ledger_tx' USING ERRCODE = 'LG002';
  END IF;
  RETURN NEW; END$$;
CREATE TRIGGER ledger_entry_with_tx BEFORE INSERT ON ledger_entry FOR EACH ROW EXECUTE FUNCTION ledger_entry_same_xact();

CREATE FUNCTION ledger_tx_balanced() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  IF (SELECT count(*) FROM ledger_entry WHERE tx_id = NEW.id) < 2
     OR EXISTS (SELECT 1 FROM ledger_entry WHERE tx_id = NEW.id GROUP BY currency HAVING sum(amount) <> 0)
  THEN RAISE EXCEPTION 'ledger_tx % does not balance per currency', NEW.id USING ERRCODE = 'LG003'; END IF;
  RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER ledger_tx_balance AFTER INSERT ON ledger_tx DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION ledger_tx_balanced();

-- The chart of accounts: what kind of account a code names. The only place where that is decided.
CREATE FUNCTION ledger_open(p_code text, p_currency text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  found bigint; v_class text; v_normal smallint; v_tracked boolean := true;
  own CONSTANT text := '[0-9a-f-]{36}';
BEGIN
  CASE
    WHEN p_code ~ ('^buyer:' || own || ':(available|held)$') OR p_code ~ ('^task:' || own || ':escrow$')
      OR p_code ~ ('^person:' || own || ':(pending|payable|held)$') OR p_code ~ ('^(payout|refund):' || own || '$')
      THEN v_class := 'liability'; v_normal := -1;
    WHEN p_code ~ ('^person:' || own || ':receivable$') OR p_code ~ ('^dispute:' || own || '$')
      THEN v_class := 'asset'; v_normal := 1;
    WHEN p_code = 'stripe:clearing' THEN v_class := 'asset'; v_normal := 1; v_tracked := false;
    WHEN p_code IN ('stripe:fees', 'platform:bonus_expense', 'platform:losses')
      THEN v_class := 'expense'; v_normal := 1; v_tracked := false;
    WHEN p_code = 'platform:fee' THEN v_class := 'income'; v_normal := -1; v_tracked := false;
    WHEN p_code = 'suspense' THEN v_class := 'liability'; v_normal := -1; v_tracked := false;
    ELSE RAISE EXCEPTION 'no such kind of ledger account: %', p_code USING ERRCODE = 'LG006';
  END CASE;
  INSERT INTO ledger_account (code, class, normal, currency, floor_zero, tracked)
    VALUES (p_code, v_class, v_normal, p_currency, v_tracked, v_tracked)
    ON CONFLICT (code, currency) DO NOTHING RETURNING id INTO found;
  IF found IS NULL THEN
    SELECT id INTO found FROM ledger_account WHERE code = p_code AND currency = p_currency;
  END IF;
  RETURN found; END$$;

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
