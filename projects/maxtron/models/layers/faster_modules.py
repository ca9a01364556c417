# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Faster forms of PyTorch's modules that MMDetection's modules contain."""

from mmcv.cnn.bricks.transformer import MultiheadAttention
from torch import Tensor, nn

from .common import channels_last, runs_eagerly_on_cpu


class WeightlessAttention(nn.MultiheadAttention):
    """The attention in MMCV's :class:`MultiheadAttention`.

    MMCV drops the attention weights. Without them PyTorch uses
    ``scaled_dot_product_attention``.
    """

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, **kwargs
    ) -> tuple[Tensor, None]:
        """Forward function, see :class:`torch.nn.MultiheadAttention`."""
        return super().forward(query, key, value, need_weights=False, **kwargs)


class ChannelsLastMaxPool2d(nn.MaxPool2d):
    """Maximum of neighbouring pixels, of all channels at once on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """Forward function, (N, C, h, w) -> (N, C, H, W)."""
        if (
            not runs_eagerly_on_cpu(x)
            or not x.is_contiguous()
            or self.return_indices
        ):
            return super().forward(x)
        return super().forward(channels_last(x)).contiguous()


def use_faster_modules(module: nn.Module) -> None:
    """Replace the classes of parts by those of this file.

    Args:
        module (nn.Module): Changed in place. Its parameters and their names
            are kept.
    """
    for part in module.modules():
        if type(part) is nn.MaxPool2d:
            part.__class__ = ChannelsLastMaxPool2d
        elif isinstance(part, MultiheadAttention):
            part.attn.__class__ = WeightlessAttention
