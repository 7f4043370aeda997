-- The yardstick of bench_lifecycle.py: a market reduced to its bare statements, with 50,000 finished tasks of history.
-- It is frozen: our own schema may change, what it is measured against may not.

-- Double-entry core. amount: signed minor units, debit > 0, credit < 0.
CREATE TABLE currency (code char(3) PRIMARY KEY, exponent smallint NOT NULL CHECK (exponent BETWEEN 0 AND 4), payout_multiple int NOT NULL DEFAULT 1);
CREATE TABLE ledger_account (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  code text NOT NULL,                         -- 'buyer:<id>:available', 'task:<id>:escrow', ...
  class text NOT NULL CHECK (class IN ('asset','liability','income','expense','equity')),
  normal smallint NOT NULL CHECK (normal IN (1,-1)),   -- +1 debit-normal, -1 credit-normal
  currency char(3) NOT NULL REFERENCES currency,
  floor_zero boolean NOT NULL,                -- natural balance may not go below 0
  tracked boolean NOT NULL,                   -- false = hot platform account: no cached balance, no row lock
  posted bigint NOT NULL DEFAULT 0,           -- signed sum of entries (tracked only)
  version bigint NOT NULL DEFAULT 0,
  closed_at timestamptz,
  UNIQUE (code, currency), UNIQUE (id, currency),
  CHECK (NOT floor_zero OR tracked),
  CHECK (NOT floor_zero OR normal * posted >= 0),
  CHECK (closed_at IS NULL OR posted = 0));
CREATE TABLE ledger_tx (
  id uuid PRIMARY KEY, kind text NOT NULL,
  idem_key text NOT NULL UNIQUE, body_hash bytea NOT NULL,
  reverses uuid UNIQUE REFERENCES ledger_tx,  -- one full reversal at most
  subject_type text, subject_id text, external_ref text, actor text NOT NULL,
  effective_at timestamptz NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(), meta jsonb NOT NULL DEFAULT '{}');
CREATE TABLE ledger_entry (
  tx_id uuid NOT NULL REFERENCES ledger_tx, line smallint NOT NULL,
  account_id bigint NOT NULL, currency char(3) NOT NULL,
  amount bigint NOT NULL CHECK (amount <> 0),
  account_version bigint, balance_after bigint,        -- tracked accounts: gapless per-account chain
  PRIMARY KEY (tx_id, line), UNIQUE (account_id, account_version),
  FOREIGN KEY (account_id, currency) REFERENCES ledger_account (id, currency));
CREATE INDEX ON ledger_entry (account_id, tx_id);

CREATE FUNCTION ledger_immutable() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'ledger is append-only' USING ERRCODE='LG001'; END$$;
CREATE TRIGGER t1 BEFORE UPDATE OR DELETE ON ledger_tx FOR EACH ROW EXECUTE FUNCTION ledger_immutable();
CREATE TRIGGER t2 BEFORE UPDATE OR DELETE ON ledger_entry FOR EACH ROW EXECUTE FUNCTION ledger_immutable();
CREATE TRIGGER t3 BEFORE TRUNCATE ON ledger_tx FOR EACH STATEMENT EXECUTE FUNCTION ledger_immutable();
CREATE TRIGGER t4 BEFORE TRUNCATE ON ledger_entry FOR EACH STATEMENT EXECUTE FUNCTION ledger_immutable();

CREATE FUNCTION ledger_entry_same_xact() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  IF (SELECT xid FROM ledger_tx WHERE id = NEW.tx_id) IS DISTINCT FROM pg_current_xact_id()
  THEN RAISE EXCEPTION 'entries may only be added in the creating transaction' USING ERRCODE='LG002'; END IF;
  RETURN NEW; END$$;
CREATE TRIGGER t5 BEFORE INSERT ON ledger_entry FOR EACH ROW EXECUTE FUNCTION ledger_entry_same_xact();

CREATE FUNCTION ledger_tx_balanced() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  IF (SELECT count(*) FROM ledger_entry WHERE tx_id = NEW.id) < 2
     OR EXISTS (SELECT 1 FROM ledger_entry WHERE tx_id = NEW.id GROUP BY currency HAVING sum(amount) <> 0)
  THEN RAISE EXCEPTION 'ledger_tx % does not balance per currency', NEW.id USING ERRCODE='LG003'; END IF;
  RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER t6 AFTER INSERT ON ledger_tx DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_tx_balanced();

-- entries: [{"a":<account_id>,"v":<signed amount>},...]; returns true if new, false if an identical replay
CREATE FUNCTION ledger_post(p_id uuid, p_kind text, p_key text, p_actor text, p_entries jsonb,
    p_effective timestamptz DEFAULT now(), p_meta jsonb DEFAULT '{}', p_reverses uuid DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE h bytea := sha256(convert_to(p_kind || p_entries::text || coalesce(p_reverses::text,''),'UTF8')); r record; bal bigint; ver bigint; n smallint := 0;
BEGIN
  INSERT INTO ledger_tx (id,kind,idem_key,body_hash,reverses,actor,effective_at,meta)
  VALUES (p_id,p_kind,p_key,h,p_reverses,p_actor,p_effective,p_meta) ON CONFLICT (idem_key) DO NOTHING;
  IF NOT FOUND THEN
    IF (SELECT body_hash FROM ledger_tx WHERE idem_key = p_key) IS DISTINCT FROM h
    THEN RAISE EXCEPTION 'idempotency key % reused with other content', p_key USING ERRCODE='LG004'; END IF;
    RETURN false;
  END IF;
  PERFORM 1 FROM ledger_account WHERE tracked AND id IN (SELECT (e->>'a')::bigint FROM jsonb_array_elements(p_entries) e)
    ORDER BY id FOR NO KEY UPDATE;                       -- one global lock order
  FOR r IN SELECT a.id, a.currency, a.tracked, a.closed_at, sum((e->>'v')::bigint)::bigint v
           FROM jsonb_array_elements(p_entries) e JOIN ledger_account a ON a.id = (e->>'a')::bigint
           GROUP BY a.id HAVING sum((e->>'v')::bigint) <> 0 ORDER BY a.id LOOP
    IF r.closed_at IS NOT NULL THEN RAISE EXCEPTION 'account % is closed', r.id USING ERRCODE='LG005'; END IF;
    bal := NULL; ver := NULL;
    IF r.tracked THEN
      UPDATE ledger_account SET posted = posted + r.v, version = version + 1 WHERE id = r.id RETURNING posted, version INTO bal, ver;
    END IF;
    INSERT INTO ledger_entry VALUES (p_id, n, r.id, r.currency, r.v, ver, bal); n := n + 1;
  END LOOP;
  RETURN true;
END$$;

-- Minimal market tables around the ledger (loaded after ledger.sql).
CREATE TABLE api_key (key_hash bytea PRIMARY KEY, buyer_id bigint NOT NULL, account_id bigint NOT NULL REFERENCES ledger_account, revoked_at timestamptz);
CREATE TABLE person (id bigint PRIMARY KEY, account_id bigint NOT NULL REFERENCES ledger_account);
CREATE TABLE idempotency (buyer_id bigint NOT NULL, key uuid NOT NULL, body_hash bytea NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (buyer_id, key));
CREATE TABLE task (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, buyer_id bigint NOT NULL, price bigint NOT NULL CHECK (price > 0),
  cell bigint NOT NULL, lat double precision NOT NULL, lon double precision NOT NULL,
  slots int NOT NULL DEFAULT 1, slots_taken int NOT NULL DEFAULT 0 CHECK (slots_taken <= slots),
  state text NOT NULL DEFAULT 'open', body jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX task_open_cell ON task (cell) WHERE state = 'open';
CREATE INDEX task_buyer ON task (buyer_id, id);
CREATE TABLE claim (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, task_id bigint NOT NULL REFERENCES task, person_id bigint NOT NULL REFERENCES person,
  state text NOT NULL DEFAULT 'active', expires_at timestamptz NOT NULL, UNIQUE (task_id, person_id));
CREATE TABLE photo (sha256 bytea PRIMARY KEY, claim_id bigint NOT NULL REFERENCES claim, bytes int NOT NULL, mime text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE submission (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, claim_id bigint NOT NULL UNIQUE REFERENCES claim, photo bytea NOT NULL REFERENCES photo,
  state text NOT NULL DEFAULT 'submitted', answer jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE verdict (submission_id bigint PRIMARY KEY REFERENCES submission, score real NOT NULL, pass boolean NOT NULL, reasons jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE event (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL, task_id bigint NOT NULL, actor text NOT NULL, data jsonb NOT NULL DEFAULT '{}', created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX event_task ON event (task_id, id);
CREATE FUNCTION event_immutable() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'event is append-only'; END$$;
CREATE TRIGGER e1 BEFORE UPDATE OR DELETE ON event FOR EACH ROW EXECUTE FUNCTION event_immutable();

-- Seed: USD; cash and fee untracked (hot, no cached balance); 1,000 buyers funded from cash; 1,000 persons.
INSERT INTO currency VALUES ('USD', 2, 1);
INSERT INTO ledger_account (code, class, normal, currency, floor_zero, tracked) VALUES
  ('platform:cash', 'asset', 1, 'USD', false, false), ('platform:fee', 'income', -1, 'USD', false, false);
INSERT INTO ledger_account (code, class, normal, currency, floor_zero, tracked)
  SELECT 'buyer:' || i || ':available', 'liability', -1, 'USD', true, true FROM generate_series(1, 1000) i;
INSERT INTO ledger_account (code, class, normal, currency, floor_zero, tracked)
  SELECT 'person:' || i || ':payable', 'liability', -1, 'USD', true, true FROM generate_series(1, 1000) i;
INSERT INTO api_key SELECT sha256(convert_to('key-' || i, 'UTF8')), i, a.id FROM generate_series(1, 1000) i JOIN ledger_account a ON a.code = 'buyer:' || i || ':available';
INSERT INTO person SELECT i, a.id FROM generate_series(1, 1000) i JOIN ledger_account a ON a.code = 'person:' || i || ':payable';
SELECT ledger_post(uuidv7(), 'deposit', 'seed:' || buyer_id, 'seed',
  jsonb_build_array(jsonb_build_object('a', 1, 'v', 1000000000000), jsonb_build_object('a', account_id, 'v', -1000000000000))) FROM api_key;
-- History of 50,000 finished tasks, so that the planner sees tables of a working size. On near-empty tables it
-- scans ledger_account in ledger_post and claim/task in foreign-key checks, and the figure decays within a run.
INSERT INTO task (buyer_id, price, cell, lat, lon, slots_taken, state, body) SELECT 1 + i % 1000, 500, i, 35.6, 139.7, 1, 'full', '{}' FROM generate_series(1, 50000) i;
INSERT INTO ledger_account (code, class, normal, currency, floor_zero, tracked) SELECT 'task:' || id || ':escrow', 'liability', -1, 'USD', true, true FROM task;
INSERT INTO claim (task_id, person_id, state, expires_at) SELECT id, 1 + id % 1000, 'done', now() FROM task;
INSERT INTO photo SELECT sha256(convert_to('photo-' || id, 'UTF8')), id, 900000, 'image/jpeg' FROM claim;
INSERT INTO submission (claim_id, photo, state, answer) SELECT claim_id, sha256, 'accepted', '{}' FROM photo;
INSERT INTO event (kind, task_id, actor) SELECT 'task.posted', id, 'buyer' FROM task;
ANALYZE;
