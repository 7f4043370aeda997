DROP INDEX task_paid;
DROP TRIGGER claim_terms ON claim;
DROP FUNCTION claim_terms_stay;
ALTER TABLE claim DROP reward, DROP fee;
DROP FUNCTION fee_of;
DROP FUNCTION price_at;
ALTER TABLE task DROP CONSTRAINT task_rises, DROP top, DROP top_fee, DROP fee_bps, DROP step_s, DROP step_percent,
  DROP rises_from, DROP expected_minutes, DROP appealed, DROP bonds, DROP CONSTRAINT task_kind_check,
  ADD CONSTRAINT task_kind_check CHECK (kind IN ('photo', 'reading', 'action'));

-- An enum loses no value: both are made anew, with all that speaks of them. Rows in the states that go make this fail.
DROP INDEX claim_deadline, claim_once, claim_rejected, submission_checking, submission_review;
ALTER TABLE claim DROP CONSTRAINT claim_check, ALTER status DROP DEFAULT;
ALTER TABLE submission DROP CONSTRAINT submission_check, DROP CONSTRAINT submission_check1,
  DROP CONSTRAINT submission_check2, ALTER status DROP DEFAULT;
ALTER TYPE claim_status RENAME TO claim_status_wide;
ALTER TYPE submission_status RENAME TO submission_status_wide;
CREATE TYPE claim_status AS ENUM ('active', 'submitted', 'rejected', 'released', 'expired');
CREATE TYPE submission_status AS ENUM ('checking', 'needs_review', 'accepted', 'rejected');
ALTER TABLE claim ALTER status TYPE claim_status USING status::text::claim_status, ALTER status SET DEFAULT 'active',
  ADD CONSTRAINT claim_check CHECK ((status = 'active') = (ended_at IS NULL));
ALTER TABLE submission ALTER status TYPE submission_status USING status::text::submission_status,
  ALTER status SET DEFAULT 'checking',
  ADD CONSTRAINT submission_check CHECK ((status IN ('accepted', 'rejected')) = (decided_at IS NOT NULL)),
  ADD CONSTRAINT submission_check1 CHECK ((status = 'rejected') = (rejection IS NOT NULL)),
  ADD CONSTRAINT submission_check2 CHECK (status <> 'needs_review' OR review_by IS NOT NULL);
DROP TYPE claim_status_wide;
DROP TYPE submission_status_wide;
CREATE UNIQUE INDEX claim_once ON claim (task_id, coalesce(device_id, person_id), round)
  WHERE status IN ('active', 'submitted');
CREATE INDEX claim_rejected ON claim (task_id, person_id) WHERE status = 'rejected';
CREATE INDEX claim_deadline ON claim (expires_at) WHERE status = 'active';
CREATE INDEX submission_review ON submission (review_by) WHERE status = 'needs_review';
CREATE INDEX submission_checking ON submission (submitted_at) WHERE status = 'checking';
