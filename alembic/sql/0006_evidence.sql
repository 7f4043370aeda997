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

-- What pictures show: what a paid judge said of a photo, so that nobody pays for it twice, and how often it was asked.
CREATE TABLE shows_opinion (
  photo_sha256 bytea NOT NULL CHECK (length(photo_sha256) = 32),
  question_sha256 bytea NOT NULL CHECK (length(question_sha256) = 32),
  judge text NOT NULL,                            -- with its version
  shows boolean,                                  -- null: it does not say
  confidence double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),
  reason text NOT NULL, steered boolean NOT NULL, undecided boolean NOT NULL,
  created_at timestamptz NOT NULL DEFAULT market_now(),
  PRIMARY KEY (photo_sha256, question_sha256, judge));
CREATE TABLE shows_call (
  day date NOT NULL, account_id uuid REFERENCES account,  -- null: of all accounts together
  calls int NOT NULL CHECK (calls > 0),
  UNIQUE NULLS NOT DISTINCT (day, account_id));

-- Signed captures. A key is enrolled once, ever: who gave one up, or lost it, makes another.
DROP INDEX device_public_key;
CREATE UNIQUE INDEX device_public_key ON device (public_key);
-- What a phone's motion sensors said while a photo was taken, as it came.
CREATE TABLE photo_motion (
  claim_id uuid NOT NULL REFERENCES claim, n smallint NOT NULL CHECK (n BETWEEN 1 AND 20),
  sha256 bytea NOT NULL CHECK (length(sha256) = 32),
  shape bytea NOT NULL CHECK (length(shape) = 32), -- hash of the samples without their times
  body bytea NOT NULL CHECK (length(body) <= 65536),
  uploaded_at timestamptz NOT NULL DEFAULT market_now(),
  PRIMARY KEY (claim_id, n));
CREATE INDEX photo_motion_shape ON photo_motion (shape);
-- The burst around a photo: small pictures, in the object storage at their SHA-256.
CREATE TABLE photo_frame (
  claim_id uuid NOT NULL REFERENCES claim, n smallint NOT NULL CHECK (n BETWEEN 1 AND 20),
  k smallint NOT NULL CHECK (k BETWEEN 1 AND 8),
  sha256 bytea NOT NULL CHECK (length(sha256) = 32),
  bytes int NOT NULL CHECK (bytes BETWEEN 1 AND 500000),
  uploaded_at timestamptz NOT NULL DEFAULT market_now(),
  PRIMARY KEY (claim_id, n, k));
CREATE INDEX photo_frame_sha256 ON photo_frame (sha256);

-- What a buyer holds in hand of an observation: what was signed by whom, and what the market found, signed by it.
-- A row without content -> with content, within moments; deleted when the person is erased, and then never made again.
CREATE TABLE receipt (
  observation_id uuid PRIMARY KEY REFERENCES observation,
  content bytea, signature bytea CHECK (length(signature) = 64), public_key bytea CHECK (length(public_key) = 32),
  issued_at timestamptz,
  CHECK (num_nulls(content, signature, public_key, issued_at) IN (0, 4)));
CREATE INDEX receipt_pending ON receipt (observation_id) WHERE content IS NULL;

-- Privacy. What of a photo others do not see, confirmed by whoever took it; `blurred` names the version without it.
ALTER TABLE photo ADD blur jsonb, ADD blurred bytea CHECK (length(blurred) = 32),
  ADD CHECK ((blur IS NULL) = (blurred IS NULL));
CREATE INDEX photo_blurred ON photo (blurred) WHERE blurred IS NOT NULL;
-- A photo that was there and is not any more: its person has been erased.
CREATE TABLE photo_erased (
  claim_id uuid NOT NULL REFERENCES claim, n smallint NOT NULL,
  erased_at timestamptz NOT NULL DEFAULT market_now(),
  PRIMARY KEY (claim_id, n));
-- The full copy under a name (a photo's `blurred`, else its sha256), as it lies in the object storage: what manifests
-- tell of it is what is downloaded. Without one: why none can be made.
CREATE TABLE photo_copy (
  name bytea PRIMARY KEY CHECK (length(name) = 32),
  sha256 bytea CHECK (length(sha256) = 32), bytes bigint CHECK (bytes > 0), unreadable text,
  made_at timestamptz NOT NULL DEFAULT market_now(),
  CHECK (num_nulls(sha256, bytes) IN (0, 2) AND (sha256 IS NULL) = (unreadable IS NOT NULL)));
-- Names whose bytes are to be removed from the object storage unless a photo still needs them. A row is there from the
-- transaction that lets go of them until they are gone.
CREATE TABLE doomed_media (
  name bytea PRIMARY KEY CHECK (length(name) = 32),
  due_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX doomed_media_due ON doomed_media (due_at);
-- Where an observation is as others than its owner may know it: the middle of a cell of about 1 km (market/near.py),
-- chosen once.
ALTER TABLE observation ADD coarse_lat double precision, ADD coarse_lon double precision;
WITH rows AS (
  SELECT id, lon, -90 + (least(floor((lat + 90) / 0.009), 19999) + 0.5) * 0.009 AS middle
  FROM observation WHERE lat IS NOT NULL),
cells AS (
  SELECT id, middle, lon, greatest(1, floor(40000 * cos(radians(middle)) + 0.5)) AS columns FROM rows)
UPDATE observation o SET coarse_lat = round(c.middle::numeric, 5),
  coarse_lon = round((-180 + (least(floor((CASE WHEN c.lon >= 180 THEN -180 ELSE c.lon END + 180) / 360 * columns),
    columns - 1) + 0.5) * 360 / columns)::numeric, 5)
FROM cells c WHERE c.id = o.id;
ALTER TABLE observation ADD CHECK (num_nulls(lat, coarse_lat, coarse_lon) IN (0, 3));
-- A dataset stays as it is; how many of its photos have been erased since.
ALTER TABLE dataset ADD erased int NOT NULL DEFAULT 0 CHECK (erased >= 0);
CREATE INDEX dataset_item_observation ON dataset_item (observation_id);
-- Whoever is erased leaves what their photos looked like, so that nobody sells those again, and no link to themselves.
ALTER TABLE photo_hash ALTER person_id DROP NOT NULL, ALTER submission_id DROP NOT NULL,
  ADD CONSTRAINT photo_hash_link CHECK ((person_id IS NULL) = (submission_id IS NULL));
CREATE INDEX photo_hash_person ON photo_hash (person_id) WHERE person_id IS NOT NULL;
CREATE INDEX person_erased ON person (erased_at) WHERE erased_at IS NOT NULL;
ALTER TABLE device ALTER public_key DROP NOT NULL, ADD CHECK (public_key IS NOT NULL OR revoked_at IS NOT NULL);

-- Local features of every photo as numbers (sensors/likeness.py): what shares many of them may be a part of it, or it of
-- that. Looked up, never counted over the whole.
CREATE TABLE photo_word (
  word int NOT NULL, seq bigint NOT NULL REFERENCES photo_hash,
  PRIMARY KEY (word, seq));
-- Cameras: what the photos of a submission claim, until it is decided on, and what accepted ones have taught. People are
-- counted, so that one alone teaches nothing; market/cameras.py bounds how many.
CREATE TABLE photo_camera (
  submission_id uuid NOT NULL REFERENCES submission, n smallint NOT NULL,
  make text NOT NULL, model text NOT NULL,
  tables bytea NOT NULL CHECK (length(tables) = 16),  -- of the quantisation tables, a digest
  PRIMARY KEY (submission_id, n));
CREATE TABLE camera_trait (
  make text NOT NULL, model text NOT NULL, tables bytea NOT NULL CHECK (length(tables) = 16),
  person_id uuid NOT NULL REFERENCES person,
  photos int NOT NULL CHECK (photos > 0),
  first_seen timestamptz NOT NULL, last_seen timestamptz NOT NULL,
  PRIMARY KEY (make, model, tables, person_id));
CREATE INDEX camera_trait_person ON camera_trait (person_id);

-- The country of the address that claimed, and of the one that uploaded a photo, as a trusted proxy says.
ALTER TABLE claim ADD country text CHECK (country ~ '^[A-Z]{2}$');
ALTER TABLE photo ADD country text CHECK (country ~ '^[A-Z]{2}$');
