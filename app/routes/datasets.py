"""Datasets: immutable snapshots of what an agent owns, with a manifest to download by."""

import asyncio
from typing import Any
from uuid import UUID

from litestar.handlers import HTTPRouteHandler

from app import jobs, photos
from app.auth import AGENT
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.paging import Page, Window, page, read_number
from app.services import Services
from market import datasets, ids
from market.photos import Kept

COPIES = 500  # that are looked for together
AT_ONCE = 6


@endpoint(
    "POST", "/v1/datasets", by=AGENT, scope="data:read", once=True, status=202, limit=5_000_000,
    example={"query": {"outcome": "done"}},
)  # fmt: skip
async def make_dataset(call: Call, data: datasets.DatasetDraft) -> datasets.Dataset:
    """Take a snapshot of observations, by a query or by their ids.

    It is built in the background; once `ready` it never changes, and its hash names its content.
    """
    dataset = await datasets.draft(call.connection, call.actor.owner, data, actor=call.actor.name)
    await jobs.enqueue(call.connection, "dataset", {"dataset_id": str(ids.read("dataset", dataset.id))})
    wake(EVENTS)
    return dataset


@jobs.handler("dataset")
async def build_dataset(services: Services, payload: jobs.Payload) -> None:
    """Build one snapshot, once all copies that it names are made; one that is built already is left alone."""
    dataset = UUID(payload["dataset_id"])
    while True:
        async with services.database.read() as connection:
            lacking = await datasets.without_copies(connection, dataset, limit=COPIES)
        if not lacking:
            break
        few = asyncio.Semaphore(AT_ONCE)

        async def enter(photo: Kept, few: asyncio.Semaphore = few) -> None:
            async with few:
                await photos.enter_full(services, photo)

        await asyncio.gather(*(enter(each) for each in lacking))
    async with services.database.transaction() as connection:
        await datasets.build(connection, dataset)
        wake(EVENTS)


@endpoint("GET", "/v1/datasets/{dataset_id}", by=AGENT, scope="data:read")
async def get_dataset(call: Call, dataset_id: str) -> datasets.Dataset:
    """One dataset: how far it is, how large, its hash and licences."""
    return await datasets.get(call.connection, call.actor.owner, dataset_id)


@endpoint("GET", "/v1/datasets/{dataset_id}/files", by=AGENT, scope="data:read")
async def list_files(call: Call, dataset_id: str, query: Window) -> Page[dict[str, Any]]:
    """The manifest, in its order: a line for each observation, with its answers and where its photos are.

    `manifest_sha256` of the dataset is over these lines as JSON with sorted keys and no spaces, joined by newlines.
    """
    after = read_number(query.cursor)
    found = await datasets.files(
        call.connection,
        call.actor.owner,
        dataset_id,
        after=-1 if after is None else after,
        limit=query.limit + 1,
    )
    return page(found, query.limit, lambda each: each[0], lambda each: each[1])


ROUTES: list[HTTPRouteHandler] = [make_dataset, get_dataset, list_files]
