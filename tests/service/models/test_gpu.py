"""On a GPU: float32 is float32, a row has the same bits in any batch, and images are resized there."""

from typing import Any, Literal, cast

import numpy as np
import pytest
import torch

from tests.service.models.conftest import MAKERS, Pairs
from tests.service.models.pictures import picture, sentence
from visreward_service.models import ModelSettings, load_models
from visreward_service.models.devices import read_memory
from visreward_service.models.encoder import Encoder
from visreward_service.models.resize import has_device, resize

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]
SIZES = [(50, 37), (160, 160), (320, 176), (800, 1000)]
BATCH = 6


def on_gpu(pairs: Pairs, key: str, **changes: Any) -> Encoder:
    limits: dict[str, Any] = {"max_batch_images": BATCH, "max_batch_texts": BATCH}
    settings = ModelSettings(
        kind=MAKERS[key][0], source=str(pairs(key).folder), device="cuda", **limits, **changes
    )
    return cast("Encoder", load_models({key: settings})[key])


@pytest.mark.parametrize("key", list(MAKERS))
def test_float32_on_the_gpu_is_the_cpus_to_1e_4(pairs: Pairs, key: str) -> None:
    exact, model = pairs(key).model, on_gpu(pairs, key, resize="exact")
    images = [picture(*size, seed=seed) for seed, size in enumerate(SIZES)]
    for view in model.info.views:
        ours = model.encode_images([model.prepare_image(image) for image in images], view)
        theirs = exact.encode_images([exact.prepare_image(image) for image in images], view)
        assert all(np.allclose(a, b, atol=1e-4) for a, b in zip(ours, theirs))
    texts = [sentence(n, n) for n in (2, 20, 90)]
    for branch in model.info.branches:
        tokens = model.prepare_texts(texts, branch)
        ours, theirs = model.encode_texts(tokens, branch), exact.encode_texts(tokens, branch)
        assert all(np.allclose(a, b, atol=1e-4) for a, b in zip(ours, theirs))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("key", list(MAKERS))
def test_a_deterministic_model_gives_the_same_bits_in_a_hundred_batches(
    pairs: Pairs, key: str, dtype: Literal["float32", "bfloat16"]
) -> None:
    model = on_gpu(pairs, key, dtype=dtype, deterministic=True)
    prepared = [model.prepare_image(picture(*size, seed=seed)) for seed, size in enumerate(SIZES * 2)]
    dice = np.random.default_rng(0)
    batches = [dice.integers(0, len(prepared), size).tolist() for size in dice.integers(1, 2 * BATCH, 100)]
    for view in model.info.views:
        alone = [model.encode_images([pixels], view)[0] for pixels in prepared]
        for chosen in batches:
            rows = model.encode_images([prepared[index] for index in chosen], view)
            assert all(np.array_equal(row, alone[index]) for row, index in zip(rows, chosen))
    for branch in model.info.branches:
        tokens = model.prepare_texts([sentence(n, n) for n in (1, 3, 9, 20, 40, 70, 90, 200)], branch)
        texts_alone = [model.encode_texts([one], branch)[0] for one in tokens]
        for chosen in batches:
            rows = model.encode_texts([tokens[index] for index in chosen], branch)
            assert all(np.array_equal(row, texts_alone[index]) for row, index in zip(rows, chosen))


@pytest.mark.parametrize("name", ["bicubic", "bilinear"])
def test_images_resized_on_the_gpu_are_pillows_to_one_level(name: Any) -> None:
    device = torch.device("cuda", 0)
    assert has_device(name, device)
    for seed, size in enumerate([*SIZES, (1, 60), (640, 480)]):
        rgb = picture(*size, seed=seed).rgb
        for target in [(224, 224), (96, 130), (336, 336)]:
            ours = cast("torch.Tensor", resize(rgb, *target, name, "device", device))
            assert ours.device == device
            levels = np.abs(ours.cpu().numpy().astype(int) - np.asarray(resize(rgb, *target, name)))
            assert levels.max() <= 1


@pytest.mark.parametrize("key", list(MAKERS))
def test_resizing_on_the_gpu_moves_no_cosine_by_a_thousandth(pairs: Pairs, key: str) -> None:
    model, exact = on_gpu(pairs, key), pairs(key).model
    assert "-device:" in model.info.preprocessing
    for seed, size in enumerate(SIZES):
        image = picture(*size, seed=seed)
        rows = model.encode_images([model.prepare_image(image), exact.prepare_image(image)], "pooled")
        assert float(rows[0] @ rows[1]) > 1 - 1e-3


def test_the_memory_of_the_gpu_that_models_are_on_is_told(pairs: Pairs) -> None:
    model = on_gpu(pairs, "clip")
    (memory,) = read_memory(["cpu", "triton", model.info.device, model.info.device])
    assert memory.device == model.info.device
    assert 0 < memory.allocated <= memory.reserved <= memory.used <= memory.total
