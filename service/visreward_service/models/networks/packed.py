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
    """Where the tokens of texts lie: in N rows, of which texts share those that they begin with."""

    lengths: list[int]
    ids: Tensor
    """Of each row, (N,)."""
    places: Tensor
    """Of each row, in its text, (N,)."""
    rows: Tensor
    """Of each token of each text, (T,)."""
    tokens: Tensor
    """Of each row, one of its tokens among those of all texts, (N,)."""


def _lay_out(texts: Sequence[Sequence[int]], device: torch.device) -> _Layout:
    ids: list[int] = []
    places: list[int] = []
    rows: list[int] = []
    tokens: list[int] = []
    beginnings: dict[int, int] = {}
    for text in texts:
        for place, token in enumerate(text):
            row = beginnings.setdefault(token, len(ids)) if place == 0 else len(ids)
            if row == len(ids):
                ids.append(token)
                places.append(place)
                tokens.append(len(rows))
            rows.append(row)
    laid = [torch.tensor(numbers, device=device) for numbers in (ids, places, rows, tokens)]
    lengths = [len(text) for text in texts]
    return _Layout(lengths=lengths, ids=laid[0], places=laid[1], rows=laid[2], tokens=laid[3])


def _run(layer: Any, hidden: Tensor, layout: _Layout) -> Tensor:
    """One layer on the rows of all texts, (N, width)."""
    normed = layer.layer_norm1(hidden)
    attention = layer.self_attn
    projections = attention.q_proj, attention.k_proj, attention.v_proj
    projected = [project(normed)[layout.rows] for project in projections]
    mixed = []
    for first, _, count, length in _runs(layout.lengths):
        rows = slice(first, first + count * length)
        q, k, v = (_heads(each[rows], count, attention.num_heads) for each in projected)
        found = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        mixed.append(found.transpose(1, 2).reshape(count * length, -1))
    return _finish(layer, hidden, torch.cat(mixed)[layout.tokens])


def _run_last(layer: Any, hidden: Tensor, layout: _Layout) -> Tensor:
    """One layer on the rows of all texts, of which only each text's last comes out, (B, width)."""
    lengths = torch.tensor(layout.lengths, device=hidden.device)
    ends = layout.rows[lengths.cumsum(0) - 1]
    normed = layer.layer_norm1(hidden)
    attention = layer.self_attn
    queries = attention.q_proj(normed[ends])
    keys, values = (project(normed)[layout.rows] for project in (attention.k_proj, attention.v_proj))
    mixed = []
    for first, place, count, length in _runs(layout.lengths):
        rows = slice(first, first + count * length)
        q = _heads(queries[place : place + count], count, attention.num_heads)
        k, v = (_heads(each[rows], count, attention.num_heads) for each in (keys, values))
        found = F.scaled_dot_product_attention(q, k, v)
        mixed.append(found.transpose(1, 2).reshape(count, -1))
    return _finish(layer, hidden[ends], torch.cat(mixed))


def _finish(layer: Any, hidden: Tensor, mixed: Tensor) -> Tensor:
    hidden = hidden + layer.self_attn.out_proj(mixed)
    result: Tensor = hidden + layer.mlp(layer.layer_norm2(hidden))
    return result


def _heads(rows: Tensor, count: int, num_heads: int) -> Tensor:
    """(count * T, width) to (count, heads, T, width / heads)."""
    return rows.reshape(count, -1, num_heads, rows.shape[-1] // num_heads).transpose(1, 2)


def _runs(lengths: Sequence[int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield first row, first text, number of texts and length of each run of equal lengths."""
    row = place = 0
    for length, run in groupby(lengths):
        count = len(list(run))
        yield row, place, count, length
        row, place = row + count * length, place + count
