"""Bodies and answers in zstd, within the same limits."""

import httpx
import orjson
import pytest
import zstandard

from tests.service.rest.conftest import running
from tests.service.scenes_data import item, pebr, picture
from visreward.protocol import Limits

pytestmark = pytest.mark.asyncio(loop_scope="session")

JSON = {"content-type": "application/json", "content-encoding": "zstd"}


def request(num_items: int = 1) -> bytes:
    items = [
        {"id": str(number), "completion": pebr("", "42"), "reference": {"answer": "42"}}
        for number in range(num_items)
    ]
    return orjson.dumps({"recipe": "pebr-r1/stage2", "items": items})


def pack(content: bytes, *, says_size: bool = True) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=says_size).compress(content)


async def ask(service: httpx.AsyncClient, content: bytes, **headers: str) -> httpx.Response:
    return await service.post("/score", content=content, headers={**JSON, **headers})


async def test_a_packed_body_is_scored_like_the_plain_one(service: httpx.AsyncClient) -> None:
    plain = await service.post("/score", content=request(3), headers={"content-type": "application/json"})
    packed = await ask(service, pack(request(3)))
    assert packed.status_code == 200
    assert packed.json()["items"] == plain.json()["items"]


async def test_a_large_answer_is_packed_where_the_client_accepts_that(service: httpx.AsyncClient) -> None:
    answers = {}
    for accepted in ("identity", "zstd", "gzip, zstd;q=0.5", "gzip, zstd;q=0", ""):
        async with service.stream(
            "POST", "/score", content=pack(request(50)), headers={**JSON, "accept-encoding": accepted}
        ) as answer:
            raw = b"".join([chunk async for chunk in answer.aiter_raw()])
            is_packed = answer.headers.get("content-encoding") == "zstd"
            assert "accept-encoding" in answer.headers["vary"]
        assert is_packed == (accepted in ("zstd", "gzip, zstd;q=0.5"))
        content = zstandard.ZstdDecompressor().decompress(raw) if is_packed else raw
        answers[accepted] = orjson.loads(content)["items"]
    assert len(answers) == 5
    assert all(items == answers["identity"] for items in answers.values())


async def test_a_small_answer_is_not_worth_packing(service: httpx.AsyncClient) -> None:
    answer = await ask(service, pack(request()), **{"accept-encoding": "zstd"})
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "invalid_body"),
        (request(), 400, "invalid_body"),  # not packed at all
        (pack(request())[:-3], 400, "invalid_body"),
        (pack(request()) + b"more", 400, "invalid_body"),
        (pack(request()) * 2, 400, "invalid_body"),
        (pack(request(), says_size=False), 400, "invalid_body"),
        (pack(b"not json"), 400, "invalid_body"),
    ],
)
async def test_a_body_that_is_not_one_frame_is_refused(
    service: httpx.AsyncClient, content: bytes, status: int, code: str
) -> None:
    answer = await ask(service, content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_bomb_is_refused_by_what_it_says_and_one_that_lies_by_what_it_holds() -> None:
    limits = Limits(max_request_bytes=100_000)
    bomb = pack(b" " * 50_000_000)
    assert len(bomb) < 100_000
    lying = bytearray(pack(b" " * 90_000))
    honest = zstandard.frame_content_size(bytes(lying))
    assert honest == 90_000
    # The size stands behind the four bytes of the magic number and one that describes the frame.
    place = bytes(lying).index((90_000).to_bytes(4, "little"))
    lying[place : place + 4] = (1000).to_bytes(4, "little")
    async with running(limits=limits) as service:
        answer = await ask(service, bomb)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
        answer = await ask(service, bytes(lying))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_body")
        answer = await ask(service, pack(request()))
        assert answer.status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd, zstd", "deflate"])
async def test_another_encoding_is_refused_in_words(service: httpx.AsyncClient, encoding: str) -> None:
    answer = await ask(service, pack(request()), **{"content-encoding": encoding})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


async def test_an_image_can_be_put_packed(service: httpx.AsyncClient) -> None:
    digest = picture(60).digest
    put = await service.put(
        f"/images/{digest}", content=pack(picture(60).data), headers={"content-encoding": "zstd"}
    )
    assert put.status_code == 204
    answer = await service.post("/score", json={"recipe": "pebr-r1/stage1", "items": [item(60)]})
    assert answer.json()["items"][0]["reward"] is not None
