"""A photo that was sold comes back cropped, turned, mirrored, written over: it is the same photo, and refused."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image, ImageEnhance

from app.media import original_path
from tests.app.conftest import Caller, World, answer, ok, person, picture, post_task


def changed(content: bytes, change: Callable[[Image.Image], Image.Image]) -> bytes:
    written = BytesIO()
    with Image.open(BytesIO(content)) as image:
        change(image).save(written, "JPEG", quality=80)
    return written.getvalue()


def cropped(left: float, upper: float, right: float, lower: float) -> Callable[[Image.Image], Image.Image]:
    """Cut these shares off the four sides."""

    def cut(image: Image.Image) -> Image.Image:
        width, height = image.size
        return image.crop((int(width * left), int(height * upper), int(width * (1 - right)), int(height * (1 - lower))))

    return cut


def written_over(image: Image.Image) -> Image.Image:
    width, height = image.size
    image = image.copy()
    image.paste((250, 250, 250), (int(width * 0.65), int(height * 0.7), int(width * 0.95), int(height * 0.9)))
    return image


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "cropped all round": cropped(0.1, 0.1, 0.1, 0.1),
    "cropped at one side": cropped(0.25, 0, 0, 0),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "on its side": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "mirrored and cropped": lambda image: cropped(0.1, 0, 0.1, 0)(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "turned a little": lambda image: image.rotate(4, Image.Resampling.BICUBIC),
    "written over": written_over,
    "brighter and smaller": lambda image: ImageEnhance.Brightness(image).enhance(1.2).resize((400, 300)),
}


@pytest.mark.parametrize("how", CHANGES)
async def test_a_sold_photo_is_known_in_another_shape(world: World, ada: Caller, bo: Caller, how: str) -> None:
    sold = picture(1)
    for seed in range(2, 6):
        assert (await answer(bo, await post_task(ada), picture(seed)))["status"] == "accepted"
    assert (await answer(bo, await post_task(ada), sold))["status"] == "accepted"
    cleo = await person(world, "Cleo")
    refused = await answer(cleo, await post_task(ada), changed(sold, CHANGES[how]))
    assert refused["status"] == "rejected" and refused["rejection"]["failed_check"] == "not_duplicate", refused
    assert "already used" in refused["rejection"]["comment"]


STRETCHES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "stretched and cropped": lambda image: cropped(0.05, 0.04, 0.06, 0.05)(image).resize((720, 432)),
    "sheared": lambda image: image.transform(
        image.size, Image.Transform.AFFINE, (1, 0.15, -20, 0.04, 1, 5), Image.Resampling.BICUBIC
    ).crop((60, 20, 580, 440)),
}


@pytest.mark.parametrize("how", STRETCHES)
async def test_what_is_stretched_or_sheared_is_noticed_and_never_called_the_same(
    world: World, ada: Caller, bo: Caller, how: str
) -> None:
    """A second shot of a wall from the side is just that to the original."""
    await answer(bo, await post_task(ada), picture(1))
    judged = await answer(await person(world, "Cleo"), await post_task(ada), changed(picture(1), STRETCHES[how]))
    found = next(each for each in judged["verdict"]["checks"] if each["name"] == "not_duplicate")
    assert found["status"] == "warn" and "looks much like" in found["detail"], found


@pytest.mark.parametrize(("how", "status"), [("mirrored", "fail"), ("cropped all round", "pass")])
async def test_where_the_earlier_bytes_are_gone_a_mirrored_picture_is_known_and_a_cropped_one_is_not(
    world: World, ada: Caller, bo: Caller, how: str, status: str
) -> None:
    first = await answer(bo, await post_task(ada), picture(1))
    (world.services.config.data_dir / "media" / original_path(bytes.fromhex(first["photos"][0]["sha256"]))).unlink()
    cleo = await person(world, "Cleo")
    judged = await answer(cleo, await post_task(ada), changed(picture(1), CHANGES[how]))
    found = next(each for each in judged["verdict"]["checks"] if each["name"] == "not_duplicate")
    assert found["status"] == status, found


async def test_other_pictures_are_no_copies(world: World, ada: Caller, bo: Caller) -> None:
    for seed in range(8):
        judged = await answer(bo, await post_task(ada), picture(seed))
        found = next(each for each in judged["verdict"]["checks"] if each["name"] == "not_duplicate")
        assert found["status"] == "pass", found
    async with world.services.database.read() as connection:
        kept = await connection.fetchval("SELECT count(*) FROM photo_word")
        photos = await connection.fetchval("SELECT count(DISTINCT seq) FROM photo_word")
    assert photos == 8 and kept <= 8 * 192
    assert ok(await bo.get("/v1/people/earnings"))["pending"]["amount"] == 8 * 300
