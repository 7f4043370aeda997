-- Fix-ups: what a buyer asked to be mended. Its person's claim is active again until then.
CREATE TABLE fix_up (
  submission_id uuid NOT NULL REFERENCES submission, n smallint NOT NULL CHECK (n BETWEEN 1 AND 2),
  failed_check text, reason_code text, comment text NOT NULL,
  asked_at timestamptz NOT NULL DEFAULT market_now(), until timestamptz NOT NULL CHECK (until > asked_at),
  ended text CHECK (ended IN ('mended', 'given_up', 'overdue')), ended_at timestamptz,
  PRIMARY KEY (submission_id, n),
  CHECK (num_nonnulls(failed_check, reason_code) = 1), CHECK ((ended IS NULL) = (ended_at IS NULL)));
CREATE UNIQUE INDEX fix_up_open ON fix_up (submission_id) WHERE ended IS NULL;
CREATE INDEX fix_up_due ON fix_up (until) WHERE ended IS NULL;
-- The answer as it was when that was asked: number, hash and time of its photos with it.
CREATE TABLE submission_revision (
  submission_id uuid NOT NULL, n smallint NOT NULL,
  outcome text NOT NULL, answers jsonb NOT NULL, readings jsonb, notes text NOT NULL, photos jsonb NOT NULL,
  verdict jsonb, submitted_at timestamptz NOT NULL,
  PRIMARY KEY (submission_id, n), FOREIGN KEY (submission_id, n) REFERENCES fix_up);
-- A photo that was replaced leaves what it looked like, beside that of the one in its place.
ALTER TABLE photo_hash DROP CONSTRAINT photo_hash_submission_id_n_key, ADD UNIQUE (submission_id, n, sha256);

-- checking -> needs_review | accepted | rejected; needs_review -> fix_up | accepted | rejected;
-- fix_up -> checking | needs_review; accepted -> disputed; rejected -> disputed; disputed -> accepted | rejected.
-- What is disputed keeps the decision that is, until there is another.
ALTER TABLE submission DROP CONSTRAINT submission_check, DROP CONSTRAINT submission_check1,
  ADD CONSTRAINT submission_check CHECK ((status IN ('accepted', 'rejected', 'disputed')) = (decided_at IS NOT NULL)),
  ADD CONSTRAINT submission_check1 CHECK (CASE status WHEN 'rejected' THEN rejection IS NOT NULL
    WHEN 'disputed' THEN true ELSE rejection IS NULL END);
-- Who has been awarded something has answered: see claims.answered_by. Their other claims stay as they are.
CREATE INDEX claim_awarded ON claim (task_id, person_id) WHERE status = 'awarded';

CREATE TYPE appeal_status AS ENUM (
  'open',       -- -> decided | withdrawn; both sides speak until answer_by, then it is reviewed
  'decided',    -- award_percent of the pay is the person's
  'withdrawn'); -- its person has left
CREATE TYPE appeal_stake AS ENUM (
  'slot',       -- a free slot of the task
  'held',       -- set aside beside the slots: task.appealed
  'none',       -- the buyer could not cover it: the market fronts what is awarded
  'paid');      -- the person has been paid already, and cannot draw it yet
-- A decision that is contested: a rejection by the person, an acceptance that the buyer did not make by the buyer.
CREATE TABLE appeal (
  id uuid PRIMARY KEY,
  submission_id uuid NOT NULL UNIQUE REFERENCES submission,   -- once, by whomever
  task_id uuid NOT NULL REFERENCES task,
  account_id uuid NOT NULL REFERENCES account, person_id uuid NOT NULL REFERENCES person,
  side text NOT NULL CHECK (side IN ('person', 'buyer')),     -- who contests
  against text NOT NULL CHECK (against IN ('buyer', 'market', 'deadline')),
  failed_check text, reason_code text, comment text NOT NULL, -- what is said against the evidence
  status appeal_status NOT NULL DEFAULT 'open',
  stake appeal_stake NOT NULL, bond bigint NOT NULL DEFAULT 0 CHECK (bond >= 0),
  opened_at timestamptz NOT NULL DEFAULT market_now(),
  answer_by timestamptz NOT NULL, decide_by timestamptz NOT NULL CHECK (decide_by > answer_by),
  decided_at timestamptz, decided_by text,
  award_percent smallint CHECK (award_percent BETWEEN 0 AND 100), reason text,
  paid bigint CHECK (paid >= 0), refunded bigint CHECK (refunded >= 0), -- to the person, bond included; to the buyer
  fronted bigint NOT NULL DEFAULT 0 CHECK (fronted >= 0), collected_at timestamptz,
  CHECK ((status = 'open') = (decided_at IS NULL)), CHECK (status <> 'decided' OR award_percent IS NOT NULL),
  CHECK ((side = 'buyer') = (stake = 'paid')), CHECK (fronted = 0 OR (stake = 'none' AND status = 'decided')),
  CHECK (collected_at IS NULL OR fronted > 0));
CREATE INDEX appeal_account ON appeal (account_id, id);
CREATE INDEX appeal_person ON appeal (person_id, id);
CREATE INDEX appeal_task ON appeal (task_id);
CREATE INDEX appeal_due ON appeal (decide_by) WHERE status = 'open';
CREATE INDEX appeal_fronted ON appeal (account_id) WHERE fronted > 0 AND collected_at IS NULL;
CREATE TABLE appeal_statement (
  appeal_id uuid NOT NULL REFERENCES appeal,
  side text NOT NULL CHECK (side IN ('person', 'buyer')), n smallint NOT NULL CHECK (n BETWEEN 1 AND 5),
  words text NOT NULL CHECK (length(words) <= 2000), photos smallint[] NOT NULL DEFAULT '{}',
  said_at timestamptz NOT NULL DEFAULT market_now(),
  PRIMARY KEY (appeal_id, side, n));
CREATE TABLE appeal_review (                    -- by another person; two who agree decide
  appeal_id uuid NOT NULL REFERENCES appeal, n smallint NOT NULL CHECK (n BETWEEN 1 AND 2),
  person_id uuid NOT NULL REFERENCES person,
  award_percent smallint NOT NULL CHECK (award_percent IN (0, 100)), reason text NOT NULL CHECK (length(reason) <= 2000),
  reviewed_at timestamptz NOT NULL DEFAULT market_now(),
  PRIMARY KEY (appeal_id, n), UNIQUE (appeal_id, person_id));
CREATE INDEX appeal_review_person ON appeal_review (person_id);

-- Contested: it is not released. Locked: nobody but its person reads it, nobody sells or exports it, since somebody
-- contests it, or it is not paid for.
ALTER TABLE earning ADD contested boolean NOT NULL DEFAULT false, ADD CHECK (NOT contested OR released_at IS NULL);
ALTER TABLE observation ADD locked boolean NOT NULL DEFAULT false;
CREATE INDEX earning_contested ON earning (person_id) WHERE contested;
-- The market holds accounts too: null, for what it has fronted for them.
ALTER TABLE account_hold ALTER operator_id DROP NOT NULL;
