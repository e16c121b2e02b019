"""NVIDIA's `tritonclient`, unchanged, in its four forms gets the rewards of `POST /score`, bit for bit."""

import asyncio
import gc
import inspect
import json
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import ModuleType
from typing import Any

import grpc
import httpx
import numpy as np
import numpy.typing as npt
import pytest
import pytest_asyncio
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub
from tritonclient.utils import InferenceServerException

from tests.service.grpc.conftest import Service
from tests.service.scenes_data import item, pebr, picture, sample

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODEL = "pebr-r1.stage1"
SEEDS = (11, 12, 13)
ITEMS = [
    item(seed, number, completion=pebr(sample(seed + 40 * number).description.text, str(number)))
    for seed in SEEDS
    for number in range(3)
]
BAD = {**item(11, 9), "images": ["0" * 64]}

FORMS: dict[str, tuple[ModuleType, ModuleType]] = {
    "http": (tritonclient.http, tritonclient.http),
    "http.aio": (tritonclient.http.aio, tritonclient.http),
    "grpc": (tritonclient.grpc, tritonclient.grpc),
    "grpc.aio": (tritonclient.grpc.aio, tritonclient.grpc),
}


class Triton:
    """One form of the client. The blocking ones live on one thread: gevent binds them to it."""

    def __init__(self, form: str, served: Service) -> None:
        self.form = form
        self.tensors = FORMS[form][1]
        self._url = served.http if form.startswith("http") else served.grpc
        self._client: Any = None
        self._thread = None if form.endswith("aio") else ThreadPoolExecutor(1)

    async def open(self) -> "Triton":
        """Make the client where it will be used."""
        self._client = await self._run(FORMS[self.form][0].InferenceServerClient, self._url)
        return self

    async def _run(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if self._thread is not None:
            call = partial(function, *arguments, **options)
            return await asyncio.get_running_loop().run_in_executor(self._thread, call)
        found = function(*arguments, **options)
        return await found if inspect.isawaitable(found) else found

    async def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the client."""
        return await self._run(getattr(self._client, method), *arguments, **options)

    async def close(self) -> None:
        """Close the connections."""
        await self.call("close")
        if self._thread is not None:
            self._thread.shutdown()
        with warnings.catch_warnings():
            # The aio client leaves answers unread whose status is all it wants, and their connections open.
            warnings.simplefilter("ignore", ResourceWarning)
            self._client = None
            gc.collect()

    def tensor(self, name: str, values: list[bytes], **options: Any) -> Any:
        """Return a BYTES input."""
        array = np.array(values, dtype=np.object_)
        given = self.tensors.InferInput(name, [len(values)], "BYTES")
        given.set_data_from_numpy(array, **options)
        return given

    def output(self, name: str, **options: Any) -> Any:
        """Return a request for an output."""
        return self.tensors.InferRequestedOutput(name, **options)

    def batch(self, items: list[dict[str, Any]]) -> list[Any]:
        """Return the inputs of a recipe's model."""
        lines = [json.dumps(one).encode() for one in items]
        return [self.tensor("ITEM", lines), self.tensor("IMAGE", [picture(seed).data for seed in SEEDS])]


@pytest_asyncio.fixture(loop_scope="session", params=sorted(FORMS))
async def triton(request: pytest.FixtureRequest, served: Service) -> Any:
    client = await Triton(request.param, served).open()
    yield client
    await client.close()


async def expected(web: httpx.AsyncClient) -> list[dict[str, Any]]:
    images = [picture(seed).wire() for seed in SEEDS]
    answer = await web.post("/score", json={"recipe": "pebr-r1/stage1", "images": images, "items": ITEMS})
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_a_batch_gets_the_rewards_of_the_json_wire_bit_for_bit(
    triton: Triton, web: httpx.AsyncClient
) -> None:
    result = await triton.call("infer", MODEL, triton.batch(ITEMS), request_id="r1")
    scored = await expected(web)
    rewards: npt.NDArray[np.float64] = result.as_numpy("REWARD")
    assert rewards.dtype == np.float64
    assert rewards.tolist() == [one["reward"] for one in scored]
    assert len(set(rewards.tolist())) > 3
    assert result.as_numpy("SCORED").tolist() == [True] * len(ITEMS)
    assert [json.loads(part) for part in result.as_numpy("PARTS")] == [one["parts"] for one in scored]
    assert result.as_numpy("ERROR").tolist() == [b""] * len(ITEMS)


async def test_a_failed_item_ends_the_request(triton: Triton) -> None:
    with pytest.raises(InferenceServerException) as caught:
        await triton.call("infer", MODEL, triton.batch([ITEMS[0], BAD]))
    assert "items[1]" in caught.value.message()
    assert caught.value.status() in {"422", "StatusCode.FAILED_PRECONDITION"}


async def test_who_asks_for_scored_gets_the_other_items(triton: Triton, web: httpx.AsyncClient) -> None:
    outputs = [triton.output(name) for name in ("SCORED", "REWARD", "ERROR")]
    result = await triton.call("infer", MODEL, triton.batch([BAD, ITEMS[0]]), outputs=outputs)
    assert result.as_numpy("SCORED").tolist() == [False, True]
    assert result.as_numpy("REWARD").tolist()[1] == (await expected(web))[0]["reward"]
    refused, fine = result.as_numpy("ERROR")
    assert json.loads(refused)["code"] == "image_missing"
    assert fine == b""
    assert result.as_numpy("PARTS") is None


async def test_the_health_and_metadata_calls_answer(triton: Triton) -> None:
    assert await triton.call("is_server_live")
    assert await triton.call("is_server_ready")
    assert await triton.call("is_model_ready", MODEL)
    assert await triton.call("is_model_ready", MODEL, "1")
    json_form = {} if triton.form.startswith("http") else {"as_json": True}
    server = await triton.call("get_server_metadata", **json_form)
    assert server["name"] == "visreward"
    assert not [name for name in server["extensions"] if "shared_memory" in name]
    metadata = await triton.call("get_model_metadata", MODEL, **json_form)
    assert [(one["name"], one["datatype"]) for one in metadata["outputs"]] == [
        ("REWARD", "FP64"),
        ("SCORED", "BOOL"),
        ("PARTS", "BYTES"),
        ("ERROR", "BYTES"),
    ]
    config = await triton.call("get_model_config", MODEL, **json_form)
    config = config.get("config", config)
    assert config["name"] == MODEL
    assert [(one["name"], one["data_type"]) for one in config["input"]] == [
        ("ITEM", "TYPE_STRING"),
        ("IMAGE", "TYPE_STRING"),
    ]


async def test_an_encoder_embeds_images_and_texts(triton: Triton) -> None:
    images = triton.tensor("IMAGE", [picture(11).data, picture(12).data, picture(11).data])
    table = (await triton.call("infer", "encoder.fgclip", [images])).as_numpy("EMBEDDING")
    assert table.dtype == np.float32
    assert table.shape[0] == 3
    assert table[0].tolist() == table[2].tolist()
    assert np.linalg.norm(table, axis=1) == pytest.approx(1.0, abs=1e-5)
    texts = triton.tensor("TEXT", [b"a red circle", "größe".encode()])
    text_table = (await triton.call("infer", "encoder.fgclip", [texts])).as_numpy("EMBEDDING")
    assert text_table.shape == (2, table.shape[1])


async def test_unknown_names_are_refused_with_the_nearest(triton: Triton) -> None:
    with pytest.raises(InferenceServerException, match=r"nearest: .*pebr-r1\.stage1"):
        await triton.call("infer", "pebr-r1.stage", triton.batch(ITEMS[:1]))
    with pytest.raises(InferenceServerException, match="one version"):
        await triton.call("infer", MODEL, triton.batch(ITEMS[:1]), model_version="2")
    with pytest.raises(InferenceServerException, match="it has REWARD, SCORED, PARTS, ERROR"):
        await triton.call("infer", MODEL, triton.batch(ITEMS[:1]), outputs=[triton.output("SCORE")])


async def test_shared_memory_and_sequences_are_refused_in_words(triton: Triton) -> None:
    inputs = triton.batch(ITEMS[:1])
    inputs[0].set_shared_memory("region", 64)
    with pytest.raises(InferenceServerException, match="shared memory is not served"):
        await triton.call("infer", MODEL, inputs)
    with pytest.raises(InferenceServerException, match="sequences are not served"):
        await triton.call("infer", MODEL, triton.batch(ITEMS[:1]), sequence_id=7)


async def test_the_timeout_parameter_is_the_requests_deadline(triton: Triton) -> None:
    with pytest.raises(InferenceServerException, match=r"600,000|multiple of|deadline"):
        await triton.call("infer", MODEL, triton.batch(ITEMS[:1]), timeout=10**12)


async def test_json_tensors_carry_the_same_rewards(served: Service, web: httpx.AsyncClient) -> None:
    triton = await Triton("http.aio", served).open()
    lines = [json.dumps(one).encode() for one in ITEMS]
    inputs = [
        triton.tensor("ITEM", lines, binary_data=False),
        triton.tensor("IMAGE", [picture(seed).data for seed in SEEDS]),
    ]
    outputs = [triton.output(name, binary_data=False) for name in ("REWARD", "SCORED", "PARTS")]
    result = await triton.call("infer", MODEL, inputs, outputs=outputs)
    await triton.close()
    scored = await expected(web)
    assert result.as_numpy("REWARD").tolist() == [one["reward"] for one in scored]
    assert result.as_numpy("SCORED").all()


@pytest.mark.parametrize("form", ["http.aio", "grpc.aio"])
async def test_every_recipe_and_encoder_is_a_model(served: Service, form: str) -> None:
    triton = await Triton(form, served).open()
    names = [name.replace("/", ".") for name in served.engine.recipes.recipes]
    names += [f"encoder.{info.name}" for info in served.engine.models]
    names += [
        f"{info.name}_{part}" for info in served.engine.models for part in (*info.views, *info.branches)
    ]
    options = {} if form == "http.aio" else {"as_json": True}
    for name in names:
        metadata = await triton.call("get_model_metadata", name, **options)
        config = await triton.call("get_model_config", name, **options)
        config = config.get("config", config)
        assert metadata["name"] == config["name"] == name
        types = [f"TYPE_{one['datatype']}".replace("BYTES", "STRING") for one in metadata["inputs"]]
        assert [one["data_type"] for one in config["input"]] == types
        assert await triton.call("is_model_ready", name)
    await triton.close()
    assert len(names) > 3


async def test_a_model_that_is_not_there_is_not_ready(triton: Triton) -> None:
    assert not await triton.call("is_model_ready", "nothing")
    assert not await triton.call("is_model_ready", MODEL, "2")


async def test_numbers_may_stand_in_json_flat_or_nested(web: httpx.AsyncClient, served: Service) -> None:
    (info,) = served.engine.models
    rows = [[0, 9, info.end, info.end], [0, 40, 41, info.end]]
    ids: dict[str, Any] = {"name": "IDS", "datatype": "INT64", "shape": [2, 4]}
    flat = [number for row in rows for number in row]
    behind = np.array(rows, "<i8").tobytes()
    head = json.dumps({"inputs": [{**ids, "parameters": {"binary_data_size": len(behind)}}]}).encode()
    path, header = "/v2/models/fgclip_short/infer", "inference-header-content-length"
    answers = [
        await web.post(path, content=head + behind, headers={header: str(len(head))}),
        *[await web.post(path, json={"inputs": [{**ids, "data": data}]}) for data in (flat, rows)],
    ]
    assert [answer.status_code for answer in answers] == [200] * 3
    outputs = [answer.json()["outputs"] for answer in answers]
    assert outputs[0] == outputs[1] == outputs[2]


async def test_numbers_may_stand_in_a_messages_contents(served: Service) -> None:
    (info,) = served.engine.models
    row = np.array([[0, 9, info.end]], np.int64)
    triton = await Triton("grpc.aio", served).open()
    given = triton.tensors.InferInput("IDS", [1, 3], "INT64")
    given.set_data_from_numpy(row)
    expected = (await triton.call("infer", "fgclip_short", [given])).as_numpy("EMBEDDING")
    await triton.close()
    message = pb.ModelInferRequest(model_name="fgclip_short")
    message.inputs.add(name="IDS", datatype="INT64", shape=[1, 3]).contents.int64_contents.extend(row[0])
    async with grpc.aio.insecure_channel(served.grpc) as channel:
        ask = GRPCInferenceServiceStub(channel).ModelInfer
        answer = await ask(message, timeout=60)
        message.inputs[0].contents.uint_contents.append(1)
        with pytest.raises(grpc.aio.AioRpcError, match="its elements in uint_contents"):
            await ask(message, timeout=60)
    assert answer.raw_output_contents[0] == expected.tobytes()
