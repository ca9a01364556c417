# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Numerical precision, shared by layers, losses and matchers."""

import torch
from torch import Tensor

# Reference: keeps denominators and weights above zero.
EPS = 1e-5


def single_or_double(x: Tensor) -> torch.dtype:
    """Type to compute in what half precision is too coarse for.

    Args:
        x (Tensor): What it is computed from.

    Returns:
        torch.dtype: float64 if ``x`` is, else float32.
    """
    return torch.promote_types(x.dtype, torch.float32)


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision to single, the others as they are.

    Args:
        x (Tensor): Of any shape.

    Returns:
        Tensor: Same shape, float32 or float64.
    """
    return x.to(single_or_double(x))
