"""Inference bodies nobody should send: each is a 4xx with a sentence, and the next request is answered."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.service.grpc.conftest import serving
from tests.service.scenes_data import item
from visreward.protocol import Limits

pytestmark = pytest.mark.asyncio(loop_scope="session")

INFER = "/v2/models/pebr-r1.stage1/infer"
ENCODE = "/v2/models/encoder.fgclip/infer"
ITEM = json.dumps({**item(1), "images": []})


def given_item(**changes: Any) -> dict[str, Any]:
    return {"name": "ITEM", "shape": [1], "datatype": "BYTES", "data": [ITEM], **changes}


def element(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


async def post(
    web: httpx.AsyncClient, body: object, *, behind: bytes = b"", header: str | None = None, path: str = INFER
) -> httpx.Response:
    head = body if isinstance(body, bytes) else json.dumps(body).encode()
    announced = header or (str(len(head)) if behind else None)
    headers = {"inference-header-content-length": announced} if announced else {}
    return await web.post(path, content=head + behind, headers=headers)


def sentence(answer: httpx.Response) -> str:
    error = answer.json()["error"]
    assert isinstance(error, str)
    assert error
    return error


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"[" * 10_000, "not valid JSON"),
        (b'{"inputs": "\xff"}', "not valid JSON"),
        ({"inputs": 3}, "must be a list"),
        ({"inputs": [3]}, "must be a JSON object"),
        ({"inputs": []}, '"ITEM" is missing'),
        ({"inputz": []}, "unknown field"),
        ({"inputs": [given_item()], "id": 3}, "must be text"),
        ({"inputs": [given_item()], "parameters": []}, "must be"),
        ({"inputs": [given_item()], "parameters": {"priority": 1}}, "unknown parameter"),
        ({"inputs": [given_item()], "parameters": {"timeout": -1}}, "microseconds"),
        ({"inputs": [given_item()], "parameters": {"binary_data_output": "yes"}}, "true or false"),
        ({"inputs": [given_item()], "outputs": [{"name": "NO"}]}, "no output of that name"),
        ({"inputs": [given_item()], "outputs": [{"name": "REWARD"}] * 2}, "twice"),
        (
            {
                "inputs": [given_item()],
                "outputs": [{"name": "REWARD", "parameters": {"classification": 3}}],
            },
            "unknown parameter",
        ),
        ({"inputs": [given_item(), given_item()]}, "twice"),
        ({"inputs": [given_item(name="NO")]}, "no input of that name"),
        ({"inputs": [given_item(name=None)]}, "no input of that name"),
        ({"inputs": [given_item(datatype="FP32")]}, "datatype BYTES"),
        ({"inputs": [given_item(datatype=None)]}, "datatype BYTES"),
        ({"inputs": [given_item(shape=[-1])]}, "negative"),
        ({"inputs": [given_item(shape=[2**63])]}, "its shape says"),
        ({"inputs": [given_item(shape=[2**70])]}, "whole numbers"),
        ({"inputs": [given_item(shape=[True])]}, "whole numbers"),
        ({"inputs": [given_item(shape=[1.0])]}, "whole numbers"),
        ({"inputs": [given_item(shape=[1, 1])]}, "one axis"),
        ({"inputs": [given_item(shape=[])]}, "one axis"),
        ({"inputs": [given_item(shape="1")]}, "one axis"),
        ({"inputs": [given_item(shape=[2])]}, "its shape says 2"),
        ({"inputs": [given_item(shape=[0], data=[])]}, "at least one item"),
        ({"inputs": [given_item(data=None)]}, "list as data"),
        ({"inputs": [given_item(data=[3])]}, "texts as data"),
        ({"inputs": [given_item(data=[[ITEM]])]}, "texts as data"),
        (
            {"inputs": [given_item(parameters={"shared_memory_region": "r", "shared_memory_byte_size": 4})]},
            "shared memory",
        ),
        ({"inputs": [given_item(parameters={"binary_data_size": 4})]}, "both data and"),
    ],
)
async def test_a_wrong_body_is_refused_in_words(web: httpx.AsyncClient, body: object, words: str) -> None:
    answer = await post(web, body)
    assert answer.status_code in {400, 422}
    assert words in sentence(answer)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": [5, 1, 5, 1]}, "has 4 elements; its shape says 6"),
        ({"data": [[5, 1, 1]]}, "has 1 elements; its shape says 2"),
        ({"data": [[5, 1, 1], [5, 1]]}, "not nested as its shape says"),
        ({"data": [[5, 1, 1], 5]}, "not nested as its shape says"),
        ({"data": [[5, 1, [1]], [5, 1, 1]]}, "whole numbers from"),
        ({"data": [5, 1, 1, 5, 1, 1.0]}, "whole numbers from"),
        ({"data": [5, 1, 1, 5, 1, True]}, "whole numbers from"),
        ({"data": [5, 1, 1, 5, 1, "1"]}, "whole numbers from"),
        ({"data": [5, 1, 1, 5, 1, 2**63]}, "whole numbers from"),
        ({"data": [5, 1, 1, 5, 1, -1]}, "is not between"),
        ({"data": [5, 1, 1, 5, 5, 5]}, "without the end token"),
        ({"data": 5}, "list as data"),
        ({}, "list as data"),
        ({"data": [5, 1, 1, 5, 1, 1], "shape": [2, 2**62]}, "its shape says"),
        ({"data": [5, 1, 1, 5, 1, 1], "shape": [6]}, "must have a shape like"),
    ],
)
async def test_wrong_numbers_are_refused_in_words(
    web: httpx.AsyncClient, changes: dict[str, Any], words: str
) -> None:
    tensor = {"name": "IDS", "shape": [2, 3], "datatype": "INT64", **changes}
    answer = await post(web, {"inputs": [tensor]}, path="/v2/models/fgclip_short/infer")
    assert answer.status_code == 422
    assert words in sentence(answer)


@pytest.mark.parametrize(
    ("size", "count", "behind", "words"),
    [
        (-1, 1, b"1234", "whole number"),
        (2.0, 1, b"1234", "whole number"),
        ("4", 1, b"1234", "whole number"),
        (2**62, 1, b"1234", "more than the body"),
        (4, 1, b"123", "more than the body"),
        (3, 1, b"123", "inside the length"),
        (5, 1, b"\xff\xff\xff\xff1", "inside an element"),
        (4, 2, b"\0\0\0\0", "its shape says 2"),
        (8, 1, b"\0" * 8, "behind its 1 elements"),
        (4, 2**40, b"\0\0\0\0", "its shape says"),
        (4, 1, b"\0\0\0\0more", "behind the last input"),
    ],
)
async def test_binary_tensors_are_exactly_as_long_as_they_say(
    web: httpx.AsyncClient, size: object, count: int, behind: bytes, words: str
) -> None:
    described = {
        "name": "ITEM",
        "shape": [count],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": size},
    }
    answer = await post(web, {"inputs": [described]}, behind=behind)
    assert answer.status_code == 422
    assert words in sentence(answer)


@pytest.mark.parametrize("header", ["-1", "1e3", "99999999", "9" * 200, "²", "4 4"])
async def test_a_header_length_that_is_none_is_refused(web: httpx.AsyncClient, header: str) -> None:
    content = json.dumps({"inputs": [given_item()]}).encode()
    headers = {b"inference-header-content-length": header.encode("latin-1")}
    answer = await web.post(INFER, content=content, headers=headers)
    assert answer.status_code in {400, 422}
    assert sentence(answer)


async def test_an_item_that_is_not_json_costs_only_itself(web: httpx.AsyncClient) -> None:
    good = json.dumps({**item(1), "images": [], "completion": "x"})
    body = {
        "inputs": [given_item(shape=[3], data=["{", "[" * 5_000, good])],
        "outputs": [{"name": "SCORED"}, {"name": "ERROR"}],
    }
    answer = await post(web, body)
    assert answer.status_code == 200
    scored, errors = (output["data"] for output in answer.json()["outputs"])
    assert scored[:2] == [False, False]
    assert [json.loads(error)["code"] for error in errors[:2]] == ["invalid_item"] * 2


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([], "either IMAGE or TEXT"),
        ([("IMAGE", [b"x"]), ("TEXT", [b"x"])], "either IMAGE or TEXT"),
        ([("IMAGE", [b"x"])], "image[0]"),
        ([("IMAGE", [])], '"IMAGE" must hold at least one'),
        ([("TEXT", [])], '"TEXT" must hold at least one'),
        ([("TEXT", [b"\xff"])], "UTF-8"),
        ([("TEXT", [b"a\0b"])], "NUL"),
        ([("TEXT", [b"fine", b"word " * 5_000])], "text[1]"),
    ],
)
async def test_an_encoder_refuses_what_it_cannot_embed(
    web: httpx.AsyncClient, inputs: list[tuple[str, list[bytes]]], words: str
) -> None:
    described, behind = [], b""
    for name, values in inputs:
        raw = b"".join(map(element, values))
        size = {"binary_data_size": len(raw)}
        described.append({"name": name, "shape": [len(values)], "datatype": "BYTES", "parameters": size})
        behind += raw
    answer = await post(web, {"inputs": described}, behind=behind, path=ENCODE)
    assert answer.status_code in {400, 422}
    assert words in sentence(answer)


async def test_a_text_branch_that_the_model_lacks_is_refused_with_those_it_has(
    web: httpx.AsyncClient,
) -> None:
    text = {"name": "TEXT", "shape": [1], "datatype": "BYTES", "data": ["a"]}
    answer = await post(web, {"inputs": [text], "parameters": {"branch": "huge"}}, path=ENCODE)
    assert answer.status_code == 422
    assert "short" in sentence(answer)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/models/no-such-model"),
        ("GET", "/v2/models/pebr-r1.stage1/versions/9/config"),
        ("GET", "/v2/no/such/path"),
        ("GET", "/v2/systemsharedmemory/status"),
        ("DELETE", "/v2"),
        ("GET", INFER),
    ],
)
async def test_what_is_not_there_is_404_in_the_protocols_words(
    web: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await web.request(method, path)
    assert answer.status_code == 404
    assert sentence(answer)


async def test_a_body_over_the_limit_is_refused_while_it_is_read() -> None:
    async with (
        serving(limits=Limits(max_request_bytes=10_000)) as service,
        httpx.AsyncClient(base_url=f"http://{service.http}") as web,
    ):
        answer = await post(web, {"inputs": [given_item(data=["x" * 20_000])]})
        assert answer.status_code == 413
        assert "10,000 bytes" in sentence(answer)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["ITEM", "IMAGE", "TEXT", "IDS", "REWARD", "SCORED", ""]) | st.text(max_size=4)
SHAPES = st.lists(st.integers(-2, 3) | st.sampled_from([2**31, 2**63 - 1]), max_size=3)
PARAMETERS = st.dictionaries(
    st.sampled_from(
        ["binary_data_size", "binary_data", "timeout", "binary_data_output", "branch", "priority"]
    ),
    st.integers(-1, 40) | st.booleans() | st.text(max_size=3),
    max_size=2,
)
TENSORS = st.fixed_dictionaries(
    {"name": NAMES, "shape": SHAPES | ANY_JSON, "datatype": st.sampled_from(["BYTES", "INT64", "UINT8", ""])},
    optional={
        "parameters": PARAMETERS | ANY_JSON,
        "data": st.lists(st.text(max_size=5), max_size=3) | st.lists(st.integers(), max_size=3) | ANY_JSON,
    },
)
BODIES = st.fixed_dictionaries(
    {"inputs": st.lists(TENSORS, max_size=3) | ANY_JSON},
    optional={
        "outputs": st.lists(
            st.fixed_dictionaries({"name": NAMES}, optional={"parameters": PARAMETERS}), max_size=2
        ),
        "parameters": PARAMETERS,
        "id": ANY_JSON,
    },
)


@pytest.mark.slow
@pytest.mark.parametrize("path", [INFER, ENCODE, "/v2/models/fgclip_short/infer"])
async def test_no_body_is_answered_with_a_5xx(web: httpx.AsyncClient, path: str) -> None:
    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(body=BODIES, behind=st.binary(max_size=40), cut=st.none() | st.integers(0, 60))
    def cases(body: object, behind: bytes, cut: int | None) -> None:
        found.append((body, behind, cut))

    found: list[tuple[object, bytes, int | None]] = []
    cases()
    for body, behind, cut in found:
        head = json.dumps(body).encode()
        answer = await post(web, head, behind=behind, header=None if cut is None else str(cut), path=path)
        assert answer.status_code < 500, (body, behind, cut, answer.text)
        if answer.status_code != 200:
            sentence(answer)
