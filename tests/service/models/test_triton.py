"""An encoder that runs elsewhere: a second visreward is its server. And what `export` writes for one."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import tritonclient.grpc as triton

from tests.service.grpc.conftest import Service, serving
from tests.service.models.checkpoints import (
    make_clip,
    make_fgclip,
    make_fgclip2,
    make_open_clip,
    make_siglip_fixed,
)
from tests.service.scenes_data import item, picture
from visreward_service.engine.engine import Engine
from visreward_service.main import build_engine
from visreward_service.models import ModelError, ModelSettings, load_model
from visreward_service.models.base import Remote
from visreward_service.models.errors import Unavailable
from visreward_service.models.export import export_model
from visreward_service.models.settings import TritonSettings
from visreward_service.settings import GrpcSettings, RuleSettings, Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

BUNDLED = "bundled:scenes-fgclip"
MAKERS: dict[str, Callable[[Path], Any]] = {
    "clip": make_clip,
    "fgclip": make_fgclip,
    "open_clip": make_open_clip,
    "siglip2": make_siglip_fixed,
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peer(port: int) -> AsyncIterator[Service]:
    async with serving(grpc=GrpcSettings(port=port)) as service:
        yield service


def remote(*ports: int, **changes: Any) -> ModelSettings:
    given: dict[str, Any] = {"patience_seconds": 60, "health_seconds": 0.1, **changes}
    settings = TritonSettings(urls=tuple(f"127.0.0.1:{port}" for port in ports), **given)
    return ModelSettings(kind="fgclip", source=BUNDLED, backend="triton", triton=settings)


@asynccontextmanager
async def running(model: ModelSettings) -> AsyncIterator[Engine]:
    """Start an engine over a model. It is built in a thread: the servers that it asks may be on this loop."""
    settings = Settings(models={"fgclip": model}, rules=RuleSettings(workers=1), cache_bytes=0)
    engine = await asyncio.to_thread(build_engine, settings)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


async def score(engine: Engine) -> list[float | None]:
    body = {
        "recipe": "pebr-r1/stage1",
        "images": [{"digest": picture(seed).digest, "data": picture(seed).data} for seed in (1, 2, 3)],
        "items": [item(seed, number) for seed in (1, 2, 3) for number in (0, 1)],
    }
    answer = await engine.score(lambda: body, request_id="test")
    assert [one.error for one in answer.items] == [None] * 6
    return [one.reward for one in answer.items]


async def until_ready(engine: Engine) -> None:
    async with asyncio.timeout(60):
        while engine.not_ready is not None:
            await asyncio.sleep(0.05)


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


@pytest.mark.parametrize("kind", ["clip", "fgclip", "open_clip", "siglip2"])
async def test_an_exported_encoder_gives_what_the_original_gives(kind: str, tmp_path: Path) -> None:
    MAKERS[kind](tmp_path / "checkpoint")
    settings = ModelSettings(kind=kind, source=str(tmp_path / "checkpoint"), device="cpu")
    out = tmp_path / "repository"
    for written in export_model("tiny", settings, out, overwrite=False):
        assert written.apart <= 1e-4
        config = (written.folder / "config.pbtxt").read_text(encoding="utf-8")
        assert f'name: "{written.folder.name}"' in config
        assert "dynamic_batching" in config
        assert (written.folder / "1" / "model.pt").stat().st_size > 0
    local = load_model("tiny", settings)
    parts = [*local.info.views, *local.info.branches]
    assert sorted(folder.name for folder in out.iterdir()) == sorted(f"tiny_{part}" for part in parts)
    with pytest.raises(ModelError, match="already: name another folder, or --overwrite"):
        list(export_model("tiny", settings, out, overwrite=False))


async def test_a_model_of_many_image_sizes_is_not_exported(tmp_path: Path) -> None:
    make_fgclip2(tmp_path / "checkpoint")
    settings = ModelSettings(kind="fgclip2", source=str(tmp_path / "checkpoint"))
    with pytest.raises(ModelError, match="keeps the aspect ratio"):
        list(export_model("tiny", settings, tmp_path / "out", overwrite=False))


async def test_a_backend_and_its_table_go_together() -> None:
    with pytest.raises(ValueError, match="go together"):
        ModelSettings(kind="clip", source="x", backend="triton")
    with pytest.raises(ValueError, match=r"no host:port"):
        TritonSettings(urls=("http://triton:8001",))
