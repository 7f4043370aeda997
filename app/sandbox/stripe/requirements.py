"""What Stripe asks of a recipient before it may be paid, as entries of API v2."""

from __future__ import annotations

from typing import Literal

import msgspec

from app.sandbox.stripe.store import Object

CAPABILITY = "stripe_balance.stripe_transfers"
# status → (code, resolution); `restricted` without open requirements has nothing that could be provided
DETAILS = {
    "pending": ("requirements_pending_verification", "no_resolution"),
    "rejected": ("rejected_other", "contact_stripe"),
    "restricted": ("requirements_past_due", "provide_info"),
    "unsupported": ("unsupported_country", "no_resolution"),
}
ORDER = ("past_due", "currently_due", "eventually_due")


class Requirement(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One thing that is asked for. `description` is Stripe's name for it in API v2.

    For example `default_payout_method`, `identity.individual.documents.primary_verification`,
    `identity.individual.id_numbers.us_ssn_last_4`, `identity.attestations.terms_of_service.account`.
    """

    description: str
    awaiting_action_from: Literal["user", "stripe"] = "user"
    deadline: Literal["past_due", "currently_due", "eventually_due"] = "currently_due"
    error: Literal[
        "", "invalid_dob_age_under_18", "invalid_street_address", "verification_document_expired",
        "verification_document_fraudulent", "verification_document_name_mismatch",
        "verification_document_not_readable", "verification_failed_id_number_match",
        "verification_failed_keyed_identity",
    ] = ""  # fmt: skip
    """Why what was given is not enough, '' when nothing was given yet."""

    def entry(self) -> Object:
        restricts = {
            "capability": CAPABILITY,
            "configuration": "recipient",
            "deadline": {"status": self.deadline},
        }
        errors = [{"code": self.error, "description": self.error.replace("_", " ").capitalize()}] if self.error else []
        person = self.description.startswith("identity.individual.")
        return {
            "awaiting_action_from": self.awaiting_action_from,
            "description": self.description,
            "errors": errors,
            "impact": {"restricts_capabilities": [restricts]},
            "minimum_deadline": {"status": self.deadline},
            "reference": {"type": "person", "inquiry": None, "resource": None} if person else None,
            "requested_reasons": [{"code": "routine_verification" if errors else "routine_onboarding"}],
        }


def status_details(status: str) -> list[Object]:
    """Why the capability is not active."""
    if status not in DETAILS:
        return []
    code, resolution = DETAILS[status]
    return [{"code": code, "resolution": resolution}]


def summary(entries: list[Object], due: str | None) -> Object | None:
    """The nearest deadline of all entries. due: RFC 3339, None where Stripe names no time."""
    statuses = [entry["minimum_deadline"]["status"] for entry in entries]
    if not statuses:
        return None
    return {"minimum_deadline": {"status": min(statuses, key=ORDER.index), "time": due}}
