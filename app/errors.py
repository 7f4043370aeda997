"""The one table from a refusal of the market to an answer over HTTP, as RFC 9457 problem details.

The rules refuse in the words of the market (`market/errors.py`); which status that is, is known here and nowhere else.
Each problem type is a page that this service serves at `/problems/<slug>`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from market import errors as market
from market.claims import MOST_LET_GO, MOST_TRIES


class Kind(NamedTuple):
    """One problem type: its status, its title, and what the one who meets it can do."""

    status: int
    title: str
    advice: str


PROBLEMS: dict[str, Kind] = {
    "malformed": Kind(
        400,
        "The request cannot be read",
        "`detail` says what is not well-formed: a header, or the body, which is JSON in UTF-8 or a form.",
    ),
    "validation": Kind(
        422,
        "Some fields are not as they must be",
        "`errors` names each field by its JSON pointer and says what is wrong with it. Nothing has been done.",
    ),
    "idempotency-key-missing": Kind(
        400,
        "An Idempotency-Key header is required",
        "Make up a new key for each thing that you want done, and send the same key again when you repeat a request.",
    ),
    "idempotency-key-reused": Kind(
        422,
        "This Idempotency-Key was used for another request",
        "A key stands for one request for 24 hours. Use a new key for a new request.",
    ),
    "in-flight": Kind(
        409,
        "A request with this Idempotency-Key is still running",
        "Wait as long as Retry-After says, then send the same request again: you get the answer of the first.",
    ),
    "unauthenticated": Kind(
        401,
        "A valid key is required",
        "Send `Authorization: Bearer <key>`. The key may be missing, mistyped, expired or revoked.",
    ),
    "forbidden": Kind(403, "This key may not do that", "The kind of key or its scopes do not allow this operation."),
    "proof-required": Kind(
        403,
        "Prove once more who you are",
        "This needs a proof of the last five minutes: POST /v1/operator/session/proof with your passkey, or, in the "
        "sandbox, your key. A request with `Authorization: Bearer op_…` is its own proof.",
    ),
    "not-found": Kind(404, "There is no such thing here", "Either it does not exist or it belongs to somebody else."),
    "not-for-resale": Kind(
        403,
        "This may not be sold on",
        "Its task said `license.resale: false`, or the sale in which you bought it `resale: false`; or its evidence "
        "was refused, or its person erased. `detail` says which.",
    ),
    "already-listed": Kind(
        409, "You are offering this already", "Change that listing with PATCH, or end it and make another."
    ),
    "listing-not-active": Kind(409, "This is not for sale now", "It is paused, ended or withdrawn: look for another."),
    "listing-over": Kind(409, "The listing is over", "What is ended or withdrawn stays so. List it anew if you may."),
    "exclusive": Kind(409, "Somebody has this alone for now", "`available_from` of the listing says until when."),
    "already-owned": Kind(
        409, "You have this already", "GET /v1/observations lists what you have, bought and paid for yourself alike."
    ),
    "price-changed": Kind(
        409,
        "It costs more than you would pay",
        "Read the listing: `price_now` is what it costs. Nothing was bought; send a higher `max_price` if you want it.",
    ),
    "original-not-asked": Kind(
        403,
        "The task did not ask for photos as they came",
        "Take `variant=full`: the picture in full size, upright, without metadata and without what its person hid. "
        "A task that needs the files themselves says `evidence.photos.originals: true`, which people see beforehand.",
    ),
    "erased": Kind(
        410,
        "This has been erased",
        "Whoever took it has left and had it removed. It does not come back; delete your own copies of it.",
    ),
    "method-not-allowed": Kind(
        405, "This address does not take that method", "`Allow` lists the methods that it takes."
    ),
    "conflict": Kind(409, "The thing has changed meanwhile", "Read it again and decide anew."),
    "below-minimum": Kind(
        422,
        "The price is below the market's minimum",
        "An answer must pay a minimum for each minute that it is expected to take, the way there included. Raise "
        "`reward` to what `detail` says, or ask for less.",
    ),
    "contact-details": Kind(
        422,
        "No contact details, please",
        "Questions and answers name no e-mail address, telephone number, web address, handle or messenger. Say it "
        "without: whoever works here is paid and protected here.",
    ),
    "insufficient-funds": Kind(
        402,
        "The balance does not cover this",
        "Add funds with POST /v1/funding, or lower the price or the quantity.",
    ),
    "over-cap": Kind(
        402,
        "A spending cap does not allow this",
        "Keys have `max_per_task` and `max_per_day`, an account has a `max_per_day` over all of them. A key with other "
        "caps may be made by the owner, and the account's cap changed with PATCH /v1/account.",
    ),
    "account-held": Kind(
        403,
        "The account is on hold",
        "An operator has stopped it for now: it posts no tasks, raises no prices and is refunded nothing. Tasks that "
        "run go on. Ask the operators.",
    ),
    "task-not-open": Kind(409, "The task is not open", "It is completed, expired or cancelled."),
    "question-limit": Kind(
        409,
        "No further question may be asked",
        "A person asks three questions about a task, and a task takes fifty. Read those that were answered.",
    ),
    "slot-taken": Kind(409, "No slot is free", "Others were first. A slot may come free when a claim expires."),
    "already-answered": Kind(
        409,
        "You hold a claim on this task or have answered it",
        "A person has one answer to a task. Whoever is rejected may claim it again while it is open, for "
        f"{MOST_TRIES} tries in all; whoever gives it back or lets it run out, {MOST_LET_GO} times.",
    ),
    "devices-only": Kind(
        409,
        "Devices answer this by themselves",
        "It pays less than a person's time must, and asks for readings that registered devices push: register yours.",
    ),
    "part-of-route": Kind(
        409,
        "This is a part of a route",
        "Nobody has begun the route, so it is taken as a whole: POST /v1/people/routes/{id}/claims, with the id that "
        "GET /v1/people/routes tells.",
    ),
    "route-taken": Kind(
        409,
        "The route is not whole any more",
        "A part of it is taken, or has ended. What is left of it is among the tasks near by, one by one.",
    ),
    "series-reserved": Kind(
        409,
        "This is kept for others for a while",
        "Whoever has answered this series before has a head start. Come back when that is over.",
    ),
    "series-other-person": Kind(
        409,
        "This series wants another person each time",
        "You hold a claim on another of its tasks, or have answered one.",
    ),
    "group-over": Kind(409, "No task of this group is open", "All are completed, expired or cancelled already."),
    "too-many-claims": Kind(409, "Too many claims at once", "Finish one of your claims or give one back first."),
    "claim-expired": Kind(409, "The claim is over", "Claims end at `expires_at`. Claim the task again if it is open."),
    "wrong-state": Kind(
        409, "This is not possible in the present state", "Read the thing again: its `status` says why."
    ),
    "approval-expired": Kind(
        409,
        "The approval has expired",
        "Or whoever gave it is disabled. An operator who has neither made nor submitted the run approves it anew; "
        "nothing else about it changes.",
    ),
    "stopped": Kind(
        409,
        "This kind of payment is stopped",
        "An operator has stopped it, for a reason that GET /v1/operator/switches tells.",
    ),
    "reason-required": Kind(
        422,
        "A rejection needs a reason that the task declared",
        "Cite one of the checks that the task lists in `acceptance.checks` and that did not pass, or a reason "
        "code, with a comment: `not_what_was_asked`, `unreadable`, `wrong_answer`, `incomplete`.",
    ),
    "fix-up-limit": Kind(
        409,
        "No further fix-up may be asked for",
        "A buyer may ask for two fix-ups of a submission. Accept or reject it; whoever does neither has accepted it.",
    ),
    "not-mendable": Kind(
        409,
        "This cannot be mended",
        "A device answered with what it measured at the time. Accept or reject it.",
    ),
    "appeal-too-late": Kind(409, "The time to appeal is over", "A rejection may be appealed in the 72 hours after it."),
    "already-appealed": Kind(
        409,
        "This is contested, or has been",
        "A submission is contested once, by whomever: `dispute_id` names it. What its review decides is final.",
    ),
    "own-decision": Kind(
        409,
        "You accepted this yourself",
        "Only what was accepted by machine or because nobody reviewed it in time may be disputed, and not once you "
        "have thanked for it with a bonus or a rating.",
    ),
    "paid-out": Kind(
        409,
        "The pay for this has been released",
        "What was accepted may be disputed, or a bonus added, while its pay is in the hold window. After that it "
        "belongs to the person.",
    ),
    "used-already": Kind(
        409,
        "This has been used already",
        "What has been sold, listed or put into a dataset is not contested any more.",
    ),
    "evidence-locked": Kind(
        403,
        "This is locked for now",
        "Its acceptance is contested, or it is not paid for: nobody reads, sells or exports it until that is settled.",
    ),
    "words-over": Kind(409, "The time to speak is over", "Both sides speak until `answer_by`; then it is reviewed."),
    "statement-limit": Kind(409, "You have spoken as often as one may", "Each side has five statements."),
    "not-in-review": Kind(409, "It is not reviewed yet", "Both sides may speak until `answer_by`. Come back after it."),
    "review-taken": Kind(
        409, "This has been reviewed", "By you, or by two others. An operator decides where those disagree."
    ),
    "party-to-it": Kind(403, "You have a part in this", "Somebody else must review it."),
    "policy-refused": Kind(403, "The rules of the market do not allow this", "`detail` says which rule."),
    "evidence-missing": Kind(
        422, "The evidence that the task asks for is not complete", "`detail` says what is missing."
    ),
    "model-failed": Kind(
        422, "The model does not run on this", "It crashed, took too long, or gave what are no probabilities."
    ),
    "unsupported-media": Kind(415, "This type of content is not taken here", "`detail` says what is taken."),
    "too-large": Kind(413, "The content is too large", "`detail` says the limit."),
    "digest-mismatch": Kind(
        422, "The bytes are not the ones announced", "Content-Digest differs from what arrived. Send the file again."
    ),
    "rate-limited": Kind(429, "Too many requests", "Wait as long as Retry-After says."),
    "unavailable": Kind(503, "The service is busy", "Nothing has been done. Try again after Retry-After seconds."),
    "internal": Kind(
        500, "Something went wrong on our side", "Nothing has been done. `request_id` finds it in our logs."
    ),
}


class FieldError(msgspec.Struct, frozen=True):
    """One field that is wrong: its JSON pointer, and what is wrong with it."""

    pointer: str
    detail: str


class Problem(Exception):
    """A refusal of the service itself, by its slug. Refusals of the market have classes of their own."""

    def __init__(
        self,
        slug: str,
        detail: str,
        *,
        status: int | None = None,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.slug = slug
        self.status = status or PROBLEMS[slug].status
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        if slug in RETRY_AFTER_S:
            self.headers.setdefault("retry-after", RETRY_AFTER_S[slug])
        self.members = members


# Each refusal of the market, and what it is over HTTP. The most special class that fits decides.
REFUSALS: dict[type[market.Refusal], str] = {
    market.NotFound: "not-found",
    market.Unauthenticated: "unauthenticated",
    market.Forbidden: "forbidden",
    market.Invalid: "validation",
    market.BelowMinimum: "below-minimum",
    market.ContactDetails: "contact-details",
    market.InsufficientFunds: "insufficient-funds",
    market.OverCap: "over-cap",
    market.AccountHeld: "account-held",
    market.TaskNotOpen: "task-not-open",
    market.QuestionLimit: "question-limit",
    market.SlotTaken: "slot-taken",
    market.AlreadyAnswered: "already-answered",
    market.DevicesOnly: "devices-only",
    market.PartOfRoute: "part-of-route",
    market.RouteTaken: "route-taken",
    market.SeriesReserved: "series-reserved",
    market.SeriesOtherPerson: "series-other-person",
    market.GroupOver: "group-over",
    market.TooManyClaims: "too-many-claims",
    market.ClaimOver: "claim-expired",
    market.EvidenceMissing: "evidence-missing",
    market.ReasonRequired: "reason-required",
    market.NotForResale: "not-for-resale",
    market.AlreadyListed: "already-listed",
    market.ListingNotActive: "listing-not-active",
    market.ListingOver: "listing-over",
    market.Exclusive: "exclusive",
    market.AlreadyOwned: "already-owned",
    market.PriceChanged: "price-changed",
    market.OriginalNotAsked: "original-not-asked",
    market.Erased: "erased",
    market.FixUpLimit: "fix-up-limit",
    market.NotMendable: "not-mendable",
    market.AppealTooLate: "appeal-too-late",
    market.AlreadyAppealed: "already-appealed",
    market.OwnDecision: "own-decision",
    market.PaidOut: "paid-out",
    market.UsedAlready: "used-already",
    market.EvidenceLocked: "evidence-locked",
    market.WordsOver: "words-over",
    market.StatementLimit: "statement-limit",
    market.NotInReview: "not-in-review",
    market.ReviewTaken: "review-taken",
    market.PartyToIt: "party-to-it",
    market.WrongState: "wrong-state",
    market.ApprovalExpired: "approval-expired",
    market.Stopped: "stopped",
    market.Changed: "conflict",
    market.TooOften: "rate-limited",
    market.Refusal: "policy-refused",
}

RETRY_AFTER_S = {"rate-limited": "30", "in-flight": "1", "unavailable": "1"}


def of_refusal(refusal: market.Refusal) -> Problem:
    """The problem that a refusal of the market is."""
    slug = next(REFUSALS[kind] for kind in type(refusal).__mro__ if kind in REFUSALS)
    errors = [FieldError(refusal.pointer, refusal.detail)] if refusal.pointer is not None else []
    return Problem(slug, refusal.detail, errors=errors)
