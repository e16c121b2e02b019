"""Every kind, loaded from its published layout, gives what the library's own class gives in float32.

The naive ways of doing it, which start-up or preprocessing here avoid, are shown to give something else.
"""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.service.models.checkpoints import CLIP_MEAN, CLIP_STD, END, KEPT, clip_tokenizer, gemma_tokenizer
from tests.service.models.conftest import Pairs
from tests.service.models.pictures import (
    BILINEAR,
    cropped,
    picture,
    sentence,
    squashed,
    to_tensor,
    two_passes,
    unit,
)
from visreward_service.models import ModelSettings, load_model
from visreward_service.models.base import DecodedImage
from visreward_service.models.encoder import Encoder
from visreward_service.scorers.phrases import Patches

PICTURES = [picture(50, 37), picture(37, 50, 1), picture(32, 32, 2), picture(200, 41, 3), picture(9, 11, 4)]
TEXTS = [
    "a red ball",
    "",
    "A PHOTO of 2 dogs, near the table!",
    sentence(40),
    sentence(74),
    sentence(75),
    sentence(90),
]
HALF = [0.5, 0.5, 0.5]


def image_rows(
    model: Encoder, images: list[DecodedImage], view: str = "pooled"
) -> list[npt.NDArray[np.float32]]:
    return model.encode_images([model.prepare_image(image) for image in images], view)


def text_rows(model: Encoder, texts: list[str], branch: str) -> npt.NDArray[np.float32]:
    return np.stack(model.encode_texts(model.prepare_texts(texts, branch), branch))


def close(ours: Any, theirs: Any) -> bool:
    """Equal to 1e-5 in every component of the unit vectors, and so in any cosine."""
    return bool(np.abs(np.asarray(ours) - np.asarray(theirs)).max() < 1e-5)


def pooled(output: Any) -> Tensor:
    """Features of transformers 4 or 5."""
    features: Tensor = getattr(output, "pooler_output", output)
    return features


def clip_ids(texts: list[str], length: int) -> Tensor:
    batch = clip_tokenizer()(
        texts, truncation=True, max_length=length, padding="max_length", return_tensors="pt"
    )
    ids: Tensor = batch.input_ids
    return ids


def gemma_ids(texts: list[str], length: int) -> Tensor:
    rows = [gemma_tokenizer().encode(text.lower()).ids for text in texts]
    rows = [ids if len(ids) <= length else [*ids[: length - 1], 1] for ids in rows]
    return torch.tensor([ids + [0] * (length - len(ids)) for ids in rows])


def test_clip_images_agree(pairs: Pairs) -> None:
    pair = pairs("clip")
    pixels = torch.cat([to_tensor(cropped(image, 32), CLIP_MEAN, CLIP_STD) for image in PICTURES])
    assert close(image_rows(pair.model, PICTURES), unit(pooled(pair.reference.get_image_features(pixels))))


def test_clip_texts_agree(pairs: Pairs) -> None:
    pair = pairs("clip")
    expected = unit(pooled(pair.reference.get_text_features(clip_ids(TEXTS, 77))))
    assert close(text_rows(pair.model, TEXTS, "short"), expected)


def test_slicing_a_long_text_without_its_end_token_gives_another_vector(pairs: Pairs) -> None:
    pair = pairs("clip")
    text = sentence(90)
    naive = clip_ids([text], 92)[:, :77]
    assert END not in naive
    wrong = unit(pooled(pair.reference.get_text_features(naive)))
    assert not close(text_rows(pair.model, [text], "short"), wrong)


def test_fgclip_images_are_squashed_and_not_cropped(pairs: Pairs) -> None:
    pair = pairs("fgclip")
    short, _ = pair.reference
    pixels = torch.cat([to_tensor(squashed(image, 32), CLIP_MEAN, CLIP_STD) for image in PICTURES])
    ours = image_rows(pair.model, PICTURES)
    assert close(ours, unit(pooled(short.get_image_features(pixels))))
    naive = torch.cat([to_tensor(cropped(image, 32), CLIP_MEAN, CLIP_STD) for image in PICTURES])
    assert not close(ours, unit(pooled(short.get_image_features(naive))))


def test_fgclip_short_texts_agree(pairs: Pairs) -> None:
    pair = pairs("fgclip")
    expected = unit(pooled(pair.reference[0].get_text_features(clip_ids(TEXTS, 77))))
    assert close(text_rows(pair.model, TEXTS, "short"), expected)


def test_fgclip_long_texts_agree_with_the_form_padded_to_248(pairs: Pairs) -> None:
    pair = pairs("fgclip")
    texts = [*TEXTS, sentence(200), sentence(246), sentence(260)]
    ours = text_rows(pair.model, texts, "long")
    assert close(ours, unit(pooled(pair.reference[1].get_text_features(clip_ids(texts, 248)))))
    assert not close(ours[:3], text_rows(pair.model, texts[:3], "short"))


def test_long_texts_take_their_own_projection_and_positions(pairs: Pairs) -> None:
    """The naive ways: a long text through CLIP's projection, or over one of the two tables alone."""
    pair = pairs("fgclip")
    text = sentence(60)
    ours = text_rows(pair.model, [text], "long")
    ids = clip_ids([text], 248)
    for name in ("text_projection.weight", "text_model.embeddings.position_embedding.weight"):
        naive = copy.deepcopy(pair.reference[1])
        own = naive.get_parameter(name).data
        if own.shape[0] == 248:
            own[:KEPT] = own[KEPT : 2 * KEPT]
        else:
            own.copy_(pair.reference[0].get_parameter(name))
        assert not close(ours, unit(pooled(naive.get_text_features(ids))))


def fgclip_dense(network: Any, pixels: Tensor) -> Tensor:
    """The reference's dense features, by transformers' layers: the last block without its attention."""
    vision = network.vision_model
    hidden = vision(pixels, output_hidden_states=True).hidden_states[-2]
    layer = vision.encoder.layers[-1]
    attended = hidden + layer.self_attn.out_proj(layer.self_attn.v_proj(layer.layer_norm1(hidden)))
    hidden = attended + layer.mlp(layer.layer_norm2(attended))
    dense: Tensor = network.visual_projection(vision.post_layernorm(hidden[:, 1:]))
    return dense


def test_fgclip_dense_features_agree(pairs: Pairs) -> None:
    pair = pairs("fgclip")
    pixels = torch.cat([to_tensor(squashed(image, 32), CLIP_MEAN, CLIP_STD) for image in PICTURES])
    dense = np.stack(image_rows(pair.model, PICTURES, "dense"))
    assert dense.shape == (len(PICTURES), 4, 4, 24)
    ours = unit(torch.from_numpy(dense).flatten(1, 2))
    assert close(ours, unit(fgclip_dense(pair.reference[0], pixels)))
    assert pair.model.info.grid == (4, 4)


def test_the_last_hidden_states_are_not_the_dense_features(pairs: Pairs) -> None:
    """The naive way: the last block with its attention, which mixes the patches."""
    pair = pairs("fgclip")
    network = pair.reference[0]
    pixels = torch.cat([to_tensor(squashed(image, 32), CLIP_MEAN, CLIP_STD) for image in PICTURES])
    hidden = network.vision_model(pixels).last_hidden_state[:, 1:]
    naive = unit(network.visual_projection(network.vision_model.post_layernorm(hidden)))
    dense = torch.from_numpy(np.stack(image_rows(pair.model, PICTURES, "dense"))).flatten(1, 2)
    assert not close(unit(dense), naive)


def sampled_roi(
    dense: Tensor, grid: tuple[int, int], box: npt.NDArray[np.float64], *, shift: float = 0.5
) -> Tensor:
    """`roi_align` to one cell by sampling the map with torch's own bilinear sampler, in grid units.

    As torchvision with sampling_ratio -1 and aligned True: ceil(side) samples a side, half a cell shifted,
    the border repeated.
    """
    rows, columns = grid
    x1, y1, x2, y2 = (float(value) for value in box * [columns, rows, columns, rows])
    across, down = int(np.ceil(x2 - x1)), int(np.ceil(y2 - y1))
    x = x1 - shift + (torch.arange(across) + 0.5) * (x2 - x1) / across
    y = y1 - shift + (torch.arange(down) + 0.5) * (y2 - y1) / down
    where = torch.stack(
        torch.meshgrid(2 * x / (columns - 1) - 1, 2 * y / (rows - 1) - 1, indexing="xy"), dim=-1
    )
    field = dense.reshape(rows, columns, -1).permute(2, 0, 1)[None]
    sampled = F.grid_sample(field, where[None], mode="bilinear", padding_mode="border", align_corners=True)
    return sampled.mean(dim=(2, 3))


BOXES = np.array([[0.0, 0.0, 1.0, 1.0], [0.1, 0.2, 0.7, 0.9], [0.5, 0.5, 0.6, 0.55], [0.25, 0.0, 1.0, 0.5]])


def test_fgclip_regions_agree(pairs: Pairs) -> None:
    pair = pairs("fgclip")
    pixels = to_tensor(squashed(PICTURES[0], 32), CLIP_MEAN, CLIP_STD)
    dense = fgclip_dense(pair.reference[0], pixels)[0]
    expected = torch.cat([sampled_roi(dense, (4, 4), box) for box in BOXES])
    ours = region_rows(pair.model, PICTURES[0])
    assert close(ours, unit(expected))
    unaligned = torch.cat([sampled_roi(dense, (4, 4), box, shift=0.0) for box in BOXES])
    assert not close(ours, unit(unaligned))


def region_rows(model: Encoder, image: DecodedImage) -> npt.NDArray[np.float32]:
    """The boxes' features as the scorer `phrases` pools them."""
    patches = Patches.of(image_rows(model, [image], "dense")[0])
    return np.stack([patches.pool(box.tolist()) for box in BOXES])


def test_pooling_normalised_patches_is_not_what_regions_are(pairs: Pairs) -> None:
    pair = pairs("fgclip")
    rows = torch.from_numpy(image_rows(pair.model, PICTURES[:1], "dense")[0]).flatten(0, 1)
    directions = torch.from_numpy(unit(rows))
    naive = torch.cat([sampled_roi(directions, (4, 4), box) for box in BOXES])
    assert not close(region_rows(pair.model, PICTURES[0]), unit(naive))


def test_siglip2_reads_the_padding_and_lower_case(pairs: Pairs) -> None:
    pair = pairs("siglip2")
    ids = gemma_ids(["A Red BALL"], 64)
    ours = text_rows(pair.model, ["A Red BALL"], "short")
    unpadded = pooled(pair.reference.get_text_features(ids[:, : int((ids != 0).sum())]))
    assert not close(ours, unit(unpadded))
    as_written = gemma_tokenizer().encode("A Red BALL").ids
    cased = torch.tensor([[*as_written, *[0] * (64 - len(as_written))]])
    assert not close(ours, unit(pooled(pair.reference.get_text_features(cased))))


def test_siglip2_of_fixed_size_agrees(pairs: Pairs) -> None:
    pair = pairs("siglip2")
    pixels = torch.cat([to_tensor(squashed(image, 32, BILINEAR), HALF, HALF) for image in PICTURES])
    assert close(image_rows(pair.model, PICTURES), unit(pooled(pair.reference.get_image_features(pixels))))
    expected = unit(pooled(pair.reference.get_text_features(gemma_ids(TEXTS, 64))))
    assert close(text_rows(pair.model, TEXTS, "short"), expected)


def naflex_inputs(image: DecodedImage, grid: tuple[int, int], budget: int) -> dict[str, Tensor]:
    """The processor's output for one image, written out."""
    rows, columns = grid
    values = to_tensor(two_passes(image.rgb, columns * 16, rows * 16, BILINEAR), HALF, HALF)[0]
    patches = values.unfold(1, 16, 16).unfold(2, 16, 16).permute(1, 2, 3, 4, 0).reshape(rows * columns, -1)
    mask = torch.arange(budget) < rows * columns
    padded = torch.cat([patches, torch.zeros(budget - len(patches), patches.shape[1])])
    return {
        "pixel_values": padded[None],
        "pixel_attention_mask": mask[None].int(),
        "spatial_shapes": torch.tensor([grid]),
    }


def test_siglip2_naflex_agrees(pairs: Pairs) -> None:
    pair = pairs("naflex")
    prepared = [pair.model.prepare_image(image) for image in PICTURES]
    grids = [pair.model.grid(pixels) for pixels in prepared]
    assert all(rows * columns <= 16 for rows, columns in grids)
    features = [
        pooled(pair.reference.get_image_features(**naflex_inputs(image, grid, 16)))
        for image, grid in zip(PICTURES, grids)
    ]
    assert close(pair.model.encode_images(prepared, "pooled"), unit(torch.cat(features)))
    expected = unit(pooled(pair.reference.get_text_features(gemma_ids(TEXTS, 64))))
    assert close(text_rows(pair.model, TEXTS, "short"), expected)


@pytest.mark.parametrize(("branch", "length"), [("short", 64), ("box", 64), ("long", 196)])
def test_fgclip2_texts_agree_on_every_branch(pairs: Pairs, branch: str, length: int) -> None:
    pair = pairs("fgclip2")
    texts = [*TEXTS, sentence(230)]
    expected = unit(pooled(pair.reference[branch].get_text_features(gemma_ids(texts, length))))
    ours = text_rows(pair.model, texts, branch)
    assert close(ours, expected)
    others = {"short": "box", "box": "short", "long": "short"}
    assert not close(ours[:1], text_rows(pair.model, texts[:1], others[branch]))


def test_fgclip2_reads_the_padding_and_no_attention_mask(pairs: Pairs) -> None:
    pair = pairs("fgclip2")
    ids = gemma_ids(["a red ball"], 64)
    ours = text_rows(pair.model, ["a red ball"], "short")
    unpadded = pooled(pair.reference["short"].get_text_features(ids[:, : int((ids != 0).sum())]))
    masked = pooled(pair.reference["short"].get_text_features(ids, attention_mask=(ids != 0).long()))
    assert not close(ours, unit(unpadded))
    assert not close(ours, unit(masked))


def test_fgclip2_texts_are_lower_cased(pairs: Pairs) -> None:
    model = pairs("fgclip2").model
    assert close(text_rows(model, ["A Red BALL"], "short"), text_rows(model, ["a red ball"], "short"))


FGCLIP2_PICTURES = [picture(160, 160), picture(320, 176, 1), picture(64, 300, 2)]


def test_fgclip2_images_and_dense_features_agree(pairs: Pairs) -> None:
    pair = pairs("fgclip2")
    prepared = [pair.model.prepare_image(image) for image in FGCLIP2_PICTURES]
    rows = pair.model.encode_images(prepared, "pooled")
    dense_rows = pair.model.encode_images(prepared, "dense")
    for image, pixels, row, dense_row in zip(FGCLIP2_PICTURES, prepared, rows, dense_rows):
        grid = pair.model.grid(pixels)
        own = (image.size[0] // 16) * (image.size[1] // 16)
        budget = 128 if own <= 128 else 256
        inputs = naflex_inputs(image, grid, budget)
        output = pair.reference["short"].vision_model(**inputs)
        assert close(row, unit(output.pooler_output)[0])
        expected = fgclip2_dense(
            pair.reference["dense"], output.last_hidden_state, inputs["pixel_attention_mask"]
        )
        assert dense_row.shape == (*grid, 32)
        own_patches = unit(torch.from_numpy(dense_row).flatten(0, 1))
        assert close(own_patches, unit(expected[0, : grid[0] * grid[1]]))
        pooled_head = fgclip2_dense(
            pair.reference["short"].vision_model.head,
            output.last_hidden_state,
            inputs["pixel_attention_mask"],
        )
        assert not close(own_patches, unit(pooled_head[0, : grid[0] * grid[1]]))


def fgclip2_dense(head: Any, hidden: Tensor, mask: Tensor) -> Tensor:
    """The reference's dense features by torch's own multi-head attention, every patch its own query."""
    hidden_from = (mask == 0)[0]
    attended = head.attention(hidden, hidden, hidden, key_padding_mask=hidden_from[None])[0]
    dense: Tensor = attended + head.mlp(head.layernorm(attended))
    return dense


def test_fgclip2_regions_agree(pairs: Pairs) -> None:
    pair = pairs("fgclip2")
    image = FGCLIP2_PICTURES[1]
    pixels = pair.model.prepare_image(image)
    grid = pair.model.grid(pixels)
    inputs = naflex_inputs(image, grid, 256)
    output = pair.reference["short"].vision_model(**inputs)
    dense = fgclip2_dense(pair.reference["dense"], output.last_hidden_state, inputs["pixel_attention_mask"])
    expected = torch.cat([sampled_roi(dense[0, : grid[0] * grid[1]], grid, box) for box in BOXES])
    assert close(region_rows(pair.model, image), unit(expected))


def test_fgclip2_gives_an_image_the_same_row_beside_a_large_one(pairs: Pairs) -> None:
    pair = pairs("fgclip2")
    small, large = (pair.model.prepare_image(image) for image in (picture(160, 160), picture(800, 1000, 5)))
    assert (pair.model.grid(small), pair.model.grid(large)) == ((11, 11), (35, 28))
    alone = pair.model.encode_images([small], "pooled")[0]
    for view in pair.model.info.views:
        apart = pair.model.encode_images([small], view)[0]
        together = pair.model.encode_images([large, small], view)[1]
        assert np.array_equal(apart, together)
    shared = naflex_inputs(picture(160, 160), (32, 32), 1024)
    naive = pooled(pair.reference["short"].get_image_features(**shared))
    assert not close(alone, unit(naive)[0])


def test_open_clip_agrees_with_the_library(pairs: Pairs) -> None:
    import open_clip

    pair = pairs("open_clip")
    network, _, transform = open_clip.create_model_and_transforms(f"local-dir:{pair.folder}")
    assert close(text_rows(pair.model, TEXTS, "short"), unit(network.encode_text(open_clip.tokenize(TEXTS))))
    from PIL import Image

    # Pillow 13, which the library calls, resizes the long one in the other order.
    images = [image for image in PICTURES if image.size != (200, 41)]
    pixels = torch.stack([transform(Image.fromarray(image.rgb)) for image in images])
    ours = np.stack(image_rows(pair.model, images))
    theirs = unit(network.encode_image(pixels))
    assert (ours * theirs).sum(axis=1).min() > 1 - 1e-5


def test_open_clips_other_resize_modes_are_the_librarys_own(pairs: Pairs, tmp_path: Path) -> None:
    import open_clip
    from PIL import Image

    shutil.copytree(pairs("open_clip").folder, tmp_path / "model")
    config = json.loads((tmp_path / "model" / "open_clip_config.json").read_text())
    config["preprocess_cfg"] |= {"resize_mode": "longest", "fill_color": 7}
    (tmp_path / "model" / "open_clip_config.json").write_text(json.dumps(config))
    source = f"local-dir:{tmp_path / 'model'}"
    model = load_model("longest", ModelSettings(kind="open_clip", source=source, device="cpu"))
    network, _, transform = open_clip.create_model_and_transforms(source)
    image = picture(64, 48)
    pixels = transform(Image.fromarray(image.rgb))[None]
    ours = model.encode_images([model.prepare_image(image)], "pooled")
    assert close(ours, unit(network.encode_image(pixels)))
