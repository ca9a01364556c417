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

    With this order they are 2 to 3 times faster, a ConvNeXt is a fifth faster,
    and so are the first layers of a ResNet in training. A whole ResNet-50 is
    not, since its weights are reordered in each call. Mixed orders cost most:
    a gradient in another order than its map takes up to seven times as long.

    Args:
        x (Tensor): Maps with shape (N, C, h, w).

    Returns:
        Tensor: The same values, on a CPU in the order (N, h, w, C).
    """
    if x.device.type != 'cpu':
        return x
    return x.contiguous(memory_format=torch.channels_last)


def runs_eagerly_on_cpu(x: Tensor) -> bool:
    """Return whether the forms of operators for CPUs suit a tensor.

    Compilers fuse the plain forms, and not all targets of an export have the
    operators of the others.
    """
    if torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export():
        return False
    return x.device.type == 'cpu'


def short_softmax(logits: Tensor) -> Tensor:
    """Softmax over a last axis of few elements, such as the points of a query.

    A CPU computes it row by row, which takes 2 to 4 times as long as over
    columns.

    Args:
        logits (Tensor): Shape (..., n, K).

    Returns:
        Tensor: Probabilities, same shape.
    """
    if not runs_eagerly_on_cpu(logits):
        return logits.softmax(-1)
    columns = logits.flatten(0, -2).t().contiguous()  # (K, n)
    return columns.softmax(0).t().contiguous().view(logits.shape)


def product(embeds: Tensor, feats: Tensor) -> Tensor:
    """Multiply embeddings of queries with those of pixels.

    A batch of one is not multiplied as a batch, for which a CPU would copy the
    pixels in half precision.

    Args:
        embeds (Tensor): Shape (B, Q, E).
        feats (Tensor): Shape (B, E, ...).

    Returns:
        Tensor: Products with shape (B, Q, ...).
    """
    pixels = feats.flatten(2)
    if len(embeds) == 1:
        products = (embeds[0] @ pixels[0])[None]
    else:
        products = embeds @ pixels
    return products.unflatten(2, feats.shape[2:])


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
