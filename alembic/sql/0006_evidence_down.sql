ALTER TABLE claim DROP batch;
DROP TABLE device_batch;
DROP FUNCTION task_round(int, timestamptz);
DROP INDEX claim_device;
DROP INDEX claim_once;
CREATE UNIQUE INDEX claim_once ON claim (task_id, person_id) WHERE status IN ('active', 'submitted');
ALTER TABLE claim DROP round, DROP device_id, DROP since;
ALTER TABLE task DROP every_s, DROP per_round;
DROP TABLE device;
