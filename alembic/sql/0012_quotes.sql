-- What quotes are made of: what was asked and under which terms, who has been active near by, and the model fitted to it.

-- A task as it was when it was posted; see market/fill_history.py.
CREATE TABLE task_fill (
  task_id uuid PRIMARY KEY REFERENCES task,
  kind text NOT NULL, currency text NOT NULL REFERENCES currency,
  opened_at timestamptz NOT NULL, closes_at timestamptz NOT NULL CHECK (closes_at > opened_at),
  lat double precision, lon double precision,
  near bigint, city bigint,                       -- h3 cells of the place, resolutions 7 and 5; null: anywhere
  minutes double precision NOT NULL CHECK (minutes > 0),
  reward bigint NOT NULL CHECK (reward > 0), top bigint NOT NULL CHECK (top >= reward),
  step bigint NOT NULL CHECK (step >= 0), step_s int NOT NULL CHECK (step_s >= 0),   -- 0: the price stays
  quantity int NOT NULL CHECK (quantity > 0),
  people int NOT NULL CHECK (people >= 0), way int NOT NULL CHECK (way >= 0),
  lot int NOT NULL,                               -- at random: history is sampled by the lowest
  changed_at timestamptz,                         -- from when on other terms hold, so nothing more is learned of these
  CHECK (num_nulls(lat, lon, near, city) IN (0, 4)), CHECK ((step = 0) = (step_s = 0)));
CREATE INDEX task_fill_lot ON task_fill (lot);
CREATE INDEX task_fill_opened ON task_fill (opened_at);

-- Who has claimed something in a cell of about 5 km², and when last; two weeks long.
CREATE TABLE active_near (
  cell bigint NOT NULL, person_id uuid NOT NULL REFERENCES person,
  last_at timestamptz NOT NULL,
  PRIMARY KEY (cell, person_id));
CREATE INDEX active_near_latest ON active_near (cell, last_at DESC) INCLUDE (person_id);
CREATE INDEX active_near_person ON active_near (person_id);
CREATE INDEX active_near_age ON active_near (last_at);

-- How far the log of events has been read for both.
CREATE TABLE fill_cursor (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  xid xid8 NOT NULL, seq bigint NOT NULL);
INSERT INTO fill_cursor (xid, seq) VALUES ('0', 0);
CREATE INDEX event_fill ON event (xid, seq) WHERE type IN ('task.posted', 'task.claimed', 'task.changed');

CREATE TABLE fill_model (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  fitted_at timestamptz NOT NULL DEFAULT market_now(),
  slots double precision NOT NULL, seen bigint NOT NULL,   -- how many slots; up to which event
  body jsonb NOT NULL);
CREATE TABLE fill_place (                         -- what a model knows of single places
  model_id bigint NOT NULL REFERENCES fill_model ON DELETE CASCADE, cell bigint NOT NULL,
  observed double precision NOT NULL, expected double precision NOT NULL,
  PRIMARY KEY (model_id, cell) INCLUDE (observed, expected));

-- What was foretold of a task when it was posted, and what became of it.
CREATE TABLE forecast (
  task_id uuid PRIMARY KEY REFERENCES task,
  made_at timestamptz NOT NULL DEFAULT market_now(),
  model_id bigint,                                -- null: nothing was fitted yet
  kind text NOT NULL,
  opened_at timestamptz NOT NULL, closes_at timestamptz NOT NULL,
  horizons int[] NOT NULL,                        -- seconds from opening, the last at closing
  chances double precision[] NOT NULL,            -- of all slots being filled by then
  deciles int[] NOT NULL,                         -- seconds by which that is 10 %, 20 % … 90 % likely; null: not by closing
  filled_s int CHECK (filled_s >= 0),             -- when all were, where that is known
  known_s int CHECK (known_s >= 0),               -- up to when it is known that they were not
  inside double precision CHECK (inside BETWEEN 0 AND 1),   -- whether that lay within the 80 % interval
  scored_at timestamptz CHECK (scored_at >= made_at),
  CHECK (cardinality(horizons) = cardinality(chances) AND cardinality(deciles) = 9),
  CHECK ((scored_at IS NOT NULL) = (num_nonnulls(filled_s, known_s) = 1)),
  CHECK ((scored_at IS NOT NULL) = (inside IS NOT NULL)));
CREATE INDEX forecast_due ON forecast (closes_at) WHERE scored_at IS NULL;
CREATE INDEX forecast_scored ON forecast (scored_at) WHERE scored_at IS NOT NULL;
CREATE INDEX forecast_made ON forecast (made_at);
CREATE FUNCTION forecast_stays() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  RAISE EXCEPTION 'what was foretold of task % stays as it was', OLD.task_id USING ERRCODE = 'FC001'; END$$;
CREATE TRIGGER forecast_keep BEFORE UPDATE ON forecast FOR EACH ROW
  WHEN ((NEW.made_at, NEW.model_id, NEW.horizons, NEW.chances, NEW.deciles, NEW.opened_at, NEW.closes_at)
    IS DISTINCT FROM (OLD.made_at, OLD.model_id, OLD.horizons, OLD.chances, OLD.deciles, OLD.opened_at, OLD.closes_at)
    OR OLD.scored_at IS NOT NULL) EXECUTE FUNCTION forecast_stays();
CREATE TABLE calibration (                        -- how well that agrees, as it is published
  one boolean PRIMARY KEY DEFAULT true CHECK (one), body jsonb NOT NULL);

-- How often different people's accepted answers to one question agree.
CREATE TABLE answer_agreement (
  kind text NOT NULL, type text NOT NULL, choices int NOT NULL CHECK (choices >= 2),
  compared double precision NOT NULL CHECK (compared > 0),
  agreed double precision NOT NULL CHECK (agreed BETWEEN 0 AND compared),
  PRIMARY KEY (kind, type, choices));
