"""`RewardService.Score`: the same rewards and the same errors as `POST /score`."""

import json
from typing import Any

import grpc
import httpx
import pytest

from tests.service.grpc.conftest import Service, unary
from tests.service.scenes_data import item, pebr, picture, sample
from visreward.protocol import MEANINGS, Code
from visreward.protocol.proto import answer, request
from visreward.protocol.proto import reward_pb2 as pb

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCORE = "/visreward.v1.RewardService/Score"
STAGE_1 = "pebr-r1/stage1"


def document(items: list[dict[str, Any]], seeds: list[int], **changes: Any) -> dict[str, Any]:
    images = [{"digest": picture(seed).digest, "data": picture(seed).data} for seed in seeds]
    return {"recipe": STAGE_1, "images": images, "items": items, **changes}


async def score(
    channel: grpc.aio.Channel, message: pb.ScoreRequest | bytes, **options: Any
) -> pb.ScoreResponse:
    raw = message if isinstance(message, bytes) else message.SerializeToString()
    found: bytes = await unary(channel, SCORE)(raw, **options)
    return pb.ScoreResponse.FromString(found)


async def by_json(served: Service, body: dict[str, Any]) -> dict[str, Any]:
    wired = {**body, "images": [picture(seed).wire() for seed in (1, 2)]}
    async with httpx.AsyncClient(base_url=f"http://{served.http}") as client:
        found: dict[str, Any] = (await client.post("/score", json=wired)).json()
        return found


async def refusal(channel: grpc.aio.Channel, raw: bytes, method: str = SCORE) -> tuple[str, dict[str, Any]]:
    """Return the status and the error body of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await unary(channel, method)(raw)
    metadata = dict(caught.value.trailing_metadata() or ())
    return caught.value.code().name, json.loads(metadata["visreward-error-bin"])


async def test_rewards_parts_and_details_are_those_of_the_json_wire(
    served: Service, channel: grpc.aio.Channel
) -> None:
    other = pebr(sample(77).description.text, "0")
    items = [item(1, 0), item(1, 1, completion=other), item(2, 0), item(2, 1, completion="")]
    body = document(items, [1, 2])
    found = answer.from_message(await score(channel, request.to_message(body)))
    expected = await by_json(served, body)
    assert [one.model_dump(mode="json") for one in found.items] == expected["items"]
    assert [one.model_dump(mode="json") for one in found.groups] == expected["groups"]
    assert found.models == expected["models"]
    assert found.items[0].reward is not None


async def test_a_bad_item_costs_only_itself(channel: grpc.aio.Channel) -> None:
    items = [item(1, 0), item(1, 0), {"id": "no completion"}, item(1, 3, images=["0" * 64])]
    found = await score(channel, request.to_message(document(items, [1])))
    codes = [one.error.code for one in found.items]
    assert codes == ["", Code.DUPLICATE_ID, Code.MISSING_FIELD, Code.IMAGE_MISSING]
    assert [one.HasField("reward") for one in found.items] == [True, False, False, False]


async def test_an_inline_recipe_is_json_text(channel: grpc.aio.Channel) -> None:
    length = {"scorer": "length", "shape": "ratio", "expected_tokens": 400}
    body = document([item(1)], [1], terms={"short": length}, reward="short")
    del body["recipe"]
    (result,) = (await score(channel, request.to_message(body))).items
    assert result.reward == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("message", "code", "field"),
    [
        (pb.ScoreRequest(recipe="pebr-r1/stage9", items=[pb.Item(id="a")]), "unknown_recipe", "recipe"),
        (pb.ScoreRequest(recipe=STAGE_1), "invalid_request", "items"),
        (pb.ScoreRequest(items=[pb.Item(id="a")]), "invalid_request", "recipe"),
        (pb.ScoreRequest(inline_recipe="{", items=[pb.Item(id="a")]), "invalid_recipe", "inline_recipe"),
        (pb.ScoreRequest(inline_recipe="[" * 50_000), "invalid_recipe", "inline_recipe"),
        (pb.ScoreRequest(inline_recipe='{"items": []}'), "invalid_recipe", "inline_recipe"),
        (pb.ScoreRequest(recipe=STAGE_1, deadline_ms=0, items=[pb.Item()]), "invalid_request", "deadline_ms"),
    ],
)
async def test_a_wrong_request_is_refused_with_the_error_of_the_json_wire(
    channel: grpc.aio.Channel, message: pb.ScoreRequest, code: str, field: str
) -> None:
    status, error = await refusal(channel, message.SerializeToString())
    assert (error["code"], error["field"]) == (code, field)
    assert status == MEANINGS[Code(code)].grpc


async def test_bytes_that_are_no_message_are_an_invalid_argument(channel: grpc.aio.Channel) -> None:
    status, error = await refusal(channel, b"\x0a\xff\xff\xff\xff\x0f")
    assert (status, error["code"]) == ("INVALID_ARGUMENT", "invalid_body")


async def test_a_message_with_text_that_is_not_utf_8_is_an_invalid_argument(
    channel: grpc.aio.Channel,
) -> None:
    status, error = await refusal(channel, b"\x0a\x02\xff\xfe")
    assert (status, error["code"]) == ("INVALID_ARGUMENT", "invalid_body")


async def test_the_request_id_comes_back_and_a_bad_one_is_replaced(channel: grpc.aio.Channel) -> None:
    message = request.to_message(document([item(1)], [1]))
    found = await score(channel, message, metadata=(("x-request-id", "step-7"),))
    assert found.request_id == "step-7"
    found = await score(channel, message, metadata=(("x-request-id", "a b"),))
    assert len(found.request_id) == 32


async def test_images_are_kept_for_later_calls(channel: grpc.aio.Channel) -> None:
    image = picture(31)
    asked = pb.MissingImagesRequest(digests=[image.digest]).SerializeToString()
    missing = unary(channel, "/visreward.v1.RewardService/MissingImages")
    assert pb.MissingImagesResponse.FromString(await missing(asked)).digests == [image.digest]
    put = pb.PutImageRequest(image=pb.Image(digest=image.digest, data=image.data)).SerializeToString()
    await unary(channel, "/visreward.v1.RewardService/PutImage")(put)
    assert pb.MissingImagesResponse.FromString(await missing(asked)).digests == []
    (result,) = (await score(channel, request.to_message(document([item(31)], [])))).items
    assert result.HasField("reward")


async def test_an_image_with_another_digest_is_refused(channel: grpc.aio.Channel) -> None:
    put = pb.PutImageRequest(image=pb.Image(digest="0" * 64, data=picture(1).data)).SerializeToString()
    status, error = await refusal(channel, put, "/visreward.v1.RewardService/PutImage")
    assert (status, error["code"]) == ("INVALID_ARGUMENT", "digest_mismatch")


async def test_the_limits_are_those_published_over_http(served: Service, channel: grpc.aio.Channel) -> None:
    found = await unary(channel, "/visreward.v1.RewardService/GetLimits")(b"")
    assert json.loads(pb.GetLimitsResponse.FromString(found).limits) == served.engine.limits.model_dump(
        mode="json"
    )


async def test_an_inline_recipe_has_steps_of_the_group_and_its_summary_their_facts(
    served: Service, channel: grpc.aio.Channel
) -> None:
    terms = {"right": {"scorer": "given", "name": "right"}}
    group = {"pass_rate": {}, "filter": {}, "tame": {"weights": {"right": 1.0}, "threshold": 0.1}}
    items = [
        {"id": str(n), "group": "g", "completion": "", "reference": {"extra": {"right": float(n)}}}
        for n in (0, 1)
    ]
    body = {"terms": terms, "reward": "right", "group": group, "images": [], "items": items}
    found = answer.from_message(await score(channel, request.to_message(body)))
    expected = await by_json(served, body)
    assert [one.model_dump(mode="json") for one in found.groups] == expected["groups"]
    (summary,) = found.groups
    assert (summary.pass_rate, summary.keep, summary.tamed, summary.gate) == (0.5, True, ["right"], None)
