# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Sequence

import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from ..layers import LayerNorm2d


@MODELS.register_module()
class SimpleFeaturePyramid(BaseModule):
    """Feature pyramid of a plain vision transformer (ViTDet).

    `Exploring Plain Vision Transformer Backbones for Object Detection
    <https://arxiv.org/abs/2203.16527>`_. The map of stride 16 is brought to
    the strides 4, 8, 16 and 32 by transposed convolutions and pooling; each
    level then has a 1x1 and a 3x3 convolution, with layer norms.

    Args:
        in_channels (int): Channels of the map.
        out_channels (int): Channels of each level. Defaults to 256.
        spatial_prior (bool): Whether to add features of a convolutional stem
            of the image, as ViT-Adapter does: fine details, which a plain
            transformer lacks. Defaults to False.
        prior_channels (int): Channels of the stem. Defaults to 64.
        init_cfg (dict, optional): Initialization. Defaults to None.
    """

    strides = (4, 8, 16, 32)

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 256,
        spatial_prior: bool = False,
        prior_channels: int = 64,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        half, quarter = in_channels // 2, in_channels // 4
        scalings = (
            nn.Sequential(
                nn.ConvTranspose2d(in_channels, half, 2, 2),
                LayerNorm2d(half),
                nn.GELU(),
                nn.ConvTranspose2d(half, quarter, 2, 2),
            ),
            nn.ConvTranspose2d(in_channels, half, 2, 2),
            nn.Identity(),
            nn.MaxPool2d(2, ceil_mode=True),
        )
        widths = (quarter, half, in_channels, in_channels)
        self.levels = ModuleList(
            nn.Sequential(
                scaling,
                nn.Conv2d(width, out_channels, 1, bias=False),
                LayerNorm2d(out_channels),
                nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False),
                LayerNorm2d(out_channels),
            )
            for scaling, width in zip(scalings, widths)
        )
        self.prior = (
            SpatialPrior(out_channels, prior_channels)
            if spatial_prior
            else None
        )

    def forward(
        self, x: Tensor, image: Tensor, sizes: Sequence[tuple[int, int]]
    ) -> list[Tensor]:
        """Make the levels.

        Args:
            x (Tensor): Map of stride 16, shape (N, C, h, w).
            image (Tensor): The image, shape (N, 3, H, W).
            sizes (Sequence[tuple[int, int]]): Height and width of each level.
                Rows and columns beyond them, which come from padding, are
                removed.

        Returns:
            list[Tensor]: Levels from stride 4 to stride 32.
        """
        levels = [
            level(x)[..., :height, :width]
            for level, (height, width) in zip(self.levels, sizes)
        ]
        if self.prior is not None:
            levels = [a + b for a, b in zip(levels, self.prior(image))]
        return levels


class SpatialPrior(nn.Module):
    """Convolutional stem with four strides, after ViT-Adapter.

    `Vision Transformer Adapter for Dense Predictions
    <https://arxiv.org/abs/2205.08534>`_. The last projection begins with zero
    weights, so that the stem changes nothing at the beginning of a training.

    Args:
        out_channels (int): Channels of each level.
        channels (int): Channels of the stride 4. They double at strides 8
            and 16.
    """

    def __init__(self, out_channels: int, channels: int) -> None:
        super().__init__()
        widths = [channels, 2 * channels, 4 * channels, 4 * channels]
        self.stem = nn.Sequential(
            _convolution(3, channels, 2),
            _convolution(channels, channels, 1),
            _convolution(channels, channels, 2),
        )
        self.stages = nn.ModuleList(
            _convolution(a, b, 2) for a, b in zip(widths, widths[1:])
        )
        self.projections = nn.ModuleList(
            nn.Conv2d(width, out_channels, 1) for width in widths
        )
        for projection in self.projections:
            nn.init.zeros_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Compute the levels.

        Args:
            image (Tensor): Shape (N, 3, H, W).

        Returns:
            list[Tensor]: Levels of strides 4 to 32; sides are rounded up.
        """
        x = self.stem(image)
        levels = [x]
        for stage in self.stages:
            levels.append(stage(levels[-1]))
        return [
            projection(level)
            for projection, level in zip(self.projections, levels)
        ]


def _convolution(in_channels: int, channels: int, stride: int) -> nn.Module:
    """Make a 3x3 convolution with norm and activation."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False),
        LayerNorm2d(channels),
        nn.GELU(),
    )


def pad_to(x: Tensor, multiple: int) -> Tensor:
    """Pad a map at its right and lower edge by zeros.

    Args:
        x (Tensor): Shape (N, C, H, W).
        multiple (int): Both sides become a multiple of this number.

    Returns:
        Tensor: The padded map.
    """
    height, width = x.shape[2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple))
