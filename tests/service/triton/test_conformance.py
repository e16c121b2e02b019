"""The same requests to our Open Inference Protocol and to a real Triton with the same models.

Where the two differ is written in `DIFFERENCES`, and why in docs/protocols.md; nothing else may differ.
"""

import asyncio
from dataclasses import replace

import httpx
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http

from tests.service.grpc.conftest import Service
from tests.service.triton.oracle import Oracle
from tests.service.triton.wire import FORMS, Asked, Form, Outcome, Tensor, ask

pytestmark = [pytest.mark.triton, pytest.mark.asyncio(loop_scope="session")]

END = 1
"""The end token of the bundled model."""
ROWS = np.array([[0, 40, 41, END, *[END] * 12], [0, 9, END, *[END] * 13]], np.int64)
NOISE = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)

IDS = Tensor("IDS", "INT64", (2, 16), ROWS)
PIXELS = Tensor("PIXELS", "UINT8", (2, 96, 96, 3), NOISE)
TEXTS = Tensor("TEXT", "BYTES", (2,), [b"a red ball", "größe".encode()])
FINE = Asked("fgclip_short", (IDS,))
IMAGES = Asked("fgclip_pooled", (PIXELS,))


def with_ids(**changes: object) -> Asked:
    return Asked("fgclip_short", (replace(IDS, **changes),))  # type: ignore[arg-type]


ANSWERED: dict[str, Asked] = {
    "token ids": FINE,
    "an id and an output by name": replace(FINE, id="q1", outputs=("EMBEDDING",)),
    "a timeout": replace(FINE, parameters={"timeout": 30_000_000}),
    "another branch": replace(FINE, model="fgclip_long"),
    "pixels": IMAGES,
    "a dense view": replace(IMAGES, model="fgclip_dense"),
    "texts": Asked("encoder.fgclip", (TEXTS,)),
}
REFUSED: dict[str, Asked] = {
    "an unknown model": replace(FINE, model="fgclip_shorter"),
    "an unknown input": with_ids(name="ID"),
    "an unknown input beside the right one": replace(FINE, inputs=(IDS, replace(IDS, name="ID"))),
    "an input twice": replace(FINE, inputs=(IDS, IDS)),
    "no input": replace(FINE, inputs=()),
    "another datatype": with_ids(datatype="INT32", values=ROWS.astype(np.int32)),
    "no such datatype": with_ids(datatype="INT63"),
    "too few axes": with_ids(shape=(32,)),
    "another size of image": replace(
        IMAGES, inputs=(replace(PIXELS, shape=(2, 95, 96, 3), values=NOISE[:, :95]),)
    ),
    "fewer numbers than the shape says": with_ids(shape=(2, 17)),
    "more numbers than the shape says": with_ids(shape=(2, 15)),
    "a negative size": with_ids(shape=(-2, -16)),
    "no rows": with_ids(shape=(0, 16), values=ROWS[:0]),
    "fewer texts than the shape says": Asked("encoder.fgclip", (replace(TEXTS, shape=(3,)),)),
    "an unknown output": replace(FINE, outputs=("EMBEDDINGS",)),
}
MANY = np.tile(ROWS, (100, 1))
DIFFERENCES: dict[str, tuple[Asked, Outcome, Outcome]] = {
    "more rows than a batch": (
        with_ids(shape=(200, 16), values=MANY),
        Outcome("INVALID_ARGUMENT"),
        Outcome("OK", outputs=(("EMBEDDING", "FP32", (200, 128)),)),
    ),
    "a row of no tokens": (
        with_ids(shape=(2, 0), values=ROWS[:, :0]),
        Outcome("INTERNAL"),
        Outcome("INVALID_ARGUMENT"),
    ),
    "no texts": (
        Asked("encoder.fgclip", (replace(TEXTS, shape=(0,), values=[]),)),
        Outcome("OK", outputs=(("EMBEDDING", "FP32", (0, 128)),)),
        Outcome("INVALID_ARGUMENT"),
    ),
    "a row without the end token": (
        with_ids(values=np.full((2, 16), 9, np.int64)),
        Outcome("OK", outputs=(("EMBEDDING", "FP32", (2, 128)),)),
        Outcome("INVALID_ARGUMENT"),
    ),
    "an output twice": (
        replace(FINE, outputs=("EMBEDDING", "EMBEDDING")),
        Outcome("OK", outputs=(("EMBEDDING", "FP32", (2, 128)),)),
        Outcome("INVALID_ARGUMENT"),
    ),
    "a parameter that nothing reads": (
        replace(FINE, parameters={"colour": "red"}),
        Outcome("OK", outputs=(("EMBEDDING", "FP32", (2, 128)),)),
        Outcome("INVALID_ARGUMENT"),
    ),
    "a sequence": (
        replace(FINE, parameters={"sequence_id": 7}),
        Outcome("OK", outputs=(("EMBEDDING", "FP32", (2, 128)),)),
        Outcome("INVALID_ARGUMENT"),
    ),
    "a region of shared memory": (
        with_ids(region="absent"),
        Outcome("NOT_FOUND"),
        Outcome("INVALID_ARGUMENT"),
    ),
}
"""The request; what Triton makes of it over gRPC, and what we do."""


async def ask_both(oracle: Oracle, served: Service, asked: Asked, form: Form) -> tuple[Outcome, Outcome]:
    """Return what Triton makes of a request, and what we do."""
    return (
        await asyncio.to_thread(ask, oracle.http, oracle.grpc, asked, form),
        await asyncio.to_thread(ask, served.http, served.grpc, asked, form),
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ANSWERED)
async def test_what_triton_answers_we_answer_alike(
    oracle: Oracle, served: Service, name: str, form: Form
) -> None:
    triton, ours = await ask_both(oracle, served, ANSWERED[name], form)
    assert ours.answered
    assert ours == triton
    if name != "texts":  # which embeds nothing there
        assert np.abs(ours.rows[0] - triton.rows[0]).max() <= 1e-4


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", REFUSED)
async def test_what_triton_refuses_we_refuse_alike(
    oracle: Oracle, served: Service, name: str, form: Form
) -> None:
    triton, ours = await ask_both(oracle, served, REFUSED[name], form)
    if form in ("contents", "raw"):
        assert ours == triton
        return
    # Over HTTP a defect of a body is 422 here, and there 400, or 500 where JSON itself fails it.
    assert triton.status in {400, 404, 500}
    assert ours.status == (404 if triton.status == 404 else 422)


@pytest.mark.parametrize("name", DIFFERENCES)
async def test_where_we_differ_from_triton_is_known(oracle: Oracle, served: Service, name: str) -> None:
    asked, expected, ours_expected = DIFFERENCES[name]
    triton, ours = await ask_both(oracle, served, asked, "raw")
    assert (triton, ours) == (expected, ours_expected)


@pytest.mark.parametrize(
    ("path", "expected", "ours_expected"),
    [
        ("", 200, 200),
        ("/health/live", 200, 200),
        ("/health/ready", 200, 200),
        ("/models/fgclip_short", 200, 200),
        ("/models/fgclip_short/config", 200, 200),
        ("/models/fgclip_short/ready", 200, 200),
        ("/models/fgclip_short/versions/1/ready", 200, 200),
        ("/models/absent", 404, 404),
        ("/models/absent/config", 404, 404),
        ("/models/fgclip_short/versions/9", 404, 404),
        ("/absent", 404, 404),
        # A client asks for 200 alone, which neither is; 404 says why.
        ("/models/absent/ready", 400, 404),
        ("/models/fgclip_short/versions/9/ready", 400, 404),
        ("/models/fgclip_short/infer", 405, 404),
    ],
)
async def test_each_path_has_tritons_status(
    oracle: Oracle, served: Service, path: str, expected: int, ours_expected: int
) -> None:
    async with httpx.AsyncClient(timeout=60) as web:
        triton, ours = [await web.get(f"http://{server.http}/v2{path}") for server in (oracle, served)]
    assert (triton.status_code, ours.status_code) == (expected, ours_expected)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"inputs": 3}'])
async def test_a_body_that_is_no_request_is_a_defect_of_triton_and_a_refusal_here(
    oracle: Oracle, served: Service, body: bytes
) -> None:
    async with httpx.AsyncClient(timeout=60) as web:
        path = "v2/models/fgclip_short/infer"
        triton, ours = [
            await web.post(f"http://{server.http}/{path}", content=body) for server in (oracle, served)
        ]
    assert triton.status_code == 500
    assert ours.status_code in {400, 422}


async def test_nvidias_client_sees_the_same_models(oracle: Oracle, served: Service) -> None:
    def look(server: Oracle | Service) -> list[object]:
        found: list[object] = []
        for client, options in (
            (tritonclient.http.InferenceServerClient(server.http), {}),
            (tritonclient.grpc.InferenceServerClient(server.grpc), {"as_json": True}),
        ):
            metadata = client.get_model_metadata("fgclip_short", **options)
            found += [metadata["versions"], metadata["inputs"], metadata["outputs"]]
            config = client.get_model_config("fgclip_short", **options)
            found.append([one["data_type"] for one in config.get("config", config)["input"]])
            asked = [("fgclip_short", "1"), ("fgclip_short", "2"), ("absent", "")]
            found.append([client.is_model_ready(*one) for one in asked])
            client.close()
        return found

    triton, ours = await asyncio.to_thread(look, oracle), await asyncio.to_thread(look, served)
    assert ours == triton
    assert ours[4] == ours[9] == [True, False, False]
