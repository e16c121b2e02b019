"""Hostile and mistaken requests: a clear error that names the field, and neighbours that are scored."""

import base64
import hashlib
import json
import struct
import zipfile
import zlib
from io import BytesIO
from typing import Any

import httpx
import msgpack
import pytest
from PIL import Image

from tests.service.rest.conftest import running
from tests.service.scenes_data import item, pebr, picture

pytestmark = pytest.mark.asyncio(loop_scope="session")

GOOD = 42
Json = dict[str, Any]


def body(*items: Json, images: list[Json] | None = None, **changes: Any) -> Json:
    return {
        "recipe": "pebr-r1/stage1",
        "images": [picture(GOOD).wire(), *(images or [])],
        "items": [item(GOOD, 0), *items, item(GOOD, 1)],
        **changes,
    }


async def post(service: httpx.AsyncClient, request: Json) -> Json:
    answer = await service.post("/score", content=json.dumps(request).encode())
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def only_the_middle_fails(service: httpx.AsyncClient, request: Json) -> Json:
    """Score three items, assert that the outer two have rewards, and return the middle one's error."""
    found = await post(service, request)
    first, middle, last = found["items"]
    assert first["error"] is None
    assert first["reward"] == last["reward"] is not None
    assert middle["reward"] is None
    error: Json = middle["error"]
    assert "0x" not in error["message"]
    return error


def wire(data: bytes) -> Json:
    return {"digest": hashlib.sha256(data).hexdigest(), "data": base64.b64encode(data).decode()}


def with_image(data: bytes) -> Json:
    bad = wire(data)
    return body(item(GOOD, 9, images=[bad["digest"]]), images=[bad])


def encode(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def huge_png() -> bytes:
    """A PNG whose header announces 60,000 x 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1_000))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        png_chunk(name, content) for name, content in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    )


def zipped() -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("scene.png", b"not a picture")
    return buffer.getvalue()


async def test_a_truncated_jpeg_costs_only_its_own_item(service: httpx.AsyncClient) -> None:
    jpeg = encode(Image.effect_noise((200, 200), 90).convert("RGB"), "JPEG")
    error = await only_the_middle_fails(service, with_image(jpeg[: len(jpeg) // 2]))
    assert error["code"] == "image_invalid"


@pytest.mark.parametrize(
    ("data", "code"),
    [(huge_png(), "image_too_large"), (zipped(), "image_unsupported"), (b"", "image_invalid")],
)
async def test_an_image_that_is_none_costs_only_its_own_item(
    service: httpx.AsyncClient, data: bytes, code: str
) -> None:
    error = await only_the_middle_fails(service, with_image(data))
    assert error["code"] == code
    assert error["field"] == "images[1].data"


async def test_wrong_base64_and_wrong_digests_name_their_field(service: httpx.AsyncClient) -> None:
    bad = {"digest": "0" * 64, "data": "this is not base64!"}
    error = await only_the_middle_fails(service, body(item(GOOD, 9, images=["0" * 64]), images=[bad]))
    assert (error["code"], error["field"]) == ("image_invalid", "images[1].data")
    bad = {"digest": "0" * 64, "data": picture(7).wire()["data"]}
    error = await only_the_middle_fails(service, body(item(GOOD, 9, images=["0" * 64]), images=[bad]))
    assert (error["code"], error["field"]) == ("digest_mismatch", "images[1].digest")


async def test_an_image_that_was_not_sent_is_named(service: httpx.AsyncClient) -> None:
    error = await only_the_middle_fails(service, body(item(GOOD, 9, images=["f" * 64])))
    assert (error["code"], error["field"]) == ("image_missing", "items[1].images[0]")
    assert "f" * 64 in error["message"]


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"completion_tokens": float("nan")}, "invalid_item", "items[1].completion_tokens"),
        ({"completion_tokens": -1}, "invalid_item", "items[1].completion_tokens"),
        ({"completion_tokens": 10**400}, "invalid_item", "items[1].completion_tokens"),
        ({"completion": "a \ud800 b"}, "text_invalid", "items[1].completion"),
        ({"completion": "a \0 b"}, "text_invalid", "items[1].completion"),
        ({"completion": "x" * 1_000_000}, "text_too_long", "items[1].completion"),
        ({"completion": None}, "invalid_item", "items[1].completion"),
        ({"compeltion": "typo"}, "invalid_item", "items[1].compeltion"),
        ({"reference": {"anwser": "4"}}, "invalid_item", "items[1].reference.anwser"),
        ({"reference": {"key_words": ["a"] * 20_000}}, "invalid_item", "items[1].reference.key_words"),
        ({"id": f"{GOOD}-0"}, "duplicate_id", "items[1].id"),
        ({"id": ""}, "invalid_item", "items[1].id"),
        ({"images": []}, "missing_field", "items[1].images"),
        ({"completion_tokens": None}, "missing_field", "items[1].completion_tokens"),
        ({"images": ["F" * 64]}, "invalid_item", "items[1].images[0]"),
    ],
)
async def test_a_wrong_field_of_an_item_is_named_and_costs_its_neighbours_nothing(
    service: httpx.AsyncClient, change: Json, code: str, field: str
) -> None:
    error = await only_the_middle_fails(service, body(item(GOOD, 9, **change)))
    assert (error["code"], error["field"]) == (code, field)


async def test_an_unknown_field_of_an_item_comes_with_the_nearest_name(service: httpx.AsyncClient) -> None:
    error = await only_the_middle_fails(service, body(item(GOOD, 9, compeltion="typo")))
    assert "did you mean completion" in error["message"]


@pytest.mark.parametrize(
    "answer",
    ["9**9**9**9", "\\frac{" * 10_000 + "1" + "}" * 10_000, "9" * 100_000, "99999999!" * 50, "(x+1)^{5000}"],
)
async def test_a_hostile_answer_gets_a_verdict_or_an_error_and_the_pool_lives_on(
    service: httpx.AsyncClient, answer: str
) -> None:
    items = [
        {"id": "a", "completion": pebr("", "2"), "reference": {"answer": "2"}},
        {"id": "b", "completion": pebr("", answer), "reference": {"answer": "9^{9^{9}}+x"}},
        {"id": "c", "completion": pebr("", "3"), "reference": {"answer": "2"}},
    ]
    found = await post(service, {"recipe": "pebr-r1/stage2", "items": items})
    right, hostile, wrong = found["items"]
    assert (right["reward"], wrong["reward"]) == (1.0, 0.1)
    if hostile["reward"] is None:
        assert hostile["error"]["code"] in {"rule_timeout", "rule_failed"}
    else:
        assert hostile["reward"] == 0.1
    again = await post(service, {"recipe": "pebr-r1/stage2", "items": [{**items[0], "id": "d"}]})
    assert again["items"][0]["reward"] == 1.0


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"items": []}, 422, "invalid_request", "items"),
        ({"items": "all"}, 422, "invalid_request", "items"),
        ({"recpie": "x"}, 422, "invalid_request", "recpie"),
        ({"recipe": "pebr-r1/stage3"}, 404, "unknown_recipe", "recipe"),
        ({"recipe": None}, 422, "invalid_request", "recipe"),
        ({"terms": {"a": {"scorer": "length"}}}, 422, "invalid_request", "terms"),
        ({"deadline_ms": 0}, 422, "invalid_request", "deadline_ms"),
        ({"deadline_ms": True}, 422, "invalid_request", "deadline_ms"),
        ({"images": [{"digest": "zz", "data": ""}]}, 422, "invalid_request", "images[1].digest"),
        ({"images": [{"data": ""}]}, 422, "invalid_request", "images[1]"),
    ],
)
async def test_a_wrong_request_is_refused_with_its_field(
    service: httpx.AsyncClient, change: Json, status: int, code: str, field: str
) -> None:
    answer = await service.post("/score", json=body(**change))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (status, code, field)
    assert error["request_id"] == answer.headers["x-request-id"]


async def test_an_unknown_recipe_comes_with_the_nearest_names(service: httpx.AsyncClient) -> None:
    error = (await service.post("/score", json=body(recipe="pebr-r1/stage-1"))).json()["error"]
    assert "pebr-r1/stage1" in error["nearest"]


@pytest.mark.parametrize("name", ["reward", "terms"])
async def test_a_wrong_inline_recipe_is_refused(service: httpx.AsyncClient, name: str) -> None:
    inline: Json = {"terms": {"a": {"scorer": "length", "shape": "ratio"}}, "reward": "a"}
    inline[name] = {"terms": {"a": {"scorer": "lenght"}}, "reward": "a + nothing"}[name]
    request = {**inline, "items": [{"id": "a", "completion": "b", "completion_tokens": 3}]}
    answer = await service.post("/score", json=request)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_recipe")


@pytest.mark.parametrize(
    ("raw", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "invalid_body"),
        (b"", "application/json", 400, "invalid_body"),
        (b"[" * 100_000, "application/json", 400, "invalid_body"),
        (b'"\xff"', "application/json", 400, "invalid_body"),
        (b"\xc1", "application/msgpack", 400, "invalid_body"),
        (b"\x91" * 100_000, "application/msgpack", 400, "invalid_body"),
        (msgpack.packb(msgpack.ExtType(5, b"x")), "application/msgpack", 400, "invalid_body"),
        (b"\x80\x04N.", "application/x-pickle", 415, "unsupported_media_type"),
        (b"[]", "application/json", 422, "invalid_request"),
    ],
)
async def test_a_body_that_is_not_what_it_claims_is_refused(
    service: httpx.AsyncClient, raw: bytes, kind: str, status: int, code: str
) -> None:
    answer = await service.post("/score", content=raw, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_body_over_the_limit_is_refused_announced_or_not() -> None:
    async with running(limits={"max_request_bytes": 2_000}) as service:

        async def chunks() -> Any:
            for _ in range(100):
                yield b" " * 1_000

        for content in (b" " * 100_000, chunks()):
            answer = await service.post(
                "/score", content=content, headers={"content-type": "application/json"}
            )
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
        limits = (await service.get("/limits")).json()
        assert limits["max_request_bytes"] == 2_000


async def test_a_deadline_that_cannot_be_met_is_an_error_of_the_items(service: httpx.AsyncClient) -> None:
    slow = "\\boxed{(x+1)^{5000}}"
    items = [{"id": "a", "completion": slow, "reference": {"answer": "\\boxed{(x+2)^{5000}}"}}]
    terms = {"right": {"scorer": "answer", "grader": "math_verify"}}
    request = {"terms": terms, "reward": "right", "items": items, "deadline_ms": 100}
    (result,) = (await post(service, request))["items"]
    assert result["reward"] is None
    assert result["error"]["code"] == "deadline_exceeded"
    assert result["error"]["retryable"]
