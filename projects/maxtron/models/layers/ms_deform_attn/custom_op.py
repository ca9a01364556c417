# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Operators ``maxtron::ms_deform_attn`` and ``..._backward``.

PyTorch's compiler, export and autograd treat a form that is not written in
PyTorch's operators as one operator.
"""

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor

Tensors = tuple[Tensor, Tensor, Tensor]


def _form(implementation: str) -> ModuleType:
    """Import the form 'triton' or 'mmcv', whose packages are optional."""
    return import_module(f'.{implementation}_form', __package__)


@torch.library.custom_op(
    'maxtron::ms_deform_attn',
    mutates_args=(),
    schema='(Tensor value, SymInt[] sizes, Tensor locations, Tensor weights, '
    'str implementation) -> Tensor',
)
def ms_deform_attn(
    value: Tensor,
    sizes: Sequence[int],
    locations: Tensor,
    weights: Tensor,
    implementation: str,
) -> Tensor:
    """Compute multi-scale deformable attention by a compiled kernel.

    Args:
        value (Tensor): Shape (B, N, h, d).
        sizes (Sequence[int]): Height and width of the first level, then those
            of the second one, and so on.
        locations (Tensor): Shape (B, Q, h, L, P, 2).
        weights (Tensor): Shape (B, Q, h, L, P).
        implementation (str): 'triton' or 'mmcv'.

    Returns:
        Tensor: Shape (B, Q, h * d), with the type of the value.
    """
    return _form(implementation).forward(value, sizes, locations, weights)


@ms_deform_attn.register_fake
def _(
    value: Tensor,
    sizes: Sequence[int],
    locations: Tensor,
    weights: Tensor,
    implementation: str,
) -> Tensor:
    num_heads, head_dims = value.shape[2:]
    return value.new_empty((*locations.shape[:2], num_heads * head_dims))


@torch.library.custom_op(
    'maxtron::ms_deform_attn_backward',
    mutates_args=(),
    schema='(Tensor grad, Tensor value, SymInt[] sizes, Tensor locations, '
    'Tensor weights, str implementation) -> (Tensor, Tensor, Tensor)',
)
def ms_deform_attn_backward(
    grad: Tensor,
    value: Tensor,
    sizes: Sequence[int],
    locations: Tensor,
    weights: Tensor,
    implementation: str,
) -> Tensors:
    """Compute the gradients of :func:`ms_deform_attn`.

    Args:
        grad (Tensor): Gradient of the result, shape (B, Q, h * d).
        value (Tensor): See :func:`ms_deform_attn`.
        sizes (Sequence[int]): See there.
        locations (Tensor): See there.
        weights (Tensor): See there.
        implementation (str): See there.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Gradients of value, locations and
        weights, with their shapes and types.
    """
    return _form(implementation).backward(
        grad, value, sizes, locations, weights
    )


@ms_deform_attn_backward.register_fake
def _(
    grad: Tensor,
    value: Tensor,
    sizes: Sequence[int],
    locations: Tensor,
    weights: Tensor,
    implementation: str,
) -> Tensors:
    value, locations, weights = (
        torch.empty_like(x, memory_format=torch.contiguous_format)
        for x in (value, locations, weights)
    )
    return value, locations, weights


def _setup_context(ctx, inputs: tuple, output: Tensor) -> None:
    value, ctx.sizes, locations, weights, ctx.implementation = inputs
    ctx.save_for_backward(value, locations, weights)


def _backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
    value, locations, weights = ctx.saved_tensors
    value, locations, weights = ms_deform_attn_backward(
        grad, value, ctx.sizes, locations, weights, ctx.implementation
    )
    return value, None, locations, weights, None


ms_deform_attn.register_autograd(_backward, setup_context=_setup_context)
