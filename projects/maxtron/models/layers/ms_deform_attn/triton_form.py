# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Deformable attention by Triton kernels.

Accumulation is in float32 (float64 for float64), and locations keep their
type. Gradients of the value are summed by atomic additions, whose order is not
deterministic.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from .choice import MAX_TRITON_LEVELS
from .triton_kernels import backward_kernel, forward_kernel

# Elements of the accumulator of a program.
_BLOCK_SIZE = 1024


def forward(
    value: Tensor, sizes: Sequence[int], locations: Tensor, weights: Tensor
) -> Tensor:
    """See :func:`~.custom_op.ms_deform_attn`."""
    num_heads, head_dims = value.shape[2:]
    out = value.new_empty((*locations.shape[:2], num_heads * head_dims))
    _launch(forward_kernel, value, sizes, locations, weights, out)
    return out


def backward(
    grad: Tensor,
    value: Tensor,
    sizes: Sequence[int],
    locations: Tensor,
    weights: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """See :func:`~.custom_op.ms_deform_attn_backward`."""
    dtype = torch.promote_types(value.dtype, torch.float32)
    grad_value = torch.zeros(value.shape, dtype=dtype, device=value.device)
    grad_locations, grad_weights = (
        torch.empty_like(x, memory_format=torch.contiguous_format)
        for x in (locations, weights)
    )
    _launch(
        backward_kernel,
        value,
        sizes,
        locations,
        weights,
        grad.contiguous(),
        grad_value,
        grad_locations,
        grad_weights,
    )
    return grad_value.to(value.dtype), grad_locations, grad_weights


def _launch(
    kernel: triton.JITFunction,
    value: Tensor,
    sizes: Sequence[int],
    locations: Tensor,
    weights: Tensor,
    *tensors: Tensor,
) -> None:
    """Start a kernel with a program for each head and block of queries.

    Args:
        kernel (JITFunction): The kernel.
        value (Tensor): Shape (B, N, h, d).
        sizes (Sequence[int]): Heights and widths of at most four levels,
            alternating.
        locations (Tensor): Shape (B, Q, h, L, P, 2).
        weights (Tensor): Shape (B, Q, h, L, P).
        *tensors (Tensor): Further tensors of the kernel.
    """
    batch_size, num_queries, num_heads, num_levels, num_points = weights.shape
    block_dims = triton.next_power_of_2(value.shape[3])
    block_queries = min(max(_BLOCK_SIZE // block_dims, 16), 128)
    num_programs = (
        triton.cdiv(num_queries, block_queries) * batch_size * num_heads
    )
    unused = [1] * (2 * MAX_TRITON_LEVELS - len(sizes))
    with torch.cuda.device_of(value):
        kernel[(num_programs,)](
            value.contiguous(),
            locations.contiguous(),
            weights.contiguous(),
            *tensors,
            num_queries,
            value.shape[1],
            *sizes,
            *unused,
            NUM_HEADS=num_heads,
            HEAD_DIMS=value.shape[3],
            NUM_LEVELS=num_levels,
            NUM_POINTS=num_points,
            BLOCK_QUERIES=block_queries,
            BLOCK_DIMS=block_dims,
            ACC=tl.float64 if value.dtype == torch.float64 else tl.float32,
        )
