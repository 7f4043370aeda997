"""Transfers while the worker is killed every two seconds and a fifth of the calls end in silence after Stripe has done
them. `make bench ARGS=outbox` is the same with five thousand."""

from __future__ import annotations

import pytest

from tests.bench.bench_outbox import go

OPERATIONS = 80


@pytest.mark.slow
def test_each_transfer_stands_once_however_often_the_worker_is_killed() -> None:
    found = go(OPERATIONS, kill_s=2.0)
    assert (found.lost, found.doubled, found.broken) == (0, 0, [])
    assert found.kills >= 2 and found.silences >= 5  # it was no fair weather
    assert len(found.times) == OPERATIONS
