"""Models: small trained networks that an account publishes, with the dataset that they learned from."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids
from market.errors import Invalid, NotFound
from market.terms import Strict


class Inputs(Strict, frozen=True, kw_only=True):
    """What the graph's input `image` takes: float32 NCHW, 0..255."""

    kind: Literal["image"]
    width: Annotated[int, msgspec.Meta(ge=4, le=1024)]
    height: Annotated[int, msgspec.Meta(ge=4, le=1024)]
    channels: Literal[1, 3]
    dtype: Literal["float32"] = "float32"
    layout: Literal["NCHW"] = "NCHW"
    range: tuple[int, int] = (0, 255)


class Outputs(Strict, frozen=True, kw_only=True):
    """What its output `probabilities` means: one column a label. Below `abstain_below` the model does not say."""

    kind: Literal["classification"]
    labels: Annotated[list[Annotated[str, msgspec.Meta(max_length=200)]], msgspec.Meta(min_length=2, max_length=5000)]
    abstain_below: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


class ModelDraft(Strict, frozen=True, kw_only=True):
    """A model to be published; its files come beside."""

    name: Annotated[
        str,
        msgspec.Meta(
            pattern="^[a-z0-9][a-z0-9-]{0,63}$(?!\\n)",
            description="A name of lower-case letters, digits and hyphens; at most 64 of them.",
            examples=["bakery-open"],
        ),
    ]
    task: Literal["classification"]
    inputs: Inputs
    outputs: Outputs
    metrics: Annotated[dict[str, Any], msgspec.Meta(max_length=100)] = {}
    dataset_id: str | None = None


class Model(msgspec.Struct, frozen=True):
    """A published model."""

    id: str
    name: str
    version: int
    status: str
    task: str
    inputs: Inputs
    outputs: Outputs
    metrics: dict[str, Any]
    dataset_id: str | None
    onnx_sha256: str
    weights_sha256: str
    created_at: datetime
    links: dict[str, str]


async def publish(
    conn: asyncpg.Connection, account: UUID, draft: ModelDraft, *, onnx: bytes, weights: bytes, card: str, actor: str
) -> Model:
    """Record a model whose files are stored; onnx, weights: their SHA-256. The version is the next of its name."""
    if draft.inputs.range != (0, 255):
        raise Invalid("The graph takes values from 0 to 255.", pointer="/inputs/range")
    if len(set(draft.outputs.labels)) < len(draft.outputs.labels):
        raise Invalid("Each label may stand here once.", pointer="/outputs/labels")
    dataset = None
    if draft.dataset_id is not None:
        dataset = await conn.fetchval(
            "SELECT id FROM dataset WHERE id = $1 AND account_id = $2", ids.read("dataset", draft.dataset_id), account
        )
        if dataset is None:
            raise NotFound("There is no such dataset.")
    # Publishing is rare; one at a time for each account keeps its version numbers without gaps or clashes.
    await conn.fetchval("SELECT id FROM account WHERE id = $1 FOR NO KEY UPDATE", account)
    row = await conn.fetchrow(
        """INSERT INTO model (id, account_id, name, version, task, inputs, outputs, metrics, dataset_id, onnx_sha256,
               weights_sha256, card)
           SELECT $1, $2, $3, 1 + coalesce(max(version), 0), $4, $5, $6, $7, $8, $9, $10, $11
           FROM model WHERE account_id = $2 AND name = $3 RETURNING *""",
        ids.new(), account, draft.name, draft.task, msgspec.to_builtins(draft.inputs),
        msgspec.to_builtins(draft.outputs), draft.metrics, dataset, onnx, weights, card,
    )  # fmt: skip
    await events.append(
        conn, "model.published", ("model", row["id"]), actor, account=account,
        data={"name": draft.name, "version": row["version"]},
    )  # fmt: skip
    return _show(row)


async def get(conn: asyncpg.Connection, account: UUID, model: str) -> Model:
    """One model of the account."""
    return _show(await _row(conn, account, model))


async def card(conn: asyncpg.Connection, account: UUID, model: str) -> str:
    """The model's card, Markdown."""
    return (await _row(conn, account, model))["card"]  # type: ignore[no-any-return]


async def listed(conn: asyncpg.Connection, account: UUID, *, before: str | None, limit: int) -> list[Model]:
    """The account's models, newest first."""
    rows = await conn.fetch(
        "SELECT * FROM model WHERE account_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        account, before and ids.read("model", before), limit,
    )  # fmt: skip
    return [_show(row) for row in rows]


async def _row(conn: asyncpg.Connection, account: UUID, model: str) -> asyncpg.Record:
    row = await conn.fetchrow(
        "SELECT * FROM model WHERE id = $1 AND account_id = $2", ids.read("model", model), account
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such model.")
    return row


def _show(row: asyncpg.Record) -> Model:
    public = ids.show("model", row["id"])
    return Model(
        public, row["name"], row["version"], row["status"], row["task"], msgspec.convert(row["inputs"], Inputs),
        msgspec.convert(row["outputs"], Outputs), row["metrics"],
        None if row["dataset_id"] is None else ids.show("dataset", row["dataset_id"]), row["onnx_sha256"].hex(),
        row["weights_sha256"].hex(), row["created_at"],
        {"self": f"/v1/models/{public}", "card": f"/v1/models/{public}/card",
         "predict": f"/v1/models/{public}/predict"},
    )  # fmt: skip
