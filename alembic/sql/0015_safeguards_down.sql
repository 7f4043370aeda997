DROP TRIGGER task_price_waits ON task;
DROP FUNCTION price_waits();
ALTER TABLE task DROP full_since, DROP devices_only;
DROP TABLE appeal_reviewer;
DROP INDEX appeal_owing;
ALTER TABLE appeal DROP CONSTRAINT appeal_collected, DROP CONSTRAINT appeal_owed, DROP drawn_at, DROP owed_fee, DROP owed,
  ADD CONSTRAINT appeal_check5 CHECK (collected_at IS NULL OR fronted > 0);
