"""HTTP by Granian: one master that listens, worker processes that answer."""

from __future__ import annotations

import errno
import multiprocessing
import signal
import socket
from typing import TYPE_CHECKING

from app.child import die_with_parent
from app.config import Config

if TYPE_CHECKING:
    from litestar.types import ASGIApp

SHUTDOWN_S = 5  # for requests under way; long polls are cut off
BACKLOG = 1024


class PortBusy(Exception):
    """Somebody else listens there; the message says where and what to do."""


def serve(config: Config) -> None:
    """Answer HTTP until SIGTERM or SIGINT."""
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.log import LogLevels
    from granian.server import Server

    address = require_free(config.host, config.port)
    if config.metrics_port:
        require_free(config.host, config.metrics_port)
    server = Server(
        "app.serve:application",
        factory=True,
        address=address,
        port=config.port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        workers=config.http_workers,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=SHUTDOWN_S,
        process_name="sensorium serve",
        log_level=LogLevels.warn,
        metrics_enabled=config.metrics_port != 0,
        metrics_address=address,
        metrics_port=config.metrics_port or 1,
    )
    server.serve()


def application() -> ASGIApp:
    """What each worker process of Granian loads; it must not go on serving when the master was killed."""
    master = multiprocessing.parent_process()
    if master is not None and master.pid is not None:
        die_with_parent(signal.SIGTERM, master.pid)
    from app import config, main

    settings = config.load()
    return behind_proxies(main.application(), settings.trusted_proxies, settings.country_header)


def behind_proxies(app: ASGIApp, trusted: str, country_header: str = "") -> ASGIApp:
    """`app`, for which a request through one of the `trusted` comes from the last address that is none of them.

    country_header: where such a proxy names the country of that address.
    """
    if not trusted:
        return app
    from granian.utils.proxies import wrap_asgi_with_proxy_headers

    from app.whereabouts import noting_country

    wrapped: ASGIApp = wrap_asgi_with_proxy_headers(app, trusted_hosts=trusted)
    # Outermost: further inside, the proxy's own address is already replaced by that of whoever it speaks for.
    return noting_country(wrapped, trusted, country_header) if country_header else wrapped


def require_free(host: str, port: int) -> str:
    """The address to bind. Granian shares ports (SO_REUSEPORT), so a busy one would silently be served by both."""
    return _tried(host, port)[0]


def free_port(host: str) -> int:
    """A port that nobody listens on at this moment."""
    return _tried(host, 0)[1]


def _tried(host: str, port: int) -> tuple[str, int]:
    """The address and port of a socket that could be bound, and is closed again. Raises PortBusy, saying why not."""
    foreign = f"SENSORIUM_HOST {host!r} is no address of this machine"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise PortBusy(f"{foreign} ({error.strerror})") from None
    except UnicodeError:
        raise PortBusy(f"{foreign} (nor a name)") from None
    family, kind, _, _, place = found[0]
    try:
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            return str(place[0]), int(probe.getsockname()[1])
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise PortBusy(f"{foreign} ({error.strerror})") from None
        if error.errno in (errno.EACCES, errno.EPERM):
            raise PortBusy(
                f"port {port} on {host} is not for this user ({error.strerror}): choose one above 1023 with --port"
            ) from None
        raise PortBusy(
            f"port {port} on {host} cannot be used ({error.strerror}): "
            f"stop what listens there, or choose another with --port (0: any free one)"
        ) from None
