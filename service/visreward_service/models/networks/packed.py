"""Texts of many lengths in one pass through a CLIP text tower: laid end to end, without padding.

Layers work on rows, one per token, and know nothing of texts; only attention is taken text by text, those of
one length together. Nothing is spent on padding, nor in the last layer on rows that nobody reads. Padded and
packed rows agree but for rounding, since attention is causal. For layers of transformers' CLIP; it knows no
tokenizer and no projection.
"""

from collections.abc import Iterator, Sequence
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
    lengths = [len(text) for text in texts]
    if max(lengths) > len(positions):
        raise ValueError(f"{max(lengths)} tokens, but there are {len(positions)} positions")
    ids = torch.tensor([token for text in texts for token in text], device=table.device)
    places = torch.cat([torch.arange(length, device=table.device) for length in lengths])
    hidden = F.embedding(ids, table) + positions[places]
    for layer in layers[:-1]:
        hidden = _run(layer, hidden, lengths)
    return _run_last(layers[-1], hidden, lengths)


def _run(layer: Any, hidden: Tensor, lengths: Sequence[int]) -> Tensor:
    """One layer on the rows of all texts, (N, width)."""
    normed = layer.layer_norm1(hidden)
    attention = layer.self_attn
    projected = [project(normed) for project in (attention.q_proj, attention.k_proj, attention.v_proj)]
    mixed = []
    for first, _, count, length in _runs(lengths):
        rows = slice(first, first + count * length)
        q, k, v = (_heads(each[rows], count, attention.num_heads) for each in projected)
        found = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        mixed.append(found.transpose(1, 2).reshape(count * length, -1))
    return _finish(layer, hidden, torch.cat(mixed))


def _run_last(layer: Any, hidden: Tensor, lengths: Sequence[int]) -> Tensor:
    """One layer on the rows of all texts, of which only each text's last comes out, (B, width)."""
    ends = torch.tensor(lengths, device=hidden.device).cumsum(0) - 1
    normed = layer.layer_norm1(hidden)
    attention = layer.self_attn
    queries = attention.q_proj(normed[ends])
    keys, values = attention.k_proj(normed), attention.v_proj(normed)
    mixed = []
    for first, place, count, length in _runs(lengths):
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
