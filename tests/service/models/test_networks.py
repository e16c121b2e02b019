"""The network agrees with transformers' own CLIP wherever the published FG-CLIP does."""

import importlib.util
import pickle
import subprocess
import sys
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from visreward_service.models.networks import FGClip, FGClipConfig, WeightsMismatchError, roi_weights
from visreward_service.models.networks.fgclip import stretch_positions

from transformers import CLIPConfig, CLIPModel  # isort: skip

START, END = 298, 299
POSITIONS = "text_model.embeddings.position_embedding"
EXTRA_KEYS = {
    "text_filip_projection.weight": (32, 48),
    f"{POSITIONS}_ori.weight": (248, 48),
    f"{POSITIONS}_res.weight": (248, 48),
    "logit_scale_finegraind": (),
    "logit_scale_hardneg": (),
}


def small_config(**text: Any) -> dict[str, Any]:
    towers = {"num_attention_heads": 4, "projection_dim": 32}
    return {
        "projection_dim": 32,
        "text_config": {
            **towers,
            "vocab_size": 300,
            "hidden_size": 48,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "eos_token_id": END,
            "bos_token_id": START,
            "pad_token_id": END,
            **text,
        },
        "vision_config": {
            **towers,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 3,
            "image_size": 32,
            "patch_size": 8,
        },
    }


def clip_of(config: dict[str, Any]) -> Any:
    return cast("Any", CLIPModel(CLIPConfig(**config))).eval()


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """A published state dict with weights large enough for every path to matter."""
    generator = torch.Generator().manual_seed(0)
    shapes = {key: value.shape for key, value in clip_of(small_config()).state_dict().items()}
    return {
        key: torch.randn(shape, generator=generator) * 0.2 for key, shape in {**shapes, **EXTRA_KEYS}.items()
    }


@pytest.fixture(scope="module")
def network(state: dict[str, Tensor]) -> FGClip:
    return FGClip.from_published(small_config(), state)


def reference(state: dict[str, Tensor], branch: str) -> Any:
    """transformers' CLIPModel with the branch's position table and projection moved into place."""
    moved = {key: value for key, value in state.items() if key not in EXTRA_KEYS}
    if branch == "long":
        tables = state[f"{POSITIONS}_ori.weight"][:20], state[f"{POSITIONS}_res.weight"][20:]
        moved[f"{POSITIONS}.weight"] = torch.cat(tables)
        moved["text_projection.weight"] = state["text_filip_projection.weight"]
    model = clip_of(small_config(max_position_embeddings=77 if branch == "short" else 248))
    model.load_state_dict(moved)
    return model


def token_rows(length: int) -> Tensor:
    """Three rows that end early, in the middle and at the last place, padded with the end token."""
    ids = torch.randint(3, 298, (3, length), generator=torch.Generator().manual_seed(length))
    ids[:, 0] = START
    for row, end in enumerate((5, length // 2, length - 1)):
        ids[row, end:] = END
    return ids


def pixel_batch() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def test_the_published_state_dict_comes_back_key_for_key(network: FGClip, state: dict[str, Tensor]) -> None:
    published = network.published_state_dict()
    assert published.keys() == state.keys()
    assert all(torch.equal(published[key], state[key]) for key in state)


@pytest.mark.parametrize(("branch", "length"), [("short", 12), ("short", 77), ("long", 90), ("long", 248)])
def test_text_features_agree_with_transformers(
    network: FGClip, state: dict[str, Tensor], branch: Any, length: int
) -> None:
    ids = token_rows(length)
    with torch.inference_mode():
        output = reference(state, branch).get_text_features(ids)
        expected = getattr(output, "pooler_output", output)
        assert F.cosine_similarity(network.text_features(ids, branch), expected).min() > 1 - 1e-5
        torch.testing.assert_close(network.text_features(ids, branch), expected, atol=1e-5, rtol=1e-5)


def test_the_branches_differ_even_on_a_short_text(network: FGClip) -> None:
    ids = token_rows(12)
    with torch.inference_mode():
        short, long = network.text_features(ids, "short"), network.text_features(ids, "long")
    assert (short - long).abs().max() > 1e-3


@pytest.mark.parametrize("branch", ["short", "long"])
def test_padding_changes_no_text_feature(network: FGClip, branch: Any) -> None:
    ids = token_rows(40)[:1]
    with torch.inference_mode():
        padded, bare = network.text_features(ids, branch), network.text_features(ids[:, :6], branch)
    torch.testing.assert_close(padded, bare, atol=1e-6, rtol=1e-5)


def test_text_is_pooled_at_the_first_end_token(network: FGClip) -> None:
    ids = token_rows(40)[:1]
    garbled = ids.clone()
    garbled[:, 10:] = 7
    with torch.inference_mode():
        torch.testing.assert_close(
            network.text_features(ids), network.text_features(garbled), atol=1e-6, rtol=1e-5
        )
        garbled[:, 3] = 8
        assert (network.text_features(ids) - network.text_features(garbled)).abs().max() > 1e-3


def test_the_legacy_end_id_2_means_the_highest_id(state: dict[str, Tensor], network: FGClip) -> None:
    legacy = FGClip.from_published(small_config(eos_token_id=2, bos_token_id=0, pad_token_id=1), state)
    with torch.inference_mode():
        assert torch.equal(legacy.text_features(token_rows(20)), network.text_features(token_rows(20)))


@pytest.mark.parametrize(("branch", "length"), [("short", 78), ("long", 249)])
def test_a_text_beyond_the_positions_is_refused(network: FGClip, branch: Any, length: int) -> None:
    with pytest.raises(ValueError, match=f"{length} tokens"):
        network.text_features(token_rows(length), branch)


def test_a_text_without_an_end_token_is_refused(network: FGClip) -> None:
    ids = token_rows(10)
    ids[1] = 7
    with pytest.raises(ValueError, match="end token 299"):
        network.text_features(ids)


def test_image_features_agree_with_transformers(network: FGClip, state: dict[str, Tensor]) -> None:
    with torch.inference_mode():
        output = reference(state, "short").get_image_features(pixel_batch())
        expected = getattr(output, "pooler_output", output)
        torch.testing.assert_close(network.image_features(pixel_batch()), expected, atol=1e-5, rtol=1e-5)


def test_dense_features_are_the_last_block_without_mixing(network: FGClip, state: dict[str, Tensor]) -> None:
    clip = reference(state, "short")
    with torch.inference_mode():
        hidden = clip.vision_model(pixel_batch(), output_hidden_states=True).hidden_states[-2]
        layer = clip.vision_model.encoder.layers[-1]
        values = layer.self_attn.v_proj(layer.layer_norm1(hidden))
        hidden = hidden + layer.self_attn.out_proj(values)
        hidden = hidden + layer.mlp(layer.layer_norm2(hidden))
        expected = clip.visual_projection(clip.vision_model.post_layernorm(hidden[:, 1:]))
        pooled, dense = network.image_and_dense_features(pixel_batch())
        torch.testing.assert_close(dense, expected, atol=1e-5, rtol=1e-5)
        assert torch.equal(dense, network.dense_features(pixel_batch()))
        assert torch.equal(pooled, network.image_features(pixel_batch()))


def test_pixels_of_another_size_are_refused(network: FGClip) -> None:
    with pytest.raises(ValueError, match="not \\(batch, 3, 32, 32\\)"):
        network.image_features(torch.zeros(1, 3, 32, 40))


def align_by_loops(features: Tensor, box: list[float]) -> Tensor:
    """ROI align of (H, W, D) to one bin, sample by sample, as the operator's definition says it."""
    height, width, _ = features.shape
    x1, y1, x2, y2 = (at - 0.5 for at in box)
    columns, rows = max(0, int(-(-(x2 - x1) // 1))), max(0, int(-(-(y2 - y1) // 1)))
    total = torch.zeros(features.shape[-1])
    for i in range(rows):
        for j in range(columns):
            y, x = y1 + (i + 0.5) * (y2 - y1) / rows, x1 + (j + 0.5) * (x2 - x1) / columns
            if not (-1 <= y <= height and -1 <= x <= width):
                continue
            y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            upper = features[top, left] * (1 - (x - left)) + features[top, right] * (x - left)
            lower = features[bottom, left] * (1 - (x - left)) + features[bottom, right] * (x - left)
            total += upper * (1 - (y - top)) + lower * (y - top)
    return total / max(1, rows * columns)


BOXES = [
    [0.0, 0.0, 4.0, 4.0],
    [1.0, 2.0, 2.0, 3.0],
    [0.3, 0.7, 3.9, 1.1],
    [2.5, 0.0, 4.0, 2.2],
    [-2.0, -1.5, 6.5, 3.0],
    [1.0, 1.0, 1.0, 3.0],
]


@pytest.mark.parametrize("box", BOXES)
def test_regions_are_roi_align_with_one_bin(box: list[float]) -> None:
    dense = torch.randn(16, 32, generator=torch.Generator().manual_seed(5))
    region = (roi_weights(torch.tensor([box]), 4, 4) @ dense)[0]
    expected = align_by_loops(dense.reshape(4, 4, 32), box)
    torch.testing.assert_close(region, expected, atol=1e-5, rtol=1e-5)


def test_a_box_of_one_cell_has_that_cells_feature() -> None:
    weights = roi_weights(torch.tensor([[2.0, 1.0, 3.0, 2.0]]), 3, 4)
    assert weights[0].tolist() == [0.0] * 6 + [1.0] + [0.0] * 5


def test_the_long_table_is_stretched_fourfold_and_extrapolated() -> None:
    table = torch.arange(77.0)[:, None].repeat(1, 2)
    stretched = stretch_positions(table)
    assert stretched.shape == (248, 2)
    assert torch.equal(stretched[:21, 0], torch.arange(21.0))
    assert stretched[20:28, 0].tolist() == [20, 20.25, 20.5, 20.75, 21, 21.25, 21.5, 21.75]
    assert stretched[-4:, 0].tolist() == [76, 76.25, 76.5, 76.75]


def test_every_wrong_key_is_named(state: dict[str, Tensor]) -> None:
    wrong = {key: value for key, value in state.items() if key != "logit_scale_hardneg"}
    wrong |= {"vision_model.extra": torch.zeros(1), "text_projection.weight": torch.zeros(3, 3)}
    with pytest.raises(WeightsMismatchError) as caught:
        FGClip.from_published(small_config(), wrong)
    error = cast("WeightsMismatchError", pickle.loads(pickle.dumps(caught.value)))  # noqa: S301
    assert error.missing == ["logit_scale_hardneg"]
    assert error.unexpected == ["vision_model.extra"]
    assert error.misshaped == ["text_projection.weight"]
    assert "logit_scale_hardneg" in str(error)


def test_a_plain_clip_checkpoint_is_not_taken_for_an_fgclip() -> None:
    with pytest.raises(WeightsMismatchError, match="text_filip_projection"):
        FGClip.from_published(small_config(), clip_of(small_config()).state_dict())


def test_loaded_networks_are_in_evaluation_mode_with_nothing_on_meta(network: FGClip) -> None:
    assert not network.training
    assert not any(value.is_meta for value in (*network.parameters(), *network.buffers()))


def test_the_sizes_of_the_real_checkpoints_follow_from_their_configs() -> None:
    large = {"hidden_size": 1024, "patch_size": 14, "image_size": 336, "num_attention_heads": 16}
    config = FGClipConfig.from_dict(
        {"projection_dim": 768, "text_config": {"hidden_size": 768}, "vision_config": large}
    )
    assert (config.short_positions, config.long_positions, config.grid, config.projection) == (
        77,
        248,
        24,
        768,
    )
    assert config.eos_token_id == 49407
    assert config.vision.hidden_act == config.text.hidden_act == "quick_gelu"


def test_torchvision_imports_whatever_torch_it_was_built_for() -> None:
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    program = (
        "import importlib\n"
        "from visreward import torchvision_schemas as schemas\n"
        "import torchvision\n"
        "assert all(map(schemas.is_declared, schemas.SCHEMAS))\n"
        "importlib.reload(schemas)\n"
        "assert all(map(schemas.is_declared, schemas.SCHEMAS))\n"
        "assert schemas.DECLARED == ()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
