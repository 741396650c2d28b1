"""Photos are read from wherever they are, and checked before anything is sent."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from liveavatar_nb.errors import InvalidArgument
from liveavatar_nb.rest.image import Image, read_image

from ..photos import PHOTO, photo

pillow = pytest.importorskip("PIL.Image")


def encoded(width: int, height: int, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pillow.new("RGB", (width, height), "teal").save(buffer, format=form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("PNG", {}),
        ("PNG", {"compress_level": 1}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"comment": b"\xff\xc0" * 40}),
        ("JPEG", {"exif": b"Exif\0\0" + b"\xff\xc0" * 400, "icc_profile": b"x" * 70_000}),
    ],
)
@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (2560, 1440)])
def test_each_form_is_read_and_sent_as_it_is(form: str, options: dict[str, Any], size: tuple[int, int]) -> None:
    data = encoded(*size, form, **options)
    assert read_image(data) == Image(data, f"image/{form.lower()}")


def test_a_path_bytes_and_an_open_file_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "me.jpg"
    path.write_bytes(encoded(1920, 1080, "JPEG"))
    monkeypatch.setenv("HOME", str(tmp_path))
    whole = path.read_bytes()
    with path.open("rb") as file:
        sources: list[Any] = [
            path,
            str(path),
            "~/me.jpg",
            whole,
            bytearray(whole),
            memoryview(whole),
            io.BytesIO(whole),
            file,
        ]
        assert {read_image(source) for source in sources} == {Image(whole, "image/jpeg")}


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK", "YCbCr", "F", "I", "HSV"])
def test_a_picture_of_pillow_is_sent_as_png(mode: str) -> None:
    image = read_image(pillow.new(mode, (1920, 1080)))
    assert image.media_type == "image/png"
    assert pillow.open(io.BytesIO(image.data)).size == (1920, 1080)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (photo(1920, 1081), "1920 x 1081 pixels; it must be exactly 16:9 or 9:16. Crop it, e.g. to 1920 x 1080."),
        (photo(4032, 3024), "Crop it, e.g. to 4032 x 2268."),
        (photo(3024, 4032), "Crop it, e.g. to 2268 x 4032."),
        (photo(1366, 768), "must be exactly 16:9 or 9:16. Use an image of at least 1920 x 1080 pixels."),
        (photo(720, 1280), "short side must be at least 1080 pixels. Use an image of at least 1080 x 1920 pixels."),
        (photo(0, 0), "0 x 0 pixels"),
        (PHOTO[:20], "The file is not a JPEG or PNG image. Convert it to JPEG or PNG."),
        (b"", "not a JPEG or PNG"),
        (b"\xff\xd8\xff", "not a JPEG or PNG"),
        (b"\xff\xd8\xff\xe0\0\0" * 2, "not a JPEG or PNG"),
        (b"GIF89a" + struct.pack("<HH", 1920, 1080), "not a JPEG or PNG"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_what_to_do(data: bytes, told: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(told)) as caught:
        read_image(data)
    assert caught.value.field == "file"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("/nowhere/me.jpg", "'/nowhere/me.jpg' can't be read: No such file or directory. Check the path."),
        ("a\0b", "can't be read"),
        (io.StringIO("text"), 'The file is open as text. Open it with mode "rb".'),
        (3, "not int"),
        (None, "not NoneType"),
    ],
)
def test_what_is_no_file_is_refused(source: Any, told: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(told)) as caught:
        read_image(source)
    assert caught.value.field == "file"


def test_its_repr_and_name_tell_nothing_of_the_file() -> None:
    image = read_image(PHOTO)
    assert (repr(image), image.file_name) == (f"<Image image/png, {len(PHOTO)} bytes>", "image.png")
