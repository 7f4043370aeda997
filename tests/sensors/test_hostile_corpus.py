"""A hundred or so of the hostile files of tests/bench/hostile, the cheap ones: each gives a measure or a reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import psutil

from app.decode_pool import CRASHED, DecodePool
from sensors.inspection import Undecodable
from sensors.readings import BadReadings, resolve
from tests.bench.hostile import corpus

SMALL = 20_000
MOST_RSS_KB = 400_000
EVERY = 7
PHOTOS = ("metadata", "provenance", "polyglots", "foreign", "cuts")


def peak_rss_kb(child: psutil.Process) -> int:
    status = Path(f"/proc/{child.pid}/status")
    if not status.exists():  # no Linux
        return int(child.memory_info().rss) // 1000
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))


async def test_a_sample_of_hostile_photos_is_measured_or_refused_and_the_child_lives() -> None:
    files = [each for each in corpus(PHOTOS) if each.way == "photo" and len(each.content) < SMALL][::EVERY]
    assert len(files) > 100
    async with DecodePool(workers=1) as pool:
        for each in files:
            try:
                assert (await pool.inspect(each.content)).width > 0
            except Undecodable as refused:
                assert refused.reason.endswith(".") and refused.reason != CRASHED, each.name
        # Not all children are the pool's: the process that runs the tests has a database server too.
        (child,) = (each for each in psutil.Process().children() if "app.decode_worker" in each.cmdline())
        assert peak_rss_kb(child) < MOST_RSS_KB


def test_hostile_packs_are_resolved_or_refused_with_a_reason() -> None:
    now = datetime(2026, 11, 25, tzinfo=UTC)
    resolved = refused = 0
    for each in corpus(("texts",)):
        if each.way != "readings":
            continue
        try:
            pack = json.loads(each.content)["readings"]
            assert isinstance(pack, list)
        except (ValueError, RecursionError, AssertionError, KeyError):
            continue  # stopped by the reader of JSON, which is not ours
        try:
            resolve(pack, now)
            resolved += 1
        except BadReadings as error:
            assert str(error)
            refused += 1
    assert resolved > 20 and refused > 50


def test_the_corpus_is_the_same_every_time_and_large() -> None:
    kinds = ("metadata", "foreign", "cuts", "texts")
    first = [(each.family, each.name, each.content) for each in corpus(kinds)]
    assert first == [(each.family, each.name, each.content) for each in corpus(kinds)]
    assert len(first) > 1_000
    assert len({(family, name) for family, name, _ in first}) == len(first)
