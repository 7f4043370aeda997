"""Mails to people about their answers: what was asked of them or decided, until when they may act, and where.

Of what a buyer wrote they bear the task's title alone, and that only where it leads nowhere: else nobody writes into
the market's mails but the market.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import NamedTuple

from app import amounts
from app.gateways import mail
from app.jobs import sweep
from app.services import Services
from market import appeals, contact_details, notices
from market.notices import Notice


class Letter(NamedTuple):
    """A mail."""

    subject: str
    text: str


@sweep("notices", every_s=5)
async def write_notices(services: Services) -> None:
    """Write what the log holds for people since the last time; each with its place in the log, so none twice."""
    seen = notices.AT_ONCE
    while seen == notices.AT_ONCE:
        async with services.database.transaction() as connection:
            seen, due = await notices.take(connection)
            for each in due:
                subject, text = letter(each, services.config.public_url)
                await mail.write(connection, services, each.email, subject, text)


def letter(notice: Notice, public_url: str) -> Letter:
    """What a notice says, with the address of its page."""
    title = _plain(notice.title)
    subject, text = {
        "submission.fix_up": _fix_up, "submission.rejected": _rejected, "appeal.opened": _disputed,
        "appeal.decided": _decided, "review.invited": _invited,
    }[notice.kind](notice)  # fmt: skip
    where = "reviews" if notice.kind == "review.invited" else "submissions"
    heading = f"{subject}: {title}"[:150] if title else subject
    return Letter(heading, f"{text}\n\n{public_url}/w/{where}/{notice.page}\n")


def _plain(title: str) -> str:
    """A task's title as one line that a mail may bear: nothing invisible, and none that leads somewhere else."""
    line = " ".join("".join(each for each in title if each.isspace() or unicodedata.category(each)[0] != "C").split())
    return "" if contact_details.found(line) else line


def _fix_up(notice: Notice) -> Letter:
    return Letter(
        "Please mend your answer",
        f"The buyer asks you to mend your answer, {_until(notice.until)}. Your claim is yours again until then, at the "
        f"same price of {amounts.money(notice.reward)}. What is to be mended is on the page. If you leave it, your "
        "answer goes back to the buyer as it was.",
    )


def _rejected(notice: Notice) -> Letter:
    days = appeals.APPEAL_S // 86_400
    return Letter(
        "Your answer was not accepted",
        f"The buyer has not accepted your answer, which would have paid {amounts.money(notice.reward)}. The page says "
        f"why. If you think that is wrong, appeal there within {days} days: somebody without a part in it decides.",
    )


def _disputed(notice: Notice) -> Letter:
    return Letter(
        "Your pay is disputed",
        f"The buyer disputes an answer that was accepted; its pay of {amounts.money(notice.reward)} waits until "
        f"somebody without a part in it has decided. You may say your side on the page, {_until(notice.until)}.",
    )


def _decided(notice: Notice) -> Letter:
    paid = notice.paid
    pays = "It pays nothing" if paid is None or paid.amount == 0 else f"It pays {amounts.money(paid)} in all"
    if notice.owed is not None and notice.owed.amount:
        pays = f"It pays {amounts.money(notice.owed)} as soon as the buyer, who may do nothing else until then, has it"
    return Letter("It is decided", f"The review of your answer is over. {pays}. Who decided, and why, is on the page.")


def _invited(notice: Notice) -> Letter:
    return Letter(
        "Please look at somebody's work",
        "Somebody's answer to this was refused or is disputed, and you were drawn by lot to say whether it should be "
        f"paid: without names, {_until(notice.until)}. Two people of one mind decide. You need not, and for now it is "
        "not paid.",
    )


def _until(at: datetime | None) -> str:
    return "" if at is None else f"until {amounts.day(at)}, {at.astimezone(UTC):%H:%M} UTC"
