"""Kind `fgclip2`: FG-CLIP 2, a NaFlex SigLIP 2 with more heads: for long texts, box phrases and patches."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

# The schemas come before transformers, whose model classes import torchvision.
from visreward import torchvision_schemas  # noqa: F401
from visreward_service.models.base import Model
from visreward_service.models.folder import open_folder, refuse_type
from visreward_service.models.patches import FGCLIP2_BUDGETS
from visreward_service.models.pooling import spread
from visreward_service.models.settings import ModelSettings
from visreward_service.models.siglip2 import (
    NaflexEncoder,
    pad_id,
    read_gemma_texts,
    read_last,
    read_patches,
)
from visreward_service.models.tokens import TextReader

from transformers import AutoModel, Siglip2Config  # isort: skip

NOT_SIZES = ("model_type", "architectures", "transformers_version", "torch_dtype", "dtype", "auto_map")
"""Entries of a tower's config that name classes and versions."""

KEPT_POSITIONS = 20


class FgClip2(nn.Module):
    """The published layout: the keys of `Siglip2Model` with two position tables and three heads more."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        towers: dict[str, Any] = {
            tower: {key: value for key, value in config[tower].items() if key not in NOT_SIZES}
            for tower in ("text_config", "vision_config")
        }
        self.config = Siglip2Config(**towers)
        base = cast("Any", AutoModel).from_config(self.config, attn_implementation="sdpa")
        self.text_model, self.vision_model = base.text_model, base.vision_model
        self.logit_scale, self.logit_bias = base.logit_scale, base.logit_bias
        text: Any = self.config.text_config
        width = text.hidden_size
        self.longtext_head = nn.Linear(width, width)
        self.boxtext_head = nn.Linear(width, width)
        self.dense_feature_head = type(base.vision_model.head)(base.vision_model.config)
        self.kept = int(config["text_config"].get("keep_len", KEPT_POSITIONS))
        short = text.max_position_embeddings
        self.long_positions = int(config["text_config"].get("longtext_len", 4 * short - 3 * self.kept))
        for name in ("position_embedding_res", "position_embedding_ori"):
            self.text_model.embeddings.add_module(name, nn.Embedding(self.long_positions, width))

    def embed_long(self, ids: Tensor) -> Tensor:
        """Return token embeddings with the stretched positions, (B, T, D)."""
        embeddings = self.text_model.embeddings
        kept, rest = embeddings.position_embedding_ori.weight, embeddings.position_embedding_res.weight
        positions = torch.cat([kept[: self.kept], rest[self.kept :]])
        return cast("Tensor", embeddings.token_embedding(ids) + positions[: ids.shape[1]])


class FgClip2Encoder(NaflexEncoder):
    """Branches `short`, `long` and `box`, views `pooled` and `dense`."""

    def tensor_features(self, *tensors: Tensor, view: str) -> Tensor:
        if view == "pooled":
            return super().tensor_features(*tensors, view=view)
        return spread(cast("FgClip2", self.module).dense_feature_head, *self.hidden(*tensors))

    def text_features(self, ids: Tensor, branch: str) -> Tensor:
        network = cast("FgClip2", self.module)
        text = network.text_model
        embedded = network.embed_long(ids) if branch == "long" else text.embeddings(input_ids=ids)
        heads = {"short": text.head, "long": network.longtext_head, "box": network.boxtext_head}
        return cast("Tensor", heads[branch](read_last(text, embedded)))


def load(name: str, settings: ModelSettings) -> Model:
    """Return the model. Raises `ModelError`."""
    folder = open_folder(name, settings)
    refuse_type(folder, {"fgclip2": "fgclip2", "siglip2": "siglip2", "clip": "fgclip"})
    network = FgClip2(folder.config)
    folder.fill(network)
    text: Any = network.config.text_config
    short = lower(read_gemma_texts(folder, text, limit=text.max_position_embeddings))
    long = lower(read_gemma_texts(folder, text, limit=network.long_positions))
    return FgClip2Encoder(
        folder.build_parts(
            network,
            dim=text.projection_size,
            views=("pooled", "dense"),
            prepare=read_patches(folder, network.config.vision_config, FGCLIP2_BUDGETS),
            readers={"short": short, "long": long, "box": short},
            pad=pad_id(folder, short.tokenizer),
            pads_to_limit=True,
        )
    )


def lower(reader: TextReader) -> TextReader:
    """Return the reader with Python's lower case first, as the authors' examples have it."""
    return TextReader(
        tokenizer=reader.tokenizer,
        limit=reader.limit,
        end=reader.end,
        stops_at_end=reader.stops_at_end,
        clean=str.lower,
    )
