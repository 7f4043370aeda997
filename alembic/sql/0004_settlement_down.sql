DROP TRIGGER ledger_tx_open_day ON ledger_tx;
DROP FUNCTION ledger_tx_in_open_day, close_hash;
DROP INDEX ledger_tx_effective, ledger_account_receivable;
DROP TABLE daily_close, audit_log, passkey_challenge, operator_passkey, bank_payout, money_decision, fraud_warning, dispute, refund,
  auto_top_up, saved_card, account_hold, account_spend, stripe_cursor, money_switch, stripe_op_log;
ALTER TABLE api_key DROP COLUMN proven_at;
DROP TRIGGER payout_run_guard ON payout_run;
DROP TRIGGER payout_run_as_frozen ON payout_run;
DROP TRIGGER payout_approval_keep ON payout_approval;
DROP TRIGGER funding_terminal ON funding;
DROP TRIGGER stripe_op_moves ON stripe_op;
DROP FUNCTION payout_run_fixed, payout_approval_stays;
DROP FUNCTION audit_append, audit_hash, payout_run_moves, payout_lines_hash, decision_stays, dispute_stays, funding_stays,
  money_stopped, stripe_op_moved;
CREATE OR REPLACE FUNCTION payout_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE state payout_run_status;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (OLD.id, OLD.run_id, OLD.person_id, OLD.amount, OLD.currency, OLD.destination)
      IS NOT DISTINCT FROM (NEW.id, NEW.run_id, NEW.person_id, NEW.amount, NEW.currency, NEW.destination)
    THEN RETURN NEW; END IF;
  END IF;
  SELECT status INTO state FROM payout_run
    WHERE id = CASE TG_OP WHEN 'INSERT' THEN NEW.run_id ELSE OLD.run_id END;
  IF state <> 'draft' THEN
    RAISE EXCEPTION 'the lines of a payout run are fixed once it is frozen' USING ERRCODE = 'PR001';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END; END$$;
ALTER TABLE payout_approval DROP COLUMN expires_at;
DELETE FROM payout_exclusion WHERE reason IN ('over_run_cap', 'excluded', 'owes');
ALTER TABLE payout_exclusion DROP COLUMN note, DROP CONSTRAINT payout_exclusion_reason_check;
ALTER TABLE payout_exclusion ADD CONSTRAINT payout_exclusion_reason_check CHECK (reason IN
  ('held', 'no_payout_account', 'capability_inactive', 'in_another_run', 'below_minimum'));
DROP INDEX payout_transfer;
ALTER TABLE payout DROP COLUMN earned, DROP COLUMN fee, DROP COLUMN items, DROP COLUMN rolled_over, DROP COLUMN reversed;
ALTER TABLE payout_run DROP COLUMN most_per_line, DROP COLUMN most_in_all, DROP COLUMN note, DROP COLUMN reopened;
ALTER TABLE earning DROP COLUMN fee, DROP COLUMN payout_id, DROP COLUMN clawed_back_at;
ALTER TABLE payout_account DROP COLUMN country, DROP COLUMN lost_at, DROP COLUMN due_at;
ALTER TABLE currency DROP COLUMN minimum_payout;
ALTER TABLE funding DROP COLUMN cause, DROP COLUMN processing_at, DROP COLUMN charge_id, DROP COLUMN paid_with,
  DROP COLUMN refunded, DROP COLUMN refunded_elsewhere, DROP COLUMN disputed;
ALTER TABLE account DROP COLUMN max_per_day;
DROP INDEX stripe_balance_txn_created, stripe_balance_txn_open, stripe_balance_txn_new;
DELETE FROM stripe_balance_txn WHERE ledger_key IS NULL;
ALTER TABLE stripe_balance_txn DROP COLUMN suspense_key, DROP COLUMN description, DROP COLUMN category, DROP COLUMN seen_at, DROP COLUMN closed_day,
  ALTER COLUMN ledger_key SET NOT NULL;
ALTER TABLE stripe_event DROP COLUMN account, DROP COLUMN source, DROP COLUMN tries, DROP COLUMN failure, DROP COLUMN due_at;
ALTER TABLE stripe_op DROP COLUMN moved_by, DROP CONSTRAINT stripe_op_kind_check;
ALTER TABLE stripe_op ADD CONSTRAINT stripe_op_kind_check CHECK (kind IN ('customer', 'charge', 'checkout', 'recipient', 'transfer'));

CREATE OR REPLACE FUNCTION ledger_open(p_code text, p_currency text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  found bigint; v_class text; v_normal smallint; v_tracked boolean := true;
  own CONSTANT text := '[0-9a-f-]{36}';
BEGIN
  CASE
    WHEN p_code ~ ('^buyer:' || own || ':(available|held)$') OR p_code ~ ('^task:' || own || ':escrow$')
      OR p_code ~ ('^person:' || own || ':(pending|payable|held)$') OR p_code ~ ('^(payout|refund):' || own || '$')
      THEN v_class := 'liability'; v_normal := -1;
    WHEN p_code ~ ('^person:' || own || ':receivable$') OR p_code ~ ('^dispute:' || own || '$')
      THEN v_class := 'asset'; v_normal := 1;
    WHEN p_code = 'stripe:clearing' THEN v_class := 'asset'; v_normal := 1; v_tracked := false;
    WHEN p_code IN ('stripe:fees', 'platform:bonus_expense', 'platform:losses')
      THEN v_class := 'expense'; v_normal := 1; v_tracked := false;
    WHEN p_code = 'platform:fee' THEN v_class := 'income'; v_normal := -1; v_tracked := false;
    WHEN p_code = 'suspense' THEN v_class := 'liability'; v_normal := -1; v_tracked := false;
    ELSE RAISE EXCEPTION 'no such kind of ledger account: %', p_code USING ERRCODE = 'LG006';
  END CASE;
  INSERT INTO ledger_account (code, class, normal, currency, floor_zero, tracked)
    VALUES (p_code, v_class, v_normal, p_currency, v_tracked, v_tracked)
    ON CONFLICT (code, currency) DO NOTHING RETURNING id INTO found;
  IF found IS NULL THEN
    SELECT id INTO found FROM ledger_account WHERE code = p_code AND currency = p_currency;
  END IF;
  RETURN found; END$$;
