CREATE INDEX claim_awarded ON claim (task_id, person_id) WHERE status = 'awarded';
CREATE INDEX claim_rejected ON claim (task_id, person_id) WHERE status = 'rejected';
DROP INDEX claim_of_person;
