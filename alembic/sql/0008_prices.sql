-- States that review adds: an enum's new value may be used only after the migration that adds it.
ALTER TYPE submission_status ADD VALUE 'fix_up';    -- its person mends it, in the claim that is active again
ALTER TYPE submission_status ADD VALUE 'disputed';  -- somebody contests the decision
ALTER TYPE claim_status ADD VALUE 'awarded';        -- refused, then paid after an appeal: its person may have claimed anew

-- What an answer pays may rise while nobody takes it: from `reward` by a part of it each step, up to `top`.
ALTER TABLE task DROP CONSTRAINT task_kind_check,
  ADD CONSTRAINT task_kind_check CHECK (kind IN ('photo', 'reading', 'action', 'answer')),
  ADD top bigint, ADD top_fee bigint,               -- the most that a slot may cost: so much is held for it
  ADD fee_bps int NOT NULL DEFAULT 0 CHECK (fee_bps BETWEEN 0 AND 10000),
  ADD step_s int CHECK (step_s > 0), ADD step_percent int CHECK (step_percent BETWEEN 1 AND 100),
  ADD rises_from timestamptz,                       -- when the first step begins
  ADD expected_minutes int CHECK (expected_minutes > 0),
  ADD appealed int NOT NULL DEFAULT 0 CHECK (appealed >= 0),  -- slots held for appeals beside those of `quantity`
  ADD bonds bigint NOT NULL DEFAULT 0 CHECK (bonds >= 0);     -- held for appeals, beside the slots
UPDATE task SET top = reward, top_fee = fee;
ALTER TABLE task ALTER top SET NOT NULL, ALTER top_fee SET NOT NULL,
  ADD CONSTRAINT task_rises CHECK (num_nulls(step_s, step_percent, rises_from) IN (0, 3)
    AND top >= reward AND top_fee >= fee AND (step_s IS NOT NULL OR (top = reward AND top_fee = fee)));

-- What a slot pays at a moment. Each step adds the same; what somebody has claimed keeps the price of that moment.
CREATE FUNCTION price_at(reward bigint, top bigint, step_s int, step_percent int, rises_from timestamptz, at timestamptz)
RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN step_s IS NULL THEN reward ELSE least(top, reward + greatest(1, reward * step_percent / 100)
    * greatest(0, floor(extract(epoch FROM at - rises_from) / step_s))::bigint) END $$;
CREATE FUNCTION fee_of(price bigint, reward bigint, fee bigint, top_fee bigint, fee_bps int)
RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN price = reward THEN fee ELSE least(top_fee, greatest(fee, price * fee_bps / 10000)) END $$;

-- The terms under which a claim was made. They only ever get better for it.
ALTER TABLE claim ADD reward bigint CHECK (reward > 0), ADD fee bigint CHECK (fee >= 0);
UPDATE claim SET reward = task.reward, fee = task.fee FROM task WHERE task.id = claim.task_id;
ALTER TABLE claim ALTER reward SET NOT NULL, ALTER fee SET NOT NULL;
CREATE FUNCTION claim_terms_stay() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  RAISE EXCEPTION 'the terms of claim % may only get better', OLD.id USING ERRCODE = 'CL001'; END$$;
CREATE TRIGGER claim_terms BEFORE UPDATE OF reward ON claim FOR EACH ROW WHEN (NEW.reward < OLD.reward) EXECUTE FUNCTION claim_terms_stay();

-- What pays well is rare: it is found by its price first, and near by among that.
CREATE INDEX task_paid ON task (kind, top) WHERE status = 'open' AND loc IS NOT NULL;
