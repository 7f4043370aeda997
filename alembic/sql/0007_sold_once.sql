-- How many answers of one person, with all their devices, a round of a standing task takes. Those that run keep what they
-- were posted with: as many as the round has.
ALTER TABLE task ADD per_person int CHECK (per_person > 0);
UPDATE task SET per_person = per_round WHERE per_round IS NOT NULL;
ALTER TABLE task DROP CONSTRAINT task_check5,
  ADD CONSTRAINT task_check5 CHECK (num_nulls(every_s, per_round, per_person) IN (0, 3));

-- Up to when a device's samples of a quantity were sold with a claim, and whether to one buyer alone. It counts while the
-- claim does: what was refused may be sold to others.
CREATE TABLE device_sale (
  claim_id uuid NOT NULL REFERENCES claim, quantity text NOT NULL,
  device_id uuid NOT NULL REFERENCES device,
  until timestamptz NOT NULL, alone boolean NOT NULL,
  PRIMARY KEY (claim_id, quantity));
CREATE INDEX device_sale_until ON device_sale (device_id, quantity, until);

-- Whoever is erased leaves no task either beside what their photos looked like, and of the time the day.
ALTER TABLE photo_hash ALTER task_id DROP NOT NULL, DROP CONSTRAINT photo_hash_link;
UPDATE photo_hash SET task_id = NULL, submitted_at = date_trunc('day', submitted_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
  WHERE person_id IS NULL;
ALTER TABLE photo_hash ADD CONSTRAINT photo_hash_link CHECK (num_nulls(person_id, submission_id, task_id) IN (0, 3)),
  ADD CONSTRAINT photo_hash_day CHECK (
    person_id IS NOT NULL OR submitted_at = date_trunc('day', submitted_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC');

-- When it was: the evidence's own time, where the checks believe it. Its observation has it, else when it was handed in.
ALTER TABLE submission ADD captured_at timestamptz CHECK (captured_at <= submitted_at);
