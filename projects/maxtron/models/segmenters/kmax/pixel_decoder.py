# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Pixel decoder of kMaX-DeepLab."""

from collections.abc import Sequence

import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from mmdet.registry import MODELS
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from ....errors import InputError
from ...layers import LayerNorm2d
from .axial_attention import AxialAttention
from .layers import GELU, KMAX_NORM_CFG, ConvNormAct


class KMaXBlock(nn.Module):
    """Residual block with axial attention or a 3x3 convolution inside.

    The activation precedes the block and also applies to the shortcut. The
    output is not activated.

    Args:
        in_channels (int): Number of input channels.
        base_channels (int): A quarter of the number of output channels.
        block_type (str): 'axial' or 'bottleneck'.
        num_heads (int): Number of heads of the attention.
        drop_path_rate (float): Probability of skipping the block, per image.
        max_length (int): Longest side of a map for the attention.
        norm_cfg (dict): Config of the norms.
    """

    def __init__(
        self,
        in_channels: int,
        base_channels: int,
        block_type: str,
        num_heads: int,
        drop_path_rate: float,
        max_length: int,
        norm_cfg: dict,
    ) -> None:
        super().__init__()
        out_channels = 4 * base_channels
        if block_type == 'axial':
            channels = 2 * base_channels
            self.mix = nn.Sequential(
                AxialAttention(
                    channels,
                    base_channels,
                    channels,
                    num_heads,
                    max_length,
                    norm_cfg,
                ),
                nn.GELU(),
            )
        else:
            channels = base_channels
            self.mix = ConvNormAct(
                channels,
                channels,
                kernel_size=3,
                norm_cfg=norm_cfg,
                act_cfg=GELU,
            )
        self.proj_in = ConvNormAct(
            in_channels, channels, norm_cfg=norm_cfg, act_cfg=GELU
        )
        self.proj_out = ConvNormAct(
            channels, out_channels, norm_cfg=norm_cfg, norm_weight=0.0
        )
        self.drop_path = DropPath(drop_path_rate)
        self.shortcut = nn.Identity()
        if in_channels != out_channels:
            self.shortcut = ConvNormAct(
                in_channels, out_channels, norm_cfg=norm_cfg
            )

    def forward(self, x: Tensor) -> Tensor:
        """Forward function.

        Args:
            x (Tensor): Shape (B, in_channels, H, W).

        Returns:
            Tensor: Shape (B, 4 * base_channels, H, W).
        """
        x = F.gelu(x)
        residual = self.proj_out(self.mix(self.proj_in(x)))
        return self.drop_path(residual) + self.shortcut(x)


class ResizedFuse(nn.Module):
    """Sum of a resized map and the map of the next higher resolution.

    Args:
        low_channels (int): Number of channels of the smaller map.
        high_channels (int): Number of channels of the larger map.
        out_channels (int): Number of output channels. A map with another
            number of channels is projected.
        norm_cfg (dict): Config of the norms.
    """

    def __init__(
        self,
        low_channels: int,
        high_channels: int,
        out_channels: int,
        norm_cfg: dict,
    ) -> None:
        super().__init__()
        self.low, self.high = (
            nn.Identity()
            if channels == out_channels
            else nn.Sequential(
                nn.GELU(),
                ConvNormAct(channels, out_channels, norm_cfg=norm_cfg),
            )
            for channels in (low_channels, high_channels)
        )

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Forward function.

        Args:
            low (Tensor): Shape (B, low_channels, h, w).
            high (Tensor): Shape (B, high_channels, H, W).

        Returns:
            Tensor: Shape (B, out_channels, H, W).
        """
        low = F.interpolate(
            self.low(low),
            high.shape[-2:],
            mode='bilinear',
            # For images of 2^k n + 1 pixels, the corners of all levels
            # coincide.
            align_corners=low.shape[-1] % 2 == 1,
        )
        return low + self.high(high)


@MODELS.register_module()
class KMaXPixelDecoder(BaseModule):
    """Pixel decoder of kMaX-DeepLab: axial attention on the coarse levels.

    From low to high resolution, each stage applies residual blocks to the sum
    of the previous stage's output and a level of the backbone. Images may have
    any size, up to ``max_length`` in the maps with axial attention.

    Args:
        in_channels (Sequence[int]): Number of channels of each level, from
            high to low resolution.
        base_channels (Sequence[int]): A quarter of the number of output
            channels of each stage. This and the following sequences are
            ordered from **low to high** resolution. Defaults to (512, 256,
            128, 64).
        num_blocks (Sequence[int]): Number of blocks of each stage. Defaults
            to (1, 5, 1, 1).
        block_types (Sequence[str]): 'axial' or 'bottleneck' for each stage.
            Defaults to ('axial', 'axial', 'bottleneck', 'bottleneck').
        num_heads (int): Number of heads of the axial attention. Defaults to
            8.
        drop_path_rate (float): Probability of skipping a block. Defaults to 0.
        max_length (int): Longest side of a map for the axial attention.
            Defaults to 255.
        norm_cfg (dict): Config of the norms after convolutions. Defaults to
            batch norm with eps 1e-3 and momentum 0.01.
        init_cfg (dict, optional): Initialization config dict. Defaults to
            None.

    Raises:
        InputError: If the sequences differ in length, or a block type is
            unknown.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        base_channels: Sequence[int] = (512, 256, 128, 64),
        num_blocks: Sequence[int] = (1, 5, 1, 1),
        block_types: Sequence[str] = (
            'axial',
            'axial',
            'bottleneck',
            'bottleneck',
        ),
        num_heads: int = 8,
        drop_path_rate: float = 0.0,
        max_length: int = 255,
        norm_cfg: dict = KMAX_NORM_CFG,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self._check(in_channels, base_channels, num_blocks, block_types)
        levels = in_channels[::-1]  # from low to high resolution, as stages
        self.in_norms = ModuleList(map(LayerNorm2d, levels))
        self.fuses = ModuleList(
            ResizedFuse(4 * below, level, base, norm_cfg)
            for below, level, base in zip(
                base_channels, levels[1:], base_channels[1:]
            )
        )
        self.stages = ModuleList()
        for i, base in enumerate(base_channels):
            channels = [levels[0] if i == 0 else base]
            channels += [4 * base] * (num_blocks[i] - 1)
            self.stages.append(
                nn.Sequential(
                    *(
                        KMaXBlock(
                            c,
                            base,
                            block_types[i],
                            num_heads,
                            drop_path_rate,
                            max_length,
                            norm_cfg,
                        )
                        for c in channels
                    )
                )
            )

    @staticmethod
    def _check(
        in_channels: Sequence[int],
        base_channels: Sequence[int],
        num_blocks: Sequence[int],
        block_types: Sequence[str],
    ) -> None:
        """Raise an error if the arguments do not fit each other."""
        lengths = dict(
            in_channels=len(in_channels),
            base_channels=len(base_channels),
            num_blocks=len(num_blocks),
            block_types=len(block_types),
        )
        if len(set(lengths.values())) > 1:
            raise InputError(
                'KMaXPixelDecoder needs one entry for each level in '
                f'{", ".join(lengths)}, but their lengths are '
                f'{", ".join(map(str, lengths.values()))}.'
            )
        unknown = set(block_types) - {'axial', 'bottleneck'}
        if unknown:
            raise InputError(
                f'block_types={tuple(block_types)}: {unknown.pop()!r} is '
                "neither 'axial' nor 'bottleneck'."
            )

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Forward function.

        Args:
            feats (Sequence[Tensor]): Feature maps of each level from high to
                low resolution, each with shape (B, c_i, h_i, w_i). The decoder
                treats frames of clips as separate images.

        Returns:
            tuple: Mask features with shape (B, C, h, w) at the highest
            resolution, and multi-scale features: the outputs of the other
            stages with shape (B, C_i, h_i, w_i), from low to high resolution.
            They are not activated.

        Raises:
            InputError: If a map is too large for the axial attention.
        """
        levels = [norm(x) for norm, x in zip(self.in_norms, feats[::-1])]
        outputs = [self.stages[0](levels[0])]
        for fuse, stage, level in zip(self.fuses, self.stages[1:], levels[1:]):
            outputs.append(stage(fuse(outputs[-1], level)))
        return outputs[-1], outputs[:-1]
