-- Holds that nobody but the market has put on go.
DELETE FROM account_hold WHERE operator_id IS NULL;
ALTER TABLE account_hold ALTER operator_id SET NOT NULL;
ALTER TABLE observation DROP locked;
ALTER TABLE earning DROP contested;
DROP TABLE appeal_review, appeal_statement, appeal;
DROP TYPE appeal_stake, appeal_status;
DROP INDEX claim_awarded;
ALTER TABLE submission DROP CONSTRAINT submission_check, DROP CONSTRAINT submission_check1,
  ADD CONSTRAINT submission_check CHECK ((status IN ('accepted', 'rejected')) = (decided_at IS NOT NULL)),
  ADD CONSTRAINT submission_check1 CHECK ((status = 'rejected') = (rejection IS NOT NULL));
-- Of the photos that were replaced, only the last of each number stays known.
CREATE TEMPORARY TABLE replaced ON COMMIT DROP AS SELECT seq FROM photo_hash h WHERE EXISTS (
  SELECT FROM photo_hash o WHERE o.submission_id = h.submission_id AND o.n = h.n AND o.seq > h.seq);
DELETE FROM photo_word USING replaced r WHERE r.seq = photo_word.seq;
DELETE FROM photo_hash USING replaced r WHERE r.seq = photo_hash.seq;
ALTER TABLE photo_hash DROP CONSTRAINT photo_hash_submission_id_n_sha256_key, ADD UNIQUE (submission_id, n);
DROP TABLE submission_revision, fix_up;
