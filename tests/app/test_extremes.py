"""Values at the edges, wherever a request takes one: every answer says what is wrong, and none is a fault of ours.

Routes, their parameters and the places in their bodies come from the router, so new ones are tried as well.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest

from app.db import Database
from app.docs import endpoints
from app.edge import Endpoint
from app.problems import BEYOND
from app.routes.claims import CaptureGiven
from market.models import ModelDraft
from market.terms import TaskDraft
from tests.app.conftest import Caller, World, a_task, claim, is_problem, ok, operator, picture, post_task
from tests.app.extremes import ANYTHING, NUMBERS, TEXTS, as_cursors, bodies, in_words, nodes
from tests.app.test_authorisation import CASES, Case, Things, a_busy_market, name
from tests.app.test_models import description, files

Json = dict[str, Any]
Request = tuple[str, str, Json]  # what is extreme in it; path and query; what else it has


class _Undo(Exception):
    """Ends a transaction without a trace."""


def undo_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on each transaction is checked to its end and then undone: every request finds the same market."""
    transaction = Database.transaction

    @asynccontextmanager
    async def undoing(self: Database, connection: Any = None) -> AsyncIterator[Any]:
        with suppress(_Undo):
            async with transaction(self, connection) as begun:
                yield begun
                await begun.execute("SET CONSTRAINTS ALL IMMEDIATE")
                raise _Undo

    monkeypatch.setattr(Database, "transaction", undoing)


def requests(spec: Endpoint, things: Things) -> Iterator[Request]:
    """Valid requests to a route, but for one value each."""
    case, names = CASES[name(spec)], {**dict.fromkeys(spec.parameters, "1"), **things.names}
    path, plain = spec.path.format(**names), _plain(case, things)
    for parameter in spec.parameters:
        for word in in_words():
            if word:
                yield f"{parameter}={word}", spec.path.format(**{**names, parameter: word}) + case.query, plain
    for field in msgspec.structs.fields(spec.query) if spec.query is not None else ():
        kept = [
            pair for pair in case.query.removeprefix("?").split("&") if pair and not pair.startswith(f"{field.name}=")
        ]
        for word in (*in_words(), *(as_cursors() if field.name in ("cursor", "after") else ())):
            yield f"{field.name}={word}", f"{path}?{'&'.join([*kept, f'{field.encode_name}={word}'])}", plain
    for field_name in case.form or ():
        for word in in_words():
            form = "&".join([*(f"{key}={value}" for key, value in (case.form or {}).items() if key != field_name)])
            yield f"{field_name}={word}", path, {"content": f"{form}&{field_name}={word}", "headers": FORM}
    if spec.data is not None:
        known = None if spec.data is TaskDraft else dict(nodes(*_schema(TaskDraft)))
        for at, body in bodies(case.body or {}, *_schema(spec.data), known):
            yield f"{at} in {body[:2000]!r}", path + case.query, {"content": body, "headers": JSON}


FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}


def _schema(kind: type) -> tuple[Json, Json]:
    (schema,), found = msgspec.json.schema_components(
        [kind], ref_template="#/components/schemas/{name}", schema_hook=lambda _: {}
    )
    return schema, found


def _plain(case: Case, things: Things) -> Json:
    if case.body is not None:
        body = msgspec.json.encode(case.body).replace(b"{observation_id}", things.names["observation_id"].encode())
        return {"content": body, "headers": JSON}
    return {"content": case.content} if case.content is not None else {"data": case.form} if case.form else {}


async def test_no_extreme_value_anywhere_is_answered_by_a_fault_of_ours(
    world: World, ada: Caller, bo: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    things = await a_busy_market(world, ada, bo)
    olu = await operator(world, "Olu")
    undo_everything(monkeypatch)
    faults: list[str] = []
    for spec in endpoints(world.app):
        caller = ada if "agent" in spec.by or not spec.by else bo if "person" in spec.by else olu
        for where, path, options in requests(spec, things):
            answered = await caller.ask(spec.method, path, **options)
            if answered.status_code >= 500 or BEYOND in answered.text:
                faults.append(f"{name(spec)} with an extreme {where}: {answered.status_code} {answered.text[:300]}")
    assert not faults, f"{len(faults)} of them\n" + "\n".join(faults)


async def test_what_slips_through_is_refused_by_the_database_and_still_no_fault_of_ours(
    ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.strict.YEARS", range(1, 10_000))
    refused = await ada.get("/v1/observations?since=9999-12-31T23:59:59-14:00")
    assert is_problem(refused, 422, "validation")["detail"] == BEYOND


async def test_each_far_time_is_named(ada: Caller) -> None:
    asked = a_task(opens_at="0001-01-01T00:00:00+14:00", closes_at="9999-12-31T23:59:59-14:00")
    problem = is_problem(await ada.post("/v1/tasks", asked), 422, "validation")
    assert [error["pointer"] for error in problem["errors"]] == ["/opens_at", "/closes_at"]
    query = {"since": "0001-01-01T00:00:00Z", "until": "9999-12-31T00:00:00Z"}
    problem = is_problem(await ada.post("/v1/datasets", {"query": query}), 422, "validation")
    assert [error["pointer"] for error in problem["errors"]] == ["/query/since", "/query/until"]
    batch = ok(await ada.post("/v1/tasks/batch", {"tasks": [asked, a_task()]}))["results"]
    assert [each["status"] for each in batch] == [422, 201]


async def test_a_model_described_by_extremes_is_refused_or_published(ada: Caller) -> None:
    parts = files()
    for at, body in bodies(description(), *_schema(ModelDraft)):
        parts["model"] = (None, body, "application/json")
        answered = await ada.post("/v1/models", files=parts)
        assert answered.status_code < 500 and BEYOND not in answered.text, (at, body[:300], answered.text[:300])
    assert len(ok(await ada.get("/v1/models?limit=200"))["items"]) > 10


MEASURE = {
    "evidence": {
        "photos": {"min": 1, "max": 1},
        "readings": [{"name": "pm25", "unit": "ug/m3"}],
        "questions": [{"id": "pm", "type": "number"}, {"id": "say", "type": "text", "required": False}],
    },
    "acceptance": {"checks": ["fresh", "at_place"]},
}
PACK: Json = {"n": "pm25", "u": "ug/m3", "v": 12.5, "t": 0}


async def test_extreme_evidence_is_refused_or_judged_sold_and_listed(world: World, ada: Caller, bo: Caller) -> None:
    """Each piece of evidence is handed in for a task of its own and followed to the buyer's dataset."""
    given = [({"notes": text}, b"{}") for text in TEXTS]
    for question in ("pm", "other"):
        given += [({"answers": {"pm": 12.5, question: value}}, b"{}") for value in ANYTHING]
    for field in ("v", "t", "bv"):
        given += [({"readings": [{**PACK, field: value}]}, b"{}") for value in NUMBERS]
    for field in ("n", "u", "vs"):
        given += [({"readings": [{**PACK, field: value}]}, b"{}") for value in TEXTS]
    given += [({}, body) for _, body in bodies({}, *_schema(CaptureGiven))]
    handed_in = 0
    for start in range(0, len(given), 500):
        some = given[start : start + 500]
        tasks = [a_task(**MEASURE, reward={"amount": 100, "currency": "usd"})] * len(some)
        posted = ok(await ada.post("/v1/tasks/batch", {"tasks": tasks}))["results"]
        for (evidence, capture), each in zip(some, posted, strict=True):
            handed_in += await hand_in(bo, each["task"], evidence, capture)
    assert 100 < handed_in < len(given)
    await world.jobs()
    async with world.services.database.read() as connection:
        assert await connection.fetchval("SELECT count(*) FROM submission WHERE status = 'checking'") == 0
    for caller, path in ((bo, "/v1/people/submissions"), (ada, "/v1/observations"), (ada, "/v1/events")):
        ok(await caller.get(f"{path}?limit=200"))
    dataset = ok(await ada.post("/v1/datasets", {"query": {}}), 202)
    await world.jobs()
    assert ok(await ada.get(f"/v1/datasets/{dataset['id']}"))["status"] == "ready"
    ok(await ada.get(f"/v1/datasets/{dataset['id']}/files?limit=200"))


async def hand_in(bo: Caller, task: Json, evidence: Json, capture: bytes) -> bool:
    """Whether this evidence was taken in; what is refused is refused with a reason."""
    claimed = await claim(bo, task)
    path = f"/v1/people/claims/{claimed['id']}"
    uploaded = await bo.put(f"{path}/photos/1", SMALL, headers={"capture": capture})
    body = {"answers": {"pm": 12.5}, "readings": [PACK], **evidence}
    answered = await bo.post(f"{path}/submission", content=json.dumps(body), headers=JSON)
    for each in (uploaded, answered):
        assert each.status_code < 500 and BEYOND not in each.text, (evidence, capture, each.text[:300])
    if answered.status_code != 201:
        ok(await bo.delete(path), 204)
    return answered.status_code == 201


SMALL = picture(1, size=(64, 48))


HEADERS = (
    "authorization", "cookie", "origin", "host", "referer", "content-type", "accept", "accept-language",
    "idempotency-key", "if-match", "if-none-match", "content-digest", "capture", "stripe-signature", "range",
    "x-request-id", "x-forwarded-for", "x-forwarded-proto",
)  # fmt: skip
WORDS = (
    "", " ", "\xff", "=", ":", ";", ",", "[", "http://[", "http://[::1", "http://a:99999999", "*", "W/", '"', '""',
    "9" * 400, "-1", "1e400", "Bearer", "Bearer " + "\xe9" * 20, "Basic AAAA", "sensorium_session=\xe9", "{", "{}",
    "null", "[" * 2000, '{"taken_at": "9999-12-31T23:59:59-14:00"}', "sha-256=::", "sha-256=:=:", "sha-256=:\xe9:",
    "t=1,v1=zz", "application/json; charset=nonsense", "multipart/form-data", "multipart/form-data; boundary=",
    "text/html;q=x",
)  # fmt: skip


async def test_no_header_is_answered_by_a_fault_of_ours(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, quantity=2)
    claimed = await claim(bo, task)
    cookie = {"cookie": f"sensorium_session={bo.secret}"}
    routes: list[tuple[Caller, str, str, Json]] = [
        (ada, "GET", "/v1/tasks", {}), (ada, "POST", "/v1/tasks", {"content": b"{}"}), (bo, "GET", "/w", {}),
        (ada, "PATCH", f"/v1/tasks/{task['id']}", {"content": b'{"add_quantity": 1}'}), (bo, "GET", "/nothing", {}),
        (bo, "PUT", f"/v1/people/claims/{claimed['id']}/photos/1", {"content": SMALL}),
        (ada, "POST", "/v1/models", {"content": b"--x\r\n"}), (bo, "POST", "/stripe/webhooks", {"content": b"{}"}),
        (bo, "POST", "/w/sign-in", {"content": b"email=a"}), (bo, "POST", "/w/me", {"content": b"display_name=a"}),
    ]  # fmt: skip
    for caller, method, path, options in routes:
        for header in HEADERS:
            for word in WORDS:
                for others in ({}, cookie):
                    headers = [(each, value) for each, value in others.items() if each != header]
                    key = [] if others else [("authorization", f"Bearer {caller.secret}")]
                    given = [*headers, *(pair for pair in key if pair[0] != header), (header, word.encode("latin-1"))]
                    answered = await world.client.request(method, path, headers=given, **options)
                    assert answered.status_code < 500, (method, path, header, word, answered.text[:300])
                    assert BEYOND not in answered.text
