"""Images as callers have them: paths, bytes, Pillow images, digests. Each distinct one is sent once."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.client.small_service import SmallService
from visreward import Limits, ScoreResult
from visreward.images import ImageError, encode_pillow
from visreward.protocol import Code

Score = Callable[..., ScoreResult]


def make_image(seed: int = 0, mode: str = "RGB", size: tuple[int, int] = (9, 7)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    return Image.fromarray(pixels, "RGBA").convert(mode)


def to_bytes(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_paths_bytes_and_pillow_images_arrive_with_their_digests(
    score: Score, service: SmallService, tmp_path: Path, encoding: str
) -> None:
    data = [to_bytes(make_image(seed)) for seed in range(4)]
    for name, one in zip("ab", data, strict=False):
        (tmp_path / name).write_bytes(one)
    pillow = make_image(9)
    images = [str(tmp_path / "a"), tmp_path / "b", data[2], bytearray(data[3]), pillow]
    result = score([{"completion": "x", "images": images}], settings={"encoding": encoding})
    body = service.scored[0].body
    digests = body["items"][0]["images"]
    assert digests[:4] == [digest_of(one) for one in data]
    assert [image["digest"] for image in body["images"]] == digests
    assert result.work.images_encoded == 5


def test_one_image_need_not_stand_in_a_list(score: Score, service: SmallService) -> None:
    data = to_bytes(make_image())
    score([{"completion": "x", "images": data}, {"completion": "x", "images": None}])
    assert [item["images"] for item in service.scored[0].body["items"]] == [[digest_of(data)], []]


def test_an_image_that_many_items_share_is_sent_once(
    score: Score, service: SmallService, tmp_path: Path
) -> None:
    data = to_bytes(make_image())
    path = tmp_path / "same.png"
    path.write_bytes(data)
    pillow = make_image(1)
    items = [
        {"completion": "x", "images": [image]}
        for image in (data, bytes(data), path, pillow)
        for _ in range(8)
    ]
    result = score(items)
    assert len(service.scored[0].body["images"]) == 2
    assert result.work.images_asked == 32


def test_a_digest_names_an_image_without_sending_it(score: Score, service: SmallService) -> None:
    result = score([{"completion": "x", "images": ["0" * 64]}], on_item_error="mask")
    assert service.scored[0].body["images"] == []
    (failed,) = result.failed
    assert failed.error is not None
    assert failed.error.code == Code.IMAGE_MISSING


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_pillow_image_is_sent_without_loss(mode: str) -> None:
    image = make_image(mode="L").convert("I").convert(mode) if mode == "I;16" else make_image(mode=mode)
    with Image.open(io.BytesIO(encode_pillow(image))) as sent:
        assert sent.size == image.size
        assert np.array_equal(np.asarray(sent.convert("RGBA")), np.asarray(image.convert("RGBA")))


def test_an_opened_photograph_keeps_its_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    make_image().save(path, exif=exif)
    with Image.open(path) as opened, Image.open(io.BytesIO(encode_pillow(opened))) as sent:
        assert sent.getexif()[0x0112] == 6
        assert np.array_equal(np.asarray(sent), np.asarray(opened))


def test_a_pillow_mode_that_png_cannot_hold_is_refused_and_not_converted() -> None:
    with pytest.raises(ImageError, match="mode CMYK has no lossless PNG") as caught:
        encode_pillow(make_image(mode="CMYK"))
    assert caught.value.code == Code.IMAGE_UNSUPPORTED


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("no/such/file.png", Code.IMAGE_INVALID),
        ("a\0path", Code.IMAGE_INVALID),
        (make_image(mode="CMYK"), Code.IMAGE_UNSUPPORTED),
        (b"x" * 1001, Code.IMAGE_TOO_LARGE),
        (3, Code.INVALID_ITEM),
    ],
)
def test_an_image_that_cannot_be_sent_costs_only_its_own_item(
    score: Score, image: object, code: Code
) -> None:
    limits = Limits(max_image_bytes=1000)
    items = [
        {"completion": "fine"},
        {"completion": "x", "images": [to_bytes(make_image()), image]},
        {"completion": "good"},
    ]
    result = score(items, on_item_error="mask", settings={"limits": limits})
    assert result.rewards == [4.0, None, 4.0]
    (failed,) = result.failed
    assert failed.error is not None
    assert (failed.error.code, failed.error.field) == (code, "items[1].images[1]")


def test_a_file_over_the_limit_is_refused_without_being_read(score: Score, tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(2**40)
    result = score([{"completion": "x", "images": [path]}], on_item_error="mask")
    (failed,) = result.failed
    assert failed.error is not None
    assert failed.error.code == Code.IMAGE_TOO_LARGE
