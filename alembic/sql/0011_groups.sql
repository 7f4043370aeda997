-- Tasks that belong together: a series in time, a route that one person walks, an area covered cell by cell.
CREATE TABLE task_group (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES account,
  kind text NOT NULL CHECK (kind IN ('series', 'route', 'area')),
  title text NOT NULL,
  spec jsonb NOT NULL,                          -- what was asked for, as posted
  currency text NOT NULL REFERENCES currency,
  same_person text NOT NULL DEFAULT 'any' CHECK (same_person IN ('any', 'preferred', 'forbidden')),
  head_start_s int CHECK (head_start_s > 0),    -- after a task opens, for whoever answered the series before
  length_m double precision CHECK (length_m >= 0), minutes int CHECK (minutes > 0), claim_ttl_s int CHECK (claim_ttl_s > 0),
  created_at timestamptz NOT NULL DEFAULT market_now(), cancelled_at timestamptz,
  CHECK ((same_person = 'preferred') = (head_start_s IS NOT NULL)),
  CHECK ((kind = 'route') = (length_m IS NOT NULL AND minutes IS NOT NULL AND claim_ttl_s IS NOT NULL)));
CREATE INDEX task_group_account ON task_group (account_id, id);
ALTER TABLE task ADD group_id uuid REFERENCES task_group, ADD place_in_group int, ADD cell text,
  ADD CONSTRAINT task_grouped CHECK ((group_id IS NULL) = (place_in_group IS NULL) AND (cell IS NULL OR group_id IS NOT NULL));
CREATE UNIQUE INDEX task_of_group ON task (group_id, place_in_group) WHERE group_id IS NOT NULL;
-- Where routes are looked for: among what is in a group, however much else is near.
CREATE INDEX task_grouped_near ON task USING gist (loc)
  WHERE status = 'open' AND loc IS NOT NULL AND group_id IS NOT NULL;

-- What people ask of a task before they take it, answered once for all.
CREATE TABLE task_question (
  id uuid PRIMARY KEY,
  task_id uuid NOT NULL REFERENCES task,
  person_id uuid REFERENCES person,             -- nobody once erased
  text text NOT NULL,
  asked_at timestamptz NOT NULL DEFAULT market_now(),
  answer text, answered_at timestamptz,
  CHECK ((answer IS NULL) = (answered_at IS NULL)));
CREATE INDEX task_question_task ON task_question (task_id, id);
CREATE INDEX task_question_person ON task_question (person_id, asked_at) WHERE person_id IS NOT NULL;
