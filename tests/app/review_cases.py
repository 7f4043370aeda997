"""For test_authorisation: fix-ups, appeals, disputes and second reviews: operations with their bodies, and forms."""

from typing import Any

OPERATIONS: dict[str, Any] = {
    "POST /v1/submissions/{submission_id}/fix-up": {
        "reason_code": "unreadable", "comment": "blurred", "within_s": 3600,
    },
    "POST /v1/submissions/{submission_id}/dispute": {"reason_code": "unreadable", "words": "blurred"},
    "POST /v1/people/submissions/{submission_id}/appeal": {"words": "It is sharp."},
    "GET /v1/disputes": None,
    "GET /v1/disputes/{appeal_id}": None,
    "POST /v1/disputes/{appeal_id}/statements": {"words": "It is sharp.", "photos": [1]},
    "GET /v1/people/reviews": None,
    "GET /v1/people/reviews/{appeal_id}": None,
    "GET /v1/people/reviews/{appeal_id}/photos/{n}": None,
    "POST /v1/people/reviews/{appeal_id}": {"award_percent": 100, "reason": "It is sharp."},
    "GET /w/reviews": None,
    "GET /w/reviews/{appeal_id}": None,
}  # fmt: skip
WORDS = {"words": "It is sharp."}
FORMS: dict[str, dict[str, str]] = {
    "/w/submissions/{submission_id}/appeal": WORDS,
    "/w/disputes/{appeal_id}/statements": WORDS,
    "/w/reviews/{appeal_id}": {"award_percent": "100", "reason": "It is sharp."},
}
