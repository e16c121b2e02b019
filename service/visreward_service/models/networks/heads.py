"""Heads of attention."""

from torch import Tensor


def split_heads(states: Tensor, num_heads: int) -> Tensor:
    """(B, T, width) to (B, heads, T, width / heads)."""
    return states.reshape(*states.shape[:2], num_heads, -1).transpose(1, 2)
