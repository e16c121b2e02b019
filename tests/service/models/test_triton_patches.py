"""An encoder of images that keep their aspect ratio, on another server: a second visreward."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import tritonclient.grpc as triton

from tests.service.grpc.conftest import Service, serving
from tests.service.models.checkpoints import make_fgclip2
from tests.service.models.remotes import rows_apart
from visreward_service.models import ModelError, ModelSettings, load_model
from visreward_service.models.settings import TritonSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")

P = 3 * 16 * 16


@dataclass(frozen=True)
class Peer:
    service: Service
    settings: ModelSettings


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Peer]:
    folder: Path = tmp_path_factory.mktemp("fgclip2")
    make_fgclip2(folder)
    settings = ModelSettings(kind="fgclip2", source=str(folder), device="cpu")
    async with serving(models={"fgclip": settings}) as service:
        yield Peer(service, settings)


async def test_images_of_all_shapes_have_the_rows_that_they_have_here(peer: Peer) -> None:
    apart = await rows_apart("fgclip", peer.settings, peer.service.grpc)
    assert list(apart) == ["pooled", "dense"]
    assert max(apart.values()) <= 1e-4


async def test_a_server_whose_model_takes_something_else_stops_the_start(peer: Peer) -> None:
    servers = TritonSettings(urls=(peer.service.grpc,), models={"pooled": "fgclip_short"})
    changed = peer.settings.model_copy(update={"backend": "triton", "triton": servers})
    with pytest.raises(ModelError, match="fgclip_short has 1 inputs; this encoder has 2"):
        await asyncio.to_thread(load_model, "fgclip", changed)


def patches(num_images: int = 1, room: int = 6, shape: tuple[int, int] = (2, 3)) -> dict[str, Any]:
    return {
        "PATCHES": np.zeros((num_images, room, P), np.uint8),
        "SHAPES": np.array([shape] * num_images, np.int64),
    }


async def test_a_dense_row_is_filled_up_with_zeros_to_the_room_of_its_patches(peer: Peer) -> None:
    result = await ask(peer, "fgclip_dense", patches(2, room=9))
    assert result.shape == (2, 9, 32)
    assert np.abs(result[:, :6]).min(axis=-1).max() > 0
    assert not result[:, 6:].any()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (patches(shape=(3, 3)), "has 3 x 3 patches, which are not 1 to 6"),
        (patches(shape=(0, 3)), "has 0 x 3 patches"),
        (patches(shape=(-2, -3)), "has -2 x -3 patches"),
        (patches(shape=(2**62, 4)), "which are not 1 to 6"),
        (patches(room=1025), "has 1025 patches to an image; the model has 1024"),
        (patches() | {"SHAPES": np.ones((2, 2), np.int64)}, "has 2 rows; PATCHES has 1"),
        (patches() | {"SHAPES": np.ones((1, 3), np.int64)}, "must have a shape like"),
        (patches() | {"PATCHES": np.zeros((1, 6, P + 1), np.uint8)}, "must have a shape like"),
        ({"PATCHES": patches()["PATCHES"]}, 'the input "SHAPES" is missing'),
    ],
)
async def test_patches_that_are_no_image_are_refused(peer: Peer, given: dict[str, Any], said: str) -> None:
    with pytest.raises(triton.InferenceServerException, match=said):
        await ask(peer, "fgclip_pooled", given)


async def ask(peer: Peer, name: str, given: dict[str, Any]) -> np.ndarray[Any, Any]:
    types = {"PATCHES": "UINT8", "SHAPES": "INT64"}

    def infer() -> np.ndarray[Any, Any]:
        inputs = [
            triton.InferInput(key, list(array.shape), types[key]).set_data_from_numpy(array)
            for key, array in given.items()
        ]
        with triton.InferenceServerClient(peer.service.grpc) as client:
            found = client.infer(name, inputs).as_numpy("EMBEDDING")
        assert found is not None
        return np.asarray(found)

    return await asyncio.to_thread(infer)
