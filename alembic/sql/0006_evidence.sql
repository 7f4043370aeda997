-- Devices: a phone that signs what it captures, an instrument that pushes readings. A key belongs to one of them.
CREATE TABLE device (
  id uuid PRIMARY KEY, person_id uuid NOT NULL REFERENCES person,
  kind text NOT NULL CHECK (kind IN ('phone', 'sensor', 'camera')),
  name text NOT NULL,
  public_key bytea NOT NULL CHECK (length(public_key) = 65),  -- ECDSA P-256, the uncompressed point
  lat double precision CHECK (lat BETWEEN -90 AND 90), lon double precision CHECK (lon BETWEEN -180 AND 180),
  altitude_m double precision,
  sensors jsonb NOT NULL DEFAULT '[]',            -- quantities, units, calibration
  sequence bigint NOT NULL DEFAULT 0 CHECK (sequence >= 0), -- of the last batch that it pushed; the next is higher
  created_at timestamptz NOT NULL DEFAULT market_now(), revoked_at timestamptz,
  CHECK ((lat IS NULL) = (lon IS NULL)));
CREATE UNIQUE INDEX device_public_key ON device (public_key) WHERE revoked_at IS NULL;
CREATE INDEX device_person ON device (person_id, id);

-- Standing tasks: the same question again and again, answered by devices (or people) once in each round.
ALTER TABLE task ADD every_s int CHECK (every_s >= 60), ADD per_round int CHECK (per_round > 0),
  ADD CHECK ((every_s IS NULL) = (per_round IS NULL));
CREATE INDEX task_standing ON task (id) WHERE status = 'open' AND every_s IS NOT NULL;
ALTER TABLE claim ADD round int NOT NULL DEFAULT 0 CHECK (round >= 0),
  ADD device_id uuid REFERENCES device,         -- that answered by itself
  ADD since timestamptz;                        -- what it measured from then on counts; else from the claim on
-- Nobody is served the same slot twice: a person has one answer to a task at a time, and in each round of a standing
-- one; so has each of their devices.
DROP INDEX claim_once;
CREATE UNIQUE INDEX claim_once ON claim (task_id, coalesce(device_id, person_id), round)
  WHERE status IN ('active', 'submitted');
CREATE INDEX claim_device ON claim (device_id, id) WHERE device_id IS NOT NULL;
-- The round that a task is in now; a task that is asked once has round 0 alone.
CREATE FUNCTION task_round(every_s int, opens_at timestamptz) RETURNS int LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN every_s IS NULL THEN 0 ELSE greatest(0, floor(extract(epoch FROM market_now() - opens_at) / every_s))::int END
$$;
-- What devices pushed and somebody bought, as it was signed.
CREATE TABLE device_batch (
  device_id uuid NOT NULL REFERENCES device, sequence bigint NOT NULL,
  body bytea NOT NULL, signature bytea NOT NULL CHECK (length(signature) = 64),
  received_at timestamptz NOT NULL DEFAULT market_now(),
  PRIMARY KEY (device_id, sequence));
ALTER TABLE claim ADD batch bigint, ADD FOREIGN KEY (device_id, batch) REFERENCES device_batch,
  ADD CHECK ((device_id IS NULL) = (batch IS NULL));
