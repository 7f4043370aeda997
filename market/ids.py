"""Public ids: a UUIDv7 with the prefix of its kind, `task_018f…`. They grow with time and lead back to one table."""

import os
import time
from uuid import UUID

from market.errors import NotFound

PREFIXES = {
    "account": "acct", "key": "key", "person": "prsn", "operator": "oper", "task": "task", "claim": "claim",
    "submission": "sub", "observation": "obs", "dataset": "data", "model": "model", "funding": "fund",
    "payout_run": "run", "refund": "re", "payout": "pay", "event": "evt",
    "device": "dev", "dispute": "disp", "fraud_warning": "efw", "money_decision": "dec", "stripe_op": "sop",
    "listing": "list", "sale": "sale",
    "appeal": "apl", "question": "q", "group": "grp",
}  # fmt: skip


def new() -> UUID:
    """A fresh UUIDv7 (RFC 9562): 48 bits of milliseconds, then random bits."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return UUID(int=value & ~(0xF000 << 64) & ~(0xC000 << 48) | 0x7000 << 64 | 0x8000 << 48)


def show(kind: str, value: UUID) -> str:
    """The id as callers see it."""
    return f"{PREFIXES[kind]}_{value.hex}"


def read(kind: str, text: str) -> UUID:
    """The inverse of `show`. Raises NotFound for anything that is not an id of this kind: nothing can have it."""
    prefix, _, digits = text.partition("_")
    if prefix != PREFIXES[kind] or len(digits) != 32:
        raise NotFound(f"There is no {kind.replace('_', ' ')} with this id.")
    try:
        return UUID(hex=digits)
    except ValueError:
        raise NotFound(f"There is no {kind.replace('_', ' ')} with this id.") from None
