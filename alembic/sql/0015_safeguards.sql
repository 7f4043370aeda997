-- An award that neither the buyer's balance nor the fees they have paid cover is owed to its person until they have it.
ALTER TABLE appeal
  ADD owed bigint NOT NULL DEFAULT 0 CHECK (owed >= 0), ADD owed_fee bigint NOT NULL DEFAULT 0 CHECK (owed_fee >= 0),
  ADD drawn_at timestamptz,                       -- when people were drawn to review it, or it was left to operators
  ADD CONSTRAINT appeal_owed CHECK (owed = 0 OR (fronted = 0 AND stake = 'none' AND status = 'decided')),
  DROP CONSTRAINT appeal_check5, ADD CONSTRAINT appeal_collected CHECK (collected_at IS NULL OR fronted > 0 OR owed > 0);
CREATE INDEX appeal_owing ON appeal (account_id) WHERE owed > 0 AND collected_at IS NULL;
CREATE TABLE appeal_reviewer (                    -- who may review it: drawn by the market, chosen by nobody
  appeal_id uuid NOT NULL REFERENCES appeal, person_id uuid NOT NULL REFERENCES person, PRIMARY KEY (appeal_id, person_id));
CREATE INDEX appeal_reviewer_person ON appeal_reviewer (person_id);

-- A price rises while a slot is free: while none is, it waits, so that nobody holds one to take it dearer.
ALTER TABLE task ADD full_since timestamptz, ADD devices_only boolean NOT NULL DEFAULT false;
UPDATE task SET full_since = market_now() WHERE step_s IS NOT NULL AND status = 'open' AND claimed + done >= quantity;
CREATE FUNCTION price_waits() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  IF NEW.claimed + NEW.done >= NEW.quantity THEN
    NEW.full_since := coalesce(NEW.full_since, market_now());
  ELSIF NEW.full_since IS NOT NULL THEN
    NEW.rises_from := NEW.rises_from + (market_now() - greatest(NEW.full_since, NEW.rises_from));
    NEW.full_since := NULL;
  END IF;
  RETURN NEW; END$$;
CREATE TRIGGER task_price_waits BEFORE UPDATE ON task FOR EACH ROW WHEN (NEW.step_s IS NOT NULL AND NEW.status = 'open')
  EXECUTE FUNCTION price_waits();
