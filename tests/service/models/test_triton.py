"""An encoder that runs elsewhere: a second visreward is its server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import tritonclient.grpc as triton

from tests.service.grpc.conftest import Service, serving
from tests.service.models.checkpoints import make_clip
from tests.service.models.remotes import free_port, remote, running, score, until_ready
from visreward_service.models import ModelError, ModelSettings, load_model
from visreward_service.models.base import Remote
from visreward_service.models.errors import Unavailable
from visreward_service.models.settings import TritonSettings
from visreward_service.settings import GrpcSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peer(port: int) -> AsyncIterator[Service]:
    async with serving(grpc=GrpcSettings(port=port)) as service:
        yield service


async def test_a_service_whose_encoder_runs_elsewhere_gives_the_same_rewards(
    peer: Service, port: int
) -> None:
    expected = await score(peer.engine)
    async with running(remote(port)) as engine:
        await until_ready(engine)
        assert engine.models[0].device == "triton"
        assert engine.models[0].revision == peer.engine.models[0].revision
        assert await score(engine) == pytest.approx(expected, abs=1e-4)


async def test_a_server_that_is_not_there_is_passed_over(peer: Service, port: int) -> None:
    expected = await score(peer.engine)
    async with running(remote(free_port(), port, timeout_seconds=5)) as engine:
        await until_ready(engine)
        assert await score(engine) == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
async def test_what_is_asked_while_the_server_is_restarted_waits_for_it() -> None:
    port = free_port()
    async with serving(grpc=GrpcSettings(port=port)):
        model = await asyncio.to_thread(load_model, "fgclip", remote(port))
        tokens = model.prepare_texts(["a red ball"], "short")
        (before,) = await asyncio.to_thread(model.encode_texts, tokens, "short")
    assert isinstance(model, Remote)
    try:
        async with asyncio.timeout(60):
            while model.unavailable is None:
                await asyncio.sleep(0.05)
        assert model.unavailable == "no server of model fgclip is ready"
        waiting = asyncio.ensure_future(asyncio.to_thread(model.encode_texts, tokens, "short"))
        async with serving(grpc=GrpcSettings(port=port)):
            (after,) = await waiting
            assert model.unavailable is None
        assert np.array_equal(before, after)
    finally:
        await asyncio.to_thread(model.close)


async def test_a_batch_that_no_server_takes_in_time_is_unavailable_and_no_defect() -> None:
    port = free_port()
    async with serving(grpc=GrpcSettings(port=port)):
        settings = remote(port, patience_seconds=2, timeout_seconds=2)
        model = await asyncio.to_thread(load_model, "fgclip", settings)
    assert isinstance(model, Remote)
    tokens = model.prepare_texts(["a red ball", "a blue cup"], "short")
    try:
        with pytest.raises(Unavailable, match="no server of model fgclip_short answers"):
            await asyncio.to_thread(model.encode_texts, tokens, "short")
    finally:
        await asyncio.to_thread(model.close)


async def test_a_server_that_never_comes_stops_the_start() -> None:
    with pytest.raises(
        ModelError, match=r"models\.fgclip: no server of triton\.urls has a model fgclip_pooled"
    ):
        await asyncio.to_thread(
            load_model, "fgclip", remote(free_port(), patience_seconds=0.1, timeout_seconds=0.5)
        )


async def test_a_server_with_other_weights_stops_the_start(peer: Service, port: int, tmp_path: Path) -> None:
    make_clip(tmp_path)
    names = {"pooled": "fgclip_pooled", "short": "fgclip_short"}
    settings = TritonSettings(urls=(f"127.0.0.1:{port}",), models=names)
    other = ModelSettings(kind="clip", source=str(tmp_path), backend="triton", triton=settings)
    with pytest.raises(ModelError, match=r"other weights|preprocessing|must have a shape"):
        await asyncio.to_thread(load_model, "clip", other)


@pytest.mark.parametrize(
    ("name", "batch", "said"),
    [
        ("fgclip_short", np.full((1, 16), 10**9, np.int64), "holds an id that is not between"),
        ("fgclip_short", np.full((1, 16), -1, np.int64), "holds an id that is not between"),
        ("fgclip_short", np.full((2, 16), 5, np.int64), "holds a row without the end token"),
        ("fgclip_short", np.zeros((1, 78), np.int64), "has 78 positions"),
        ("fgclip_short", np.zeros((1, 16), np.int32), "must have datatype INT64"),
        ("fgclip_short", np.zeros((16,), np.int64), "must have a shape like"),
        ("fgclip_pooled", np.zeros((1, 95, 96, 3), np.uint8), "must have a shape like"),
        ("fgclip_pooled", np.zeros((1, 96, 96, 3), np.float32), "must have datatype UINT8"),
    ],
)
async def test_tensors_that_do_not_fit_are_refused(
    peer: Service, name: str, batch: np.ndarray[Any, Any], said: str
) -> None:
    field = "IDS" if name == "fgclip_short" else "PIXELS"

    def ask() -> None:
        given = triton.InferInput(field, list(batch.shape), triton_type(batch))
        given.set_data_from_numpy(batch)
        with triton.InferenceServerClient(peer.grpc) as client:
            client.infer(name, [given])

    with pytest.raises(triton.InferenceServerException, match=said):
        await asyncio.to_thread(ask)


def triton_type(batch: np.ndarray[Any, Any]) -> str:
    return {"int64": "INT64", "int32": "INT32", "uint8": "UINT8", "float32": "FP32"}[str(batch.dtype)]


async def test_a_backend_and_its_table_go_together() -> None:
    with pytest.raises(ValueError, match="go together"):
        ModelSettings(kind="clip", source="x", backend="triton")
    with pytest.raises(ValueError, match=r"no host:port"):
        TritonSettings(urls=("http://triton:8001",))
