"""Simulated people: they sign up with a mailed code, claim, photograph and answer as a phone does; some cheat."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from app.demo.http import Caller
from app.demo.photos import Labelled


@dataclass
class Simulated:
    """Somebody with a phone: their session, and what they have handed in (submission id: photo)."""

    name: str
    email: str
    caller: Caller
    answered: dict[str, Labelled] = field(default_factory=dict)


async def join(client: httpx.AsyncClient, name: str) -> Simulated:
    """Sign up and sign in with the code from the outbox."""
    email = f"{name.lower()}@people.example"
    guest = Caller(client)
    await guest.post(
        "/v1/people", {"email": email, "display_name": name, "languages": ["en"], "accept_terms": True}
    )  # fmt: skip
    response = await guest.ask("GET", "/sandbox/outbox", params={"to": email}, headers={"accept": "application/json"})
    mails = response.json()["items"]
    code = re.search(r"\b\d{6}\b", mails[0]["text"])
    assert code is not None, f"no code in the mail to {email}"
    session = await guest.post("/v1/people/session", {"email": email, "code": code.group()})
    return Simulated(name, email, Caller(client, session["token"]))


@dataclass(frozen=True)
class Trick:
    """A way to cheat, and the declared check that must catch it."""

    name: str
    check: str
    hours_early: float = 0.0
    metres_off: float = 0.0


TRICKS = (
    Trick("replayed photo", "not_duplicate"),
    Trick("photo from yesterday", "fresh", hours_early=20),
    Trick("taken 4 km away", "at_place", metres_off=4_000),
    Trick("corrupt file", "decodes"),
)


async def answer(person: Simulated, task: dict[str, Any], photo: Labelled, trick: Trick | None = None) -> str:
    """Claim a slot, upload the photo with its capture statement, submit; the submission's id."""
    place = task["place"]
    lat = place["lat"] + (trick.metres_off / 111_195 if trick else 0)
    position = {"lat": lat, "lon": place["lon"], "accuracy_m": 9.0}
    claim = await person.caller.post(f"/v1/people/tasks/{task['id']}/claims", position)
    claim = claim.get("claim", claim)
    # A phone goes by the server's clock: the claim's own time, to which some seconds of framing are added.
    began = datetime.fromisoformat(claim["created_at"]).astimezone(UTC)
    taken = began + timedelta(seconds=1) - timedelta(hours=trick.hours_early if trick else 0)
    capture = {**position, "taken_at": taken.isoformat(), "nonce": claim["challenge"]["nonce"]}
    digest = base64.b64encode(hashlib.sha256(photo.data).digest()).decode()
    await person.caller.ask(
        "PUT",
        f"/v1/people/claims/{claim['id']}/photos/1",
        content=photo.data,
        headers={
            "content-type": "image/jpeg",
            "content-digest": f"sha-256=:{digest}:",
            "capture": json.dumps(capture),
        },
    )
    given = await person.caller.post(
        f"/v1/people/claims/{claim['id']}/submission", {"answers": {"label": photo.label}, "outcome": "done"}
    )
    submission: str = given.get("submission", given)["id"]
    person.answered[submission] = photo
    return submission


def corrupted(photo: Labelled) -> Labelled:
    """The file as a bad connection or a bad card leaves it: its second half is missing."""
    return photo._replace(data=photo.data[: len(photo.data) // 2])
