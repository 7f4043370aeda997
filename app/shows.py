"""What pictures show: a published model or a vision-language endpoint is asked, where a task declares `shows`.

Judges give opinions; `sensors` makes the finding. A judge that fails costs nobody anything but a look by the buyer.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Protocol
from uuid import UUID

import numpy as np
import structlog
from numpy.typing import NDArray

from app import picture_question
from app.db import Connection, Unavailable
from app.errors import FieldError, Problem
from app.gateways.vision import Question, Unanswered, Vision
from app.media import model_path, original_path
from app.predict import BadModel, Busy, Prediction
from app.services import Services
from market import claim_photos, models, shows, submissions, terms
from market.errors import NotFound
from sensors.evidence import Opinion, Photo
from sensors.inspection import Undecodable
from sensors.regions import Region

log = structlog.get_logger()

TOTAL_S = 20.0
MOST_ASKED = 4  # photos of one submission that are paid for
SIDE = 768

TOO_LONG = "Looking at the pictures took too long."
NOT_ASKED = "It was not asked before, and is not asked now."
NOT_ALL = f"Only {MOST_ASKED} photos of a submission are looked at."
MODEL_GONE = "The model that should look at it is gone."
MODEL_FAILED = "The model that should look at it gave no answer."
MODEL_BUSY = "The model that should look at it was busy."
PHOTO_FAILED = "The photo could not be shown to whoever judges."
FAULT = "It could not be looked at for a fault of ours."


class Judge(Protocol):
    """Whoever looks at photos and says whether they show what was asked."""

    name: str

    def look(self, photos: list[claim_photos.Photo]) -> AsyncGenerator[Opinion, None]:
        """One opinion after another; whoever has heard enough stops listening."""
        ...


async def require_usable(services: Services, connection: Connection, account: UUID, draft: terms.TaskDraft) -> None:
    """Refuse a task whose pictures nobody could judge: a model that is not its own, an endpoint not set."""
    wanted = None if draft.evidence.photos is None else draft.evidence.photos.shows
    if wanted is None:
        return
    fault = None
    if wanted.question is not None and services.vision is None:
        fault = FieldError("question", "Nobody here answers questions about pictures. Name a published model instead.")
    if wanted.model is not None:
        try:
            model = await models.get(connection, account, wanted.model)
        except NotFound:
            model = None
        if model is None or model.status != "published":
            fault = FieldError("model", "The account has no published model with this id.")
        elif wanted.label not in model.outputs.labels:
            known = ", ".join(model.outputs.labels)
            fault = FieldError("label", f"The model has no such label. It has: {known[:300]}.")
    if fault is not None:
        wrong = [FieldError(f"/evidence/photos/shows/{fault.pointer}", fault.detail)]
        raise Problem("validation", "What the pictures should show cannot be judged.", errors=wrong)


async def opinions(
    services: Services, todo: submissions.ToJudge, photos: list[Photo], *, again: bool = False
) -> list[Opinion]:
    """What a judge says of a submission's photos, within TOTAL_S; nobody is asked unless the task declares `shows`.

    It listens until one photo shows what was asked. again: only what costs and writes nothing.
    """
    wanted = None if todo.evidence.photos is None else todo.evidence.photos.shows
    if wanted is None or "shows" not in todo.acceptance.declared or todo.outcome == "honest_negative":
        return []
    readable = {each.n for each in photos if each.inspection is not None}
    stored = [each for each in todo.photos if each.n in readable]
    if not stored:
        return []
    judge: Judge = (
        ByModel(services, todo.account_id, wanted)
        if wanted.question is None
        else ByEndpoint(services, todo.account_id, wanted.question, again)
    )
    found: list[Opinion] = []
    try:
        async with asyncio.timeout(TOTAL_S), aclosing(judge.look(stored)) as looking:
            async for opinion in looking:
                found.append(opinion)
                if opinion.steered or (opinion.shows is True and opinion.confidence >= wanted.min_confidence):
                    break
    except TimeoutError:
        found.append(_undecided(stored[0].n, judge.name, TOO_LONG))
    except Unavailable:
        raise  # the database comes back, and the job with it
    except Exception as error:
        # Not its text: that may be the endpoint's, or hold what was sent to it.
        log.error("judge failed", submission=str(todo.id), judge=judge.name, error=type(error).__name__)
        found.append(_undecided(stored[0].n, judge.name, FAULT))
    return found


class ByModel:
    """A model that the buyer has published, run as any prediction is."""

    def __init__(self, services: Services, account: UUID, wanted: terms.Shown) -> None:
        self._services = services
        self._account = account
        self._model, self._label = wanted.model or "", wanted.label or ""
        self.name = self._model

    async def look(self, photos: list[claim_photos.Photo]) -> AsyncGenerator[Opinion, None]:
        """One prediction a photo, in the account's turn."""
        pool = self._services.model_pool
        try:
            async with self._services.database.read() as connection:
                model = await models.get(connection, self._account, self._model)
            onnx = bytes.fromhex(model.onnx_sha256)
            async with (
                pool.turn(self._account),
                pool.place(),
                pool.at_work(onnx, model.outputs, lambda: self._stored(onnx)) as ask,
            ):
                for each in photos:
                    try:
                        pixels = await self._pixels(each, model.inputs)
                    except Undecodable:
                        yield _undecided(each.n, self.name, PHOTO_FAILED)
                        continue
                    (said,) = await ask(pixels[np.newaxis])
                    yield self._opinion(each.n, said)
        except NotFound:
            yield _undecided(photos[0].n, self.name, MODEL_GONE)
        except BadModel:
            yield _undecided(photos[0].n, self.name, MODEL_FAILED)
        except Busy:
            yield _undecided(photos[0].n, self.name, MODEL_BUSY)

    async def _stored(self, onnx: bytes) -> bytes:
        content = await self._services.media.get(model_path(onnx, "onnx"))
        if content is None:
            raise NotFound("The model's file is gone.")
        return content

    async def _pixels(self, photo: claim_photos.Photo, inputs: models.Inputs) -> NDArray[np.uint8]:
        content = partial(_original, self._services, photo)
        return await self._services.decode_pool.pixels(content, inputs.width, inputs.height, inputs.channels)

    def _opinion(self, n: int, said: Prediction) -> Opinion:
        """By the label's own probability. A model that abstains says nothing, nor does a label that leads by less than
        a half."""
        likely = said.probabilities.get(self._label, 0.0)
        if said.abstained or (said.label == self._label and likely < 0.5):
            return Opinion(photo=n, judge=self.name, shows=None, confidence=likely)
        return Opinion(photo=n, judge=self.name, shows=likely >= 0.5, confidence=max(likely, 1 - likely))


class ByEndpoint:
    """The vision-language endpoint of the configuration."""

    def __init__(self, services: Services, account: UUID, question: str, again: bool) -> None:
        self._services = services
        self._account = account
        self._question = question
        self._digest = hashlib.sha256(question.encode()).digest()
        self._vision = None if again else services.vision
        named = "none" if services.vision is None else services.vision.name
        self.name = f"endpoint-{picture_question.VERSION}:{named}"

    async def look(self, photos: list[claim_photos.Photo]) -> AsyncGenerator[Opinion, None]:
        """One answer a photo, kept before it is told; the first MOST_ASKED photos."""
        for each in photos[:MOST_ASKED]:
            said = await self._known(each)
            if said is None and self._vision is None:
                yield _undecided(each.n, self.name, NOT_ASKED)
                return
            if said is None:
                try:
                    said = await self._ask(self._vision, each)
                except (Unanswered, Undecodable) as error:
                    yield _undecided(each.n, self.name, error.reason if isinstance(error, Unanswered) else PHOTO_FAILED)
                    return
            yield Opinion(
                photo=each.n,
                judge=self.name,
                shows=said.shows,
                confidence=said.confidence,
                reason=said.reason,
                steered=said.steered,
                undecided=said.undecided,
            )
        if len(photos) > MOST_ASKED:
            yield _undecided(photos[MOST_ASKED].n, self.name, NOT_ALL)

    async def _known(self, photo: claim_photos.Photo) -> shows.Said | None:
        async with self._services.database.read() as connection:
            return await shows.known(connection, photo.sha256, self._digest, self.name)

    async def _ask(self, vision: Vision | None, photo: claim_photos.Photo) -> shows.Said:
        assert vision is not None
        copy = await self._services.decode_pool.render(
            partial(_original, self._services, photo), SIDE, [Region(**each) for each in photo.hidden]
        )
        prompt = picture_question.ask(self._question)
        asked = Question(picture_question.SYSTEM, copy, prompt.text, picture_question.SCHEMA)
        said = picture_question.read(await vision.ask(asked, self._may_call), prompt)
        async with self._services.database.statement() as connection:
            await shows.keep(connection, photo.sha256, self._digest, self.name, said)
        return said

    async def _may_call(self) -> bool:
        config = self._services.config
        try:
            async with self._services.database.transaction() as connection:
                if not await shows.count_call(
                    connection,
                    self._account,
                    per_day=config.shows_calls_per_day,
                    per_account=config.shows_calls_per_account,
                ):
                    raise _Spent
        except _Spent:
            return False
        return True


class _Spent(Exception):
    """The calls of the day are used up; what was counted is taken back."""


def _undecided(photo: int, judge: str, reason: str) -> Opinion:
    return Opinion(photo=photo, judge=judge, reason=reason, undecided=True)


async def _original(services: Services, photo: claim_photos.Photo) -> bytes:
    content = await services.media.get(original_path(photo.sha256))
    if content is None:
        raise Undecodable(PHOTO_FAILED)
    return content
