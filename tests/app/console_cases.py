"""For test_authorisation: the console's pages, and the forms that they send, by route."""

NAMES = {
    "tx_id": "ltx_" + "0" * 32, "code": "platform:fee", "day": "2026-03-31", "line_id": "txn_1",
    "dispute_id": "disp_" + "0" * 32, "warning_id": "efw_" + "0" * 32, "decision_id": "dec_" + "0" * 32,
    "passkey_id": "pk_" + "0" * 32, "session_id": "key_" + "0" * 32, "transaction_id": "ltx_" + "0" * 32,
}  # fmt: skip
ONCE = {"once": "0" * 32}

PAGES = [
    "/operator", "/operator/switches", "/operator/me", "/operator/me/proof", "/operator/runs", "/operator/runs/new",
    "/operator/runs/{run_id}", "/operator/runs/{run_id}/lines", "/operator/runs/{run_id}/exclusions",
    "/operator/payouts/{payout_id}", "/operator/operations", "/operator/operations/{operation_id}", "/operator/events",
    "/operator/people", "/operator/people/{person_id}", "/operator/accounts", "/operator/accounts/{account_id}",
    "/operator/holds", "/operator/disputes", "/operator/disputes/{dispute_id}", "/operator/fraud-warnings",
    "/operator/fraud-warnings/{warning_id}", "/operator/decisions", "/operator/decisions/{decision_id}",
    "/operator/reconciliation", "/operator/reconciliation/lines", "/operator/reconciliation/lines/{line_id}",
    "/operator/closes", "/operator/closes/{day}", "/operator/trial-balance", "/operator/ledger",
    "/operator/ledger/accounts/{code}", "/operator/ledger/transactions", "/operator/ledger/transactions/{tx_id}",
    "/operator/audit",
]  # fmt: skip

FORMS: dict[str, dict[str, str]] = {
    "/operator/me/proof": {},
    "/operator/me/sign-out": {},
    "/operator/me/remove-passkey": {"passkey": "pk_0"},
    "/operator/me/end-session": {"session": "key_" + "0" * 32},
    "/operator/switches/{switch_name}/turn": {"stopped": "true", "reason": "transfers arrive twice"},
    "/operator/runs": ONCE,
    "/operator/runs/{run_id}/freeze": {},
    "/operator/runs/{run_id}/submit": {},
    "/operator/runs/{run_id}/approve": {},
    "/operator/runs/{run_id}/execute": ONCE,
    "/operator/runs/{run_id}/reopen": {},
    "/operator/runs/{run_id}/discard": {},
    "/operator/runs/{run_id}/exclude": {"person_id": "prsn_" + "0" * 32, "note": "waits"},
    "/operator/runs/{run_id}/include": {"person_id": "prsn_" + "0" * 32},
    "/operator/operations/{operation_id}/look": {},
    "/operator/operations/{operation_id}/retry": {},
    "/operator/operations/{operation_id}/give-up": {"reason": "not there", "sure": "yes"},
    "/operator/events/{event_id}/retry": {},
    "/operator/people/{person_id}/hold": {"reason": "under review"},
    "/operator/people/{person_id}/release": {},
    "/operator/accounts/{account_id}/hold": {"reason": "a stolen card"},
    "/operator/accounts/{account_id}/release": {},
    "/operator/disputes/{dispute_id}/answer": {**ONCE, "uncategorized_text": "it was delivered"},
    "/operator/disputes/{dispute_id}/accept": ONCE,
    "/operator/disputes/{dispute_id}/freeze": ONCE,
    "/operator/fraud-warnings/{warning_id}/refund": ONCE,
    "/operator/fraud-warnings/{warning_id}/dismiss": {},
    "/operator/decisions/ask": {**ONCE, "kind": "write_off", "subject": "prsn_" + "0" * 32, "reason": "gone"},
    "/operator/decisions/{decision_id}/approve": ONCE,
    "/operator/decisions/{decision_id}/refuse": {},
    "/operator/decisions/{decision_id}/withdraw": {},
    "/operator/reconciliation/lines/{line_id}/resolve": {**ONCE, "target": "platform:losses", "reason": "known"},
    "/operator/closes": {"day": "2026-03-31"},
}
