-- Settlement that an operator can sign for. Times of the technical kind (leases, retries) are now(), all else market_now().

-- ---- outbox: more kinds, a history that cannot be forgotten, terminal states that stay

ALTER TABLE stripe_op DROP CONSTRAINT stripe_op_kind_check;
ALTER TABLE stripe_op ADD CONSTRAINT stripe_op_kind_check CHECK (kind IN
  ('customer', 'charge', 'checkout', 'recipient', 'transfer', 'refund', 'dispute_answer', 'dispute_close'));
ALTER TABLE stripe_op ADD COLUMN moved_by text NOT NULL DEFAULT 'worker';   -- who moved it last: worker, stripe, operator:<id>

CREATE TABLE stripe_op_log (                    -- each move of an operation: what was sent under which key, and what came of it
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  op_id uuid NOT NULL REFERENCES stripe_op,
  status stripe_op_status NOT NULL, try int NOT NULL,
  key text NOT NULL,                            -- at Stripe: the same text is the same key
  detail text NOT NULL, moved_by text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX stripe_op_log_op ON stripe_op_log (op_id, seq);
CREATE TRIGGER stripe_op_log_keep BEFORE UPDATE OR DELETE ON stripe_op_log
  FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER stripe_op_log_whole BEFORE TRUNCATE ON stripe_op_log
  FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE FUNCTION stripe_op_moved() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF OLD.status IN ('succeeded', 'rejected') AND NEW.status <> OLD.status THEN
      RAISE EXCEPTION 'operation % has ended as % and stays so', OLD.id, OLD.status USING ERRCODE = 'ST001';
    END IF;
    IF (OLD.status, OLD.tries, OLD.due_at, OLD.message) IS NOT DISTINCT FROM (NEW.status, NEW.tries, NEW.due_at, NEW.message)
    THEN RETURN NULL; END IF;
  END IF;
  INSERT INTO stripe_op_log (op_id, status, try, key, detail, moved_by)
    VALUES (NEW.id, NEW.status, NEW.tries, NEW.kind || ':' || NEW.subject_id || ':' || NEW.attempt,
      CASE NEW.status WHEN 'succeeded' THEN NEW.object_id WHEN 'planned' THEN coalesce(NEW.message, '')
        WHEN 'sending' THEN '' ELSE concat_ws(': ', NEW.code, NEW.message) END, NEW.moved_by);
  RETURN NULL; END$$;
CREATE TRIGGER stripe_op_moves AFTER INSERT OR UPDATE ON stripe_op FOR EACH ROW EXECUTE FUNCTION stripe_op_moved();

-- ---- kill switches: an operation of a stopped kind is not sent, and no run begins

CREATE TABLE money_switch (
  name text PRIMARY KEY CHECK (name IN ('payouts', 'refunds', 'top_ups')),
  stopped boolean NOT NULL DEFAULT false,
  reason text NOT NULL DEFAULT '', operator_id uuid REFERENCES operator,
  changed_at timestamptz,
  CHECK (NOT stopped OR (reason <> '' AND operator_id IS NOT NULL)));
INSERT INTO money_switch (name) VALUES ('payouts'), ('refunds'), ('top_ups');
CREATE FUNCTION money_stopped(op_kind text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT stopped FROM money_switch WHERE name =
    CASE op_kind WHEN 'transfer' THEN 'payouts' WHEN 'refund' THEN 'refunds' WHEN 'charge' THEN 'top_ups'
      WHEN 'checkout' THEN 'top_ups' ELSE op_kind END), false) $$;

-- ---- inbox: whose event, by which way it came, what went wrong with it

ALTER TABLE stripe_event
  ADD COLUMN account text NOT NULL DEFAULT '',  -- the connected account it is about, '' for the platform's own
  ADD COLUMN source text NOT NULL DEFAULT 'webhook' CHECK (source IN ('webhook', 'list')),
  ADD COLUMN tries int NOT NULL DEFAULT 0, ADD COLUMN failure text NOT NULL DEFAULT '',
  ADD COLUMN due_at timestamptz NOT NULL DEFAULT now();
CREATE TABLE stripe_cursor (                    -- how far Stripe's own lists have been read
  name text PRIMARY KEY CHECK (name IN ('events', 'notices', 'balance')),
  read_to timestamptz NOT NULL,                 -- everything created before this has been seen
  last_id text NOT NULL DEFAULT '', looked_at timestamptz NOT NULL DEFAULT now());

-- ---- the mirror of Stripe's balance: every line there, matched or not

ALTER TABLE stripe_balance_txn ALTER COLUMN ledger_key DROP NOT NULL;   -- NULL: nothing of ours stands for it yet
ALTER TABLE stripe_balance_txn
  ADD COLUMN suspense_key text UNIQUE REFERENCES ledger_tx (idem_key),  -- it was put into suspense by this posting
  ADD COLUMN description text NOT NULL DEFAULT '', ADD COLUMN category text NOT NULL DEFAULT '',
  ADD COLUMN seen_at timestamptz NOT NULL DEFAULT market_now(),
  ADD COLUMN closed_day date;                   -- the daily close that counts it; one that comes late is in a later one
CREATE INDEX stripe_balance_txn_new ON stripe_balance_txn (created_at) WHERE closed_day IS NULL;
CREATE INDEX stripe_balance_txn_open ON stripe_balance_txn (seen_at) WHERE ledger_key IS NULL;
CREATE INDEX stripe_balance_txn_created ON stripe_balance_txn (created_at);

-- ---- buyers: cards, automatic top-ups, caps, holds

ALTER TABLE account ADD COLUMN max_per_day bigint CHECK (max_per_day > 0);   -- over all keys, UTC
CREATE TABLE account_spend (
  account_id uuid NOT NULL REFERENCES account, day date NOT NULL,
  spent bigint NOT NULL CHECK (spent >= 0),
  PRIMARY KEY (account_id, day));
CREATE TABLE account_hold (                     -- an account posts no tasks and is refunded nothing for now
  account_id uuid PRIMARY KEY REFERENCES account,
  reason text NOT NULL CHECK (reason <> ''), operator_id uuid NOT NULL REFERENCES operator,
  created_at timestamptz NOT NULL DEFAULT market_now(), expires_at timestamptz);

CREATE TABLE saved_card (
  stripe_id text PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES account,
  brand text NOT NULL, last4 text NOT NULL CHECK (last4 ~ '^[0-9]{4}$'),
  exp_month smallint NOT NULL, exp_year smallint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT market_now(), removed_at timestamptz);
CREATE INDEX saved_card_account ON saved_card (account_id) WHERE removed_at IS NULL;
CREATE TABLE auto_top_up (
  account_id uuid PRIMARY KEY REFERENCES account,
  card text NOT NULL REFERENCES saved_card,
  threshold bigint NOT NULL CHECK (threshold >= 0),  -- below it `amount` is charged
  amount bigint NOT NULL CHECK (amount > 0),
  max_per_day bigint NOT NULL,                       -- UTC; counted when asked for, whether it arrives or not
  paused_for text,                                   -- why it stopped by itself: the card's answer
  updated_at timestamptz NOT NULL DEFAULT market_now(),
  CHECK (max_per_day >= amount));
ALTER TABLE funding
  ADD COLUMN cause text NOT NULL DEFAULT 'asked' CHECK (cause IN ('asked', 'auto')),
  ADD COLUMN processing_at timestamptz,         -- pending, and the buyer has paid: the bank takes days
  ADD COLUMN charge_id text UNIQUE,
  ADD COLUMN paid_with text NOT NULL DEFAULT '',  -- for the receipt: visa 4242
  ADD COLUMN refunded bigint NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount),  -- set aside or gone back
  ADD COLUMN refunded_elsewhere bigint NOT NULL DEFAULT 0 CHECK (refunded_elsewhere BETWEEN 0 AND amount),
  ADD COLUMN disputed bigint NOT NULL DEFAULT 0 CHECK (disputed BETWEEN 0 AND amount);
CREATE UNIQUE INDEX funding_auto_one ON funding (account_id) WHERE cause = 'auto' AND status = 'pending';
CREATE INDEX funding_auto_day ON funding (account_id, created_at) WHERE cause = 'auto';
CREATE FUNCTION funding_stays() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  RAISE EXCEPTION 'funding % has succeeded and stays so', OLD.id USING ERRCODE = 'ST001'; END$$;
CREATE TRIGGER funding_terminal BEFORE UPDATE OF status ON funding FOR EACH ROW
  WHEN (OLD.status = 'succeeded' AND NEW.status <> 'succeeded') EXECUTE FUNCTION funding_stays();

CREATE TABLE refund (                           -- unused balance back to where it came from
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES account, funding_id uuid NOT NULL REFERENCES funding,
  amount bigint NOT NULL CHECK (amount > 0), currency text NOT NULL REFERENCES currency,
  status text NOT NULL DEFAULT 'pending' CHECK (status IN
    ('pending',     -- -> succeeded | failed; the money is set aside in refund:<id>
     'succeeded',   -- -> failed: a bank may send it back days later
     'failed')),    -- the money is the buyer's balance again
  stripe_id text UNIQUE,
  returned boolean NOT NULL DEFAULT false,      -- it failed after it had succeeded
  reason text NOT NULL DEFAULT '', failure text,
  asked_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT market_now(), settled_at timestamptz,
  CHECK ((status = 'pending') = (settled_at IS NULL)),
  CHECK (status <> 'succeeded' OR stripe_id IS NOT NULL),
  CHECK ((status = 'failed') = (failure IS NOT NULL)),
  CHECK (NOT returned OR status = 'failed'));
CREATE INDEX refund_account ON refund (account_id, id);
CREATE INDEX refund_funding ON refund (funding_id);

-- ---- disputes

CREATE TABLE dispute (
  id uuid PRIMARY KEY,
  stripe_id text NOT NULL UNIQUE, charge_id text NOT NULL,
  account_id uuid NOT NULL REFERENCES account, funding_id uuid NOT NULL REFERENCES funding,
  amount bigint NOT NULL CHECK (amount > 0), currency text NOT NULL REFERENCES currency,
  reason text NOT NULL,
  status text NOT NULL CHECK (status IN
    ('warning_needs_response', 'warning_under_review',  -- an inquiry: no money has moved; -> needs_response | warning_closed
     'needs_response',                                  -- -> under_review | won | lost
     'under_review',                                    -- answered; -> won | lost
     'warning_closed', 'won', 'lost')),
  withdrawn bigint NOT NULL DEFAULT 0 CHECK (withdrawn >= 0),  -- what Stripe has taken and not given back, without fees
  fees bigint NOT NULL DEFAULT 0 CHECK (fees >= 0),
  frozen bigint NOT NULL DEFAULT 0 CHECK (frozen >= 0),        -- of the buyer's balance, in buyer:<id>:held
  covered bigint NOT NULL DEFAULT 0 CHECK (covered >= 0),      -- lost: taken from what was frozen
  written_off bigint NOT NULL DEFAULT 0 CHECK (written_off >= 0),  -- lost: the platform's loss
  evidence_due_at timestamptz,
  evidence jsonb, answered_by uuid REFERENCES operator, answered_at timestamptz,
  opened_at timestamptz NOT NULL DEFAULT market_now(), closed_at timestamptz,
  CHECK ((status IN ('warning_closed', 'won', 'lost')) = (closed_at IS NOT NULL)),
  CHECK (closed_at IS NULL OR frozen = 0),
  CHECK ((answered_by IS NULL) = (answered_at IS NULL)));
CREATE INDEX dispute_account ON dispute (account_id, id);
CREATE INDEX dispute_open ON dispute (opened_at) WHERE closed_at IS NULL;
CREATE FUNCTION dispute_stays() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  RAISE EXCEPTION 'dispute % has ended as % and stays so', OLD.id, OLD.status USING ERRCODE = 'ST001'; END$$;
CREATE TRIGGER dispute_terminal BEFORE UPDATE OF status ON dispute FOR EACH ROW
  WHEN (OLD.closed_at IS NOT NULL AND NEW.status <> OLD.status) EXECUTE FUNCTION dispute_stays();

CREATE TABLE fraud_warning (                    -- an issuer says early that a charge was fraud; a chargeback may follow
  id uuid PRIMARY KEY,
  stripe_id text NOT NULL UNIQUE, charge_id text NOT NULL,
  account_id uuid NOT NULL REFERENCES account, funding_id uuid NOT NULL REFERENCES funding,
  kind text NOT NULL, actionable boolean NOT NULL,
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'refunded', 'dismissed', 'disputed')),
  frozen bigint NOT NULL DEFAULT 0 CHECK (frozen >= 0),
  handled_by uuid REFERENCES operator,
  created_at timestamptz NOT NULL DEFAULT market_now(), handled_at timestamptz,
  CHECK ((status = 'open') = (handled_at IS NULL)),
  CHECK (status = 'open' OR frozen = 0));
CREATE INDEX fraud_warning_open ON fraud_warning (created_at) WHERE status = 'open';

-- ---- four eyes for what no run covers: one operator asks, another decides

CREATE TABLE money_decision (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN
    ('clawback',    -- subject: submission; its pay is taken back, from later earnings where it has been paid out
     'write_off',   -- subject: person; what they owe is the platform's loss
     'suspense')),  -- txn: a line of Stripe's balance gets its account in the books
  subject_id uuid, txn_id text REFERENCES stripe_balance_txn,
  target text,                                  -- suspense: the ledger account
  amount bigint NOT NULL CHECK (amount <> 0), currency text NOT NULL REFERENCES currency,
  reason text NOT NULL CHECK (reason <> ''),
  status text NOT NULL DEFAULT 'asked' CHECK (status IN ('asked', 'approved', 'refused', 'withdrawn')),
  asked_by uuid NOT NULL REFERENCES operator, decided_by uuid REFERENCES operator,
  created_at timestamptz NOT NULL DEFAULT market_now(), decided_at timestamptz,
  CHECK ((status = 'asked') = (decided_at IS NULL)),
  CHECK ((status IN ('approved', 'refused')) = (decided_by IS NOT NULL)),
  CHECK ((kind = 'suspense') = (txn_id IS NOT NULL) AND (txn_id IS NULL) = (subject_id IS NOT NULL)
    AND (kind = 'suspense') = (target IS NOT NULL)),
  CONSTRAINT asker_is_not_decider CHECK (decided_by <> asked_by));
CREATE UNIQUE INDEX money_decision_one ON money_decision (kind, coalesce(subject_id::text, txn_id)) WHERE status = 'asked';
CREATE INDEX money_decision_open ON money_decision (created_at) WHERE status = 'asked';
CREATE FUNCTION decision_stays() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  RAISE EXCEPTION 'what was asked for stays as it was asked, and what was decided as it was decided'
    USING ERRCODE = 'ST001'; END$$;
CREATE TRIGGER money_decision_fixed BEFORE UPDATE ON money_decision FOR EACH ROW
  WHEN (OLD.status <> 'asked' OR (OLD.kind, OLD.subject_id, OLD.txn_id, OLD.target, OLD.amount, OLD.currency, OLD.asked_by)
    IS DISTINCT FROM (NEW.kind, NEW.subject_id, NEW.txn_id, NEW.target, NEW.amount, NEW.currency, NEW.asked_by))
  EXECUTE FUNCTION decision_stays();

-- ---- people's payouts

ALTER TABLE currency ADD COLUMN minimum_payout bigint NOT NULL DEFAULT 100 CHECK (minimum_payout > 0);
UPDATE currency SET minimum_payout = CASE code WHEN 'jpy' THEN 100 WHEN 'sek' THEN 1000 WHEN 'huf' THEN 40000
  WHEN 'twd' THEN 3000 WHEN 'isk' THEN 15000 WHEN 'ugx' THEN 500000 ELSE 100 END;
ALTER TABLE currency ADD CONSTRAINT currency_minimum CHECK (minimum_payout % payout_multiple = 0);

ALTER TABLE payout_account
  ADD COLUMN country text NOT NULL DEFAULT '',
  ADD COLUMN lost_at timestamptz,               -- it was active once and is not now
  ADD COLUMN due_at timestamptz;                -- Stripe's next deadline for `requirements`
CREATE TABLE bank_payout (                      -- from a person's Stripe account to their bank: no money of ours any more
  stripe_id text PRIMARY KEY,
  person_id uuid NOT NULL REFERENCES person,
  amount bigint NOT NULL, currency text NOT NULL,
  status text NOT NULL CHECK (status IN ('pending', 'in_transit', 'paid', 'failed', 'canceled')),
  failure text, arrives_at timestamptz, created_at timestamptz NOT NULL, changed_at timestamptz NOT NULL DEFAULT market_now());
CREATE INDEX bank_payout_person ON bank_payout (person_id, created_at);

ALTER TABLE earning ADD COLUMN fee bigint NOT NULL DEFAULT 0 CHECK (fee >= 0),   -- the market's, on top of `amount`
  ADD COLUMN payout_id uuid REFERENCES payout,  -- the line that takes it out, or took it
  ADD COLUMN clawed_back_at timestamptz,
  ADD CONSTRAINT earning_paid_after_release CHECK (payout_id IS NULL OR released_at IS NOT NULL);
UPDATE earning e SET fee = t.fee FROM submission s JOIN task t ON t.id = s.task_id WHERE s.id = e.submission_id;
CREATE INDEX earning_unpaid ON earning (currency, person_id) INCLUDE (amount, fee, released_at)
  WHERE payout_id IS NULL AND released_at IS NOT NULL AND clawed_back_at IS NULL;
CREATE INDEX earning_payout ON earning (payout_id) WHERE payout_id IS NOT NULL;
CREATE INDEX ledger_account_receivable ON ledger_account (currency, id) WHERE code LIKE 'person:%:receivable';

-- ---- settlement runs: caps, roll-over, approvals that expire, moves that the database allows

ALTER TABLE payout_run
  ADD COLUMN most_per_line bigint CHECK (most_per_line > 0), ADD COLUMN most_in_all bigint CHECK (most_in_all > 0),
  ADD COLUMN note text NOT NULL DEFAULT '',
  ADD COLUMN reopened boolean NOT NULL DEFAULT false;  -- it was fixed once and is not as it was: who approves says what they saw
ALTER TABLE payout
  ADD COLUMN earned bigint NOT NULL DEFAULT 0,  -- lines of earnings released and unpaid when the run was drafted
  ADD COLUMN fee bigint NOT NULL DEFAULT 0,     -- the market's on those
  ADD COLUMN items int NOT NULL DEFAULT 0,
  ADD COLUMN rolled_over bigint NOT NULL DEFAULT 0 CHECK (rolled_over >= 0),  -- payable, and left for the next run
  ADD COLUMN reversed bigint NOT NULL DEFAULT 0 CHECK (reversed BETWEEN 0 AND amount),  -- paid, and come back
  ADD CONSTRAINT payout_reversed CHECK (reversed = 0 OR status = 'paid');
CREATE INDEX payout_transfer ON payout (transfer_id) WHERE transfer_id IS NOT NULL;
ALTER TABLE payout_exclusion DROP CONSTRAINT payout_exclusion_reason_check;
ALTER TABLE payout_exclusion ADD CONSTRAINT payout_exclusion_reason_check CHECK (reason IN
  ('held', 'no_payout_account', 'capability_inactive', 'in_another_run', 'below_minimum', 'over_run_cap', 'excluded',
   'owes'));
ALTER TABLE payout_exclusion ADD COLUMN note text NOT NULL DEFAULT '';
ALTER TABLE payout_approval ADD COLUMN expires_at timestamptz NOT NULL DEFAULT market_now() + interval '3 days',
  ADD CONSTRAINT payout_approval_lasts CHECK (expires_at > created_at AND expires_at <= created_at + interval '7 days');

-- SHA-256 over a run's lines in order: id, person, amount, currency, destination.
CREATE FUNCTION payout_lines_hash(run uuid) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(convert_to(run::text || coalesce(string_agg(
    concat_ws(' ', id, person_id, amount, currency, destination), E'\n' ORDER BY id), ''), 'UTF8'))
  FROM payout WHERE run_id = run $$;

CREATE FUNCTION payout_run_moves() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  IF (OLD.status, NEW.status) NOT IN (('draft', 'frozen'), ('frozen', 'submitted'), ('submitted', 'approved'),
      ('approved', 'executing'), ('partial', 'executing'), ('executing', 'partial'), ('executing', 'done'),
      ('frozen', 'draft'), ('submitted', 'draft'), ('approved', 'draft')) THEN
    RAISE EXCEPTION 'a payout run does not go from % to %', OLD.status, NEW.status USING ERRCODE = 'PR002';
  END IF;
  IF NEW.status IN ('frozen', 'approved', 'executing') AND payout_lines_hash(NEW.id) IS DISTINCT FROM NEW.lines_hash THEN
    RAISE EXCEPTION 'the lines of payout run % are not those of its hash', NEW.id USING ERRCODE = 'PR003';
  END IF;
  IF NEW.status = 'executing' THEN
    IF money_stopped('transfer') THEN
      RAISE EXCEPTION 'payouts are stopped' USING ERRCODE = 'PR004';
    END IF;
    IF NOT EXISTS (SELECT FROM payout_approval a WHERE a.run_id = NEW.id AND a.approved_by = NEW.approved_by
        AND a.lines_hash = NEW.lines_hash AND a.expires_at > market_now()) THEN
      RAISE EXCEPTION 'the approval of payout run % has expired', NEW.id USING ERRCODE = 'PR005';
    END IF;
    IF EXISTS (SELECT FROM operator WHERE id = NEW.approved_by AND disabled_at IS NOT NULL) THEN
      RAISE EXCEPTION 'who approved payout run % is disabled', NEW.id USING ERRCODE = 'PR006';
    END IF;
  END IF;
  IF NEW.status = 'draft' THEN
    NEW.reopened := true;
  END IF;
  RETURN NEW; END$$;
CREATE TRIGGER payout_run_guard BEFORE UPDATE OF status ON payout_run FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION payout_run_moves();

-- Who made a run stays its maker; what it is bound to changes with its status only, and what it asks for in a draft only.
CREATE FUNCTION payout_run_fixed() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'draft' THEN
      RAISE EXCEPTION 'a payout run begins as a draft' USING ERRCODE = 'PR002';
    END IF;
    RETURN NEW;
  END IF;
  IF (OLD.id, OLD.currency, OLD.made_by, OLD.created_at)
      IS DISTINCT FROM (NEW.id, NEW.currency, NEW.made_by, NEW.created_at)
    OR OLD.status <> 'draft' AND (OLD.minimum, OLD.most_per_line, OLD.most_in_all, OLD.note)
      IS DISTINCT FROM (NEW.minimum, NEW.most_per_line, NEW.most_in_all, NEW.note)
    OR (OLD.status = 'draft') = (NEW.status = 'draft') AND OLD.lines_hash IS DISTINCT FROM NEW.lines_hash
    OR (OLD.status = NEW.status OR NEW.status NOT IN ('draft', 'submitted'))
      AND (OLD.submitted_by, OLD.submitted_at) IS DISTINCT FROM (NEW.submitted_by, NEW.submitted_at)
    OR OLD.reopened AND NOT NEW.reopened
  THEN
    RAISE EXCEPTION 'payout run % is fixed once it is frozen', OLD.id USING ERRCODE = 'PR001';
  END IF;
  RETURN NEW; END$$;
CREATE TRIGGER payout_run_as_frozen BEFORE INSERT OR UPDATE ON payout_run
  FOR EACH ROW EXECUTE FUNCTION payout_run_fixed();
CREATE FUNCTION payout_approval_stays() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  RAISE EXCEPTION 'an approval stays as it was given; another one takes its place' USING ERRCODE = 'PR001'; END$$;
CREATE TRIGGER payout_approval_keep BEFORE UPDATE ON payout_approval
  FOR EACH ROW EXECUTE FUNCTION payout_approval_stays();

-- As before, and what the approver saw of a line's making is fixed with it.
CREATE OR REPLACE FUNCTION payout_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE state payout_run_status;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (OLD.id, OLD.run_id, OLD.person_id, OLD.amount, OLD.currency, OLD.destination, OLD.earned, OLD.fee, OLD.items,
        OLD.rolled_over)
      IS NOT DISTINCT FROM (NEW.id, NEW.run_id, NEW.person_id, NEW.amount, NEW.currency, NEW.destination, NEW.earned,
        NEW.fee, NEW.items, NEW.rolled_over)
    THEN RETURN NEW; END IF;
  END IF;
  SELECT status INTO state FROM payout_run
    WHERE id = CASE TG_OP WHEN 'INSERT' THEN NEW.run_id ELSE OLD.run_id END;
  IF state <> 'draft' THEN
    RAISE EXCEPTION 'the lines of a payout run are fixed once it is frozen' USING ERRCODE = 'PR001';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END; END$$;
