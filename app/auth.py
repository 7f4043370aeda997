"""Who is asking: a key or a session becomes an actor, looked up at every request, so a revoked key is shut at once.

Programs send `Authorization: Bearer …`. Pages carry the same secret in a cookie that scripts cannot read; since
browsers send cookies along with requests that other sites cause, those may only change something when they come from
our own. A person's session and an operator's have cookies of their own, so both may be open in one browser.

Some of what operators do needs a fresh proof of who sits there: in a session, of the last five minutes. A key (op_…) is
the proof itself, each time that it is sent.
"""

from typing import Any
from urllib.parse import urlsplit

from litestar import Request

from app.db import Connection
from app.errors import Problem
from market import keys
from market.keys import PROVEN_S, Actor

AGENT = frozenset({"agent"})
PERSON = frozenset({"person"})
OPERATOR = frozenset({"operator"})
EVERYONE: frozenset[str] = frozenset()

COOKIE = "sensorium_session"
OPERATOR_COOKIE = "sensorium_operator"
LONGEST_SECRET = 200
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

_A_KIND = {
    "agent": "an agent's key (sk_…)",
    "person": "a person's session (wk_…)",
    "operator": "an operator's key or session (op_…)",
}


async def identify(
    connection: Connection,
    request: Request[Any, Any, Any],
    by: frozenset[str],
    scope: str | None,
    *,
    optional: bool = False,
) -> Actor | None:
    """The actor behind a request, who must be one of `by` and hold `scope`; None when nobody needs to be known.

    Raises unauthenticated without a valid secret, forbidden for one of the wrong kind or scope.
    """
    if not by:
        return None
    secret = secret_of(request, by)
    if secret is None:
        if optional:
            return None
        raise Problem("unauthenticated", "This needs a key: send `Authorization: Bearer <key>`.")
    actor = await keys.find(connection, secret)
    if actor.kind == "operator" and not actor.session and "authorization" not in request.headers:
        # What is in a cookie any page of ours can use, without a proof: a key, put there by hand, is none of that.
        raise Problem("unauthenticated", "A cookie holds a session. Send a key as `Authorization: Bearer <key>`.")
    if actor.kind not in by:
        wanted = " or ".join(_A_KIND[kind] for kind in sorted(by))
        raise Problem("forbidden", f"This takes {wanted}, not {_A_KIND[actor.kind]}.")
    if scope is not None and actor.kind == "agent" and scope not in actor.scopes:
        raise Problem("forbidden", f"This key lacks the scope `{scope}`.")
    return actor


def require_proof(actor: Actor) -> None:
    """Raises proof-required when this is a session in which nobody has proven lately who they are."""
    if not actor.proven:
        raise Problem(
            "proof-required", f"Prove once more who you are: the last time was over {PROVEN_S // 60} minutes ago."
        )


def secret_of(request: Request[Any, Any, Any], by: frozenset[str]) -> str | None:
    """The secret that a request carries: of its header, else of the cookie of whom the route takes; or None."""
    header = request.headers.get("authorization")
    if header is not None:
        kind, _, secret = header.partition(" ")
        secret = secret.strip()
        if kind.lower() != "bearer" or not 10 <= len(secret) <= LONGEST_SECRET or not secret.isascii():
            raise Problem("unauthenticated", "The Authorization header must read `Bearer <key>`.")
        return secret
    # Who has the wrong cookie only is told so.
    names = (OPERATOR_COOKIE, COOKIE) if "operator" in by else (COOKIE, OPERATOR_COOKIE)
    cookie = next((found for name in names if (found := request.cookies.get(name))), None)
    if not cookie or len(cookie) > LONGEST_SECRET or not cookie.isascii():
        return None
    if request.method not in SAFE_METHODS:
        require_own_site(request)
    return cookie


def session_cookie(secret: str, *, max_age_s: int, secure: bool) -> str:
    """The Set-Cookie value that signs a browser in; an empty secret with age 0 signs it out."""
    return f"{COOKIE}={secret}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"


def operator_cookie(secret: str, *, max_age_s: int, secure: bool) -> str:
    """As `session_cookie`, for an operator: no other site's link or form carries it along."""
    ending = f"HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"
    return f"{OPERATOR_COOKIE}={secret}; Path=/; Max-Age={max_age_s}; {ending}"


def require_own_site(request: Request[Any, Any, Any]) -> None:
    """Refuse what another site makes a browser send: by Sec-Fetch-Site, or by Origin for browsers without it."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site == "same-origin":
            return
    else:
        host = _netloc(request.headers.get("origin", ""))
        if host and host == request.headers.get("host"):
            return
    raise Problem("forbidden", "Another site caused this request; with a cookie only our own pages may do that.")


def _netloc(origin: str) -> str:
    """Host and port of an origin; empty for `null` and for what is no origin."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
