"""Deadlines, cancelling, limits, health and reflection of the gRPC server."""

import asyncio
import json
from contextlib import suppress

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.service.grpc.conftest import Service, connected, streaming, unary
from tests.service.grpc.test_score import SCORE, document, score
from tests.service.scenes_data import item
from visreward.protocol import Limits
from visreward.protocol.proto import request
from visreward.protocol.proto import reward_pb2 as pb
from visreward_service.grpc.proto import inference_pb2
from visreward_service.settings import QueueSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVICES = ("visreward.v1.RewardService", "inference.GRPCInferenceService")

SLOW = {
    "terms": {"answer": {"scorer": "answer", "grader": "math_verify"}},
    "reward": "answer",
}
HANGING = r"\boxed{(x+1)^{5000}}"


def slow_request(**changes: object) -> pb.ScoreRequest:
    """A request with one item that a rule works on until its time limit, and one that is done at once."""
    items = [
        item(1, 0, completion=HANGING, reference={"answer": r"\boxed{(x+2)^{5000}}"}),
        item(1, 1, completion=r"\boxed{3}", reference={"answer": "3"}),
    ]
    body = document(items, [1], **SLOW, **changes)
    del body["recipe"]
    return request.to_message(body)


def pending(service: Service) -> float:
    value = service.engine.metrics.registry.get_sample_value("visreward_pending_items")
    assert value is not None
    return value


async def test_the_calls_deadline_is_the_requests(channel: grpc.aio.Channel) -> None:
    found = await score(channel, slow_request(), timeout=2)
    assert found.items[0].error.code == "deadline_exceeded"


async def test_the_tighter_of_two_deadlines_counts(channel: grpc.aio.Channel) -> None:
    found = await score(channel, slow_request(deadline_ms=150), timeout=60)
    assert found.items[0].error.code == "deadline_exceeded"


async def test_cancelling_a_call_frees_its_place_in_the_queue(served: Service) -> None:
    async with grpc.aio.insecure_channel(served.grpc) as channel:
        call = unary(channel, SCORE)(slow_request().SerializeToString())
        while not pending(served):
            await asyncio.sleep(0.005)
        call.cancel()
        async with asyncio.timeout(1.5):
            while pending(served):
                await asyncio.sleep(0.005)


async def test_a_message_over_the_limit_is_refused() -> None:
    async with connected(limits=Limits(max_request_bytes=10_000)) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await unary(channel, SCORE)(b"x" * 200_000)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.slow
async def test_a_full_queue_refuses_with_a_hint_that_grpc_obeys() -> None:
    async with connected(queue=QueueSettings(max_items=2)) as (service, channel):
        first = unary(channel, SCORE)(slow_request().SerializeToString())
        while not pending(service):
            await asyncio.sleep(0.005)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await score(channel, slow_request())
        metadata = dict(caught.value.trailing_metadata() or ())
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert json.loads(metadata["visreward-error-bin"])["code"] == "overloaded"
        assert int(metadata["grpc-retry-pushback-ms"]) > 0
        await first


async def test_health_is_that_of_the_engine(served: Service, channel: grpc.aio.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for name in ("", *SERVICES):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(health_pb2.HealthCheckRequest(service="no.such.Service"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_health_follows_an_engine_that_drains() -> None:
    async with connected() as (service, channel):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=""))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        await service.engine.close()
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await score(channel, slow_request())
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        watch.cancel()


async def test_reflection_lists_the_services_and_describes_their_messages(channel: grpc.aio.Channel) -> None:
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        *(reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in SERVICES),
    ]
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    listed, *described = [answer async for answer in stub.ServerReflectionInfo(iter(asked))]
    names = {service.name for service in listed.list_services_response.service}
    assert {*SERVICES, "grpc.health.v1.Health"} <= names
    files = [
        FileDescriptorProto.FromString(answer.file_descriptor_response.file_descriptor_proto[0])
        for answer in described
    ]
    assert [f"{file.package}.{file.service[0].name}" for file in files] == list(SERVICES)


@pytest.mark.parametrize(
    "method",
    [
        *(
            f"{SERVICES[0]}/{method.name}"
            for method in pb.DESCRIPTOR.services_by_name["RewardService"].methods
        ),
        *(
            f"{SERVICES[1]}/{method.name}"
            for method in inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods
        ),
    ],
)
async def test_every_method_of_the_proto_files_is_served(channel: grpc.aio.Channel, method: str) -> None:
    call = streaming(channel, f"/{method}")(iter([b""]))
    with suppress(grpc.aio.AioRpcError):
        async for _ in call:
            pass
    assert await call.code() is not grpc.StatusCode.UNIMPLEMENTED


async def test_an_unknown_method_is_unimplemented(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await unary(channel, f"/{SERVICES[1]}/RepositoryIndex")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
