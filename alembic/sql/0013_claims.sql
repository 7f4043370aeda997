-- Near by, each task asks for the claims of who looks: one entry of an index, however many claims they have.
CREATE INDEX claim_of_person ON claim (person_id, task_id, round);
DROP INDEX claim_awarded, claim_rejected;
