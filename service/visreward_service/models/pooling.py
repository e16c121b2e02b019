"""SigLIP's attention pooling over the published parameters, never without the mask that it is given.

transformers' own drops a mask that hides nothing, and an image that fills its budget then goes through other
kernels than the same image beside one that does not. Knows no files and no images.
"""

from typing import Any

from torch import Tensor

from visreward_service.models.rows import attend


def pool(head: Any, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return (B, D): the head's probe attends to hidden states (B, N, D).

    `head` is a `SiglipMultiheadAttentionPoolingHead` or its like. `mask` (B, N) is True where a state counts.
    """
    probe = head.probe.expand(hidden.shape[0], -1, -1)
    return _finish(head, attend(head.attention, probe, hidden, _keys(mask)))[:, 0]


def spread(head: Any, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return (B, N, D): every hidden state is its own probe, FG-CLIP 2's dense features (fgclip2.py)."""
    return _finish(head, attend(head.attention, hidden, hidden, _keys(mask)))


def _keys(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else mask[:, None, None, :]


def _finish(head: Any, attended: Tensor) -> Tensor:
    result: Tensor = attended + head.mlp(head.layernorm(attended))
    return result
