"""Models: published with their files, tried out before they are taken, then asked about photos."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

import msgspec
import numpy as np
from litestar.datastructures import UploadFile
from litestar.handlers import HTTPRouteHandler

from app import idempotency
from app import photos as seen
from app.answers import Answer, json_answer
from app.auth import AGENT
from app.db import EVENTS, wake
from app.decode_pool import Source
from app.edge import JSON_LIMIT, Call, endpoint
from app.errors import FieldError, Problem
from app.media import model_path
from app.paging import Page, Window, page, read_text
from app.predict import MOST_ANSWERS, ONNX_LIMIT, BadModel, Busy, Prediction, batch_of
from app.safetensors import check_weights
from app.strict import decode_body
from app.upload import on_disk
from market import ids, models, observations
from market.errors import Invalid
from market.terms import Strict
from sensors.inspection import Undecodable

WEIGHTS_LIMIT = 100_000_000
CARD_LIMIT = 200_000
MOST_PHOTOS = 200
PUBLISH_LIMIT = ONNX_LIMIT + WEIGHTS_LIMIT + 1_000_000
PREDICT_LIMIT = 100_000_000
PHOTOS_AT_ONCE = 2

File = Annotated[str, msgspec.Meta(extra_json_schema={"format": "binary"})]
Photo = Callable[[], Awaitable[Source]]


class ObservationsAsked(Strict, frozen=True, kw_only=True):
    """Photos that the account owns already: the first of each observation."""

    observation_ids: Annotated[
        list[Annotated[str, msgspec.Meta(examples=["obs_0199a7c2-6d1e-7c4b-9a53-0f2b8e6d4c11"])]],
        msgspec.Meta(min_length=1, max_length=MOST_PHOTOS),
    ]


class PhotosSent(Strict, frozen=True, kw_only=True):
    """Parts of a form: each photo as one part `files`."""

    files: Annotated[
        list[Annotated[File, msgspec.Meta(examples=["(a photo's bytes)"])]],
        msgspec.Meta(min_length=1, max_length=MOST_PHOTOS, description="JPEG, PNG, WebP or HEIC, each a part `files`."),
    ]


class ModelSent(Strict, frozen=True, kw_only=True):
    """Parts of a form: what is published."""

    model: models.ModelDraft
    onnx: Annotated[File, msgspec.Meta(description="The graph.", examples=["(an ONNX file's bytes)"])]
    weights: Annotated[File, msgspec.Meta(description="safetensors.", examples=["(a safetensors file's bytes)"])]
    card: Annotated[str, msgspec.Meta(description="Markdown.", examples=["# Is the bakery open?\n\nA model card."])]


class Predicted(msgspec.Struct, frozen=True):
    """What the model says, in the order of the photos."""

    model: str
    outputs: list[Prediction]


@endpoint(
    "POST", "/v1/models", by=AGENT, scope="models:write", once=True, uses="own", status=201,
    limit=PUBLISH_LIMIT, consumes="multipart/form-data", problems=("validation", "not-found"),
    bodies={"multipart/form-data": ModelSent},
)  # fmt: skip
async def publish_model(call: Call) -> models.Model | Answer:
    """Publish a model.

    As multipart/form-data with the parts `model` (JSON: name, task, inputs, outputs, metrics, dataset_id), `onnx`,
    `weights` (safetensors) and `card` (Markdown). The graph takes `image`, float32 NCHW from 0 to 255, and gives
    `probabilities`. It is loaded and run once before it is taken; the version is the next of its name. An account
    publishes or asks one model at a time; 503 when no turn comes in time.
    """
    key = idempotency.key_of(call.request)
    if call.request.content_type[0] != "multipart/form-data":
        raise Problem("unsupported-media", "This takes multipart/form-data.")
    async with _in_turn(call, PUBLISH_LIMIT) as received:
        form = await _form(received)
        parts = {name: await _part(form, name) for name in ("model", "onnx", "weights", "card")}
        return await _publish(received, key, parts)


async def _publish(call: Call, key: str, parts: dict[str, bytes]) -> models.Model | Answer:
    digests = {name: await asyncio.to_thread(_sha256, part) for name, part in parts.items()}
    digest = _sha256(b"".join(digests.values()))
    asked = idempotency.asked(call.actor, key, call.request, digest)
    database = call.services.database
    async with database.transaction() as connection:
        kept = await idempotency.begin(connection, asked, seal=None)
    if kept is not None:
        return kept
    draft = decode_body(parts["model"], models.ModelDraft)
    card = _card(parts["card"])
    await _try_out(call, draft, parts, digests["onnx"])
    for kind in ("onnx", "weights"):
        await call.services.media.put(model_path(digests[kind], kind), parts[kind])
    async with database.transaction() as connection:
        kept = await idempotency.begin(connection, asked, seal=None)
        if kept is not None:
            return kept
        model = await models.publish(
            connection,
            call.actor.owner,
            draft,
            onnx=digests["onnx"],
            weights=digests["weights"],
            card=card,
            actor=call.actor.name,
        )
        answer = json_answer(model, status=201)
        await idempotency.keep(connection, asked, answer, seal=None)
        wake(EVENTS)
    return answer


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


@asynccontextmanager
async def _in_turn(call: Call, limit: int) -> AsyncIterator[Call]:
    """The account's one call, with its body on the disk; only as many at once as there are places read theirs."""
    pool = call.services.model_pool
    try:
        async with pool.turn(call.actor.owner), on_disk(call, limit) as received, pool.place():
            yield received
    except Busy as error:
        raise Problem("unavailable", str(error)) from None


async def _form(call: Call) -> dict[str, Any]:
    try:
        return dict((await call.request.form()).dict())
    except (UnicodeError, LookupError):  # a part may name any charset, also one that nobody knows
        raise Problem("malformed", "A part that is text is not UTF-8.") from None


async def _part(form: dict[str, Any], name: str) -> bytes:
    found = form.get(name, [])
    if len(found) != 1:
        wrong = FieldError(f"/{name}", "This part is required, once.")
        raise Problem("validation", "One field is not as it must be.", errors=[wrong])
    limit = {"onnx": ONNX_LIMIT, "weights": WEIGHTS_LIMIT}.get(name, CARD_LIMIT)
    content = await _bytes(found[0]) if _at_least(found[0]) <= limit else None
    if content is None or len(content) > limit:
        raise Problem("too-large", f"`{name}` may have at most {limit} bytes.")
    return content


def _at_least(part: Any) -> int:
    """How many bytes a part has, found without reading it into memory; of one that came as text, at least so many."""
    if not isinstance(part, UploadFile):
        return len(part)
    size = part.file.seek(0, os.SEEK_END)
    part.file.seek(0)
    return size


async def _bytes(part: Any) -> bytes:
    return await part.read() if isinstance(part, UploadFile) else str(part).encode(errors="surrogatepass")


def _card(content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise Invalid("The card is Markdown in UTF-8.", pointer="/card") from None
    if not text.strip() or "\x00" in text:
        raise Invalid("The card is empty or holds NUL characters.", pointer="/card")
    return text


async def _try_out(call: Call, draft: models.ModelDraft, parts: dict[str, bytes], sha256: bytes) -> None:
    try:
        check_weights(parts["weights"])
    except ValueError as error:
        raise Invalid(f"This is no safetensors file: {error}.", pointer="/weights") from None
    try:
        await call.services.model_pool.try_out(parts["onnx"], sha256, draft.inputs, draft.outputs)
    except BadModel as error:
        raise Invalid(str(error), pointer="/onnx") from None


@endpoint("GET", "/v1/models", by=AGENT, scope="data:read")
async def list_models(call: Call, query: Window) -> Page[models.Model]:
    """The account's models, newest first."""
    found = await models.listed(
        call.connection, call.actor.owner, before=read_text(query.cursor), limit=query.limit + 1
    )
    return page(found, query.limit, lambda each: each.id, lambda each: each)


@endpoint("GET", "/v1/models/{model_id}", by=AGENT, scope="data:read")
async def get_model(call: Call, model_id: str) -> models.Model:
    """One model: what it takes and gives, how good it is, what it learned from."""
    return await models.get(call.connection, call.actor.owner, model_id)


@endpoint("GET", "/v1/models/{model_id}/card", by=AGENT, scope="data:read", produces="text/markdown")
async def get_card(call: Call, model_id: str) -> Answer:
    """The model's card, Markdown."""
    card = await models.card(call.connection, call.actor.owner, model_id)
    return Answer(card.encode(), media_type="text/markdown; charset=utf-8")


@endpoint(
    "POST", "/v1/models/{model_id}/predict", by=AGENT, scope="data:read", uses="own", limit=PREDICT_LIMIT,
    consumes="multipart/form-data", problems=("validation",),
    bodies={"multipart/form-data": PhotosSent, "application/json": ObservationsAsked},
)  # fmt: skip
async def predict(call: Call, model_id: str) -> Predicted:
    """Ask a model about photos.

    Either multipart/form-data with one or more parts `files`, or JSON `{"observation_ids": […]}`, each once; at most
    200 photos, and fewer for a model of more than 500 labels: photos times labels are at most 100,000. An account's
    predictions run one after another; 503 when no turn comes in time.
    """
    async with call.services.database.read() as connection:
        model = await models.get(connection, call.actor.owner, model_id)
    kind = call.request.content_type[0]
    if kind not in ("multipart/form-data", "application/json"):
        raise Problem("unsupported-media", "This takes multipart/form-data or application/json.")
    async with _in_turn(call, JSON_LIMIT if kind == "application/json" else PREDICT_LIMIT) as received:
        return await _predict(received, model)


async def _predict(call: Call, model: models.Model) -> Predicted:
    field, sources = await _sources(call)
    most = min(MOST_PHOTOS, MOST_ANSWERS // len(model.outputs.labels))
    if not 1 <= len(sources) <= most:
        wrong = FieldError(f"/{field}", f"This model is asked about 1 to {most} photos at once.")
        raise Problem("validation", "One field is not as it must be.", errors=[wrong])
    onnx, batch = bytes.fromhex(model.onnx_sha256), batch_of(model.inputs)
    said: list[Prediction] = []
    try:
        async with call.services.model_pool.at_work(onnx, model.outputs, partial(_stored, call, onnx)) as ask:
            for start in range(0, len(sources), batch):
                said += await ask(await _pixels(call, model.inputs, field, start, sources[start : start + batch]))
    except BadModel as error:
        raise Problem("model-failed", str(error)) from None
    return Predicted(model.id, said)


async def _stored(call: Call, onnx: bytes) -> bytes:
    content = await call.services.media.get(model_path(onnx, "onnx"))
    if content is None:
        raise Problem("not-found", "The model's file is gone.")
    return content


async def _sources(call: Call) -> tuple[str, list[Photo]]:
    """The field that names the photos, and what reads each."""
    if call.request.content_type[0] == "multipart/form-data":
        files = (await _form(call)).get("files", [])
        return "files", [partial(_bytes, each) for each in files]
    asked = decode_body(await call.request.body(), ObservationsAsked)
    wanted = [ids.read("observation", each) for each in asked.observation_ids]
    seen = set[object]()
    for index, each in enumerate(wanted):
        if each in seen:
            raise Invalid("Each observation may stand here once.", pointer=f"/observation_ids/{index}")
        seen.add(each)
    return "observation_ids", [partial(_owned, call, each) for each in asked.observation_ids]


async def _pixels(
    call: Call, inputs: models.Inputs, field: str, start: int, sources: list[Photo]
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """One batch of the photos, which begins at `start`, as (n, height, width, channels)."""
    photos = np.empty((len(sources), inputs.height, inputs.width, inputs.channels), dtype=np.uint8)
    few = asyncio.Semaphore(PHOTOS_AT_ONCE)

    async def read(index: int) -> None:
        async with few:
            try:
                photos[index] = await call.services.decode_pool.pixels(
                    await sources[index](), inputs.width, inputs.height, inputs.channels
                )
            except Undecodable as error:
                raise Invalid(error.reason, pointer=f"/{field}/{start + index}") from None

    found = await asyncio.gather(*(read(index) for index in range(len(sources))), return_exceptions=True)
    for each in found:
        if each is not None:
            raise each
    return photos


async def _owned(call: Call, observation: str) -> Source:
    async with call.services.database.read() as connection:
        photo = await observations.photo(connection, call.actor.owner, observation, 1)
    return await seen.seen_by_buyer(call.services, photo)


ROUTES: list[HTTPRouteHandler] = [publish_model, list_models, get_model, get_card, predict]
