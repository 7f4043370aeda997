DROP TABLE event, model, dataset_item, dataset, observation, earning, photo_hash, submission, photo, claim, task, mail,
  idempotency, key_spend, api_key, operator, login_network, login_code, person, account,
  ledger_entry, ledger_tx, ledger_account, currency;
DROP TYPE task_status, claim_status, submission_status, dataset_status;
DROP FUNCTION ledger_post, ledger_open, ledger_tx_balanced, ledger_entry_same_xact, append_only;
DROP FUNCTION market_now;
DROP TABLE market_clock;
