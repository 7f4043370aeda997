"""The background worker: jobs and sweeps until SIGTERM or SIGINT, then what runs is finished."""

from __future__ import annotations

import asyncio
import importlib
import os
import pkgutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

import app
from app import garbage, jobs
from app.config import Config
from app.services import open_services

log = structlog.get_logger()

GRACE_S = 5.0  # below that of the supervisor


def run(config: Config, ready_file: Path | None = None) -> None:
    """Work on the jobs of the database at `config.database_url`; returns after SIGTERM or SIGINT.

    ready_file: is there once, and as long as, jobs are taken up.
    """
    for module in modules_with_work():
        importlib.import_module(module)
    garbage.tune()
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(_work(config, ready_file))


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one, as for HTTP; None: asyncio's own."""
    try:
        import uvloop
    except ImportError:  # Windows
        return None
    return uvloop.new_event_loop


def modules_with_work() -> Iterator[str]:
    """The modules of app/ that declare jobs or sweeps, found by their text: importing all of them would load the world.

    A list kept by hand would one day miss a module, and its jobs would wait for ever.
    """
    for found in pkgutil.walk_packages(app.__path__, "app."):
        if found.name.startswith(("app.sandbox.stripe", "app.migrations")):
            continue  # another process; no package of ours
        file = Path(str(getattr(found.module_finder, "path", ""))) / found.name.rpartition(".")[2]
        source = (file / "__init__.py" if found.ispkg else file.with_suffix(".py")).read_text()
        if "\n@handler(" in source or "\n@sweep(" in source or "\n@jobs." in source:
            yield found.name


async def _work(config: Config, ready_file: Path | None) -> None:
    stop = asyncio.Event()

    def begin_to_stop() -> None:
        stop.set()
        # When the database went away at the same moment, what runs may wait for it for ever. Jobs are durable: another
        # worker takes up what is cut off here.
        cut_off = threading.Timer(GRACE_S, os._exit, [1])
        cut_off.daemon = True
        cut_off.start()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, begin_to_stop)
    async with open_services(config, name="sensorium-worker") as services:
        warming = asyncio.create_task(services.photo_index.warm())
        with _announced(ready_file):
            log.info("worker ready")
            await jobs.work(services, stop)
        warming.cancel()
        await asyncio.gather(warming, return_exceptions=True)
    log.info("worker stopped")


@contextmanager
def _announced(ready_file: Path | None) -> Iterator[None]:
    if ready_file is not None:
        ready_file.touch()
    try:
        yield
    finally:
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)
