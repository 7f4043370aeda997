"""Datasets: immutable snapshots of an account's observations, with a manifest whose hash is the dataset's name."""

import hashlib
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids, observations, ownership, photos
from market.errors import Invalid, NotFound
from market.terms import Strict

MOST_ROWS = 100_000


class Query(Strict, frozen=True, kw_only=True):
    """Which observations: all filters together."""

    task_ids: Annotated[list[str], msgspec.Meta(max_length=10_000)] | None = None
    since: datetime | None = None
    until: datetime | None = None
    outcome: (
        Annotated[
            str,
            msgspec.Meta(pattern="^(done|honest_negative)$(?!\\n)", description="An outcome: done or honest_negative."),
        ]
        | None
    ) = None


class DatasetDraft(Strict, frozen=True, kw_only=True):
    """Either a query or a list of observations."""

    query: Query | None = None
    observation_ids: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MOST_ROWS)] | None = None


class Dataset(msgspec.Struct, frozen=True):
    """A snapshot. `manifest_sha256`: over its lines as canonical JSON, one a line, in order.

    erased: how many of its photos have been erased since, with whoever took them. The lines stay as they are; the links
    of those photos answer 410.
    """

    id: str
    status: str
    rows: int
    bytes: int
    erased: int
    manifest_sha256: str | None
    licenses: list[str]
    failure: str | None
    created_at: datetime
    ready_at: datetime | None


async def draft(conn: asyncpg.Connection, account: UUID, asked: DatasetDraft, *, actor: str) -> Dataset:
    """Begin a snapshot; a job builds it. Raises Invalid, NotFound for an observation that is not the account's,
    EvidenceLocked for one that it may not pass on."""
    if (asked.query is None) == (asked.observation_ids is None):
        raise Invalid("Give either `query` or `observation_ids`.", pointer="/query")
    if asked.query is not None:
        for field, at in (("since", asked.query.since), ("until", asked.query.until)):
            if at is not None and at.tzinfo is None:
                raise Invalid("Times need an offset, such as Z.", pointer=f"/query/{field}")
        for task in asked.query.task_ids or []:
            ids.read("task", task)
    if asked.observation_ids is not None:
        wanted = [ids.read("observation", each) for each in asked.observation_ids]
        if len(set(wanted)) < len(wanted):
            raise Invalid("Each observation may stand here once.", pointer="/observation_ids")
        own = await conn.fetchval(
            f"SELECT count(*) FROM {ownership.HELD} h WHERE observation_id = ANY ($1::uuid[]) AND account_id = $2",
            wanted, account,
        )  # fmt: skip
        if own != len(wanted):
            raise NotFound("Some of these observations do not exist here.")
        await observations.require_readable(conn, account, wanted)
    row = await conn.fetchrow(
        "INSERT INTO dataset (id, account_id, asked) VALUES ($1, $2, $3) RETURNING *",
        ids.new(), account, msgspec.to_builtins(asked),
    )  # fmt: skip
    await events.append(conn, "dataset.begun", ("dataset", row["id"]), actor, account=account)
    return _show(row)


async def build(conn: asyncpg.Connection, dataset: UUID) -> None:
    """Take the snapshot, in one transaction; a dataset that is built already is left alone."""
    row = await conn.fetchrow(
        "SELECT * FROM dataset WHERE id = $1 AND status = 'building' FOR NO KEY UPDATE", dataset
    )  # fmt: skip
    if row is None:
        return
    # Locked against a dispute that begins now: it waits, and then finds the observation used.
    found = await conn.fetch(
        f"{observations.SELECT} WHERE {_MATCHES} ORDER BY o.id LIMIT $7 FOR SHARE OF o", *_asked(row)
    )
    if not found or len(found) > MOST_ROWS:
        why = f"More than {MOST_ROWS} observations match." if found else "No observation matches."
        await conn.execute("UPDATE dataset SET status = 'failed', failure = $2 WHERE id = $1", dataset, why)
        await events.append(conn, "dataset.failed", ("dataset", dataset), "market", account=row["account_id"])
        return
    about = await _files(conn, [each["submission_id"] for each in found])
    items = [_item(each, about) for each in found]
    lines = [msgspec.json.encode(item, order="deterministic") for item in items]
    await conn.copy_records_to_table(
        "dataset_item", columns=["dataset_id", "position", "observation_id", "item"],
        records=[(dataset, i, each["id"], item) for i, (each, item) in enumerate(zip(found, items, strict=True))],
    )  # fmt: skip
    size = sum(each.bytes for each in about.values())
    await conn.execute(
        """UPDATE dataset SET status = 'ready', rows = $2, bytes = $3, manifest_sha256 = $4, licenses = $5,
             ready_at = market_now() WHERE id = $1 AND status = 'building'""",
        dataset, len(items), size, hashlib.sha256(b"\n".join(lines)).digest(),
        sorted({each["license"] for each in found}),
    )  # fmt: skip
    await events.append(
        conn, "dataset.ready", ("dataset", dataset), "market", account=row["account_id"], data={"rows": len(items)}
    )


_MATCHES = """h.account_id = $1 AND NOT o.locked AND ($2::uuid[] IS NULL OR o.id = ANY ($2))
    AND ($3::uuid[] IS NULL OR o.task_id = ANY ($3)) AND ($4::timestamptz IS NULL OR h.acquired_at >= $4)
    AND ($5::timestamptz IS NULL OR h.acquired_at < $5) AND ($6::text IS NULL OR o.outcome = $6)"""


def _asked(row: asyncpg.Record) -> list[Any]:
    """What _MATCHES, and the limit after it, want for a dataset."""
    asked = msgspec.convert(row["asked"], DatasetDraft)
    query, wanted = asked.query or Query(), asked.observation_ids
    return [
        row["account_id"], None if wanted is None else [ids.read("observation", each) for each in wanted],
        None if query.task_ids is None else [ids.read("task", each) for each in query.task_ids],
        query.since, query.until, query.outcome, MOST_ROWS + 1,
    ]  # fmt: skip


async def without_copies(conn: asyncpg.Connection, dataset: UUID, *, limit: int) -> list[photos.Kept]:
    """Photos that the dataset will name whose full copies are still to be made; none once it is built."""
    row = await conn.fetchrow("SELECT * FROM dataset WHERE id = $1 AND status = 'building'", dataset)
    if row is None:
        return []
    rows = await conn.fetch(
        f"""SELECT DISTINCT ON (name) * FROM (
              SELECT {photos.COLUMNS} FROM (
                SELECT o.* FROM {ownership.HELD} h JOIN observation o ON o.id = h.observation_id
                WHERE {_MATCHES} ORDER BY o.id LIMIT $7) o
                JOIN task t ON t.id = o.task_id JOIN submission s ON s.id = o.submission_id
                JOIN photo p ON p.claim_id = s.claim_id WHERE NOT {photos.ORIGINALS}) AS found
            WHERE NOT EXISTS (SELECT FROM photo_copy c WHERE c.name = found.name) LIMIT $8""",
        *_asked(row), limit,
    )  # fmt: skip
    return [photos.kept(each) for each in rows]


class CopyMissing(Exception):
    """A photo came, or its version changed, since the copies for a dataset were made: make them first."""


class _File(NamedTuple):
    """What is downloaded for a photo: the full copy, or the photo as it came where the task asked for that."""

    sha256: bytes | None
    bytes: int
    media_type: str
    variant: str


async def _files(conn: asyncpg.Connection, submissions: list[UUID]) -> dict[tuple[UUID, int], _File]:
    """By submission and number. Raises CopyMissing."""
    rows = await conn.fetch(
        f"""SELECT s.id, p.n, p.sha256, p.bytes, p.media_type, {photos.ORIGINALS} AS originals,
              c.name IS NOT NULL AS copied, c.sha256 AS copy_sha256, c.bytes AS copy_bytes
            FROM submission s JOIN task t ON t.id = s.task_id JOIN photo p ON p.claim_id = s.claim_id
              LEFT JOIN photo_copy c ON c.name = coalesce(p.blurred, p.sha256)
            WHERE s.id = ANY ($1::uuid[])""",
        submissions,
    )
    found = {}
    for row in rows:
        if row["originals"]:
            file = _File(row["sha256"], row["bytes"], row["media_type"], "original")
        elif row["copied"]:
            file = _File(row["copy_sha256"], row["copy_bytes"] or 0, "image/jpeg", "full")
        else:
            raise CopyMissing
        found[row["id"], row["n"]] = file
    return found


def _item(row: asyncpg.Record, about: dict[tuple[UUID, int], _File]) -> dict[str, Any]:
    seen = observations.show(row)
    listed, unreadable = [], []
    for each in seen.photos:
        file = about[row["submission_id"], each.n]
        if file.sha256 is None:
            unreadable.append(each.n)
            continue
        listed.append(
            {
                "n": each.n, "sha256": file.sha256.hex(), "bytes": file.bytes, "media_type": file.media_type,
                "url": each.links[file.variant], "evidence_sha256": each.sha256,
            }
        )  # fmt: skip
    return {
        "observation_id": seen.id, "task_id": seen.task_id, "task_external_id": seen.task_external_id,
        "title": seen.title, "asks": msgspec.to_builtins(seen.asks),
        "kind": seen.kind, "outcome": seen.outcome, "photos": listed, "unreadable": unreadable, "answers": seen.answers,
        "readings": seen.readings, "person": seen.person, "captured_at": seen.captured_at.isoformat(),
        # jsonb knows no -0.0; what is hashed must be what is kept.
        "place": seen.place and {name: degrees + 0.0 for name, degrees in seen.place.items()}, "license": seen.license,
        "coarse_place": seen.coarse_place,
    }  # fmt: skip


async def get(conn: asyncpg.Connection, account: UUID, dataset: str) -> Dataset:
    """One dataset of the account."""
    row = await conn.fetchrow(
        "SELECT * FROM dataset WHERE id = $1 AND account_id = $2", ids.read("dataset", dataset), account
    )
    if row is None:
        raise NotFound("There is no such dataset.")
    return _show(row)


async def files(
    conn: asyncpg.Connection, account: UUID, dataset: str, *, after: int, limit: int
) -> list[tuple[int, dict[str, Any]]]:
    """Lines of the manifest with their positions, those behind `after` (-1: from the first)."""
    await get(conn, account, dataset)
    rows = await conn.fetch(
        """SELECT position, item FROM dataset_item WHERE dataset_id = $1 AND position > $2::bigint
           ORDER BY position LIMIT $3""",
        ids.read("dataset", dataset), after, limit,
    )  # fmt: skip
    return [(row["position"], row["item"]) for row in rows]


def _show(row: asyncpg.Record) -> Dataset:
    return Dataset(
        ids.show("dataset", row["id"]), row["status"], row["rows"], row["bytes"], row["erased"],
        row["manifest_sha256"] and row["manifest_sha256"].hex(), row["licenses"], row["failure"], row["created_at"],
        row["ready_at"],
    )  # fmt: skip
