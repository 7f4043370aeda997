"""Files made to hurt are refused with a reason, or read without harm."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sensors.container import TOO_MANY_PARTS, examine, sniff
from sensors.decode import Undecodable, inspect, render
from tests.sensors.pictures import blank_png, chunk, encoded, photo, scene, slow_progressive
from tests.sensors.test_decode import refusal


def archive() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as packed:
        packed.writestr("secret.txt", "hello")
    return written.getvalue()


def test_a_bomb_is_refused_by_its_header() -> None:
    bomb = blank_png(16_000, 13_400, bits=1, color=0)
    assert len(bomb) < 40_000
    assert "214 million pixels" in refusal(bomb)


def test_a_header_that_lies_about_its_size_is_refused() -> None:
    honest = bytearray(encoded(scene(64, 64)))
    place = honest.find(b"\xff\xc0") + 5
    honest[place : place + 4] = struct.pack(">HH", 65_500, 65_500)
    assert "million pixels" in refusal(bytes(honest))
    png = blank_png(100_000, 100_000 // 100_000, bits=1, color=0)
    assert "too narrow" in refusal(png)


def test_a_large_webp_is_refused_before_its_reader_reserves_memory() -> None:
    small = encoded(scene(64, 64), "WEBP", lossless=True)
    assert small[12:16] == b"VP8L"
    wide = (5999) | (4999 << 14)
    forged = small[:21] + struct.pack("<I", wide) + small[25:]
    assert "24 million" in refusal(forged)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photo_cut_anywhere_is_refused(kind: str) -> None:
    whole = encoded(scene(200, 150), kind)
    for kept in [len(whole) * share // 20 for share in range(1, 20)] + [len(whole) - 2, len(whole) - 1]:
        reason = refusal(whole[:kept])
        assert reason.endswith(".") and len(reason) > 20


def test_moving_pictures_are_refused() -> None:
    frames = [scene(60, 40, seed) for seed in (1, 2, 3)]
    for kind in ("PNG", "WEBP"):
        moving = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
        assert refusal(moving) == "This is a moving picture. Send a still photo."
    assert "moving" in refusal(b"\0\0\0\x18ftypmsf1\0\0\0\0msf1heic")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_two_things_at_once_are_refused(kind: str) -> None:
    whole = encoded(scene(), kind)
    assert "archive" in refusal(whole + archive())
    for hidden in (
        b"<script>alert(1)</script>",
        b"\n <html>",
        b"Rar!\x1a\x07\x01\0",
        b"\x7fELF\x02\x01",
        b"%PDF-1.4 ...",
    ):
        assert "hidden behind" in refusal(whole + hidden)


def test_a_pdf_in_the_comment_is_refused() -> None:
    assert "PDF" in refusal(photo(comment=b"%PDF-1.4\n1 0 obj"))


def test_what_phones_append_is_no_oddity() -> None:
    film = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(range(256)) * 40
    for appendix in (film, photo(64, 48), b"\0" * 512, b"MotionPhoto_Data" + bytes(64) + b"SEFT"):
        assert inspect(photo() + appendix).problems == []
    assert inspect(photo() + b"who knows what this is").problems == ["22 bytes of an unknown kind follow the picture."]


def test_a_large_blank_png_under_the_limit_is_read() -> None:
    seen = inspect(blank_png(7_000, 5_000, bits=1, color=0))
    assert (seen.width, seen.height, seen.pdq_quality, seen.brightness) == (7_000, 5_000, 0, 0.0)


def test_text_bombs_in_a_png_are_refused() -> None:
    import zlib

    packed = zlib.compress(b"\0" * 5_000_000)
    bomb = blank_png(64, 64, extra=chunk(b"zTXt", b"k\0\0" + packed) * 20)
    assert "damaged" in refusal(bomb)


def test_an_empty_or_absurd_shape_is_refused() -> None:
    assert "too narrow" in refusal(encoded(Image.new("L", (3100, 100)), "PNG"))
    assert inspect(encoded(Image.new("L", (2900, 100)), "PNG")).width == 2900


@settings(max_examples=150, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["JPEG", "PNG", "WEBP"]))
def test_damage_gives_an_inspection_or_a_reason(data: st.DataObject, kind: str) -> None:
    damaged = bytearray(encoded(scene(48, 32), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    for use in (inspect, lambda each: render(each, 100)):
        try:
            use(bytes(damaged))
        except Undecodable as refused:
            assert refused.reason


@given(
    start=st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"\0\0\0\x18ftypheic"]),
    tail=st.binary(max_size=300),
)
def test_any_bytes_behind_a_known_beginning_are_survived(start: bytes, tail: bytes) -> None:
    data = start + tail
    media_type = sniff(data)
    assert media_type is not None
    try:
        assert all(isinstance(each, str) for each in examine(data, media_type))
    except Undecodable as refused:
        assert refused.reason
    with pytest.raises(Undecodable):
        inspect(data)


def test_files_in_more_pieces_than_any_camera_makes_are_refused() -> None:
    def jpeg(*extra: bytes) -> bytes:
        whole = photo(64, 48)
        return whole[:2] + b"".join(extra) + whole[2:]

    comment, exif = b"\xff\xfe\0\2", b"\xff\xe1\0\x08Exif\0\0"
    storms = [
        jpeg(comment * 2_100),
        jpeg(exif * 20),
        jpeg(comment, bytes(70_000)),
        jpeg(b"\xff" * 70_000),
        jpeg(b"\xff\xd8" * 2_100),
        slow_progressive(64, 100),
        blank_png(64, 48, extra=chunk(b"prVt", b"") * 20_100),
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0\0\0\x08free" * 1_100,
    ]
    assert {refusal(each) for each in storms} == {TOO_MANY_PARTS}
    for few in (jpeg(comment * 500), jpeg(exif * 3), jpeg(comment, bytes(500)), slow_progressive(64, 20)):
        assert inspect(few).width in (48, 64)
