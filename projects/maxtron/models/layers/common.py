# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Shared layers, initialisation, precision and buffers."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Value of the reference, which keeps denominators and weights above zero.
EPS = 1e-5


def at_least_float32(x: Tensor) -> Tensor:
    """Convert half precision to single precision.

    Args:
        x (Tensor): Tensor of any shape.

    Returns:
        Tensor: Same shape, float32 or float64.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def channels_last(x: Tensor) -> Tensor:
    """Order maps in memory as depthwise convolutions on a CPU prefer them.

    With this order they are 2 to 3 times faster, and a ConvNeXt a fifth. A
    whole ResNet is not, since its weights are reordered in each call.

    Args:
        x (Tensor): Maps with shape (N, C, h, w).

    Returns:
        Tensor: The same values, on a CPU in the order (N, h, w, C).
    """
    if x.device.type != 'cpu':
        return x
    return x.contiguous(memory_format=torch.channels_last)


def truncated_normal_init(weight: Tensor, std: float) -> Tensor:
    """Fill a tensor like TensorFlow's truncated normal initializer.

    The values are ``std`` times samples of N(0, 1) truncated to [-2, 2]. Their
    standard deviation is 0.88 ``std``.

    Args:
        weight (Tensor): Tensor of any shape, filled in place.
        std (float): Factor of the samples.

    Returns:
        Tensor: The tensor itself.
    """
    return nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


@contextmanager
def keep_buffers(module: nn.Module) -> Iterator[None]:
    """Restore the buffers of a module, such as running statistics, at the end.

    The buffers are replaced by copies and not changed back, because autograd
    may have saved them.

    Args:
        module (nn.Module): The module.
    """
    kept = [
        (part, name, buffer)
        for part in module.modules()
        for name, buffer in part.named_buffers(recurse=False)
    ]
    for part, name, buffer in kept:
        setattr(part, name, buffer.clone())
    try:
        yield
    finally:
        for part, name, buffer in kept:
            setattr(part, name, buffer)


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of (N, C, ...) tensors, in float32.

    Args:
        num_channels (int): Number of channels C.
        eps (float): Added to the variance. Defaults to 1e-6.
    """

    def __init__(self, num_channels: int, eps: float = 1e-6) -> None:
        super().__init__(num_channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Forward function.

        Args:
            x (Tensor): Shape (N, C, ...).

        Returns:
            Tensor: Same shape and type.
        """
        dtype = torch.promote_types(x.dtype, torch.float32)
        normed = F.layer_norm(
            x.movedim(1, -1).to(dtype),
            self.normalized_shape,
            self.weight.to(dtype),
            self.bias.to(dtype),
            self.eps,
        )
        return normed.to(x.dtype).movedim(-1, 1)
