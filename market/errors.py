"""Refusals, in the words of the market. Which HTTP status each becomes is known in app/errors.py alone."""


class Refusal(Exception):
    """The rules do not allow it. The message is meant for the one who asked."""

    def __init__(self, detail: str = "", *, pointer: str | None = None) -> None:
        super().__init__(detail or type(self).__doc__ or "")
        self.detail = str(self)
        self.pointer = pointer  # the JSON pointer of the field at fault, where there is one


class NotFound(Refusal):
    """There is no such thing here."""


class Unauthenticated(Refusal):
    """The key is unknown, expired or revoked."""


class Forbidden(Refusal):
    """This key may not do that."""


class Invalid(Refusal):
    """A value is not as the rules want it."""


class BelowMinimum(Invalid):
    """The price pays less than the market's minimum for the time that it is expected to take."""


class ContactDetails(Invalid):
    """This names a way to be reached outside the market: leave it out."""


class InsufficientFunds(Refusal):
    """The balance does not cover this."""

    def __init__(self, detail: str = "", *, needed: int | None = None) -> None:
        super().__init__(detail or type(self).__doc__ or "")
        self.needed = needed  # minor units from the buyer's balance


class OverCap(Refusal):
    """A spending cap, of the key or of its account, does not allow this."""


class AccountHeld(Refusal):
    """An operator holds this account for now: nothing more is set aside from its balance, and nothing refunded."""


class TaskNotOpen(Refusal):
    """The task is not open."""


class QuestionLimit(Refusal):
    """A person asks three questions about a task at most, and a task takes fifty."""


class SlotTaken(Refusal):
    """No slot of this task is free."""


class AlreadyAnswered(Refusal):
    """A person has one answer to a task; this one holds a claim on it or has handed in an answer."""


class TriesUsed(AlreadyAnswered):
    """A person whose answers were rejected may not try again without end."""


class DevicesOnly(Refusal):
    """Devices answer this by themselves: it pays less than a person's time must."""


class PartOfRoute(Refusal):
    """This is a part of a route that is taken as a whole."""


class RouteTaken(Refusal):
    """A part of this route is taken, or has ended: what is left of it are tasks of their own."""


class SeriesReserved(Refusal):
    """For now this is kept for whoever has answered the series before."""


class SeriesOtherPerson(Refusal):
    """Each task of this series is answered by another person, and you have one already."""


class GroupOver(Refusal):
    """None of the tasks of this group is open."""


class TooManyClaims(Refusal):
    """Too many claims at once: finish or release one first."""


class ClaimOver(Refusal):
    """The claim has expired, was released or is submitted."""


class EvidenceMissing(Refusal):
    """What the task asks for is not complete."""


class ReasonRequired(Refusal):
    """A rejection must cite a check that the task declared, or a reason code, with a comment."""


class FixUpLimit(Refusal):
    """A fix-up may be asked for twice: accept or reject it now."""


class NotMendable(Refusal):
    """A device answered with what it measured, which cannot be measured again: accept or reject it."""


class AppealTooLate(Refusal):
    """A rejection may be appealed for 72 hours, which are over."""


class AlreadyAppealed(Refusal):
    """This has been contested and reviewed, or is now: once for each submission, by whomever."""


class OwnDecision(Refusal):
    """The buyer accepted or thanked for this themselves; only what machine or deadline accepted may be disputed."""


class PaidOut(Refusal):
    """The hold window is over and the pay belongs to its person: it was disputed too late."""


class UsedAlready(Refusal):
    """The observation has been sold, listed or put into a dataset: whoever uses it has accepted it."""


class EvidenceLocked(Refusal):
    """Nobody reads, sells or exports this for now: its acceptance is contested, or it is not paid for."""


class WordsOver(Refusal):
    """Both sides have had their time to speak; it is reviewed now, or has been."""


class StatementLimit(Refusal):
    """Each side speaks five times at most."""


class NotInReview(Refusal):
    """Both sides may still speak: the review begins when their time is over."""


class ReviewTaken(Refusal):
    """You have reviewed this, or two others have."""


class PartyToIt(Refusal):
    """Whoever has a part in it does not review it."""


class NotForResale(Refusal):
    """This may not be sold on: its task, or the sale in which it was bought, did not allow that."""


class AlreadyListed(Refusal):
    """You are offering this already: change that listing, or end it first."""


class ListingNotActive(Refusal):
    """This is not for sale now: it is paused, ended or withdrawn."""


class ListingOver(Refusal):
    """The listing is over: it was ended, or withdrawn with its evidence."""


class Exclusive(Refusal):
    """Somebody has this for themselves alone for now."""


class AlreadyOwned(Refusal):
    """You have this already."""


class PriceChanged(Refusal):
    """The price is above what you would pay at most."""


class OriginalNotAsked(Refusal):
    """The task did not ask for photos as they came, so nobody but whoever took them has them. Take `full`."""


class OriginalsAsked(Refusal):
    """This task asks for photos as they came, so nothing in them can be hidden: release the claim rather than that."""


class Erased(Refusal):
    """Whoever took this photo has been erased, and so has it. Delete what you have kept of it."""


class WrongState(Refusal):
    """This is not possible in the present state."""


class ApprovalExpired(WrongState):
    """The approval of this run has expired: somebody who may must approve it anew."""


class Stopped(WrongState):
    """An operator has stopped this kind of payment."""


class PayoutsStopped(Stopped):
    """Payouts are stopped by an operator: nothing is paid until they are started again."""


class Changed(Refusal):
    """It was changed by somebody else in the meantime: read it again."""


class TooOften(Refusal):
    """Too many tries: wait a while."""
