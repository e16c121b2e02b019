"""Rows of a batch whose bits do not depend on the rest of the batch, on the CPU.

A product of few rows goes through other kernels than one of many and rounds otherwise: with MKL below four
rows, with oneDNN a single one. Towers have rows enough in every image and text; what follows the pooling has
one row per item. `make_steady` pads those few products, which costs next to nothing, and leaves the rest
alone. Whether a whole network is steady is for `encoder` to try.
"""

from collections.abc import Iterator
from functools import cache
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visreward_service.models.networks.heads import split_heads
from visreward_service.models.products import linear, pack, prepare


class SteadyLinear(nn.Linear):
    """A linear layer that never multiplies fewer than `rows` rows, by a weight that is packed once.

    `unpack` the module that holds it before it is exported, or its state dict is taken elsewhere.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        self.weight = nn.Parameter(pack(weight), requires_grad=False)
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias, requires_grad=False))
        self.rows = steady_rows(weight, bias)
        prepare(weight, bias)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        return multiply(input, self.weight, self.bias, rows=self.rows)


class SteadyAttention(nn.MultiheadAttention):
    """Multi-head attention, batch first, by steady products.

    torch's own multiplies three axes that are not contiguous, for which it takes one product per position.
    """

    def __init__(self, layer: nn.MultiheadAttention) -> None:
        nn.Module.__init__(self)
        self.embed_dim, self.num_heads, self.batch_first = layer.embed_dim, layer.num_heads, True
        self.in_projs = nn.ModuleList(SteadyLinear(weight, bias) for weight, bias in _in_projections(layer))
        self.out_proj = SteadyLinear(layer.out_proj.weight, layer.out_proj.bias)  # type: ignore[assignment]

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = False,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, None]:
        """Return (B, Q, D) and no weights. `attn_mask` is as in `scaled_dot_product_attention`."""
        del value, need_weights, average_attn_weights, is_causal
        if key_padding_mask is not None:
            raise ValueError("give a mask as attn_mask")
        return attend(self, query, key, attn_mask), None


def attend(attention: nn.MultiheadAttention, queries: Tensor, states: Tensor, mask: Tensor | None) -> Tensor:
    """Return what `attention(queries, states, states)` returns, (B, Q, D)."""
    inputs = queries, states, states
    if isinstance(attention, SteadyAttention):
        projected = [project(x) for project, x in zip(attention.in_projs, inputs)]
    else:
        projected = [
            multiply(x, weight, bias, rows=steady_rows(weight, bias))
            for (weight, bias), x in zip(_in_projections(attention), inputs)
        ]
    q, k, v = (split_heads(x, attention.num_heads) for x in projected)
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
    return cast("Tensor", attention.out_proj(mixed))


def _in_projections(attention: nn.MultiheadAttention) -> Iterator[tuple[Tensor, Tensor]]:
    """Return weight and bias of queries, keys and values."""
    return zip(attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3))


def multiply(x: Tensor, weight: Tensor, bias: Tensor | None, *, rows: int) -> Tensor:
    """Return `x @ weight.T + bias` over the last axis, with zero rows added up to `rows`.

    Always as one matrix: torch takes another way for three axes that are not contiguous.
    """
    if is_tracing():  # an exported network has no rows to keep steady
        return F.linear(x, weight, bias)
    count = x.shape[:-1].numel()
    flat = x.reshape(count, x.shape[-1]).contiguous()
    if count < rows:
        flat = F.pad(flat, (0, 0, 0, rows - count))
    return linear(flat, weight, bias)[:count].reshape(*x.shape[:-1], -1)


def is_tracing() -> bool:
    """Whether a network is being exported, so that no shape may be taken for a number."""
    return bool(torch._C._get_tracing_state())


def make_steady(module: nn.Module) -> None:
    """Replace linear and attention layers inside the module by steady ones of the same weights."""
    for name, child in module.named_children():
        if type(child) is nn.Linear:
            setattr(module, name, SteadyLinear(child.weight, child.bias))
        elif type(child) is nn.MultiheadAttention and child.batch_first and is_plain(child):
            setattr(module, name, SteadyAttention(child))
        else:
            make_steady(child)


def unpack(module: nn.Module) -> None:
    """Give steady layers inside the module weights again that all of torch takes."""
    for layer in module.modules():
        if isinstance(layer, SteadyLinear) and layer.weight.is_mkldnn:
            layer.weight = nn.Parameter(layer.weight.to_dense(), requires_grad=False)


def is_plain(attention: nn.MultiheadAttention) -> bool:
    """Whether the layer has one matrix for queries, keys and values, biases, and nothing unusual."""
    whole = attention.in_proj_weight is not None and attention.in_proj_bias is not None
    return whole and attention.bias_k is None and not attention.add_zero_attn


def steady_rows(weight: Tensor, bias: Tensor | None = None) -> int:
    """Return the fewest rows that a product with this weight needs; 1 off the CPU, and for an export."""
    if weight.device.type != "cpu" or is_tracing():
        return 1
    outputs, inputs = weight.shape
    return find_steady_rows(outputs, inputs, bias is not None, weight.dtype, torch.get_num_threads())


@cache
def find_steady_rows(outputs: int, inputs: int, has_bias: bool, dtype: torch.dtype, num_threads: int) -> int:
    """Return the fewest rows, a power of two, from which on a row has the bits it has among many.

    By trying: kernels are chosen by the shape of a product, not by its values.
    """
    most = 16 * max(num_threads, 4)
    dice = torch.Generator().manual_seed(0)
    x = torch.randn(2 * most, inputs, generator=dice).to(dtype)
    weight = pack((torch.randn(outputs, inputs, generator=dice) * inputs**-0.5).to(dtype))
    bias = torch.randn(outputs, generator=dice).to(dtype) if has_bias else None
    among_many = linear(x, weight, bias)
    rows = 1
    while rows < most and not all(
        torch.equal(linear(x[:count], weight, bias), among_many[:count])
        for count in (rows, rows + 1, rows * 3 // 2)
    ):
        rows *= 2
    return rows


def normalise(rows: Tensor) -> Tensor:
    """Return rows of unit length in float32 over the last axis; NaN for a row that has no length."""
    rows = rows.float()
    return cast("Tensor", rows / torch.linalg.vector_norm(rows, dim=-1, keepdim=True))
