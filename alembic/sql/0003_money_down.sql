DROP INDEX ledger_account_payable;
ALTER TABLE payout_run DROP CONSTRAINT payout_run_approval;
DROP TABLE payout_exclusion, payout, payout_approval, payout_run, payout_hold, payout_account, funding, customer,
  stripe_balance_txn, stripe_event, stripe_op;
DROP FUNCTION payout_frozen;
DROP TYPE payout_status, payout_run_status, funding_status, stripe_op_status;
