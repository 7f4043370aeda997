"""What one process has at hand: its configuration, database, object storage and image decoders."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app.config import Config
from app.db import Database, open_database
from app.decode_pool import DecodePool
from app.duplicates import PhotoIndex
from app.gateways.vision import Vision
from app.media import Media
from app.predict import ModelPool
from app.setting_values import read_certificates
from app.waiting_room import WaitingRoom


@dataclass(frozen=True, slots=True)
class Services:
    """Opened at the start of a process, handed to every request and job."""

    config: Config
    database: Database
    media: Media
    decode_pool: DecodePool
    model_pool: ModelPool
    photo_index: PhotoIndex
    waiting_room: WaitingRoom
    vision: Vision | None = None  # only where the configuration names an endpoint


def anchors(config: Config) -> str:
    """The certificates whose signers of pictures are trusted, as PEM."""
    return read_certificates(Path(config.c2pa_anchors)) if config.c2pa_anchors else ""


@asynccontextmanager
async def open_services(config: Config, *, name: str) -> AsyncIterator[Services]:
    """Open all of it, and close it in the reverse order."""
    async with (
        open_database(config.database_url, largest=config.db_pool_size, name=name) as database,
        DecodePool(workers=config.decode_workers, anchors=anchors(config)) as decode_pool,
        ModelPool() as model_pool,
        WaitingRoom(database) as waiting_room,
        AsyncExitStack() as perhaps,
    ):
        media = Media(config.media_url)
        photo_index = PhotoIndex(database, media, decode_pool)
        vision = await perhaps.enter_async_context(Vision(config)) if config.shows_protocol else None
        yield Services(config, database, media, decode_pool, model_pool, photo_index, waiting_room, vision)
