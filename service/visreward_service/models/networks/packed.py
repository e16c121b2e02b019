"""Texts of many lengths in one pass through a CLIP text tower: laid end to end, without padding.

Layers work on rows, one per token, and know nothing of texts; only attention is taken text by text, those of
one length together. Nothing is spent on padding, nor in the last layer on rows that nobody reads. Padded and
packed rows agree but for rounding, since attention is causal. For the same reason the token that all texts
begin with has one row for all: it attends to itself alone. Longer beginnings are not shared, because kernels
of attention round them by the length of the text. For layers of transformers' CLIP; it knows no tokenizer and
no projection.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from visreward_service.models.networks.heads import split_heads


def order_by_length(texts: Sequence[Sequence[int]]) -> list[int]:
    """Return the texts' indices with equal lengths side by side, as `encode_packed` wants them."""
    return sorted(range(len(texts)), key=lambda index: len(texts[index]))


def encode_packed(
    layers: Sequence[Any], table: Tensor, positions: Tensor, texts: Sequence[Sequence[int]]
) -> Tensor:
    """Return the last layer's state at the last token of each text, (B, width).

    `layers` are `CLIPEncoderLayer`, `table` the token embeddings and `positions` those of places;
    equal lengths stand side by side in `texts`. Raise `ValueError` where a text is longer than the positions.
    """
    layout = _lay_out(texts, table.device)
    if max(layout.lengths) > len(positions):
        raise ValueError(f"{max(layout.lengths)} tokens, but there are {len(positions)} positions")
    hidden = F.embedding(layout.ids, table) + positions[layout.places]
    for layer in layers[:-1]:
        hidden = _run(layer, hidden, layout)
    return _run_last(layers[-1], hidden, layout)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Where the tokens of texts lie: in N rows, first the F that texts begin with, then the rest of each."""

    ids: Tensor
    """Of each row, (N,)."""
    places: Tensor
    """Of each row, in its text, (N,)."""
    firsts: Tensor
    """The row of each text's first token, (B,), below F."""
    lasts: Tensor
    """The row of each text's last token, (B,)."""
    num_firsts: int
    """F."""
    lengths: list[int]


def _lay_out(texts: Sequence[Sequence[int]], device: torch.device) -> _Layout:
    beginnings = {token: row for row, token in enumerate(dict.fromkeys(text[0] for text in texts))}
    ids = [*beginnings]
    places = [0] * len(ids)
    firsts, lasts = [], []
    for text in texts:
        ids.extend(text[1:])
        places.extend(range(1, len(text)))
        firsts.append(beginnings[text[0]])
        lasts.append(len(ids) - 1 if len(text) > 1 else firsts[-1])
    laid = [torch.tensor(numbers, device=device) for numbers in (ids, places, firsts, lasts)]
    return _Layout(
        ids=laid[0],
        places=laid[1],
        firsts=laid[2],
        lasts=laid[3],
        num_firsts=len(beginnings),
        lengths=[len(text) for text in texts],
    )


def _run(layer: Any, hidden: Tensor, layout: _Layout) -> Tensor:
    """One layer on the rows of all texts, (N, width)."""
    normed = layer.layer_norm1(hidden)
    attention = layer.self_attn
    projected = [project(normed) for project in (attention.q_proj, attention.k_proj, attention.v_proj)]
    mixed = torch.empty_like(normed)
    # A first token attends to itself alone.
    mixed[: layout.num_firsts] = projected[-1][: layout.num_firsts]
    for run in _runs(layout):
        q, k, v = (run.heads(each, attention.num_heads) for each in projected)
        found = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)
        mixed[run.rest].view(run.count, -1, *found.shape[2:]).copy_(found[:, 1:])
    return _finish(layer, hidden, mixed)


def _run_last(layer: Any, hidden: Tensor, layout: _Layout) -> Tensor:
    """One layer on the rows of all texts, of which only each text's last comes out, (B, width)."""
    normed = layer.layer_norm1(hidden)
    attention = layer.self_attn
    queries = attention.q_proj(normed[layout.lasts])
    projected = attention.k_proj(normed), attention.v_proj(normed)
    mixed = torch.empty_like(queries)
    for run in _runs(layout):
        q = split_heads(queries[run.texts, None], attention.num_heads)
        k, v = (run.heads(each, attention.num_heads) for each in projected)
        mixed[run.texts] = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(1)
    return _finish(layer, hidden[layout.lasts], mixed)


def _finish(layer: Any, hidden: Tensor, mixed: Tensor) -> Tensor:
    # In place: what a sum costs is memory, not arithmetic.
    hidden += layer.self_attn.out_proj(mixed)
    hidden += layer.mlp(layer.layer_norm2(hidden))
    return hidden


@dataclass(frozen=True, slots=True)
class _Run:
    """Texts of one length, side by side."""

    texts: slice
    rest: slice
    """Their rows, but for the first of each."""
    firsts: Tensor
    """The row of each text's first token."""

    @property
    def count(self) -> int:
        return len(self.firsts)

    def heads(self, rows: Tensor, num_heads: int) -> Tensor:
        """Return the texts' rows of (N, width) as (count, heads, T, width / heads)."""
        rest = rows[self.rest].view(self.count, -1, rows.shape[-1])
        return split_heads(torch.cat([rows[self.firsts, None], rest], dim=1), num_heads)


def _runs(layout: _Layout) -> Iterator[_Run]:
    text, row = 0, layout.num_firsts
    for length, equals in groupby(layout.lengths):
        count = len(list(equals))
        rows = count * (length - 1)
        texts = slice(text, text + count)
        yield _Run(texts, slice(row, row + rows), layout.firsts[texts])
        text, row = text + count, row + rows
