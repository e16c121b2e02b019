"""Kind `siglip2`: checkpoints of fixed resolution (transformers' `SiglipModel`) and NaFlex (`Siglip2Model`).

Texts are lower-cased, as in training, and always fill the branch: attention sees the padding and the last
position is pooled, whatever it holds.
"""

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from tokenizers import Tokenizer, normalizers
from torch import Tensor

# The schemas come before transformers, whose model classes import torchvision.
from visreward import torchvision_schemas  # noqa: F401
from visreward_service.models.base import Model, Pixels
from visreward_service.models.encoder import Encoder
from visreward_service.models.errors import ModelError
from visreward_service.models.folder import (
    FILTERS,
    Folder,
    demand_processor,
    open_folder,
    read_preprocessing,
    refuse_type,
    triple,
)
from visreward_service.models.patches import PatchPreprocessing
from visreward_service.models.pooling import pool
from visreward_service.models.positions import resize_positions
from visreward_service.models.resize import upload
from visreward_service.models.settings import ModelSettings
from visreward_service.models.tokens import TextReader, check_vocabulary, read_tokenizer
from visreward_service.models.weights import read_json

from transformers import AutoModel, Siglip2Config, SiglipConfig  # isort: skip


class SiglipEncoder(Encoder):
    """A fixed resolution: branch `short` and the pooled view."""

    def image_features(self, batch: Sequence[Pixels], view: str) -> Tensor:
        del view
        vision = cast("Any", self.module).vision_model
        hidden = vision.encoder(inputs_embeds=vision.embeddings(self.stack(batch))).last_hidden_state
        return pool(vision.head, vision.post_layernorm(hidden))

    def text_features(self, ids: Tensor, branch: str) -> Tensor:
        del branch
        text = cast("Any", self.module).text_model
        return cast("Tensor", text.head(read_last(text, text.embeddings(input_ids=ids))))


class NaflexEncoder(SiglipEncoder):
    """Patches at the image's own aspect ratio, padded to its budget under a mask."""

    def image_bucket(self, pixels: Pixels) -> int:
        return self._patches.at_least(math.prod(self.grid(pixels)))

    def grid(self, pixels: Pixels) -> tuple[int, int]:
        return pixels.shape[0] // self._patches.patch, pixels.shape[1] // self._patches.patch

    @property
    def _patches(self) -> PatchPreprocessing:
        return cast("PatchPreprocessing", self.parts.prepare)

    image_inputs = ("PATCHES", "SHAPES")

    def image_tensors(self, batch: Sequence[Pixels]) -> tuple[Tensor, ...]:
        """Return patches (B, N, 3 * patch * patch), uint8, N their budget, and rows and columns (B, 2)."""
        budget, patch = self.image_bucket(batch[0]), self._patches.patch
        shapes = [self.grid(image) for image in batch]
        images = self.gather(batch)
        patches = images[0].new_zeros(len(batch), budget, 3 * patch * patch)
        for row, image, (height, width) in zip(patches, images, shapes):
            pieces = image.reshape(height, patch, width, patch, 3).permute(0, 2, 1, 3, 4)
            row[: height * width] = pieces.reshape(height * width, -1)
        return patches, torch.tensor(shapes)

    def image_features(self, batch: Sequence[Pixels], view: str) -> Tensor:
        tensors = (upload(tensor, self.device) for tensor in self.image_tensors(batch))
        return self.tensor_features(*tensors, view=view)

    def tensor_features(self, *tensors: Tensor, view: str) -> Tensor:
        del view
        return pool(cast("Any", self.module).vision_model.head, *self.hidden(*tensors))

    def hidden(self, patches: Tensor, shapes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the last hidden states (B, N, D) and the mask (B, N), True where a patch is the image's.

        The mask is always given: without one, an image that fills its budget would go through other kernels
        than the same image beside one that does not.
        """
        vision = cast("Any", self.module).vision_model
        embeddings = vision.embeddings
        mask = torch.arange(patches.shape[1], device=self.device)[None] < shapes.prod(1, keepdim=True)
        pixels = self.normalised(patches.reshape(*patches.shape[:2], -1, 3)).flatten(2)
        positions = resize_positions(embeddings.position_embedding.weight, shapes, mask)
        embedded = embeddings.patch_embedding(pixels) + positions
        states = vision.encoder(inputs_embeds=embedded, attention_mask=mask[:, None, None, :])
        return vision.post_layernorm(states.last_hidden_state), mask


def read_last(text: Any, embedded: Tensor) -> Tensor:
    """Return the last position (B, D) of a text tower over token embeddings with their positions."""
    hidden = text.encoder(inputs_embeds=embedded).last_hidden_state
    return cast("Tensor", text.final_layer_norm(hidden[:, -1]))


def load(name: str, settings: ModelSettings) -> Model:
    """Return the model. Raises `ModelError`."""
    folder = open_folder(name, settings)
    refuse_type(folder, {"siglip": "siglip2", "siglip2": "siglip2", "fgclip2": "fgclip2"})
    fixed = folder.config["model_type"] == "siglip"
    config: Any = (SiglipConfig if fixed else Siglip2Config).from_dict(folder.config)
    preprocessing = read_preprocessing(folder) if fixed else read_patches(folder, config.vision_config)
    reader = read_gemma_texts(folder, config.text_config, limit=config.text_config.max_position_embeddings)
    network = cast("Any", AutoModel).from_config(config, attn_implementation="sdpa")
    folder.fill(network)
    return (SiglipEncoder if fixed else NaflexEncoder)(
        folder.build_parts(
            network,
            dim=config.text_config.projection_size,
            prepare=preprocessing,
            readers={"short": reader},
            pad=pad_id(folder, reader.tokenizer),
            pads_to_limit=True,
        )
    )


def read_patches(folder: Folder, vision: Any, budgets: tuple[int, ...] | None = None) -> PatchPreprocessing:
    """Return NaFlex preprocessing as the folder's config has it, its one budget unless others are given."""
    config = demand_processor(folder)
    return PatchPreprocessing(
        patch=int(vision.patch_size),
        budgets=budgets or (int(config.get("max_num_patches", 256)),),
        filter=FILTERS[config.get("resample", 2)],
        mean=triple(config.get("image_mean", (0.5, 0.5, 0.5))),
        std=triple(config.get("image_std", (0.5, 0.5, 0.5))),
        **folder.resizing(),
    )


def read_gemma_texts(folder: Folder, text: Any, *, limit: int) -> TextReader:
    """Return the reader of a SigLIP 2 text tower. Raise `ModelError` for SigLIP 1's tokenizer."""
    config = folder.path / "tokenizer_config.json"
    if config.is_file() and read_json(config).get("tokenizer_class") == "SiglipTokenizer":
        raise ModelError(
            f"{folder.path} is SigLIP 1, whose texts are cleaned otherwise: use kind open_clip, or SigLIP 2"
        )
    tokenizer = read_tokenizer(folder.path)
    lower = normalizers.Lowercase()
    tokenizer.normalizer = (
        normalizers.Sequence([lower, tokenizer.normalizer]) if tokenizer.normalizer is not None else lower
    )
    end = tokenizer.encode("a").ids[-1]
    check_vocabulary(tokenizer, rows=int(text.vocab_size), end=end, folder=folder.path)
    return TextReader(tokenizer=tokenizer, limit=limit, end=end, stops_at_end=False)


def pad_id(folder: Folder, tokenizer: Tokenizer) -> int:
    """Return the padding's id: the token that the tokenizer's config names, `<pad>` without one."""
    config = folder.path / "tokenizer_config.json"
    named = read_json(config).get("pad_token", "<pad>") if config.is_file() else "<pad>"
    token = named.get("content") if isinstance(named, dict) else named
    found = tokenizer.token_to_id(str(token))
    if found is None:
        raise ModelError(
            f"the tokenizer in {folder.path} lacks its padding token {token}, which the model reads"
        )
    return int(found)
