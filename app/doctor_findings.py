"""A line of `sensorium doctor`."""

from __future__ import annotations

from typing import Literal, NamedTuple

TIMEOUT_S = 10


class Finding(NamedTuple):
    """One line of the examination."""

    status: Literal["ok", "warn", "broken"]
    subject: str
    detail: str
