"""SigLIP's attention pooling, written over the published parameters so that a row's bits are its own.

torch's `MultiheadAttention` multiplies one query row per image, which rounds by the size of the batch. The
arithmetic is the same. Knows no files and no images.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from visreward_service.models.rows import multiply, steady_rows


def pool(head: Any, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return (B, D): the head's probe attends to hidden states (B, N, D).

    `head` is a `SiglipMultiheadAttentionPoolingHead` or its like. `mask` (B, N) is True where a state counts.
    """
    probe = head.probe.expand(len(hidden), -1, -1)
    return _finish(head, attend(head.attention, probe, hidden, mask))[:, 0]


def spread(head: Any, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return (B, N, D): every hidden state is its own probe, FG-CLIP 2's dense features (fgclip2.py)."""
    return _finish(head, attend(head.attention, hidden, hidden, mask))


def _finish(head: Any, attended: Tensor) -> Tensor:
    result: Tensor = attended + head.mlp(head.layernorm(attended))
    return result


def attend(attention: nn.MultiheadAttention, queries: Tensor, states: Tensor, mask: Tensor | None) -> Tensor:
    """Return what `attention(queries, states, states)` returns, (B, Q, D)."""
    weights, biases = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
    rows = steady_rows(weights[0], biases[0])
    projected = (multiply(x, w, b, rows=rows) for x, w, b in zip((queries, states, states), weights, biases))
    heads = attention.num_heads
    q, k, v = (x.reshape(*x.shape[:2], heads, -1).transpose(1, 2) for x in projected)
    seen = None if mask is None else mask[:, None, None, :]
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=seen).transpose(1, 2).flatten(2)
    return multiply(mixed, attention.out_proj.weight, attention.out_proj.bias, rows=rows)
