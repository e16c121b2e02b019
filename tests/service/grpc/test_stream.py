"""`RewardService.ScoreStream`: requests in, answers as they are ready."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from tests.service.grpc.conftest import Service, connected, streaming
from tests.service.grpc.test_score import STAGE_1, document, score
from tests.service.scenes_data import item, picture
from visreward.protocol.proto import request
from visreward.protocol.proto import reward_pb2 as pb
from visreward_service.settings import GrpcSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

STREAM = "/visreward.v1.RewardService/ScoreStream"


async def stream(channel: grpc.aio.Channel, messages: list[pb.ScoreRequest]) -> list[pb.ScoreStreamResponse]:
    """Send all messages and return the answers in the order of the messages."""

    async def sent() -> AsyncIterator[bytes]:
        for message in messages:
            yield message.SerializeToString()

    call = streaming(channel, STREAM)(sent())
    found = [pb.ScoreStreamResponse.FromString(raw) async for raw in call]
    return sorted(found, key=lambda answer: answer.index)


async def read(call: "grpc.aio.StreamStreamCall[bytes, bytes]") -> pb.ScoreStreamResponse:
    raw = await call.read()
    assert isinstance(raw, bytes)
    return pb.ScoreStreamResponse.FromString(raw)


async def test_each_request_of_a_stream_gets_the_rewards_it_gets_alone(channel: grpc.aio.Channel) -> None:
    messages = [request.to_message(document([item(seed)], [seed])) for seed in (1, 2, 3)]
    alone = [(await score(channel, message)).items[0].reward for message in messages]
    found = await stream(channel, messages)
    assert [answer.response.items[0].reward for answer in found] == alone


async def test_the_first_request_names_the_recipe_and_brings_the_image(channel: grpc.aio.Channel) -> None:
    first = request.to_message(document([item(21, 0)], [21], details=False))
    later = [pb.ScoreRequest(items=request.to_message(document([item(21, n)], [])).items) for n in (1, 2, 3)]
    found = await stream(channel, [first, *later])
    rewards = {answer.response.items[0].reward for answer in found}
    assert len(found) == 4
    assert len(rewards) == 1
    assert [answer.response.recipe for answer in found] == [STAGE_1] * 4
    assert [answer.response.items[0].details for answer in found] == [""] * 4


async def test_an_answer_comes_before_the_stream_is_closed(channel: grpc.aio.Channel) -> None:
    call = streaming(channel, STREAM)()
    await call.write(request.to_message(document([item(1)], [1])).SerializeToString())
    first = await read(call)
    assert first.response.items[0].HasField("reward")
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_a_refused_request_leaves_the_others_of_its_stream_alone(channel: grpc.aio.Channel) -> None:
    good = request.to_message(document([item(1)], [1]))
    bad = request.to_message(document([item(1)], [1], recipe="no-such-recipe"))
    found = await stream(channel, [good, bad, good])
    assert [answer.WhichOneof("outcome") for answer in found] == ["response", "error", "response"]
    assert found[1].error.code == "unknown_recipe"
    assert found[1].error.request_id.endswith("-1")


async def test_bytes_that_are_no_request_end_the_stream_after_what_was_asked_before(
    channel: grpc.aio.Channel,
) -> None:
    async def sent() -> AsyncIterator[bytes]:
        yield request.to_message(document([item(1)], [1])).SerializeToString()
        yield b"\x0a\x02\xff\xfe"

    call = streaming(channel, STREAM)(sent())
    first = await read(call)
    assert first.index == 0
    assert first.HasField("response")
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_stream_that_stays_silent_is_ended() -> None:
    async with connected(grpc=GrpcSettings(port=0, stream_idle_seconds=0.2)) as (_, channel):
        call = streaming(channel, STREAM)()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "no request came" in (caught.value.details() or "")


@pytest.mark.slow
async def test_a_caller_that_reads_nothing_is_not_read_from_without_end() -> None:
    async with connected(grpc=GrpcSettings(port=0, stream_requests=2)) as (_, channel):
        items = [item(1, number) for number in range(200)]
        message = request.to_message(document(items, [1])).SerializeToString()
        call = streaming(channel, STREAM)()
        held_up = False
        for _ in range(400):
            try:
                await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(call.write(message))), 2)
            except TimeoutError:
                held_up = True
                break
        assert held_up
        call.cancel()


async def test_an_image_comes_before_the_items_that_name_it_in_later_requests(served: Service) -> None:
    async with grpc.aio.insecure_channel(served.grpc) as channel:
        image = picture(22)
        opening = pb.ScoreRequest(recipe=STAGE_1, items=[pb.Item(id="first", completion="no image")])
        bringing = pb.ScoreRequest(
            items=request.to_message(document([item(22, 0)], [])).items,
            images=[pb.Image(digest=image.digest, data=image.data)],
        )
        naming = pb.ScoreRequest(items=request.to_message(document([item(22, 1)], [])).items)
        found = await stream(channel, [opening, bringing, naming, naming])
        assert [answer.response.items[0].HasField("reward") for answer in found[1:]] == [True] * 3
