-- The desk and the books: how operators come in, what they did, and what they sign. Runs right after 0004_settlement.sql.

-- ---- operators: sessions, passkeys, the audit log

ALTER TABLE api_key ADD COLUMN proven_at timestamptz;  -- an operator's session: when who sits there was last proven
CREATE TABLE operator_passkey (
  credential bytea PRIMARY KEY,
  operator_id uuid NOT NULL REFERENCES operator,
  public_key bytea NOT NULL, sign_count bigint NOT NULL CHECK (sign_count >= 0),
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT market_now(), used_at timestamptz, removed_at timestamptz);
CREATE INDEX operator_passkey_operator ON operator_passkey (operator_id) WHERE removed_at IS NULL;
CREATE TABLE passkey_challenge (                -- good once, for some minutes
  id uuid PRIMARY KEY,
  challenge bytea NOT NULL UNIQUE,
  purpose text NOT NULL CHECK (purpose IN ('enrol', 'sign_in', 'prove')),
  operator_id uuid REFERENCES operator,
  network text NOT NULL DEFAULT '',             -- sign_in: who asked, since anybody may
  created_at timestamptz NOT NULL DEFAULT now(), used_at timestamptz);
CREATE INDEX passkey_challenge_created ON passkey_challenge (created_at);
CREATE INDEX passkey_challenge_network ON passkey_challenge (network, created_at) WHERE purpose = 'sign_in' AND used_at IS NULL;

-- What operators did and looked at. Each row holds the hash of the one before: nothing can be taken out or put in.
CREATE TABLE audit_log (
  seq bigint PRIMARY KEY CHECK (seq > 0),
  at timestamptz NOT NULL,
  actor text NOT NULL, action text NOT NULL,
  subject text NOT NULL DEFAULT '',             -- a public id
  data jsonb NOT NULL DEFAULT '{}',
  request_id text NOT NULL DEFAULT '',
  previous bytea NOT NULL CHECK (length(previous) = 32),
  hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32));
CREATE INDEX audit_log_subject ON audit_log (subject, seq);
CREATE TRIGGER audit_log_keep BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER audit_log_whole BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE FUNCTION audit_hash(seq bigint, at timestamptz, actor text, action text, subject text, data jsonb, request_id text,
    previous bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
  -- The parts as a JSON array: no text can pretend to be two.
  SELECT sha256(previous || convert_to(jsonb_build_array(seq, (extract(epoch FROM at) * 1000000)::bigint, actor, action,
    subject, data, request_id)::text, 'UTF8')) $$;
-- One writer at a time until its transaction ends: call it last. The lock is that of the newest link.
CREATE FUNCTION audit_append(p_actor text, p_action text, p_subject text, p_data jsonb, p_request_id text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE last record; v_seq bigint; v_previous bytea; v_at timestamptz := date_trunc('milliseconds', market_now());
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('audit_log', 0));
  SELECT seq, hash INTO last FROM audit_log ORDER BY seq DESC LIMIT 1;
  v_seq := coalesce(last.seq, 0) + 1;
  v_previous := coalesce(last.hash, sha256('sensorium'));
  INSERT INTO audit_log (seq, at, actor, action, subject, data, request_id, previous, hash)
    VALUES (v_seq, v_at, p_actor, p_action, p_subject, p_data, p_request_id, v_previous,
      audit_hash(v_seq, v_at, p_actor, p_action, p_subject, p_data, p_request_id, v_previous));
  RETURN v_seq; END$$;

-- ---- the daily close: what an operator signs

CREATE TABLE daily_close (
  day date PRIMARY KEY,                         -- UTC; days are closed in order
  content jsonb NOT NULL,                       -- trial balance, Stripe's balance, open matters, the audit log's head
  previous bytea NOT NULL CHECK (length(previous) = 32),
  hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
  signature bytea NOT NULL CHECK (length(signature) = 64),   -- Ed25519 over the hash
  public_key bytea NOT NULL CHECK (length(public_key) = 32),
  closed_by uuid NOT NULL REFERENCES operator,
  closed_at timestamptz NOT NULL DEFAULT market_now());
CREATE TRIGGER daily_close_keep BEFORE UPDATE OR DELETE ON daily_close FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER daily_close_whole BEFORE TRUNCATE ON daily_close FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE UNIQUE INDEX daily_close_chain ON daily_close (previous);   -- a chain, no tree
CREATE FUNCTION close_hash(day date, content jsonb, closed_by uuid, closed_at timestamptz, previous bytea)
RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
  SELECT sha256(previous || convert_to(jsonb_build_array(day - date '2000-01-01', content, closed_by,
    (extract(epoch FROM closed_at) * 1000000)::bigint)::text, 'UTF8')) $$;
-- Nothing is posted into a day that has been closed. Whoever began before its end and posts after its close tries again.
CREATE FUNCTION ledger_tx_in_open_day() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE last date := (SELECT max(day) FROM daily_close);
BEGIN
  IF NEW.effective_at < (last + 1)::timestamp AT TIME ZONE 'UTC' THEN
    RAISE EXCEPTION 'the day % is closed', last USING ERRCODE = 'LG007';
  END IF;
  RETURN NEW; END$$;
CREATE TRIGGER ledger_tx_open_day BEFORE INSERT ON ledger_tx FOR EACH ROW EXECUTE FUNCTION ledger_tx_in_open_day();
CREATE INDEX ledger_tx_effective ON ledger_tx (effective_at, id);

-- ---- the chart of accounts: the platform's own bank (payouts of Stripe's to us) and capital (top-ups of ours to Stripe)

CREATE OR REPLACE FUNCTION ledger_open(p_code text, p_currency text) RETURNS bigint LANGUAGE plpgsql AS $$
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
    WHEN p_code = 'platform:bank' THEN v_class := 'asset'; v_normal := 1; v_tracked := false;
    WHEN p_code = 'platform:capital' THEN v_class := 'equity'; v_normal := -1; v_tracked := false;
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
