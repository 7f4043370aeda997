-- Devices: a phone that signs what it captures, an instrument that pushes readings. A key belongs to one of them.
CREATE TABLE device (
  id uuid PRIMARY KEY, person_id uuid NOT NULL REFERENCES person,
  kind text NOT NULL CHECK (kind IN ('phone', 'sensor', 'camera')),
  name text NOT NULL,
  public_key bytea NOT NULL CHECK (length(public_key) = 65),  -- ECDSA P-256, the uncompressed point
  lat double precision CHECK (lat BETWEEN -90 AND 90), lon double precision CHECK (lon BETWEEN -180 AND 180),
  altitude_m double precision,
  sensors jsonb NOT NULL DEFAULT '[]',            -- quantities, units, calibration
  created_at timestamptz NOT NULL DEFAULT market_now(), revoked_at timestamptz,
  CHECK ((lat IS NULL) = (lon IS NULL)));
CREATE UNIQUE INDEX device_public_key ON device (public_key) WHERE revoked_at IS NULL;
CREATE INDEX device_person ON device (person_id, id);
