"""The sizes of the real checkpoints, with random weights: the same exactness, and start-up at that size."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.service.models import checkpoints
from tests.service.models.checkpoints import (
    CLIP_MEAN,
    CLIP_PROCESSOR,
    CLIP_STD,
    clip_tokenizer,
    shake,
    still,
    write_json,
)
from tests.service.models.pictures import cropped, picture, sentence, squashed, to_tensor, unit
from visreward_service.models import ModelSettings, load_model
from visreward_service.models.encoder import Encoder
from visreward_service.models.networks import FGClip

pytestmark = pytest.mark.slow

TEXT = {"vocab_size": 49408, "max_position_embeddings": 77, "bos_token_id": 49406, "eos_token_id": 49407}
VIT_B_32 = {
    "model_type": "clip",
    "projection_dim": 512,
    "text_config": {**TEXT, "hidden_size": 512, "intermediate_size": 2048, "num_attention_heads": 8},
    "vision_config": {"hidden_size": 768, "intermediate_size": 3072, "patch_size": 32, "image_size": 224},
}
FG_CLIP_LARGE = {
    "model_type": "clip",
    "projection_dim": 768,
    "text_config": {**TEXT, "hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
    "vision_config": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "patch_size": 14,
        "image_size": 336,
    },
}
"""The expected configs of clip-vit-base-patch32 and of fg-clip-large (as clip-vit-large-patch14-336)."""


def fill(folder: Path, config: dict[str, Any], state: dict[str, torch.Tensor]) -> None:
    folder.mkdir()
    save_file({key: value.contiguous() for key, value in state.items()}, folder / "model.safetensors")
    write_json(folder / "config.json", config)
    side = config["vision_config"]["image_size"]
    crop = {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    write_json(folder / "preprocessor_config.json", CLIP_PROCESSOR | crop)
    clip_tokenizer().save_pretrained(folder)


def loaded(kind: str, folder: Path) -> Encoder:
    return cast("Encoder", load_model(kind, ModelSettings(kind=kind, source=str(folder), device="cpu")))


def test_vit_b_32_is_exact_and_steady_over_a_hundred_batches(tmp_path: Path) -> None:
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    reference = still(CLIPModel(CLIPConfig.from_dict(VIT_B_32)))
    fill(tmp_path / "model", VIT_B_32, reference.state_dict())
    model = loaded("clip", tmp_path / "model")
    assert model.info.notes == ()
    images = [picture(640, 480, seed) for seed in range(6)]
    prepared = [model.prepare_image(image) for image in images]
    alone = [model.encode_images([pixels], "pooled")[0] for pixels in prepared]
    pixels = torch.cat([to_tensor(cropped(image, 224), CLIP_MEAN, CLIP_STD) for image in images])
    with torch.inference_mode():
        hidden = reference.vision_model(pixels).pooler_output
        expected = unit(reference.visual_projection(hidden))
    assert np.abs(np.stack(alone) - expected).max() < 1e-5
    tokens = model.prepare_texts([sentence(n, n) for n in (2, 5, 9, 14, 30, 75)], "short")
    alone_texts = [model.encode_texts([one], "short")[0] for one in tokens]
    dice = np.random.default_rng(0)
    for size in dice.integers(1, 7, 100):
        chosen = dice.integers(0, 6, size).tolist()
        rows = model.encode_images([prepared[index] for index in chosen], "pooled")
        assert all(np.array_equal(row, alone[index]) for row, index in zip(rows, chosen))
        rows = model.encode_texts([tokens[index] for index in chosen], "short")
        assert all(np.array_equal(row, alone_texts[index]) for row, index in zip(rows, chosen))


def test_fg_clip_large_loads_and_agrees(tmp_path: Path) -> None:
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    network = FGClip.from_published(FG_CLIP_LARGE, make_large_state())
    fill(tmp_path / "model", FG_CLIP_LARGE, network.state_dict())
    del network
    model = loaded("fgclip", tmp_path / "model")
    assert (model.info.grid, model.info.dim, model.info.notes) == ((24, 24), 768, ())
    images = [picture(640, 480, seed) for seed in range(2)]
    prepared = [model.prepare_image(image) for image in images]
    for view in ("pooled", "dense"):
        rows = model.encode_images(prepared, view)
        assert np.array_equal(rows[1], model.encode_images(prepared[1:], view)[0])
    state = load_file(tmp_path / "model" / "model.safetensors")
    reference = still(CLIPModel(CLIPConfig.from_dict(FG_CLIP_LARGE)))
    reference.load_state_dict({key: state[key] for key in reference.state_dict()})
    with torch.inference_mode():
        pixels = to_tensor(squashed(images[0], 336), CLIP_MEAN, CLIP_STD)
        expected = unit(reference.visual_projection(reference.vision_model(pixels).pooler_output))
        ids = clip_tokenizer()(
            [sentence(20)], padding="max_length", max_length=77, return_tensors="pt"
        ).input_ids
        words = unit(reference.text_projection(reference.text_model(input_ids=ids).pooler_output))
    assert np.abs(model.encode_images(prepared[:1], "pooled")[0] - expected[0]).max() < 1e-5
    tokens = model.prepare_texts([sentence(20)], "short")
    assert np.abs(model.encode_texts(tokens, "short")[0] - words[0]).max() < 1e-5


def make_large_state() -> dict[str, torch.Tensor]:
    """Random weights of FG-CLIP large, as the network itself draws them."""
    from visreward_service.models.networks import FGClipConfig

    return FGClip(FGClipConfig.from_dict(FG_CLIP_LARGE)).published_state_dict()


def test_open_clip_builds_the_library_s_siglip_2_from_a_folder(tmp_path: Path) -> None:
    """A tower by timm, a tokenizer in the folder, attention pooling: nothing of the plain class."""
    import open_clip

    config = open_clip.get_model_config("ViT-B-16-SigLIP2-256")
    config["text_cfg"] |= {"vocab_size": 600, "layers": 2}
    network = still(open_clip.model.CustomTextCLIP(**{k: v for k, v in config.items() if k != "custom_text"}))
    shake(network)
    folder = tmp_path / "model"
    folder.mkdir()
    checkpoints.save(network.state_dict(), folder / "open_clip_model.safetensors")
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    write_json(folder / "open_clip_config.json", {"model_cfg": config, "preprocess_cfg": preprocess})
    checkpoints.write_gemma_tokenizer(folder)
    model = loaded("open_clip", folder)
    library, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    texts = ["A red ball!", sentence(80)]
    ids = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
    with torch.inference_mode():
        words = unit(still(library).encode_text(ids))
        from PIL import Image

        image = picture(300, 300)
        seen = unit(library.encode_image(transform(Image.fromarray(image.rgb))[None]))
    tokens = model.prepare_texts(texts, "short")
    assert [one.truncated for one in tokens] == [False, True]
    assert np.abs(np.stack(model.encode_texts(tokens, "short")) - words).max() < 1e-5
    assert float(model.encode_images([model.prepare_image(image)], "pooled")[0] @ seen[0]) > 1 - 1e-4
