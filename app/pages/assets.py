"""Style sheet, scripts and icon: read once, compressed once, served under a version so that browsers may keep them."""

import gzip
import hashlib
from pathlib import Path
from typing import NamedTuple

from litestar.handlers import HTTPRouteHandler

from app.answers import Answer
from app.auth import EVERYONE
from app.edge import Call, endpoint
from app.errors import Problem

FOLDER = Path(__file__).parent / "static"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOR_EVER = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    """One file as it lies in memory."""

    media_type: str
    plain: bytes
    packed: bytes


def _load() -> dict[str, Asset]:
    return {
        path.name: Asset(MEDIA_TYPES[path.suffix], path.read_bytes(), gzip.compress(path.read_bytes(), 9, mtime=0))
        for path in sorted(FOLDER.iterdir())
        if path.suffix in MEDIA_TYPES
    }


ASSETS = _load()
# One version for all of them: scripts import each other by relative addresses.
VERSION = hashlib.sha256(b"".join(name.encode() + asset.plain for name, asset in ASSETS.items())).hexdigest()[:12]


def address(name: str) -> str:
    """Where a page finds the file. Raises KeyError for one that is not there."""
    _ = ASSETS[name]
    return f"/static/{VERSION}/{name}"


@endpoint("GET", "/static/{version}/{file}", by=EVERYONE, uses="own", hidden=True)
async def get_asset(call: Call, version: str, file: str) -> Answer:
    """One file of the pages."""
    found = ASSETS.get(file)
    if found is None:
        raise Problem("not-found", "There is no such file.")
    # A page from before an update may ask for its old version: it gets the present file, but must not keep it.
    headers = {"cache-control": FOR_EVER if version == VERSION else "no-store", "vary": "accept-encoding"}
    if "gzip" in call.request.headers.get("accept-encoding", ""):
        return Answer(found.packed, media_type=found.media_type, headers={**headers, "content-encoding": "gzip"})
    return Answer(found.plain, media_type=found.media_type, headers=headers)


ROUTES: list[HTTPRouteHandler] = [get_asset]
