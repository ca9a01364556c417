# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Numerical precision, shared by layers, losses and matchers."""

import torch
from torch import Tensor

# Reference: keeps denominators and weights above zero.
EPS = 1e-5


def at_least_float32(x: Tensor) -> Tensor:
    """Convert half precision to single precision.

    Args:
        x (Tensor): Of any shape.

    Returns:
        Tensor: Same shape, float32 or float64.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))
