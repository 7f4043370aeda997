ALTER TABLE submission DROP captured_at;
-- A likeness without its task cannot be kept in the older table.
DELETE FROM photo_word USING photo_hash h WHERE h.seq = photo_word.seq AND h.task_id IS NULL;
DELETE FROM photo_hash WHERE task_id IS NULL;
ALTER TABLE photo_hash DROP CONSTRAINT photo_hash_day, DROP CONSTRAINT photo_hash_link, ALTER task_id SET NOT NULL,
  ADD CONSTRAINT photo_hash_link CHECK ((person_id IS NULL) = (submission_id IS NULL));
DROP TABLE device_sale;
ALTER TABLE task DROP CONSTRAINT task_check5, DROP per_person,
  ADD CONSTRAINT task_check5 CHECK ((every_s IS NULL) = (per_round IS NULL));
