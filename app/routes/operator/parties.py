"""People and accounts: who they are, what they have, what is open. Looking is kept in the audit log."""

from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import OPERATOR
from app.edge import Call, endpoint
from app.paging import Cursor, Limit, Page, page, read_uuid
from market import answers_desk, ids, parties
from market.answers_desk import Answer, PaidLine
from market.parties import Account, AccountRow, Person, PersonRow


class Search(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """search: part of a name or an e-mail address, or a whole id · held: those on hold alone."""

    search: Annotated[str, msgspec.Meta(max_length=200, examples=["bo@example.com"])] = ""
    held: bool = False
    limit: Limit = 50
    cursor: Cursor | None = None


class PersonInFull(Person, frozen=True, kw_only=True):
    """A person with their newest answers, and their newest lines in payout runs."""

    answers: list[Answer]
    payouts: list[PaidLine]


@endpoint("GET", "/v1/operator/people", by=OPERATOR, audited=True)
async def find_people(call: Call, query: Search) -> Page[PersonRow]:
    """People who answer, newest first."""
    found = await parties.people(
        call.connection, search=query.search, before=read_uuid(query.cursor), limit=query.limit + 1, held=query.held
    )
    return page(found, query.limit, lambda one: ids.read("person", one.id), lambda one: one)


@endpoint("GET", "/v1/operator/people/{person_id}", by=OPERATOR, audited=True)
async def get_person_for_operator(call: Call, person_id: str) -> PersonInFull:
    """One person: balances, payout account, hold, what is open, their newest answers and what was paid to them."""
    person = ids.read("person", person_id)
    found = await parties.person(call.connection, person)
    return PersonInFull(
        **msgspec.structs.asdict(found), answers=await answers_desk.latest(call.connection, person),
        payouts=await answers_desk.payouts(call.connection, person),
    )  # fmt: skip


@endpoint("GET", "/v1/operator/accounts", by=OPERATOR, audited=True)
async def find_accounts(call: Call, query: Search) -> Page[AccountRow]:
    """Accounts that buy, newest first."""
    found = await parties.accounts(
        call.connection, search=query.search, before=read_uuid(query.cursor), limit=query.limit + 1, held=query.held
    )
    return page(found, query.limit, lambda one: ids.read("account", one.id), lambda one: one)


@endpoint("GET", "/v1/operator/accounts/{account_id}", by=OPERATOR, audited=True)
async def get_account_for_operator(call: Call, account_id: str) -> Account:
    """One account: balances, hold, and what is open."""
    return await parties.account(call.connection, ids.read("account", account_id))


ROUTES: list[HTTPRouteHandler] = [find_people, get_person_for_operator, find_accounts, get_account_for_operator]
