"""`python -m app.sandbox.stripe --port 12111 --state stripe.sqlite …`: one process; Ctrl-C or SIGTERM ends it."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from app.sandbox.stripe.server import Settings, create_app


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m app.sandbox.stripe", description="The bundled Stripe sandbox.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=12111)
    parser.add_argument("--state", type=Path, required=True, help="SQLite file, made when missing")
    parser.add_argument(
        "--public-url", default="", help="where browsers reach the hosted pages; default http://HOST:PORT"
    )
    parser.add_argument(
        "--webhook-url", default="", help="where events go, signed with STRIPE_WEBHOOK_SECRET; none are sent without it"
    )
    given = parser.parse_args()
    # Not an option: command lines can be read by everybody on the machine, and whoever knows it can forge webhooks.
    given.webhook_secret = os.environ.get("STRIPE_WEBHOOK_SECRET", "")
    if given.webhook_url and not given.webhook_secret.startswith("whsec_"):
        parser.error("--webhook-url needs STRIPE_WEBHOOK_SECRET=whsec_… in the environment")
    return given


def require_free(host: str, port: int) -> None:
    """The server binds with SO_REUSEPORT and would silently share a port that somebody already serves."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            sys.exit(f"Stripe sandbox: cannot listen on {host}:{port}: {error.strerror}")


async def serve(given: argparse.Namespace) -> None:
    public_url = given.public_url.rstrip("/") or f"http://{given.host}:{given.port}"
    app = create_app(Settings(given.state, public_url, given.webhook_url, given.webhook_secret))
    server = Server(app, given.host, given.port, interface=Interfaces.ASGI, websockets=False, log_level=LogLevels.error)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    await server.serve()


def main() -> None:
    given = arguments()
    require_free(given.host, given.port)
    asyncio.run(serve(given))


if __name__ == "__main__":
    main()
