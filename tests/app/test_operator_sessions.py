"""Operators in browsers: passkeys, sessions in a cookie of their own, fresh proofs, and what another site may not do.

The passkeys here are made in software, so that they can lie; a real browser's are in tests/web/test_operator.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app import config as configuration
from app.routes import operator_sessions as routes
from market import audit_log, operators, passkeys
from tests.app.conftest import Caller, Json, World, is_problem, ok, operator, running
from tests.app.passkey_device import Device, b64

OWN = {"sec-fetch-site": "same-origin"}


async def enrol(caller: Caller, device: Device, name: str = "laptop") -> httpx.Response:
    options = ok(await caller.post("/v1/operator/passkeys/challenge"), 201)["options"]
    return await caller.post("/v1/operator/passkeys", {"name": name, "passkey": device.create(options)})


async def challenge(world: World) -> Json:
    found: Json = ok(await world.client.post("/v1/operator/session/challenge"), 201)["options"]
    return found


async def sign_in(world: World, **proof: Any) -> httpx.Response:
    return await world.client.post("/v1/operator/session", json=proof, headers=OWN)


@dataclass
class Browser:
    """An operator's browser: it has a session's cookie, and our own pages cause its requests."""

    world: World
    cookie: str

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        own = {"cookie": self.cookie, **OWN, "idempotency-key": "one", **headers}
        return await self.world.client.request(method, path, json=body, headers=own)


async def browser(world: World, **proof: Any) -> Browser:
    answer = await sign_in(world, **proof)
    ok(answer, 201)
    world.client.cookies.clear()
    return Browser(world, answer.headers["set-cookie"].split(";")[0])


@pytest.fixture
async def laptop(olu: Caller) -> Device:
    """Olu's, enrolled."""
    device = Device()
    ok(await enrol(olu, device), 201)
    return device


@pytest.fixture
async def live(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A service that is no sandbox, at an address with a name."""
    settings = {
        "DATABASE_URL": database_url, "SENSORIUM_DATA_DIR": str(tmp_path / "data"), "SENSORIUM_SANDBOX": "false",
        "SENSORIUM_PUBLIC_URL": "https://market.example", "SENSORIUM_SMTP_URL": "smtp://127.0.0.1:9",
        "SENSORIUM_SECRET_KEY": "k" * 40, "STRIPE_API_KEY": "sk_test_live",
        "STRIPE_WEBHOOK_SECRET": "whsec_" + "5a" * 32,
    }  # fmt: skip
    async with running(configuration.load(settings)) as found:
        yield found


# ---- signing in


async def test_olu_signs_in_with_a_passkey_and_gets_a_cookie_that_no_other_site_and_no_script_can_use(
    world: World, olu: Caller, laptop: Device
) -> None:
    answer = await sign_in(world, passkey=laptop.get(await challenge(world)))
    assert ok(answer, 201) == {"operator": olu.id}
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("sensorium_operator=op_") and "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict" in cookie
    session = Browser(world, cookie.split(";")[0])
    world.client.cookies.clear()
    ok(await session.ask("GET", "/v1/operator/payout-runs"))
    listed = ok(await session.ask("GET", "/v1/operator/sessions"))
    assert [(each["way"], each["current"]) for each in listed] == [("passkey", True)]
    async with world.services.database.read() as connection:
        [newest] = await audit_log.listed(connection, before=None, limit=1)
    assert (newest.action, newest.subject, newest.data) == ("open_operator_session", olu.id, {"by": "passkey"})


async def test_a_challenge_is_good_once_for_its_purpose_and_its_operator(
    world: World, olu: Caller, pia: Caller, laptop: Device
) -> None:
    options = await challenge(world)
    answer = laptop.get(options)
    ok(await sign_in(world, passkey=answer), 201)
    world.client.cookies.clear()
    is_problem(await sign_in(world, passkey=answer), 401, "unauthenticated")
    is_problem(await sign_in(world, passkey=laptop.get(options)), 401, "unauthenticated")
    # One that was spoilt by a wrong answer is spent, too.
    options = await challenge(world)
    is_problem(await sign_in(world, passkey=Device().get(options)), 401, "unauthenticated")
    is_problem(await sign_in(world, passkey=laptop.get(options)), 401, "unauthenticated")
    # One of another purpose, and one that was made for somebody else.
    other = ok(await olu.post("/v1/operator/passkeys/challenge"), 201)["options"]
    is_problem(await sign_in(world, passkey=laptop.get(other)), 401, "unauthenticated")
    theirs = ok(await pia.post("/v1/operator/passkeys/challenge"), 201)["options"]
    new = {"name": "x", "passkey": Device().create(theirs)}
    is_problem(await olu.post("/v1/operator/passkeys", new), 401, "unauthenticated")
    # One that nobody has made, and one of six minutes ago.
    made_up = {**options, "challenge": b64(b"x" * 32)}
    is_problem(await sign_in(world, passkey=laptop.get(made_up)), 401, "unauthenticated")
    old = await challenge(world)
    async with world.services.database.transaction() as connection:
        await connection.execute("UPDATE passkey_challenge SET created_at = created_at - interval '6 minutes'")
    is_problem(await sign_in(world, passkey=laptop.get(old)), 401, "unauthenticated")


@pytest.mark.parametrize(
    "changed",
    [
        {"origin": "http://evil.example"}, {"origin": "http://localhost:8001"}, {"name": "evil.example"},
        {"flags": 0x01}, {"flags": 0x04}, {"key": ec.generate_private_key(ec.SECP256R1())},
        {"user": b"somebody else's."}, {"count": 0},
    ],
)  # fmt: skip
async def test_an_answer_from_elsewhere_without_a_touch_or_by_a_copy_opens_nothing(
    world: World, laptop: Device, changed: Json
) -> None:
    ok(await sign_in(world, passkey=laptop.get(await challenge(world))), 201)
    world.client.cookies.clear()
    for name, value in changed.items():
        setattr(laptop, name, value)
    is_problem(await sign_in(world, passkey=laptop.get(await challenge(world))), 401, "unauthenticated")


async def test_a_device_that_counts_nothing_is_taken(world: World, olu: Caller) -> None:
    phone = Device(counts=False)
    ok(await enrol(olu, phone), 201)
    for _ in range(2):
        ok(await sign_in(world, passkey=phone.get(await challenge(world))), 201)
        world.client.cookies.clear()


@pytest.mark.parametrize(
    "passkey",
    [
        {}, {"rawId": 3}, {"response": {"clientDataJSON": "%%%"}}, {"response": []}, {"rawId": "é", "response": {}},
        {"response": {"clientDataJSON": b64(b'{"type": 1, "challenge": 2, "origin": null}')}},
        {"response": {"clientDataJSON": b64(b"[" * 5000)}},
    ],
)  # fmt: skip
async def test_an_answer_that_cannot_be_read_is_refused(world: World, olu: Caller, passkey: Json) -> None:
    is_problem(await sign_in(world, passkey=passkey), 401, "unauthenticated")
    is_problem(await olu.post("/v1/operator/passkeys", {"name": "x", "passkey": passkey}), 401, "unauthenticated")


async def test_a_right_challenge_with_nonsense_around_it_is_refused(world: World, olu: Caller) -> None:
    for broken in ({"attestationObject": "AAAA"}, {"attestationObject": b64(cbor2.dumps({"fmt": "none"}))}, {}):
        options = ok(await olu.post("/v1/operator/passkeys/challenge"), 201)["options"]
        made = Device().create(options)
        made["response"] = {"clientDataJSON": made["response"]["clientDataJSON"], **broken}
        is_problem(await olu.post("/v1/operator/passkeys", {"name": "x", "passkey": made}), 401, "unauthenticated")


async def test_in_the_sandbox_a_key_signs_in_and_a_sessions_secret_or_another_kind_of_key_does_not(
    world: World, olu: Caller, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = await browser(world, key=olu.secret)
    ok(await opened.ask("GET", "/v1/operator/payout-runs"))
    secret = opened.cookie.split("=")[1]
    monkeypatch.setattr(routes, "_wrong_keys", routes._WrongKeys())
    for wrong in (secret, ada.secret, "op_" + "x" * 43):
        is_problem(await sign_in(world, key=wrong), 401, "unauthenticated")
    is_problem(await sign_in(world), 422, "validation")
    is_problem(await sign_in(world, key=olu.secret, passkey={}), 422, "validation")


async def test_after_many_wrong_keys_a_network_waits(
    world: World, olu: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "_wrong_keys", routes._WrongKeys())
    monkeypatch.setattr("app.routes.operator_sessions.time.monotonic", lambda: 600.0)
    for _ in range(routes.WRONG_KEYS_A_MINUTE):
        is_problem(await sign_in(world, key="op_" + "x" * 43), 401, "unauthenticated")
    is_problem(await sign_in(world, key=olu.secret), 429, "rate-limited")
    monkeypatch.setattr("app.routes.operator_sessions.time.monotonic", lambda: 660.0)
    ok(await sign_in(world, key=olu.secret), 201)


async def test_a_network_gets_few_challenges_that_it_does_not_answer_and_others_wait_for_none_of_it(
    world: World, olu: Caller, laptop: Device
) -> None:
    asked = [await challenge(world) for _ in range(passkeys.MOST_OPEN_OF_NETWORK)]
    path = "/v1/operator/session/challenge"
    is_problem(await world.client.post(path), 429, "rate-limited")
    async with world.services.database.transaction() as connection:
        assert len(await passkeys.sign_in_challenge(connection, "another network")) == passkeys.CHALLENGE_BYTES
    # Who answers one may ask for one, and so may everybody after five minutes.
    ok(await sign_in(world, passkey=laptop.get(asked[0])), 201)
    world.client.cookies.clear()
    await challenge(world)
    is_problem(await world.client.post(path), 429, "rate-limited")
    async with world.services.database.transaction() as connection:
        await connection.execute("UPDATE passkey_challenge SET created_at = created_at - interval '301 s'")
    await challenge(world)
    async with world.services.database.read() as connection:
        assert await connection.fetchval("SELECT count(*) FROM passkey_challenge") == 1, "old ones are swept"


async def test_a_key_put_into_the_sessions_cookie_is_no_session(world: World, olu: Caller) -> None:
    for name in ("sensorium_operator", "sensorium_session"):
        by_hand = Browser(world, f"{name}={olu.secret}")
        is_problem(await by_hand.ask("GET", "/v1/operator/payout-runs"), 401, "unauthenticated")
        is_problem(await by_hand.ask("POST", "/v1/operator/passkeys/challenge"), 401, "unauthenticated")
    ok(await by_hand.ask("GET", "/v1/operator/payout-runs", authorization=f"Bearer {olu.secret}"))


async def test_outside_the_sandbox_a_key_enrols_the_first_passkey_and_does_no_more(live: World) -> None:
    olu = await operator(live, "Olu")
    is_problem(await sign_in(live, key=olu.secret), 403, "policy-refused")
    page = await live.client.get("/operator/sign-in", headers={"accept": "text/html"})
    assert "You have no passkey yet" in page.text and "Sign in with the key" not in page.text
    typed = {"key": olu.secret, "next": "/operator"}
    by_form = await live.client.post("/operator/sign-in", data=typed, headers={**OWN, "accept": "text/html"})
    assert by_form.status_code == 403 and "set-cookie" not in by_form.headers
    laptop = Device("https://market.example", "market.example")
    ok(await enrol(olu, laptop), 201)
    is_problem(await olu.post("/v1/operator/passkeys/challenge"), 403, "policy-refused")
    answer = await sign_in(live, passkey=laptop.get(await challenge(live)))
    ok(answer, 201)
    assert answer.headers["set-cookie"].endswith("; Secure")
    live.client.cookies.clear()
    session = Browser(live, answer.headers["set-cookie"].split(";")[0])
    [only] = ok(await session.ask("GET", "/v1/operator/passkeys"))
    is_problem(await session.ask("DELETE", f"/v1/operator/passkeys/{only['id']}"), 409, "wrong-state")
    options = ok(await session.ask("POST", "/v1/operator/passkeys/challenge"), 201)["options"]
    phone = Device("https://market.example", "market.example")
    ok(await session.ask("POST", "/v1/operator/passkeys", {"name": "phone", "passkey": phone.create(options)}), 201)
    ok(await session.ask("DELETE", f"/v1/operator/passkeys/{only['id']}"), 204)
    is_problem(await sign_in(live, passkey=laptop.get(await challenge(live))), 401, "unauthenticated")
    ok(await sign_in(live, passkey=phone.get(await challenge(live))), 201)


# ---- sessions


async def test_a_person_and_an_operator_share_a_browser_and_each_route_sees_its_own(
    world: World, olu: Caller, bo: Caller
) -> None:
    session = await browser(world, key=olu.secret)
    both = Browser(world, f"sensorium_session={bo.secret}; {session.cookie}")
    assert ok(await both.ask("GET", "/v1/people/me"))["id"] == bo.id
    ok(await both.ask("GET", "/v1/operator/payout-runs"))
    is_problem(
        await Browser(world, f"sensorium_session={bo.secret}").ask("GET", "/v1/operator/payout-runs"), 403, "forbidden"
    )


async def test_another_site_cannot_use_an_operators_cookie_nor_sign_a_browser_in(world: World, olu: Caller) -> None:
    session = await browser(world, key=olu.secret)
    for site in ("cross-site", "same-site", "none"):
        forged = await session.ask("POST", "/v1/operator/payout-runs", {}, **{"sec-fetch-site": site})
        is_problem(forged, 403, "forbidden")
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {}):
        refused = await world.client.post("/v1/operator/session", json={"key": olu.secret}, headers=headers)
        is_problem(refused, 403, "forbidden")
    ok(await session.ask("POST", "/v1/operator/payout-runs", {}), 201)


async def test_a_session_ends_when_it_rests_or_after_twelve_hours(world: World, olu: Caller) -> None:
    resting = await browser(world, key=olu.secret)
    await world.later(29 * 60)
    ok(await resting.ask("GET", "/v1/operator/sessions"))
    await world.later(29 * 60)
    ok(await resting.ask("GET", "/v1/operator/sessions"))
    await world.later(31 * 60)
    is_problem(await resting.ask("GET", "/v1/operator/sessions"), 401, "unauthenticated")
    busy = await browser(world, key=olu.secret)
    for _ in range(25):
        ok(await busy.ask("GET", "/v1/operator/sessions"))
        await world.later(28 * 60)
    await world.later(25 * 60)
    is_problem(await busy.ask("GET", "/v1/operator/sessions"), 401, "unauthenticated")


async def test_signing_out_and_ending_a_session_from_elsewhere_shut_it_at_once(
    world: World, olu: Caller, pia: Caller
) -> None:
    here, lost = await browser(world, key=olu.secret), await browser(world, key=olu.secret)
    other = next(each for each in ok(await here.ask("GET", "/v1/operator/sessions")) if not each["current"])
    is_problem(await pia.delete(f"/v1/operator/sessions/{other['id']}"), 404, "not-found")
    ok(await here.ask("DELETE", f"/v1/operator/sessions/{other['id']}"), 204)
    is_problem(await lost.ask("GET", "/v1/operator/sessions"), 401, "unauthenticated")
    out = await here.ask("DELETE", "/v1/operator/session")
    assert out.status_code == 204 and "Max-Age=0" in out.headers["set-cookie"]
    is_problem(await here.ask("GET", "/v1/operator/sessions"), 401, "unauthenticated")
    ok(await olu.get("/v1/operator/sessions"))  # the key is another matter
    is_problem(await olu.delete("/v1/operator/session"), 404, "not-found")


async def test_a_disabled_operator_is_out_at_once_and_old_passkeys_do_not_come_back(
    world: World, olu: Caller, laptop: Device
) -> None:
    session = await browser(world, passkey=laptop.get(await challenge(world)))
    async with world.services.database.transaction() as connection:
        _, keys = await operators.disable(connection, "olu@sensorium.example")
    assert keys == 1
    is_problem(await session.ask("GET", "/v1/operator/payout-runs"), 401, "unauthenticated")
    is_problem(await sign_in(world, passkey=laptop.get(await challenge(world))), 401, "unauthenticated")
    async with world.services.database.transaction() as connection:
        await operators.enable(connection, "olu@sensorium.example")
    is_problem(await session.ask("GET", "/v1/operator/payout-runs"), 401, "unauthenticated")
    is_problem(await sign_in(world, passkey=laptop.get(await challenge(world))), 401, "unauthenticated")
    async with world.services.database.read() as connection:
        [(_, held)] = await operators.listed(connection)
    assert len(held) == 1  # sessions are no keys


# ---- proving it once more


async def test_what_needs_a_fresh_proof_is_refused_after_five_minutes_until_it_is_given(
    world: World, olu: Caller, pia: Caller, laptop: Device
) -> None:
    session = await browser(world, passkey=laptop.get(await challenge(world)))
    ok(await session.ask("POST", "/v1/operator/passkeys/challenge"), 201)
    await world.later(301)
    is_problem(await session.ask("POST", "/v1/operator/passkeys/challenge"), 403, "proof-required")
    ok(await session.ask("GET", "/v1/operator/passkeys"))  # looking needs none
    # By somebody else's proof, and by a challenge for signing in, it is none.
    theirs = Device()
    ok(await enrol(pia, theirs), 201)
    path = "/v1/operator/session/proof"
    options = ok(await session.ask("POST", f"{path}/challenge"), 201)["options"]
    assert [each["id"] for each in options["allowCredentials"]] == [b64(laptop.credential)]
    is_problem(await session.ask("POST", path, {"passkey": theirs.get(options)}), 401, "unauthenticated")
    is_problem(await session.ask("POST", path, {"passkey": laptop.get(await challenge(world))}), 401, "unauthenticated")
    is_problem(await session.ask("POST", path, {"key": pia.secret}), 401, "unauthenticated")
    is_problem(await session.ask("POST", "/v1/operator/passkeys/challenge"), 403, "proof-required")
    options = ok(await session.ask("POST", f"{path}/challenge"), 201)["options"]
    ok(await session.ask("POST", path, {"passkey": laptop.get(options)}), 204)
    ok(await session.ask("POST", "/v1/operator/passkeys/challenge"), 201)
    await world.later(301)
    ok(await session.ask("POST", path, {"key": olu.secret}), 204)
    ok(await session.ask("POST", "/v1/operator/passkeys/challenge"), 201)


async def test_a_key_is_its_own_proof_but_a_sessions_secret_as_a_key_is_not(world: World, olu: Caller) -> None:
    session = await browser(world, key=olu.secret)
    as_key = Caller(world, olu.id, session.cookie.split("=")[1])
    await world.later(301)
    ok(await olu.post("/v1/operator/passkeys/challenge"), 201)
    is_problem(await as_key.post("/v1/operator/passkeys/challenge"), 403, "proof-required")
    is_problem(await olu.post("/v1/operator/session/proof", {"key": olu.secret}), 404, "not-found")


async def test_the_audit_log_holds_what_was_done_and_no_key_that_proved_it(world: World, olu: Caller) -> None:
    session = await browser(world, key=olu.secret)
    ok(await session.ask("POST", "/v1/operator/session/proof", {"key": olu.secret}), 204)
    device = Device()
    ok(await enrol(olu, device), 201)
    async with world.services.database.read() as connection:
        acts = await audit_log.listed(connection, before=None, limit=10)
    assert [each.action for each in acts] == [
        "enrol_passkey", "ask_for_passkey", "prove_operator", "open_operator_session", "add_operator",
    ]  # fmt: skip
    assert acts[0].data == {"name": "laptop"}
    assert olu.secret not in repr(acts)
