-- Buyers.
CREATE TABLE account (
  id uuid PRIMARY KEY,
  name text NOT NULL, email text NOT NULL,
  currency text NOT NULL REFERENCES currency DEFAULT 'usd',
  created_at timestamptz NOT NULL DEFAULT market_now());

-- People who answer.
CREATE TABLE person (
  id uuid PRIMARY KEY,
  email text NOT NULL,                          -- emptied when erased
  display_name text NOT NULL, languages text[] NOT NULL DEFAULT '{}',
  accepted_terms_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT market_now(),
  erased_at timestamptz);
CREATE UNIQUE INDEX person_email ON person (lower(email)) WHERE erased_at IS NULL;

CREATE TABLE login_code (                       -- a new one leaves those before as they are
  id uuid PRIMARY KEY,
  person_id uuid NOT NULL REFERENCES person,
  network text NOT NULL CHECK (length(network) <= 50), -- that asked for it; limits go by it
  code_hash bytea NOT NULL,
  sent_at timestamptz NOT NULL DEFAULT market_now(),
  expires_at timestamptz NOT NULL,
  tries int NOT NULL DEFAULT 0 CHECK (tries <= 5),                      -- from that network
  tries_elsewhere int NOT NULL DEFAULT 0 CHECK (tries_elsewhere <= 2),  -- from any other
  used_from text);                              -- the network that signed in with it: a known one from then on
CREATE INDEX login_code_person ON login_code (person_id, sent_at);
CREATE INDEX login_code_network ON login_code (network, sent_at);

CREATE TABLE login_network (                    -- wrong codes that came from a network, whomever they were tried for
  network text PRIMARY KEY CHECK (length(network) <= 50),
  since timestamptz NOT NULL,                   -- the first of them; they count for a day from then on
  wrong_tries int NOT NULL CHECK (wrong_tries BETWEEN 1 AND 50));
CREATE INDEX login_network_since ON login_network (since);

CREATE TABLE operator (
  id uuid PRIMARY KEY,
  email text NOT NULL, name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT market_now(),
  disabled_at timestamptz);
CREATE UNIQUE INDEX operator_email ON operator (lower(email));

-- One table for whatever opens a door: sk_ keys of agents, wk_ sessions of people, op_ keys of operators.
CREATE TABLE api_key (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('agent', 'person', 'operator')),
  account_id uuid REFERENCES account, person_id uuid REFERENCES person, operator_id uuid REFERENCES operator,
  hash bytea NOT NULL UNIQUE,                   -- SHA-256 of 256 random bits: a slow hash would add nothing
  hint text NOT NULL,                           -- its first characters, to recognise it in a list
  name text NOT NULL DEFAULT '',
  scopes text[] NOT NULL DEFAULT '{}',
  max_per_task bigint CHECK (max_per_task > 0), max_per_day bigint CHECK (max_per_day > 0),
  created_at timestamptz NOT NULL DEFAULT market_now(),
  expires_at timestamptz, revoked_at timestamptz,
  rotated_to uuid REFERENCES api_key,
  purses uuid[] NOT NULL DEFAULT '{}',          -- keys whose days' caps bind this one: its maker's first, its own last
  CHECK ((max_per_day IS NULL) = (purses = '{}')),
  CHECK (num_nonnulls(account_id, person_id, operator_id) = 1),
  CHECK ((kind = 'agent') = (account_id IS NOT NULL)),
  CHECK ((kind = 'person') = (person_id IS NOT NULL)));
CREATE INDEX api_key_account ON api_key (account_id, id) WHERE account_id IS NOT NULL;
CREATE INDEX api_key_person ON api_key (person_id) WHERE person_id IS NOT NULL;

CREATE TABLE key_spend (                        -- what a capped key, its successors and those they made held in a day
  key_id uuid NOT NULL REFERENCES api_key, day date NOT NULL,
  spent bigint NOT NULL CHECK (spent >= 0),
  PRIMARY KEY (key_id, day));

CREATE TABLE idempotency (
  owner uuid NOT NULL, key text NOT NULL,
  body_hash bytea NOT NULL,
  status smallint NOT NULL, body bytea NOT NULL, headers jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (owner, key));
CREATE INDEX idempotency_age ON idempotency (created_at);

CREATE TABLE mail (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  recipient text NOT NULL, subject text NOT NULL, text text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT market_now(), sent_at timestamptz);
CREATE INDEX mail_recipient ON mail (lower(recipient), id);

CREATE TYPE task_status AS ENUM (
  'open',       -- -> completed | expired | cancelled
  'completed',  -- every slot is done
  'expired',    -- closes_at has passed; claims in progress may finish
  'cancelled'); -- by its owner; claims in progress may finish
CREATE TABLE task (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES account, key_id uuid REFERENCES api_key,
  kind text NOT NULL CHECK (kind IN ('photo', 'reading', 'action')),
  status task_status NOT NULL DEFAULT 'open',
  title text NOT NULL, instructions text NOT NULL, purpose text NOT NULL,
  lat double precision CHECK (lat BETWEEN -90 AND 90), lon double precision CHECK (lon BETWEEN -180 AND 180),
  radius_m double precision CHECK (radius_m > 0),
  loc point,                                    -- Mercator degrees, for near-by search
  opens_at timestamptz NOT NULL, closes_at timestamptz NOT NULL CHECK (closes_at > opens_at),
  evidence jsonb NOT NULL, acceptance jsonb NOT NULL, license jsonb NOT NULL,
  mode text NOT NULL CHECK (mode IN ('auto', 'manual')),
  reward bigint NOT NULL CHECK (reward > 0), fee bigint NOT NULL CHECK (fee >= 0),   -- for each observation
  currency text NOT NULL REFERENCES currency,
  quantity int NOT NULL CHECK (quantity > 0),
  claimed int NOT NULL DEFAULT 0 CHECK (claimed >= 0), done int NOT NULL DEFAULT 0 CHECK (done >= 0),
  claim_ttl_s int NOT NULL CHECK (claim_ttl_s > 0), review_deadline_s int NOT NULL CHECK (review_deadline_s > 0),
  external_id text, metadata jsonb NOT NULL DEFAULT '{}',
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT market_now(), closed_at timestamptz,
  CHECK (claimed + done <= quantity),
  CHECK ((lat IS NULL) = (lon IS NULL) AND (lat IS NULL) = (loc IS NULL) AND (lat IS NULL) = (radius_m IS NULL)),
  CHECK ((status = 'open') = (closed_at IS NULL)),
  CHECK ((status = 'completed') = (done = quantity)));
CREATE INDEX task_account ON task (account_id, id);
CREATE INDEX task_external ON task (account_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX task_near ON task USING gist (loc) WHERE status = 'open' AND loc IS NOT NULL;
CREATE INDEX task_anywhere ON task (id) WHERE status = 'open' AND loc IS NULL;
CREATE INDEX task_deadline ON task (closes_at) WHERE status = 'open';

CREATE TYPE claim_status AS ENUM (
  'active',     -- -> submitted | released | expired
  'submitted',  -- -> rejected; evidence is in, and the slot stays taken until it is decided
  'rejected',   -- with its submission: the slot is free again, for this person too while they have tries left
  'released',   -- given back by the person
  'expired');   -- expires_at has passed
CREATE TABLE claim (
  id uuid PRIMARY KEY,
  task_id uuid NOT NULL REFERENCES task, person_id uuid NOT NULL REFERENCES person,
  status claim_status NOT NULL DEFAULT 'active',
  nonce text NOT NULL, code text NOT NULL,
  lat double precision, lon double precision, accuracy_m double precision,
  created_at timestamptz NOT NULL DEFAULT market_now(), expires_at timestamptz NOT NULL, ended_at timestamptz,
  CHECK ((status = 'active') = (ended_at IS NULL)));
-- A person has one answer to a task at a time, and nobody is served the same slot twice.
CREATE UNIQUE INDEX claim_once ON claim (task_id, person_id) WHERE status IN ('active', 'submitted');
CREATE INDEX claim_rejected ON claim (task_id, person_id) WHERE status = 'rejected';
CREATE INDEX claim_person ON claim (person_id, id);
CREATE INDEX claim_deadline ON claim (expires_at) WHERE status = 'active';

CREATE TABLE photo (
  claim_id uuid NOT NULL REFERENCES claim, n smallint NOT NULL CHECK (n BETWEEN 1 AND 20),
  sha256 bytea NOT NULL CHECK (length(sha256) = 32),
  bytes bigint NOT NULL CHECK (bytes > 0), media_type text NOT NULL,
  capture jsonb,                                -- the Capture header as it came
  uploaded_at timestamptz NOT NULL DEFAULT market_now(),
  PRIMARY KEY (claim_id, n));
CREATE INDEX photo_sha256 ON photo (sha256);

CREATE TYPE submission_status AS ENUM (
  'checking',     -- -> needs_review | accepted | rejected
  'needs_review', -- -> accepted (by the buyer, or by the deadline) | rejected
  'accepted',
  'rejected');
CREATE TABLE submission (
  id uuid PRIMARY KEY,
  claim_id uuid NOT NULL UNIQUE REFERENCES claim,
  task_id uuid NOT NULL REFERENCES task, person_id uuid NOT NULL REFERENCES person,
  account_id uuid NOT NULL REFERENCES account,  -- whose task it is
  status submission_status NOT NULL DEFAULT 'checking',
  outcome text NOT NULL CHECK (outcome IN ('done', 'honest_negative')),
  answers jsonb NOT NULL, readings jsonb, notes text NOT NULL DEFAULT '',
  submitted_at timestamptz NOT NULL DEFAULT market_now(),
  review_by timestamptz, decided_at timestamptz, decided_by text,
  verdict jsonb, rejection jsonb,
  bonus bigint NOT NULL DEFAULT 0 CHECK (bonus >= 0), rating smallint CHECK (rating BETWEEN 1 AND 5),
  CHECK ((status IN ('accepted', 'rejected')) = (decided_at IS NOT NULL)),
  CHECK ((status = 'rejected') = (rejection IS NOT NULL)),
  CHECK (status <> 'needs_review' OR review_by IS NOT NULL));
CREATE INDEX submission_task ON submission (task_id, id);
CREATE INDEX submission_account ON submission (account_id, id);
CREATE INDEX submission_person ON submission (person_id, id);
CREATE INDEX submission_review ON submission (review_by) WHERE status = 'needs_review';
CREATE INDEX submission_checking ON submission (submitted_at) WHERE status = 'checking';

-- What every photo looked like, so that none is sold twice. Read as a log: (xid, seq) never shows a gap later filled.
CREATE TABLE photo_hash (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  submission_id uuid NOT NULL REFERENCES submission, n smallint NOT NULL,
  task_id uuid NOT NULL, person_id uuid NOT NULL,
  sha256 bytea NOT NULL, pdq bytea CHECK (length(pdq) = 32), quality smallint NOT NULL,
  submitted_at timestamptz NOT NULL,
  UNIQUE (submission_id, n));
CREATE INDEX photo_hash_log ON photo_hash (xid, seq);
CREATE INDEX photo_hash_sha256 ON photo_hash (sha256);

CREATE TABLE earning (                          -- a person's line: pending until the hold window is over
  submission_id uuid PRIMARY KEY REFERENCES submission, person_id uuid NOT NULL REFERENCES person,
  amount bigint NOT NULL CHECK (amount > 0), currency text NOT NULL REFERENCES currency,
  created_at timestamptz NOT NULL DEFAULT market_now(),
  release_at timestamptz NOT NULL, released_at timestamptz);
CREATE INDEX earning_due ON earning (release_at) WHERE released_at IS NULL;
CREATE INDEX earning_person ON earning (person_id, submission_id);

CREATE TABLE observation (                      -- accepted evidence: what the buyer owns
  id uuid PRIMARY KEY,
  submission_id uuid NOT NULL UNIQUE REFERENCES submission,
  task_id uuid NOT NULL REFERENCES task, account_id uuid NOT NULL REFERENCES account,
  person_id uuid NOT NULL REFERENCES person,
  kind text NOT NULL, outcome text NOT NULL,
  captured_at timestamptz NOT NULL,
  lat double precision, lon double precision, loc point,
  license text NOT NULL CHECK (license IN ('resale', 'exclusive')), exclusive_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT market_now());
CREATE INDEX observation_account ON observation (account_id, id);
CREATE INDEX observation_task ON observation (task_id, id);
CREATE INDEX observation_near ON observation USING gist (loc);

CREATE TYPE dataset_status AS ENUM (
  'building',  -- -> ready | failed
  'ready',     -- immutable
  'failed');
CREATE TABLE dataset (
  id uuid PRIMARY KEY, account_id uuid NOT NULL REFERENCES account,
  status dataset_status NOT NULL DEFAULT 'building',
  asked jsonb NOT NULL,
  rows int NOT NULL DEFAULT 0, bytes bigint NOT NULL DEFAULT 0,
  manifest_sha256 bytea, licenses text[] NOT NULL DEFAULT '{}', failure text,
  created_at timestamptz NOT NULL DEFAULT market_now(), ready_at timestamptz,
  CHECK ((status = 'ready') = (manifest_sha256 IS NOT NULL)));
CREATE INDEX dataset_account ON dataset (account_id, id);
CREATE TABLE dataset_item (
  dataset_id uuid NOT NULL REFERENCES dataset, position int NOT NULL,
  observation_id uuid NOT NULL REFERENCES observation,
  item jsonb NOT NULL,                          -- the manifest's line, as hashed
  PRIMARY KEY (dataset_id, position), UNIQUE (dataset_id, observation_id));
CREATE TRIGGER dataset_item_keep BEFORE UPDATE OR DELETE ON dataset_item FOR EACH ROW EXECUTE FUNCTION append_only();

CREATE TABLE model (
  id uuid PRIMARY KEY, account_id uuid NOT NULL REFERENCES account,
  name text NOT NULL, version int NOT NULL CHECK (version > 0),
  status text NOT NULL DEFAULT 'published' CHECK (status IN ('published', 'withdrawn')),
  task text NOT NULL, inputs jsonb NOT NULL, outputs jsonb NOT NULL, metrics jsonb NOT NULL,
  dataset_id uuid REFERENCES dataset,
  onnx_sha256 bytea NOT NULL, weights_sha256 bytea NOT NULL, card text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT market_now(),
  UNIQUE (account_id, name, version));
CREATE INDEX model_account ON model (account_id, id);

-- The one log of what happened. Readers go by (xid, seq) and stop before the oldest transaction still running, so that
-- an event that commits late is never skipped by a cursor that has already passed its number.
CREATE TABLE event (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  type text NOT NULL,
  account_id uuid, person_id uuid,              -- who may read it
  subject_type text NOT NULL, subject_id uuid NOT NULL,
  actor text NOT NULL,
  data jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT market_now());
CREATE INDEX event_account ON event (account_id, xid, seq) WHERE account_id IS NOT NULL;
CREATE INDEX event_person ON event (person_id, xid, seq) WHERE person_id IS NOT NULL;
CREATE INDEX event_subject ON event (subject_id, seq);
CREATE TRIGGER event_keep BEFORE UPDATE OR DELETE ON event FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER event_whole BEFORE TRUNCATE ON event FOR EACH STATEMENT EXECUTE FUNCTION append_only();
