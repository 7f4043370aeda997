ALTER TABLE photo DROP country;
ALTER TABLE claim DROP country;
DROP TABLE camera_trait, photo_camera;
DROP TABLE photo_word;
-- Without its link a likeness cannot be kept in the older tables; neither can a key that is gone.
DELETE FROM photo_hash WHERE person_id IS NULL;
ALTER TABLE photo_hash ALTER person_id SET NOT NULL, ALTER submission_id SET NOT NULL,
  DROP CONSTRAINT photo_hash_link;
DROP INDEX photo_hash_person, person_erased;
DROP INDEX dataset_item_observation;
ALTER TABLE dataset DROP erased;
ALTER TABLE observation DROP coarse_lat, DROP coarse_lon;
DROP TABLE doomed_media, photo_copy, photo_erased;
ALTER TABLE photo DROP blur, DROP blurred;
DROP TABLE receipt;
DROP TABLE photo_frame;
DROP TABLE photo_motion;
DROP TABLE shows_call;
DROP TABLE shows_opinion;
ALTER TABLE claim DROP batch;
DROP TABLE device_batch;
DROP FUNCTION task_round(int, timestamptz);
DROP INDEX claim_device;
DROP INDEX claim_once;
CREATE UNIQUE INDEX claim_once ON claim (task_id, person_id) WHERE status IN ('active', 'submitted');
ALTER TABLE claim DROP round, DROP device_id, DROP since;
ALTER TABLE task DROP every_s, DROP per_round;
DROP TABLE device;
