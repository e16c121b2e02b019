"""gRPC messages nobody should send: each is refused with a code, and the next call is answered."""

import json

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.service.grpc.conftest import unary
from tests.service.grpc.test_score import SCORE, document, refusal, score
from tests.service.scenes_data import item
from visreward.protocol.proto import request
from visreward.protocol.proto import reward_pb2 as reward
from visreward_service.grpc.proto import inference_pb2 as pb

pytestmark = pytest.mark.asyncio(loop_scope="session")

INFER = "/inference.GRPCInferenceService/ModelInfer"
METADATA = "/inference.GRPCInferenceService/ModelMetadata"
MODEL = "pebr-r1.stage1"
ITEM = json.dumps({**item(1), "images": []}).encode()
OURS = {"INTERNAL", "UNKNOWN", "DATA_LOSS"}
"""Statuses that mean a defect of the service."""


def tensor(**changes: object) -> pb.ModelInferRequest.InferInputTensor:
    fields = {"name": "ITEM", "datatype": "BYTES", "shape": [1], **changes}
    return pb.ModelInferRequest.InferInputTensor(**fields)  # type: ignore[arg-type]


def element(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


def inference(
    *inputs: pb.ModelInferRequest.InferInputTensor, raw: tuple[bytes, ...] = (), **changes: object
) -> pb.ModelInferRequest:
    fields = {"model_name": MODEL, "inputs": inputs, "raw_input_contents": raw, **changes}
    return pb.ModelInferRequest(**fields)  # type: ignore[arg-type]


CONTENTS = pb.InferTensorContents(bytes_contents=[ITEM])


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (inference(), '"ITEM" is missing'),
        (inference(tensor(contents=CONTENTS), model_version="7"), "one version"),
        (inference(tensor(contents=CONTENTS), model_name="no-such-model"), "no model of that name"),
        (inference(tensor(contents=CONTENTS, name="NO")), "no input of that name"),
        (inference(tensor(contents=CONTENTS, datatype="FP32")), "datatype BYTES"),
        (inference(tensor(contents=CONTENTS, shape=[-1])), "negative"),
        (inference(tensor(contents=CONTENTS, shape=[2**63 - 1])), "its shape says"),
        (inference(tensor(contents=CONTENTS, shape=[1, 1])), "one axis"),
        (inference(tensor(contents=CONTENTS, shape=[2])), "its shape says 2"),
        (inference(tensor(contents=CONTENTS), tensor(contents=CONTENTS)), "twice"),
        (inference(tensor(contents=pb.InferTensorContents(int_contents=[1]))), "int_contents"),
        (inference(tensor(), raw=(b"\xff\xff\xff\xff",)), "inside an element"),
        (inference(tensor(), raw=(b"\x01\x00",)), "inside the length"),
        (inference(tensor(), raw=(element(ITEM), element(ITEM))), "2 tensors for 1 inputs"),
        (inference(tensor(), raw=(element(ITEM) + b"\0",)), "behind its 1 elements"),
        (inference(tensor(contents=CONTENTS), raw=(element(ITEM),)), "beside raw_input_contents"),
        (
            inference(tensor(contents=CONTENTS), outputs=[{"name": "NO"}]),
            "no output of that name",
        ),
        (
            inference(tensor(contents=CONTENTS), parameters={"sequence_id": {"int64_param": 4}}),
            "sequences are not served",
        ),
        (
            inference(tensor(parameters={"shared_memory_region": {"string_param": "r"}})),
            "shared memory is not served",
        ),
        (
            inference(tensor(contents=CONTENTS), parameters={"timeout": {"string_param": "1"}}),
            "microseconds",
        ),
    ],
)
async def test_a_wrong_inference_is_refused_in_words(
    channel: grpc.aio.Channel, message: pb.ModelInferRequest, words: str
) -> None:
    status, error = await refusal(channel, message.SerializeToString(), INFER)
    assert status in {"INVALID_ARGUMENT", "NOT_FOUND"}
    assert words in error["message"]


@pytest.mark.slow
@pytest.mark.parametrize("method", [SCORE, INFER, METADATA])
async def test_no_bytes_are_answered_with_a_defect(channel: grpc.aio.Channel, method: str) -> None:
    """Random bytes, and real messages with some of their bytes changed."""
    score_bytes = request.to_message(document([item(1)], [])).SerializeToString()
    infer_bytes = inference(tensor(), raw=(element(ITEM),)).SerializeToString()
    real = score_bytes if method == SCORE else infer_bytes
    changed: list[bytes] = []

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        noise=st.binary(max_size=60),
        edits=st.lists(st.tuples(st.integers(0, len(real) - 1), st.integers(0, 255)), max_size=4),
    )
    def cases(noise: bytes, edits: list[tuple[int, int]]) -> None:
        edited = bytearray(real)
        for place, value in edits:
            edited[place] = value
        changed.extend((noise, bytes(edited)))

    cases()
    for raw in changed:
        call = unary(channel, method)(raw)
        status = (await call.code()).name
        assert status not in OURS, raw
        assert status == "OK" or "visreward-error-bin" in dict(await call.trailing_metadata()), raw


async def test_a_text_that_is_nul_costs_only_its_item(channel: grpc.aio.Channel) -> None:
    items = [reward.Item(id="a", completion="a\0b"), reward.Item(id="b", completion="")]
    body = document(
        [], [], terms={"n": {"scorer": "length", "shape": "ratio", "expected_tokens": 9}}, reward="n"
    )
    del body["recipe"]
    message = request.to_message(body)
    message.items.extend(items)
    found = await score(channel, message)
    assert found.items[0].error.code == "text_invalid"
