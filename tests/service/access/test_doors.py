"""A service with keys: the same answers at every door, HTTP, the Open Inference Protocol and gRPC."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc
import httpx
import numpy as np
import pytest
import pytest_asyncio
import tritonclient.http.aio as triton

from tests.service.grpc.conftest import Service, serving, streaming, unary
from tests.service.grpc.test_score import SCORE
from tests.service.scenes_data import item
from visreward import AsyncRewardClient, RetryPolicy
from visreward.errors import AccessDeniedError, OverloadedError
from visreward.protocol.proto import request
from visreward.protocol.proto import reward_pb2 as pb
from visreward.retry import NEVER
from visreward_service.access import CorsSettings, KeySettings, hash_key, new_key
from visreward_service.main import build_guard
from visreward_service.settings import Settings, SettingsError

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULES = "pebr-r1/stage2"
ALL, NARROW, SLOW = new_key(), new_key(), new_key()
ORIGIN = "https://lab.example"
KEYS = {
    "all": KeySettings(hash=hash_key(ALL)),
    "narrow": KeySettings(hash=hash_key(NARROW), recipes=(RULES,)),
    "slow": KeySettings(hash=hash_key(SLOW), requests_per_minute=2),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded() -> AsyncIterator[Service]:
    async with serving(keys=KEYS, cors=CorsSettings(origins=(ORIGIN,))) as service:
        yield service


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def body(recipe: str | None = RULES) -> dict[str, Any]:
    inline = {
        "terms": {"long": {"scorer": "length", "shape": "ratio", "expected_tokens": 5}},
        "reward": "long",
    }
    chosen = inline if recipe is None else {"recipe": recipe}
    return {**chosen, "items": [{**item(1), "images": []}]}


async def ask(served: Service, method: str, path: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://{served.http}", timeout=60) as client:
        return await client.request(method, path, **options)


async def call(served: Service, key: str | None, document: dict[str, Any]) -> str:
    """Return `OK`, or the status and the service's code, of a call over gRPC."""
    metadata = () if key is None else (("authorization", f"Bearer {key}"),)
    async with grpc.aio.insecure_channel(served.grpc) as channel:
        try:
            await unary(channel, SCORE)(request.to_message(document).SerializeToString(), metadata=metadata)
        except grpc.aio.AioRpcError as error:
            trailing = dict(error.trailing_metadata() or ())
            return f"{error.code().name} {json.loads(trailing['visreward-error-bin'])['code']}"
    return "OK"


@pytest.mark.parametrize("headers", [{}, bearer("vr_wrong"), {"authorization": "Basic eA=="}])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/score"),
        ("GET", "/recipes"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("PUT", "/images/" + "0" * 64),
        ("GET", "/nothing/here"),
        ("GET", "/v2/models/pebr-r1.stage2"),
        ("POST", "/healthz"),
    ],
)
async def test_nothing_is_served_without_a_key(
    guarded: Service, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = await ask(guarded, method, path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    if path.startswith("/v2/"):
        assert answer.headers["visreward-code"] == "unauthenticated"
        assert isinstance(answer.json()["error"], str)
    else:
        error = answer.json()["error"]
        assert (error["code"], error["retryable"]) == ("unauthenticated", False)
        assert error["request_id"] == answer.headers["x-request-id"]


async def test_probes_need_no_key(guarded: Service) -> None:
    for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"):
        assert (await ask(guarded, "GET", path)).status_code == 200
    async with grpc.aio.insecure_channel(guarded.grpc) as channel:
        assert await unary(channel, "/grpc.health.v1.Health/Check")(b"") == b"\x08\x01"
        assert await unary(channel, "/inference.GRPCInferenceService/ServerReady")(b"") == b"\x08\x01"


async def test_a_body_is_not_read_before_the_key_is_known(guarded: Service) -> None:
    num_sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal num_sent
        while num_sent < 1000:
            num_sent += 1
            yield b"x" * 2**16

    # The connection may be gone before the client has read why.
    with contextlib.suppress(httpx.TransportError):
        answer = await ask(guarded, "POST", "/score", content=endless())
        assert answer.status_code == 401
    assert num_sent < 900


async def test_a_key_opens_every_door(guarded: Service) -> None:
    answer = await ask(guarded, "POST", "/score", json=body(), headers=bearer(ALL))
    assert answer.json()["items"][0]["error"] is None
    assert await call(guarded, ALL, body()) == "OK"
    for url in (f"http://{guarded.http}", f"grpc://{guarded.grpc}"):
        async with AsyncRewardClient(url=url, api_key=ALL) as client:
            assert (await client.score([{**item(1), "images": []}], recipe=RULES)).rewards == [1.0]


@pytest.mark.parametrize(
    "credentials", [f":{ALL}", f"lab:{ALL}", ALL], ids=["as password", "with a name", "as name"]
)
async def test_a_client_that_knows_a_url_alone_shows_its_key_in_it(
    guarded: Service, credentials: str
) -> None:
    url = f"http://{credentials}@{guarded.http}/score"
    async with aiohttp.ClientSession() as session, session.post(url, json=body()) as answer:
        assert (answer.status, str(answer.url)) == (200, f"http://{guarded.http}/score")
    async with httpx.AsyncClient(timeout=60) as client:
        assert (await client.post(url, json=body())).status_code == 200
        assert (await client.post(url.replace(ALL, "vr_wrong"), json=body())).status_code == 401


async def test_the_client_takes_its_key_from_the_environment(
    guarded: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISREWARD_API_KEY", ALL)
    async with AsyncRewardClient(url=f"http://{guarded.http}") as client:
        assert await client.models()
        assert ALL not in repr(client.__dict__)


@pytest.mark.parametrize("key", [None, "vr_wrong", "", "\u212a"])
async def test_grpc_refuses_a_wrong_key(guarded: Service, key: str | None) -> None:
    if key == "\u212a":
        pytest.skip("gRPC itself sends no such metadata")
    assert await call(guarded, key, body()) == "UNAUTHENTICATED unauthenticated"


async def test_grpc_refuses_reflection_and_unknown_methods_without_a_key(guarded: Service) -> None:
    async with grpc.aio.insecure_channel(guarded.grpc) as channel:
        for method in ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "/no.Such/Method"):
            stream = streaming(channel, method)(iter([b""]))
            assert await stream.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_clients_raise_access_denied_at_once(guarded: Service) -> None:
    for url in (f"http://{guarded.http}", f"grpc://{guarded.grpc}"):
        async with AsyncRewardClient(url=url, api_key="vr_wrong") as client:
            with pytest.raises(AccessDeniedError) as caught:
                await client.limits()
            assert caught.value.status == 401


async def test_a_key_is_kept_to_its_recipes_at_every_door(guarded: Service) -> None:
    headers = bearer(NARROW)
    assert (await ask(guarded, "POST", "/score", json=body(), headers=headers)).status_code == 200
    assert await call(guarded, NARROW, body()) == "OK"
    for recipe in ("pebr-r1/stage1", "clipscore", None):
        answer = await ask(guarded, "POST", "/score", json=body(recipe), headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
        assert await call(guarded, NARROW, body(recipe)) == "PERMISSION_DENIED forbidden"
    for model in ("pebr-r1.stage1", "encoder.fgclip"):
        answer = await ask(guarded, "POST", f"/v2/models/{model}/infer", json={}, headers=headers)
        assert (answer.status_code, answer.headers["visreward-code"]) == (403, "forbidden")


async def test_a_stream_is_kept_to_its_keys_recipes_request_by_request(guarded: Service) -> None:
    messages = [request.to_message(body()), request.to_message(body("clipscore"))]
    async with grpc.aio.insecure_channel(guarded.grpc) as channel:
        stream = streaming(channel, "/visreward.v1.RewardService/ScoreStream")(
            (message.SerializeToString() for message in messages),
            metadata=(("authorization", f"Bearer {NARROW}"),),
        )
        answers = {one.index: one for one in [pb.ScoreStreamResponse.FromString(raw) async for raw in stream]}
    assert answers[0].WhichOneof("outcome") == "response"
    assert answers[1].error.code == "forbidden"


async def test_a_rate_counts_all_doors_together_and_says_when_to_come_back(guarded: Service) -> None:
    first = await ask(guarded, "GET", "/recipes", headers=bearer(SLOW))
    assert first.status_code == 200
    assert await call(guarded, SLOW, body()) == "OK"
    assert await call(guarded, SLOW, body()) == "RESOURCE_EXHAUSTED rate_limited"
    refused = await ask(guarded, "GET", "/recipes", headers=bearer(SLOW))
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    async with AsyncRewardClient(url=f"http://{guarded.http}", api_key=SLOW, retry=NEVER) as client:
        with pytest.raises(OverloadedError) as caught:
            await client.limits()
    assert caught.value.retry_after_seconds is not None
    assert RetryPolicy().max_total_seconds > caught.value.retry_after_seconds
    assert (await ask(guarded, "GET", "/recipes", headers=bearer(ALL))).status_code == 200


async def test_tritonclient_shows_its_key_in_a_header(guarded: Service) -> None:
    given = triton.InferInput("ITEM", [1], "BYTES")
    given.set_data_from_numpy(np.array([json.dumps({**item(1), "images": []}).encode()], dtype=np.object_))
    client = triton.InferenceServerClient(guarded.http)
    try:
        with pytest.raises(triton.InferenceServerException, match="key"):
            await client.infer("pebr-r1.stage2", [given])
        result = await client.infer("pebr-r1.stage2", [given], headers=bearer(NARROW))
    finally:
        await client.close()
    assert result.as_numpy("REWARD").tolist() == [1.0]


async def test_a_browser_of_a_named_origin_may_ask_and_no_other(guarded: Service) -> None:
    preflight = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    asked = await ask(guarded, "OPTIONS", "/score", headers={"origin": ORIGIN, **preflight})
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, ORIGIN)
    other = await ask(guarded, "OPTIONS", "/score", headers={"origin": "https://other.example", **preflight})
    assert "access-control-allow-origin" not in other.headers


async def test_every_answer_tells_browsers_to_guess_nothing_and_keep_nothing(guarded: Service) -> None:
    for path in ("/healthz", "/nothing", "/recipes"):
        headers = (await ask(guarded, "GET", path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "strict-transport-security" not in headers


async def test_a_key_for_what_is_not_served_stops_the_start(guarded: Service) -> None:
    keys = {"lab": KeySettings(hash=hash_key(ALL), recipes=("pebr-r1/stage9",))}
    with pytest.raises(
        SettingsError, match=r'keys\.lab\.recipes.*"pebr-r1/stage9"; nearest: .*pebr-r1/stage'
    ):
        build_guard(Settings(keys=keys), guarded.engine)
