"""An item's row has the same bits alone, in any batch and in any order."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.service.models.conftest import MAKERS, Pairs
from tests.service.models.pictures import picture, sentence
from visreward_service.models.base import Pixels, Tokens, Vector
from visreward_service.models.encoder import Encoder
from visreward_service.models.errors import ModelError
from visreward_service.models.rows import SteadyLinear, make_steady, normalise, unpack

COMPOSITIONS = 100
SIZES = {"fgclip2": [(160, 160), (170, 150), (320, 176), (800, 1000)]}
"""Widths and heights for models whose patches depend on them: every budget adds a batch. The last image has
eight times the patches of the first."""


def compositions(num_items: int, largest: int, seed: int = 0) -> list[list[int]]:
    """Random choices of items, in random order, with repetitions."""
    dice = np.random.default_rng(seed)
    sizes = dice.integers(1, largest + 1, COMPOSITIONS)
    return [dice.integers(0, num_items, size).tolist() for size in sizes]


@pytest.mark.parametrize("key", list(MAKERS))
def test_an_image_has_the_same_bits_in_a_hundred_batches(pairs: Pairs, key: str) -> None:
    model = pairs(key).model
    sizes = SIZES.get(key, [(50, 37), (37, 50), (32, 32), (64, 40)])
    largest = 3 if key == "fgclip2" else 40
    prepared = [model.prepare_image(picture(*size, seed=seed)) for seed, size in enumerate(sizes * 2)]
    for view in model.info.views:
        alone = [model.encode_images([pixels], view)[0] for pixels in prepared]
        for chosen in compositions(len(prepared), largest):
            rows = model.encode_images([prepared[index] for index in chosen], view)
            assert all(np.array_equal(row, alone[index]) for row, index in zip(rows, chosen))


@pytest.mark.parametrize("key", list(MAKERS))
def test_a_text_has_the_same_bits_in_a_hundred_batches(pairs: Pairs, key: str) -> None:
    model = pairs(key).model
    texts = [sentence(num_words, seed=num_words) for num_words in (1, 3, 6, 12, 20, 33, 60, 74, 75, 90)]
    for branch in model.info.branches:
        tokens = model.prepare_texts(texts, branch)
        alone = [model.encode_texts([one], branch)[0] for one in tokens]
        for chosen in compositions(len(texts), 24, seed=1):
            rows = model.encode_texts([tokens[index] for index in chosen], branch)
            assert all(np.array_equal(row, alone[index]) for row, index in zip(rows, chosen))


@pytest.mark.parametrize("key", ["clip", "fgclip"])
def test_packed_texts_are_those_padded_to_their_longest_but_for_rounding(pairs: Pairs, key: str) -> None:
    model = pairs(key).model
    assert model.info.packs_texts
    texts = [sentence(num_words, seed=num_words) for num_words in (3, 12, 12, 20, 60)]
    for branch in model.info.branches:
        end = model.parts.readers[branch].end
        tokens = [*model.prepare_texts(texts, branch), Tokens((end,), 1), Tokens((5, 6, end), 3)]
        longest = max(len(one.ids) for one in tokens)
        padded = torch.tensor([[*one.ids, *[model.parts.pad] * (longest - len(one.ids))] for one in tokens])
        rows = np.stack(model.encode_texts(tokens, branch))
        whole = normalise(model.text_features(padded, branch)).numpy()
        assert np.abs(rows - whole).max() < 1e-6


@pytest.mark.parametrize("key", ["clip", "fgclip"])
def test_the_token_that_all_texts_begin_with_is_computed_once_a_pass(pairs: Pairs, key: str) -> None:
    model = pairs(key).model
    tokens = model.prepare_texts(
        [sentence(num_words, seed=num_words) for num_words in (3, 12, 12, 20)], "short"
    )
    num_rows: list[int] = []
    first = cast("Any", model.module).text_model.encoder.layers[0].layer_norm1
    hook = first.register_forward_pre_hook(lambda _, given: num_rows.append(given[0].shape[0]))
    try:
        model.encode_texts(tokens, "short")
    finally:
        hook.remove()
    assert sum(num_rows) == sum(len(one.ids) for one in tokens) - (len(tokens) - len(num_rows))


@pytest.mark.parametrize("key", ["clip", "fgclip"])
def test_packed_texts_without_an_end_token_are_refused(pairs: Pairs, key: str) -> None:
    model = pairs(key).model
    [tokens] = model.prepare_texts(["a red ball"], "short")
    with pytest.raises(ValueError, match="end token"):
        model.encode_texts([replace(tokens, ids=tokens.ids[:-1])], "short")


@pytest.mark.parametrize("key", list(MAKERS))
def test_rows_are_float32_of_unit_length_and_of_the_stated_size(pairs: Pairs, key: str) -> None:
    model = pairs(key).model
    rows = model.encode_images([model.prepare_image(picture())], "pooled")
    for branch in model.info.branches:
        rows += model.encode_texts(model.prepare_texts(["a red ball"], branch), branch)
    for row in rows:
        assert row.shape == (model.info.dim,)
        assert row.dtype == np.float32
        assert abs(float(np.linalg.norm(row)) - 1) < 1e-6


def test_a_batch_is_normalised_channel_by_channel_in_float32(pairs: Pairs) -> None:
    model = pairs("clip").model
    images = [model.prepare_image(picture(seed=seed)) for seed in range(3)]
    statistics = model.parts.prepare.mean, model.parts.prepare.std
    mean, std = (np.asarray(values, np.float32) for values in statistics)
    expected = [(np.asarray(image, np.float32) / np.float32(255) - mean) / std for image in images]
    stacked = model.stack(images)
    assert stacked.is_contiguous()
    assert np.array_equal(stacked.numpy(), np.stack(expected).transpose(0, 3, 1, 2))


def test_no_kind_needs_batches_of_a_fixed_size_here(pairs: Pairs) -> None:
    assert not any("batch" in note for key in MAKERS for note in pairs(key).model.info.notes)


@pytest.mark.parametrize(("outputs", "inputs"), [(24, 48), (512, 768), (768, 512)])
def test_a_steady_layer_rounds_one_row_as_it_rounds_many(outputs: int, inputs: int) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(inputs, outputs)
    rows = torch.randn(64, inputs)
    steady = SteadyLinear(layer.weight, layer.bias)
    among_many = steady(rows)
    assert torch.allclose(among_many, layer(rows), atol=1e-6)
    for count in (1, 2, 3, 5, 7, 8, 13):
        assert torch.equal(steady(rows[:count]), among_many[:count])
    assert torch.equal(steady(rows[3]), among_many[3])


def test_the_kernels_do_round_few_rows_otherwise() -> None:
    """What the steady layer is for. Were this no longer so, it would cost nothing."""
    torch.manual_seed(0)
    rows, weight = torch.randn(64, 768), torch.randn(512, 768)
    assert not torch.equal(F.linear(rows[:1], weight), F.linear(rows, weight)[:1])


class Crowd(Encoder):
    """Rows that depend on their batch, whatever its size."""

    def image_features(self, batch: Sequence[Pixels], view: str) -> Tensor:
        pixels = self.stack(batch).flatten(1)
        return pixels + pixels.mean(dim=0)

    def text_features(self, ids: Tensor, branch: str) -> Tensor:
        return ids[:, :8].float() + ids[:, :8].float().mean(dim=0)


def test_rows_that_depend_on_their_batch_are_told_or_refused_where_determinism_is_asked_for(
    pairs: Pairs,
) -> None:
    parts = pairs("clip").model.parts
    assert any("depend" in note for note in Crowd(parts).info.notes)
    with pytest.raises(ModelError, match="deterministic = true cannot be kept"):
        Crowd(replace(parts, deterministic=True))


def test_steady_layers_have_their_weights_and_bits_again_when_they_are_unpacked() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.GELU(), nn.Linear(4, 2, bias=False)))
    before = {name: parameter.clone() for name, parameter in network.named_parameters()}
    make_steady(network)
    assert sum(isinstance(module, SteadyLinear) for module in network.modules()) == 2
    x = torch.randn(5, 4)
    packed = network(x)
    unpack(network)
    assert torch.equal(network(x), packed)
    after = dict(network.named_parameters())
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_a_row_without_length_becomes_nan_and_not_a_direction() -> None:
    assert normalise(torch.zeros(1, 3)).isnan().all()
    half = normalise(torch.tensor([[3.0, 4.0]], dtype=torch.bfloat16))
    assert half.dtype == torch.float32
    assert half.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)]]


def cosines(rows: Sequence[Vector]) -> Vector:
    matrix = np.stack(rows)
    return np.asarray(matrix @ matrix.T, np.float32)


@pytest.mark.parametrize("key", ["clip", "fgclip", "siglip2", "open_clip"])
def test_bfloat16_rows_are_steady_too_and_near_float32(pairs: Pairs, key: str) -> None:
    from visreward_service.models import ModelSettings, load_model

    exact = pairs(key)
    settings = ModelSettings(
        kind=exact.model.info.kind, source=str(exact.folder), dtype="bfloat16", device="cpu"
    )
    model = load_model(key, settings)
    prepared = [model.prepare_image(picture(seed=seed)) for seed in range(5)]
    tokens = model.prepare_texts([sentence(n, n) for n in (2, 9, 30)], "short")
    rows = model.encode_images(prepared, "pooled") + model.encode_texts(tokens, "short")
    again = model.encode_images(prepared[3:4], "pooled") + model.encode_texts(tokens[1:2], "short")
    assert np.array_equal(rows[3], again[0])
    assert np.array_equal(rows[6], again[1])
    reference = exact.model.encode_images(prepared, "pooled") + exact.model.encode_texts(tokens, "short")
    assert np.abs(cosines(rows) - cosines(reference)).max() < 0.05
