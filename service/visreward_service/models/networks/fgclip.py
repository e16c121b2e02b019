"""FG-CLIP v1 (arXiv 2505.05071) as one plain module, on the parameters of transformers' `CLIPModel`.

The module's own state dict is the published layout: the keys of `CLIPModel`, two more position tables for
long text, a projection for long text, and two more logit scales. The forward pass is written here over
transformers' submodules, because it needs the input of the last vision block (which `CLIPModel` computes
and drops) and text of any length without padding, on every transformers version. It knows no files, no
tokenizer and no preprocessing.

Features come un-normalised, as from the authors' code; the caller normalises.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# The schemas come before transformers, whose CLIP classes import torchvision.
from visreward import torchvision_schemas  # noqa: F401
from visreward_service.models.networks.heads import split_heads
from visreward_service.models.networks.packed import encode_packed

from transformers import CLIPConfig, CLIPModel  # isort: skip

Branch = Literal["short", "long"]
"""Which position table and text projection a text takes."""

KEPT_POSITIONS = 20
"""Long-CLIP keeps the first 20 positions of the short table and stretches the rest fourfold."""

LEGACY_EOS = 2
"""Configs written before transformers 4.31 hold this wrong id; the end token is then the highest id."""


class WeightsMismatchError(ValueError):
    """A state dict that is not exactly the network's: keys missing, left over, or of another shape."""

    def __init__(self, *, missing: list[str], unexpected: list[str], misshaped: list[str]) -> None:
        self.missing, self.unexpected, self.misshaped = missing, unexpected, misshaped
        named = {"missing": missing, "unexpected": unexpected, "of another shape": misshaped}
        super().__init__("; ".join(f"{what}: {', '.join(keys)}" for what, keys in named.items() if keys))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_mismatch, (self.missing, self.unexpected, self.misshaped)


def _rebuild_mismatch(
    missing: list[str], unexpected: list[str], misshaped: list[str]
) -> WeightsMismatchError:
    return WeightsMismatchError(missing=missing, unexpected=unexpected, misshaped=misshaped)


@dataclass(frozen=True, kw_only=True)
class FGClipConfig:
    """The sizes of an FG-CLIP, over a `CLIPConfig`."""

    clip: CLIPConfig
    "Towers and projection. Its text tower has the short table's positions."
    kept_positions: int = KEPT_POSITIONS
    "How many positions of the short table a long text keeps unstretched."

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Self:
        """From a published `config.json`; fields that are absent take the defaults of `CLIPConfig`."""
        towers = {key: config[key] for key in ("text_config", "vision_config") if config.get(key) is not None}
        sizes = {key: config[key] for key in ("projection_dim", "logit_scale_init_value") if key in config}
        kept = int(config.get("kept_positions", KEPT_POSITIONS))
        return cls(clip=CLIPConfig(**towers, **sizes), kept_positions=kept)

    @property
    def text(self) -> Any:
        return self.clip.text_config

    @property
    def vision(self) -> Any:
        return self.clip.vision_config

    @property
    def eos_token_id(self) -> int:
        """The end token, at whose first place a text is pooled."""
        eos = int(self.text.eos_token_id)
        return int(self.text.vocab_size) - 1 if eos == LEGACY_EOS else eos

    @property
    def short_positions(self) -> int:
        return int(self.text.max_position_embeddings)

    @property
    def long_positions(self) -> int:
        return 4 * self.short_positions - 3 * self.kept_positions

    @property
    def image_size(self) -> int:
        return int(self.vision.image_size)

    @property
    def grid(self) -> int:
        """Patches along one side of the image."""
        return self.image_size // int(self.vision.patch_size)

    @property
    def projection(self) -> int:
        """The size of the common space of images and texts."""
        return int(cast("int", self.clip.projection_dim))


class FGClip(nn.Module):
    """FG-CLIP v1: image, patch, region, short-text and long-text features in one space."""

    def __init__(self, config: FGClipConfig) -> None:
        """Random weights, for training. To load, use `from_published`."""
        super().__init__()
        self.config = config
        clip = CLIPModel(config.clip)
        self.text_model: nn.Module = clip.text_model
        self.vision_model: nn.Module = clip.vision_model
        self.visual_projection = clip.visual_projection
        self.text_projection = clip.text_projection
        self.text_filip_projection = nn.Linear(int(config.text.hidden_size), config.projection, bias=False)
        self.text_filip_projection.weight.data.copy_(self.text_projection.weight.data)
        self.logit_scale = clip.logit_scale
        self.logit_scale_finegraind = nn.Parameter(clip.logit_scale.detach().clone())
        self.logit_scale_hardneg = nn.Parameter(clip.logit_scale.detach().clone())
        stretched = stretch_positions(self._table("position_embedding"), config.kept_positions)
        for name in ("position_embedding_res", "position_embedding_ori"):
            table = nn.Embedding(*stretched.shape)
            table.weight.data.copy_(stretched)
            self._text_embeddings.add_module(name, table)

    @classmethod
    def from_published(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Self:
        """From a published `config.json` and state dict, in evaluation mode.

        Raises `WeightsMismatchError` with the names of every key that is missing, left over or of another
        shape.
        """
        model = cls(FGClipConfig.from_dict(config))
        own = model.state_dict()
        mismatch = WeightsMismatchError(
            missing=sorted(own.keys() - state.keys()),
            unexpected=sorted(state.keys() - own.keys()),
            misshaped=sorted(k for k in own.keys() & state.keys() if own[k].shape != state[k].shape),
        )
        if mismatch.missing or mismatch.unexpected or mismatch.misshaped:
            raise mismatch
        model.load_state_dict(state)
        return model.eval()

    def published_state_dict(self) -> dict[str, Tensor]:
        """A copy of the weights under the published keys, contiguous, on the CPU."""
        return {key: value.detach().cpu().clone().contiguous() for key, value in self.state_dict().items()}

    def image_features(self, pixels: Tensor) -> Tensor:
        """Preprocessed pixels (B, 3, S, S) to image features (B, D)."""
        return self._pooled(self._last_block_input(pixels))

    def dense_features(self, pixels: Tensor) -> Tensor:
        """Preprocessed pixels (B, 3, S, S) to a feature per patch, in rows from the top left: (B, grid²,
        D)."""
        return self._dense(self._last_block_input(pixels))

    def image_and_dense_features(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Both of the above from one pass: (B, D) and (B, grid², D)."""
        hidden = self._last_block_input(pixels)
        return self._pooled(hidden), self._dense(hidden)

    def text_features(self, ids: Tensor, branch: Branch = "short") -> Tensor:
        """Token ids (B, T) to text features (B, D), pooled at each row's first end token.

        What follows the end token (padding) changes nothing, since attention is causal. T is at most 77
        (short) or 248 (long) for the published sizes; a longer row, or a row without an end token, raises
        `ValueError`.
        """
        positions = self._positions(branch)
        if ids.shape[1] > len(positions):
            raise ValueError(f"{ids.shape[1]} tokens, but the {branch} branch has {len(positions)} positions")
        ends = ids == self.config.eos_token_id
        if not bool(ends.any(dim=1).all()):
            raise ValueError(f"a text without the end token {self.config.eos_token_id}")
        text = cast("Any", self.text_model)
        hidden = text.embeddings.token_embedding(ids) + positions[: ids.shape[1]]
        for layer in text.encoder.layers:
            hidden = run_block(layer, hidden, causal=True)
        rows = torch.arange(ids.shape[0], device=ids.device)
        pooled = text.final_layer_norm(hidden[rows, ends.int().argmax(dim=1)])
        projection = self.text_projection if branch == "short" else self.text_filip_projection
        return cast("Tensor", projection(pooled))

    def packed_text_features(self, texts: Sequence[Sequence[int]], branch: Branch = "short") -> Tensor:
        """Unpadded texts, each with its end token last and equal lengths side by side, to (B, D)."""
        text = cast("Any", self.text_model)
        table = text.embeddings.token_embedding.weight
        hidden = encode_packed(text.encoder.layers, table, self._positions(branch), texts)
        projection = self.text_projection if branch == "short" else self.text_filip_projection
        return cast("Tensor", projection(text.final_layer_norm(hidden)))

    @property
    def _text_embeddings(self) -> nn.Module:
        return cast("nn.Module", cast("Any", self.text_model).embeddings)

    def _table(self, name: str) -> Tensor:
        return cast("Tensor", getattr(self._text_embeddings, name).weight)

    def _positions(self, branch: Branch) -> Tensor:
        if branch == "short":
            return self._table("position_embedding")
        kept = self.config.kept_positions
        first, rest = self._table("position_embedding_ori"), self._table("position_embedding_res")
        return torch.cat([first[:kept], rest[kept:]])

    def _last_block_input(self, pixels: Tensor) -> Tensor:
        """The hidden state before the last vision block, (B, 1 + grid², width)."""
        size = self.config.image_size
        if pixels.shape[1:] != (3, size, size):
            raise ValueError(f"pixels of shape {tuple(pixels.shape)}, not (batch, 3, {size}, {size})")
        vision = cast("Any", self.vision_model)
        patches = vision.embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
        first = vision.embeddings.class_embedding.to(patches.dtype).expand(pixels.shape[0], 1, -1)
        hidden = torch.cat([first, patches], dim=1) + vision.embeddings.position_embedding.weight
        hidden = vision.pre_layrnorm(hidden)
        for layer in vision.encoder.layers[:-1]:
            hidden = run_block(layer, hidden)
        return cast("Tensor", hidden)

    def _pooled(self, hidden: Tensor) -> Tensor:
        vision = cast("Any", self.vision_model)
        last = run_block(vision.encoder.layers[-1], hidden, num_queries=1)[:, 0]
        return cast("Tensor", self.visual_projection(vision.post_layernorm(last)))

    def _dense(self, hidden: Tensor) -> Tensor:
        vision = cast("Any", self.vision_model)
        patches = run_block(vision.encoder.layers[-1], hidden[:, 1:], mix=False)
        return cast("Tensor", self.visual_projection(vision.post_layernorm(patches)))


def run_block(
    layer: nn.Module,
    hidden: Tensor,
    *,
    causal: bool = False,
    mix: bool = True,
    num_queries: int | None = None,
) -> Tensor:
    """One `CLIPEncoderLayer` on (B, T, width).

    `num_queries` computes the first outputs only. `mix=False` lets every token attend to itself alone,
    which leaves the value and output projections of the attention: the dense features' last block
    (`forward_without_attn` in the authors' fgclip/model/clip_strc/fgclip.py).
    """
    block = cast("Any", layer)
    normed = block.layer_norm1(hidden)
    attention = block.self_attn
    values = attention.v_proj(normed)
    if mix:
        queries, keys = attention.q_proj(normed[:, :num_queries]), attention.k_proj(normed)
        queries, keys, values = (split_heads(x, attention.num_heads) for x in (queries, keys, values))
        values = F.scaled_dot_product_attention(queries, keys, values, is_causal=causal)
        values = values.transpose(1, 2).flatten(2)
    hidden = hidden[:, :num_queries] + attention.out_proj(values)
    return cast("Tensor", hidden + block.mlp(block.layer_norm2(hidden)))


def stretch_positions(table: Tensor, kept: int = KEPT_POSITIONS) -> Tensor:
    """Long-CLIP's stretch of a position table (P, width) to (4·P - 3·kept, width).

    The first `kept` rows stay; between the rest, three rows are interpolated; after the last, three are
    extrapolated by a quarter of the last difference each (`resize_postion_embeding` in the authors'
    fgclip.py).
    """
    rest = table[kept:]
    steps = torch.cat([rest[1:] - rest[:-1], rest[-1:] - rest[-2:-1]])
    quarters = torch.arange(4, dtype=table.dtype, device=table.device)[None, :, None] / 4
    return torch.cat([table[:kept], (rest[:, None] + quarters * steps[:, None]).flatten(0, 1)])
