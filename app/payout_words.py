"""What Stripe and banks say about people's payouts, in plain words: for pages and mails alike."""

from collections.abc import Iterable

# Stripe's names of requirements, of Accounts v2 and of the older API, which it still uses here and there; the longest
# that fits counts. `identity.` in front of them is left away.
REQUIREMENTS = {
    "default_payout_method": "Stripe wants to know the bank account or debit card that your money shall go to.",
    "configuration.recipient.default_outbound_destination": (
        "Stripe wants to know the bank account or debit card that your money shall go to."
    ),
    "payout_method": "Stripe wants to know the bank account or debit card that your money shall go to.",
    "external_account": "Stripe wants to know the bank account or debit card that your money shall go to.",
    "individual": "Stripe wants to know more about you.",
    "individual.given_name": "Stripe wants your first name and last name, as in your passport or identity card.",
    "individual.surname": "Stripe wants your first name and last name, as in your passport or identity card.",
    "individual.first_name": "Stripe wants your first name and last name, as in your passport or identity card.",
    "individual.last_name": "Stripe wants your first name and last name, as in your passport or identity card.",
    "individual.name": "Stripe wants your first name and last name, as in your passport or identity card.",
    "individual.additional_names": "Stripe wants all names that you have had.",
    "individual.full_name_aliases": "Stripe wants all names that you have had.",
    "individual.date_of_birth": "Stripe wants your date of birth.",
    "individual.dob": "Stripe wants your date of birth.",
    "individual.address": "Stripe wants the address where you live.",
    "individual.registered_address": "Stripe wants the address where you live.",
    "individual.additional_addresses": "Stripe wants a further address of yours.",
    "individual.email": "Stripe wants your e-mail address.",
    "individual.phone": "Stripe wants your phone number.",
    "individual.id_numbers": "Stripe wants your tax number or the number of your identity card.",
    "individual.id_number": "Stripe wants your tax number or the number of your identity card.",
    "individual.id_numbers.us_ssn": "Stripe wants your Social Security number.",
    "individual.id_numbers.us_ssn_last_4": "Stripe wants the last four digits of your Social Security number.",
    "individual.ssn_last_4": "Stripe wants the last four digits of your Social Security number.",
    "individual.nationalities": "Stripe wants to know your nationality.",
    "individual.nationality": "Stripe wants to know your nationality.",
    "individual.political_exposure": "Stripe asks whether you, or somebody close to you, holds a high public office.",
    "individual.legal_gender": "Stripe asks for the gender in your papers.",
    "individual.relationship": "Stripe asks what you do in the business that you are paid for.",
    "individual.documents": "Stripe wants a document from you.",
    "individual.documents.primary_verification": "Stripe wants a photo of your passport or identity card.",
    "individual.documents.secondary_verification": (
        "Stripe wants a document that shows where you live, such as a bill or a bank statement."
    ),
    "individual.documents.passport": "Stripe wants a photo of your passport.",
    "individual.documents.visa": "Stripe wants a photo of your visa.",
    "individual.verification": "Stripe wants to make sure who you are.",
    "individual.verification.document": "Stripe wants a photo of your passport or identity card.",
    "individual.verification.additional_document": (
        "Stripe wants a document that shows where you live, such as a bill or a bank statement."
    ),
    "individual.verification.proof_of_liveness": "Stripe wants a photo of your face, taken on its page.",
    "attestations.terms_of_service": "Stripe wants you to accept its terms.",
    "tos_acceptance": "Stripe wants you to accept its terms.",
    "country": "Stripe wants to know in which country you live.",
    "entity_type": "Stripe asks whether you are paid as a person or as a company.",
    "business_type": "Stripe asks whether you are paid as a person or as a company.",
    "business_details": "Stripe wants to know more about your business.",
    "business_profile": "Stripe wants to know what you are paid for.",
    "defaults.profile": "Stripe wants to know what you are paid for.",
    "contact_email": "Stripe wants your e-mail address.",
    "contact_phone": "Stripe wants your phone number.",
}  # fmt: skip

# Why a bank sent money back, by Stripe's codes: what it means, and what to do.
_NEW_DETAILS = "Give Stripe the details of an account that works."
_CHECK_DETAILS = "Check the details at Stripe, character by character, and correct them."
BANK_FAILURES = {
    "account_closed": ("The bank account has been closed.", _NEW_DETAILS),
    "account_frozen": ("The bank account is frozen.", "Ask your bank why, or give Stripe another account."),
    "bank_account_restricted": (
        "The bank does not take such payments for this account; often it is a savings account.", _NEW_DETAILS,
    ),
    "bank_ownership_changed": ("The branch of the bank belongs to another bank now.", _NEW_DETAILS),
    "could_not_process": ("The bank could not take the payment.", _CHECK_DETAILS),
    "debit_not_authorized": (
        "The bank account does not allow debits, which Stripe requires.",
        "Ask your bank to allow them, or give Stripe another account.",
    ),
    "declined": ("The bank declined the payment.", "Ask your bank why, before Stripe tries again."),
    "incorrect_account_holder_address": ("The bank knows another address of the account's holder.", _CHECK_DETAILS),
    "incorrect_account_holder_name": ("The bank knows the account under another name.", _CHECK_DETAILS),
    "incorrect_account_holder_tax_id": ("The bank knows another tax number of the account's holder.", _CHECK_DETAILS),
    "incorrect_account_type": ("The account is of another type than Stripe was told.", _CHECK_DETAILS),
    "insufficient_funds": (
        "Your balance at Stripe did not cover the payment.", "Stripe tries again when it does; you need do nothing.",
    ),
    "invalid_account_number": ("There is no account with this number at the bank.", _CHECK_DETAILS),
    "invalid_account_number_length": ("The number of the account is too short or too long.", _CHECK_DETAILS),
    "invalid_card": ("The debit card is not valid.", "Give Stripe another card or a bank account."),
    "invalid_currency": ("The bank account does not take this currency.", _NEW_DETAILS),
    "lost_or_stolen_card": (
        "The debit card was reported as lost or stolen.", "Give Stripe another card or a bank account.",
    ),
    "no_account": ("The bank found no account with these details.", _CHECK_DETAILS),
    "refer_to_card_issuer": ("The card's bank refused the payment.", "Ask it why, or give Stripe a bank account."),
    "unsupported_card": ("The debit card takes no payments any more.", "Give Stripe another card or a bank account."),
}  # fmt: skip

# Why somebody was not in a run, or a line of theirs was passed over: after "because".
LEFT_OUT = {
    "held": "somebody is looking at your account; you will hear from us",
    "no_payout_account": "you have not told Stripe yet where to pay",
    "capability_inactive": "Stripe did not pay to your account then",
    "destination_changed": "your account at Stripe was another one than when the payout was prepared",
    "in_another_run": "another payout to you was under way",
    "below_minimum": "it was below the least that is paid out",
    "over_run_cap": "the payout had reached its limit; you are in the next one",
    "excluded": "an operator left you out this time",
    "owes": "what was paid too much before was taken from it first",
    "balance_changed": "the amount had changed since the payout was prepared",
    "balance_insufficient": "our account at Stripe did not cover it at that moment",
    "insufficient_capabilities_for_transfer": "Stripe did not pay to your account then",
}  # fmt: skip


def requirements(names: Iterable[str]) -> list[str]:
    """What Stripe asks for, one sentence a thing, each once, in the order given."""
    return list(dict.fromkeys(_requirement(name) for name in names))


def _requirement(name: str) -> str:
    steps = name.removeprefix("identity.").split(".")
    for length in range(len(steps), 0, -1):
        found = REQUIREMENTS.get(".".join(steps[:length]))
        if found is not None:
            return found
    unknown = ", ".join(step.replace("_", " ") for step in steps[-2:]) or "it has no name"
    return f"Stripe asks for something more: {unknown}. Its page says what."


def bank_failure(code: str) -> str:
    """Why a bank sent money back, and what to do about it."""
    what, then = BANK_FAILURES.get(
        code, (f"The bank sent it back: {spoken(code) or 'it gave no reason'}.", "Look at your account at Stripe.")
    )
    return f"{what} {then}"


def left_out(reason: str) -> str:
    """Why somebody was left out of a payout: the rest of a sentence after "because"."""
    return LEFT_OUT.get(reason, f"Stripe said: {spoken(reason)}")


def spoken(name: str) -> str:
    """A name of Stripe's with spaces: `identity.some_thing` is some thing."""
    return name.rpartition(".")[2].replace("_", " ").strip() if name else ""
