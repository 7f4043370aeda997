"""People: sign-up and sign-in by mailed codes, and themselves."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Any, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import erasing
from app.auth import EVERYONE, PERSON
from app.edge import Call, endpoint
from app.errors import Problem, of_refusal
from app.gateways import mail
from market import erasure, payout_accounts, people
from market.accounts import Email
from market.errors import Invalid, TooOften


class CodeTried(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A one-time code, as it came by mail."""

    email: Email
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=20, examples=["042137"])]


class Session(msgspec.Struct, frozen=True):
    """A session's secret: send it as `Authorization: Bearer …`."""

    token: str


@endpoint("POST", "/v1/people", by=EVERYONE, status=202, problems=("rate-limited",))
async def sign_up(call: Call, data: people.PersonDraft) -> None:
    """Sign up, or ask for another code.

    A one-time code goes to the address; codes sent before stay valid. The answer is the same whether the address was
    known. Without a sign-in only a few are sent in a day, counted for each network that asks, by address and in all.
    """
    if not data.accept_terms:
        raise Invalid("To take part, the terms must be accepted.", pointer="/accept_terms")
    await people.sign_up(call.connection, data)
    await send_code(call, data.email)


def network_of(call: Call) -> str:
    """Where a request comes from, as far as limits go: an IPv4 address, or the /64 that an IPv6 one stands for.

    Behind a proxy that is not among the trusted ones, it is the proxy for everybody.
    """
    client = call.request.client
    try:
        address = ip_address(client.host if client is not None else "")
    except ValueError:
        return "unknown"
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"


async def send_code(call: Call, email: str) -> None:
    """Mail a new one-time code to `email`, if somebody has signed up with it. Those mailed before stay valid."""
    code = await people.make_code(call.connection, email, network_of(call))
    if code is None:
        return
    minutes = people.CODE_S // 60
    await mail.write(
        call.connection,
        call.services,
        email,
        f"{code} is your Sensorium code",
        f"Your code is {code}. It is valid for {minutes} minutes.\n\n"
        "If you have not asked for it, somebody has mistyped an address: nothing happens without the code.\n",
    )


@endpoint(
    "POST", "/v1/people/session", by=EVERYONE, uses="own", status=201,
    problems=("unauthenticated", "rate-limited"),
)  # fmt: skip
async def open_session(call: Call, data: CodeTried) -> Session:
    """Sign in with the code. After many wrong ones in a day a network is refused, whatever it sends."""
    call.headers["cache-control"] = "no-store"
    return Session(await try_code(call, data.email, data.code))


async def try_code(call: Call, email: str, code: str) -> str:
    """The secret of a new session, when the code is right. Raises unauthenticated, and the try counts all the same;
    rate-limited."""
    try:
        async with call.services.database.transaction() as connection:
            person = await people.try_code(connection, email, code.strip(), network_of(call))
            secret = None if person is None else await people.open_session(connection, person)
    except TooOften as refusal:  # the page that takes a code shows problems beside it
        raise of_refusal(refusal) from None
    if secret is None:
        raise Problem("unauthenticated", "The code is not right or no longer valid. Ask for a new one.")
    return secret


@endpoint("DELETE", "/v1/people/session", by=PERSON, status=204)
async def close_session(call: Call) -> None:
    """Sign out: the session that asks ends."""
    await people.sign_out(call.connection, call.actor.key)


@endpoint("GET", "/v1/people/me", by=PERSON)
async def get_me(call: Call) -> people.Person:
    """What is known of the person who asks."""
    return await people.get(call.connection, call.actor.owner)


@endpoint("PATCH", "/v1/people/me", by=PERSON, example={"display_name": "Bo", "languages": ["en", "de"]})
async def change_me(call: Call, data: people.PersonChange) -> people.Person:
    """Change one's name or languages."""
    return await people.change(call.connection, call.actor.owner, data)


class Leaving(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """That one means it. leave_unpaid: even though earned money can then never be paid, for want of an account."""

    confirm: Literal["erase everything about me"]
    leave_unpaid: bool = False


class Exported(msgspec.Struct, frozen=True):
    """All that is kept about a person. `payout_account`: as far as we know it; the rest is Stripe's."""

    person: people.Person
    payout_account: payout_accounts.PayoutAccount
    tables: dict[str, list[dict[str, Any]]]


@endpoint("GET", "/v1/people/me/export", by=PERSON)
async def export_me(call: Call) -> Exported:
    """Everything that is kept about you, as JSON.

    Photos come as links, which your session opens: each to the file as you sent it.
    """
    call.headers["cache-control"] = "no-store"
    call.headers["content-disposition"] = 'attachment; filename="sensorium-export.json"'
    person = call.actor.owner
    return Exported(
        await people.get(call.connection, person),
        await payout_accounts.shown(call.connection, person),
        await erasure.export(call.connection, person),
    )


@endpoint(
    "DELETE", "/v1/people/me", by=PERSON, problems=("wrong-state",),
    example={"confirm": "erase everything about me"},
)  # fmt: skip
async def erase_me(call: Call, data: Leaving) -> erasure.Erasure:
    """Erase everything about you. It cannot be undone, and this session ends with it.

    Your photos and all copies of them go, from datasets too; so do your name, address, sessions, devices and their
    keys, positions, notes, and what leads from a photo's likeness to you. Claims in progress are given back. What is
    handed in but not decided is withdrawn, and not paid. What you have earned stays yours and is paid out to your
    account at Stripe as before; without one this is refused unless you send `leave_unpaid: true`. Answers and readings
    that were bought stay with their buyers, under no name.
    """
    return await erasing.erase(call.connection, call.actor.owner, leave_unpaid=data.leave_unpaid)


ROUTES: list[HTTPRouteHandler] = [sign_up, open_session, close_session, get_me, change_me, export_me, erase_me]
