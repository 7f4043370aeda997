-- Times of the technical kind (leases, retries, the life of a key at Stripe) are now(), never the market's clock, which
-- the sandbox moves.

-- Outbox: what Stripe shall do. One row for each attempt; its key at Stripe is <kind>:<subject>:<attempt>.
CREATE TYPE stripe_op_status AS ENUM (
  'planned',    -- -> sending
  'sending',    -- -> succeeded | rejected | unknown | planned (429: nothing was begun); leased, -> sending when it ends
  'unknown',    -- it may have happened; -> sending, under the same key
  'succeeded',
  'rejected');  -- a definite 4xx: nothing moved; only now may a new attempt be planned
CREATE TABLE stripe_op (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('customer', 'charge', 'checkout', 'recipient', 'transfer')),
  subject_id uuid NOT NULL,                     -- account, funding, funding, person, payout
  attempt int NOT NULL DEFAULT 1 CHECK (attempt > 0),
  params jsonb NOT NULL,                        -- what is sent, the same at every try
  status stripe_op_status NOT NULL DEFAULT 'planned',
  tries int NOT NULL DEFAULT 0,
  due_at timestamptz NOT NULL DEFAULT now(),    -- infinity: waits for an operator
  lease uuid, leased_until timestamptz,         -- whoever lost the lease can settle nothing
  first_sent_at timestamptz,
  object_id text, code text, message text,
  created_at timestamptz NOT NULL DEFAULT now(), settled_at timestamptz,
  UNIQUE (kind, subject_id, attempt),
  CHECK ((status = 'sending') = (lease IS NOT NULL)),
  CHECK ((lease IS NULL) = (leased_until IS NULL)),
  CHECK ((status IN ('succeeded', 'rejected')) = (settled_at IS NOT NULL)),
  CHECK (status <> 'succeeded' OR object_id IS NOT NULL),
  CHECK (status <> 'rejected' OR code IS NOT NULL),
  CHECK (status NOT IN ('sending', 'unknown') OR first_sent_at IS NOT NULL));
-- At most one attempt of a thing is under way: the next one comes after a definite refusal.
CREATE UNIQUE INDEX stripe_op_one ON stripe_op (kind, subject_id) WHERE status <> 'rejected';
CREATE INDEX stripe_op_due ON stripe_op (due_at) WHERE status IN ('planned', 'unknown');
CREATE INDEX stripe_op_leased ON stripe_op (leased_until) WHERE status = 'sending';

-- Inbox: that something happened at Stripe. Its content is fetched again, so order and repetition do not matter.
CREATE TABLE stripe_event (
  id text PRIMARY KEY,
  type text NOT NULL, object_type text NOT NULL, object_id text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  handled_at timestamptz);
CREATE INDEX stripe_event_waiting ON stripe_event (received_at) WHERE handled_at IS NULL;

-- Each line of the platform's balance at Stripe has exactly one transaction in the ledger.
CREATE TABLE stripe_balance_txn (
  id text PRIMARY KEY,
  type text NOT NULL, source text NOT NULL,
  currency text NOT NULL REFERENCES currency,
  amount bigint NOT NULL, fee bigint NOT NULL, net bigint NOT NULL CHECK (net = amount - fee),
  ledger_key text NOT NULL UNIQUE REFERENCES ledger_tx (idem_key),
  created_at timestamptz NOT NULL);

CREATE TABLE customer (                         -- an account at Stripe
  account_id uuid PRIMARY KEY REFERENCES account,
  stripe_id text NOT NULL UNIQUE);

CREATE TYPE funding_status AS ENUM (
  'pending',    -- -> succeeded | failed | expired
  'succeeded',
  'failed',     -- declined; -> succeeded, should the money come after all
  'expired');   -- nobody paid the checkout; -> succeeded likewise
CREATE TABLE funding (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES account,
  amount bigint NOT NULL CHECK (amount > 0), currency text NOT NULL REFERENCES currency,
  method text,                                  -- a saved or test card; NULL: a checkout page
  status funding_status NOT NULL DEFAULT 'pending',
  checkout_id text UNIQUE, checkout_url text,
  intent_id text UNIQUE, fee bigint CHECK (fee >= 0),
  failure text,
  created_at timestamptz NOT NULL DEFAULT market_now(), settled_at timestamptz,
  CHECK ((status = 'pending') = (settled_at IS NULL)),
  CHECK ((status = 'succeeded') = (fee IS NOT NULL)),
  CHECK (status <> 'succeeded' OR intent_id IS NOT NULL),
  CHECK (status <> 'failed' OR failure IS NOT NULL));
CREATE INDEX funding_account ON funding (account_id, id);

CREATE TABLE payout_account (                   -- where a person is paid
  person_id uuid PRIMARY KEY REFERENCES person,
  stripe_id text NOT NULL UNIQUE,
  transfers text NOT NULL,                      -- the capability's status at Stripe; 'active': may be paid
  requirements text[] NOT NULL DEFAULT '{}',    -- what Stripe still wants to know
  created_at timestamptz NOT NULL DEFAULT market_now(), checked_at timestamptz NOT NULL DEFAULT market_now());

CREATE TABLE payout_hold (                      -- a person is not paid for now
  person_id uuid PRIMARY KEY REFERENCES person,
  reason text NOT NULL CHECK (reason <> ''), operator_id uuid NOT NULL REFERENCES operator,
  created_at timestamptz NOT NULL DEFAULT market_now(), expires_at timestamptz);

CREATE TYPE payout_run_status AS ENUM (
  'draft',      -- -> frozen
  'frozen',     -- its lines are fixed and hashed; -> submitted
  'submitted',  -- -> approved
  'approved',   -- by somebody else; -> executing
  'executing',  -- -> done | partial
  'partial',    -- some lines were not paid; -> executing
  'done');
CREATE TABLE payout_run (
  id uuid PRIMARY KEY,
  currency text NOT NULL REFERENCES currency,
  minimum bigint NOT NULL CHECK (minimum > 0),
  status payout_run_status NOT NULL DEFAULT 'draft',
  lines_hash bytea CHECK (length(lines_hash) = 32),
  made_by uuid NOT NULL REFERENCES operator, submitted_by uuid REFERENCES operator,
  approved_by uuid REFERENCES operator, executed_by uuid REFERENCES operator,
  created_at timestamptz NOT NULL DEFAULT market_now(), submitted_at timestamptz, executed_at timestamptz,
  finished_at timestamptz,
  UNIQUE (id, made_by, submitted_by, lines_hash),
  CHECK ((status = 'draft') = (lines_hash IS NULL)),
  CHECK ((status IN ('draft', 'frozen')) = (submitted_by IS NULL)),
  CHECK ((submitted_by IS NULL) = (submitted_at IS NULL)),
  CHECK ((status IN ('draft', 'frozen', 'submitted')) = (approved_by IS NULL)),
  CHECK ((status IN ('draft', 'frozen', 'submitted', 'approved')) = (executed_by IS NULL)),
  CHECK ((executed_by IS NULL) = (executed_at IS NULL)),
  CHECK ((status IN ('partial', 'done')) = (finished_at IS NOT NULL)));
-- Four eyes: an approval is of these very lines, made and submitted by others. A run without one cannot be approved.
CREATE TABLE payout_approval (
  run_id uuid PRIMARY KEY,
  made_by uuid NOT NULL, submitted_by uuid NOT NULL, lines_hash bytea NOT NULL,
  approved_by uuid NOT NULL REFERENCES operator,
  created_at timestamptz NOT NULL DEFAULT market_now(),
  UNIQUE (run_id, approved_by),
  FOREIGN KEY (run_id, made_by, submitted_by, lines_hash)
    REFERENCES payout_run (id, made_by, submitted_by, lines_hash),
  CONSTRAINT maker_is_not_checker CHECK (approved_by <> made_by AND approved_by <> submitted_by));
ALTER TABLE payout_run ADD CONSTRAINT payout_run_approval
  FOREIGN KEY (id, approved_by) REFERENCES payout_approval (run_id, approved_by) DEFERRABLE INITIALLY DEFERRED;

CREATE TYPE payout_status AS ENUM (
  'listed',     -- -> planned | skipped
  'planned',    -- the money is set aside and a transfer under way; -> paid | returned
  'paid',
  'returned',   -- Stripe refused for certain, the money is the person's again; -> listed, when the run goes on
  'skipped');   -- not payable when its turn came; -> listed, when the run goes on
CREATE TABLE payout (                           -- a line of a run
  id uuid PRIMARY KEY,
  run_id uuid NOT NULL REFERENCES payout_run, person_id uuid NOT NULL REFERENCES person,
  amount bigint NOT NULL CHECK (amount > 0), currency text NOT NULL REFERENCES currency,
  destination text NOT NULL,                    -- the person's account at Stripe
  status payout_status NOT NULL DEFAULT 'listed',
  attempt int NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  transfer_id text UNIQUE,
  code text, message text,                      -- why it was returned or skipped
  settled_at timestamptz,
  UNIQUE (run_id, person_id),
  CHECK ((status = 'paid') = (transfer_id IS NOT NULL)),
  CHECK ((status IN ('paid', 'returned', 'skipped')) = (settled_at IS NOT NULL)),
  CHECK ((status IN ('returned', 'skipped')) = (code IS NOT NULL)));
CREATE INDEX payout_person ON payout (person_id, id);
CREATE INDEX payout_open ON payout (run_id, id) WHERE status <> 'paid';

CREATE TABLE payout_exclusion (                 -- who has earnings and is not in the run, and why
  run_id uuid NOT NULL REFERENCES payout_run, person_id uuid NOT NULL REFERENCES person,
  amount bigint NOT NULL CHECK (amount > 0),
  reason text NOT NULL CHECK (reason IN
    ('held', 'no_payout_account', 'capability_inactive', 'in_another_run', 'below_minimum')),
  PRIMARY KEY (run_id, person_id));

-- What has been frozen stays as it is, line by line.
CREATE FUNCTION payout_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE state payout_run_status;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (OLD.id, OLD.run_id, OLD.person_id, OLD.amount, OLD.currency, OLD.destination)
      IS NOT DISTINCT FROM (NEW.id, NEW.run_id, NEW.person_id, NEW.amount, NEW.currency, NEW.destination)
    THEN RETURN NEW; END IF;
  END IF;
  SELECT status INTO state FROM payout_run
    WHERE id = CASE TG_OP WHEN 'INSERT' THEN NEW.run_id ELSE OLD.run_id END;
  IF state <> 'draft' THEN
    RAISE EXCEPTION 'the lines of a payout run are fixed once it is frozen' USING ERRCODE = 'PR001';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END; END$$;
CREATE TRIGGER payout_fixed BEFORE INSERT OR UPDATE OR DELETE ON payout
  FOR EACH ROW EXECUTE FUNCTION payout_frozen();

-- Everybody with something payable, without a look at all the other accounts.
CREATE INDEX ledger_account_payable ON ledger_account (currency, id) WHERE code LIKE 'person:%:payable';
