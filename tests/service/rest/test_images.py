"""Images that are sent once and named by digest afterwards, and images of every allowed shape."""

import base64
import hashlib
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.service.rest.conftest import running
from tests.service.scenes_data import item, picture, sample

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_image_that_was_put_before_is_named_by_its_digest_alone(service: httpx.AsyncClient) -> None:
    digest = picture(77).digest
    asked = {"digests": [digest]}
    assert (await service.post("/images/missing", json=asked)).json() == asked
    put = await service.put(f"/images/{digest}", content=picture(77).data)
    assert put.status_code == 204
    assert (await service.post("/images/missing", json=asked)).json() == {"digests": []}
    answer = await service.post("/score", json={"recipe": "pebr-r1/stage1", "items": [item(77)]})
    assert answer.json()["items"][0]["reward"] is not None


async def test_an_image_that_came_with_a_request_need_not_be_sent_again(service: httpx.AsyncClient) -> None:
    first = {"recipe": "pebr-r1/stage1", "images": [picture(78).wire()], "items": [item(78)]}
    again = {"recipe": "pebr-r1/stage1", "items": [item(78)]}
    one = (await service.post("/score", json=first)).json()
    two = (await service.post("/score", json=again)).json()
    assert one["items"] == two["items"]


async def test_an_image_that_is_held_is_not_taken_for_other_bytes_under_its_digest(
    service: httpx.AsyncClient,
) -> None:
    held = picture(79).wire()
    body = {"recipe": "pebr-r1/stage1", "items": [item(79)]}
    first = (await service.post("/score", json={**body, "images": [held]})).json()
    other = {**picture(77).wire(), "digest": held["digest"]}
    forged = (await service.post("/score", json={**body, "images": [other]})).json()
    again = (await service.post("/score", json={**body, "images": [held]})).json()
    assert forged["items"][0]["error"]["code"] == "digest_mismatch"
    assert first["items"][0]["reward"] is not None
    assert again["items"] == first["items"]


async def test_the_store_is_bounded_and_forgets_the_least_recently_used() -> None:
    size = len(picture(80).data) + len(picture(81).data) + len(picture(82).data) - 1
    async with running(image_store_bytes=size) as service:
        for seed in (80, 81, 82):
            await service.put(f"/images/{picture(seed).digest}", content=picture(seed).data)
        digests = [picture(seed).digest for seed in (80, 81, 82)]
        answer = await service.post("/images/missing", json={"digests": digests})
        assert answer.json() == {"digests": digests[:1]}


@pytest.mark.parametrize(
    ("digest", "code", "status"), [("0" * 64, "digest_mismatch", 422), ("nonsense", "digest_mismatch", 422)]
)
async def test_an_image_under_a_wrong_digest_is_refused(
    service: httpx.AsyncClient, digest: str, code: str, status: int
) -> None:
    answer = await service.put(f"/images/{digest}", content=picture(1).data)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_wrong_list_of_digests_names_the_entry(service: httpx.AsyncClient) -> None:
    answer = await service.post("/images/missing", json={"digests": ["x"]})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "digests.0")


def as_file(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def turned(image: Image.Image) -> bytes:
    """The picture lying on its side, with the EXIF note that sets it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return as_file(image.rotate(90, expand=True), "PNG", exif=exif)


def animated(image: Image.Image) -> bytes:
    return as_file(image, "GIF", save_all=True, append_images=[Image.new("RGB", image.size, "black")])


def sixteen_bit(image: Image.Image) -> bytes:
    return as_file(image.convert("I;16"), "PNG")


def palette(image: Image.Image) -> bytes:
    return as_file(image.convert("P", palette=Image.Palette.ADAPTIVE), "PNG")


def cmyk(image: Image.Image) -> bytes:
    return as_file(image.convert("CMYK"), "JPEG", quality=95)


async def test_images_of_every_kind_are_scored_upright(service: httpx.AsyncClient) -> None:
    seed = 90
    image = sample(seed).render().convert("RGB")
    made = {
        "plain": as_file(image, "PNG"),
        "turned": turned(image),
        "animated": animated(image),
        "palette": palette(image),
        "cmyk": cmyk(image),
        "webp": as_file(image, "WEBP", lossless=True),
        "sixteen_bit": as_file(image.convert("L"), "PNG"),
    }
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in made.items()}
    body = {
        "recipe": "pebr-r1/stage1",
        "images": [{"digest": digests[n], "data": base64.b64encode(d).decode()} for n, d in made.items()],
        "items": [item(seed, id=name, images=[digests[name]]) for name in made],
    }
    found = (await service.post("/score", json=body)).json()
    cosines = {result["id"]: result["details"]["clip"]["cos"] for result in found["items"]}
    assert cosines["turned"] == cosines["webp"] == cosines["plain"]
    for name in ("animated", "palette", "cmyk"):
        assert cosines[name] == pytest.approx(cosines["plain"], abs=0.1)
