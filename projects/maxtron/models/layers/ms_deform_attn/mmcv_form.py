# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Deformable attention by MMCV's compiled operator.

MMCV's kernel converts the locations to the type of the value, and knows no
bfloat16. Half precision is therefore computed in float32.
"""

from collections.abc import Sequence
from itertools import accumulate

import torch
from mmcv.ops.multi_scale_deform_attn import ext_module
from torch import Tensor


def forward(
    value: Tensor, sizes: Sequence[int], locations: Tensor, weights: Tensor
) -> Tensor:
    """See :func:`~.custom_op.ms_deform_attn`."""
    tensors = _in_one_type(value, locations, weights)
    out = ext_module.ms_deform_attn_forward(
        tensors[0],
        *_level_tensors(sizes, value.device),
        *tensors[1:],
        im2col_step=len(value),
    )
    return out.to(value.dtype)


def backward(
    grad: Tensor,
    value: Tensor,
    sizes: Sequence[int],
    locations: Tensor,
    weights: Tensor,
) -> tuple[Tensor, ...]:
    """See :func:`~.custom_op.ms_deform_attn_backward`."""
    tensors = _in_one_type(value, locations, weights)
    grads = [torch.zeros_like(x) for x in tensors]
    ext_module.ms_deform_attn_backward(
        tensors[0],
        *_level_tensors(sizes, value.device),
        *tensors[1:],
        grad.to(tensors[0].dtype).contiguous(),
        *grads,
        im2col_step=len(value),
    )
    return tuple(
        x.to(wanted.dtype)
        for x, wanted in zip(grads, (value, locations, weights))
    )


def _in_one_type(value: Tensor, *others: Tensor) -> list[Tensor]:
    """Convert to contiguous tensors of the value's type, at least float32."""
    dtype = torch.promote_types(value.dtype, torch.float32)
    return [x.to(dtype).contiguous() for x in (value, *others)]


def _level_tensors(
    sizes: Sequence[int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Make the shapes (L, 2) and the first token of each level (L, ).

    Numbers are filled in on the device, because a copy from the host waits for
    the device and cannot be part of a CUDA graph.
    """
    areas = [height * width for height, width in zip(sizes[::2], sizes[1::2])]
    starts = list(accumulate(areas[:-1], initial=0))
    numbers = torch.cat(
        [torch.full((1,), n, device=device) for n in (*sizes, *starts)]
    )
    return numbers[: len(sizes)].view(-1, 2), numbers[len(sizes) :]
