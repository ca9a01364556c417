# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from ....errors import InputError
from .layers import GELU, KMAX_NORM_CFG, ConvNormAct


class KMaXASPP(nn.Module):
    """Atrous spatial pyramid pooling of kMaX's semantic head.

    Args:
        in_channels (int): Number of input channels.
        channels (int): Number of channels of each branch and of the output.
        dilations (Sequence[int]): Dilations of the 3x3 branches.
        dropout (float): Dropout of the output.
        norm_cfg (dict): Config of the norms.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        dilations: Sequence[int],
        dropout: float,
        norm_cfg: dict,
    ) -> None:
        super().__init__()
        kwargs: dict[str, Any] = dict(norm_cfg=norm_cfg, act_cfg=GELU)
        self.convs = nn.ModuleList(
            [ConvNormAct(in_channels, channels, **kwargs)]
        )
        self.convs.extend(
            ConvNormAct(in_channels, channels, 3, dilation=dilation, **kwargs)
            for dilation in dilations
        )
        self.pool_conv = ConvNormAct(in_channels, channels, **kwargs)
        self.proj = ConvNormAct(
            channels * (len(self.convs) + 1), channels, **kwargs
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Forward function.

        Args:
            x (Tensor): Shape (B, C, h, w).

        Returns:
            Tensor: Shape (B, channels, h, w).

        Raises:
            InputError: If batch norm gets a single image in training.
        """
        norm = self.pool_conv.norm
        if len(x) == 1 and isinstance(norm, nn.BatchNorm2d) and norm.training:
            raise InputError(
                'KMaXSemanticHead pools each frame to one value, for which '
                'batch norm needs two frames: set train_dataloader.batch_size '
                "to 2 or more, train on several GPUs with sync_bn='torch', "
                'or give the semantic_head another norm_cfg.'
            )
        pooled = self.pool_conv(x.mean((2, 3), keepdim=True))
        branches = [conv(x) for conv in self.convs]
        branches.append(pooled.expand_as(branches[0]))
        return self.dropout(self.proj(torch.cat(branches, 1)))


@MODELS.register_module()
class KMaXSemanticHead(BaseModule):
    """Auxiliary semantic segmentation of each frame, for training only.

    The head is kMaX's variant of the Panoptic-DeepLab decoder: ASPP on the
    features of stride 32, refined with those of strides 8 and 4.

    Args:
        num_classes (int): Number of classes, without "unlabelled".
        in_channels (Sequence[int]): Channels of the features of strides 4,
            8, 16 and 32.
        channels (int): Channels of the head. Defaults to 256.
        low_level_channels (tuple[int, int]): Channels that the features of
            stride 8 and 4 are projected to. Defaults to (64, 32).
        dilations (Sequence[int]): Dilations of ASPP. Defaults to (6, 12, 18).
        dropout (float): Dropout after ASPP. Defaults to 0.1.
        norm_cfg (dict): Config of the norms. Defaults to batch norm with
            eps 1e-3 and momentum 0.01.
        init_cfg (dict, optional): As for :class:`BaseModule`.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: Sequence[int] = (256, 512, 1024, 2048),
        channels: int = 256,
        low_level_channels: tuple[int, int] = (64, 32),
        dilations: Sequence[int] = (6, 12, 18),
        dropout: float = 0.1,
        norm_cfg: dict = KMAX_NORM_CFG,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        kwargs: dict[str, Any] = dict(norm_cfg=norm_cfg, act_cfg=GELU)

        def separable_conv(in_channels: int) -> nn.Sequential:
            return nn.Sequential(
                ConvNormAct(
                    in_channels,
                    in_channels,
                    5,
                    groups=in_channels,
                    xavier=True,
                    **kwargs,
                ),
                ConvNormAct(in_channels, channels, **kwargs),
            )

        self.aspp = KMaXASPP(
            in_channels[3], channels, dilations, dropout, norm_cfg
        )
        self.low_level_projs = nn.ModuleList(
            ConvNormAct(in_channels[i], low_level, **kwargs)
            for i, low_level in zip((1, 0), low_level_channels)
        )
        self.fusions = nn.ModuleList(
            separable_conv(channels + low_level)
            for low_level in low_level_channels
        )
        self.convs = separable_conv(channels)
        self.conv_seg = ConvNormAct(
            channels, num_classes + 1, bias=True, norm_cfg=None, init_std=0.01
        )

    def forward(self, x: Sequence[Tensor], num_frames: int) -> Tensor:
        """Classify each pixel.

        Args:
            x (Sequence[Tensor]): Features of strides 4 to 32 with shape
                (B * T, C_i, h_i, w_i), the inputs of the pixel decoder.
            num_frames (int): T.

        Returns:
            Tensor: Logits at stride 4, (B, num_classes + 1, T, h, w).
        """
        # The reference applies the rule of stride 32 to both levels.
        align_corners = x[3].shape[-1] % 2 == 1
        feat = self.aspp(x[3])
        for low_level, project, fuse in zip(
            (x[1], x[0]), self.low_level_projs, self.fusions
        ):
            feat = F.interpolate(
                feat,
                low_level.shape[-2:],
                mode='bilinear',
                align_corners=align_corners,
            )
            feat = fuse(torch.cat((feat, project(low_level)), 1))
        logits = self.conv_seg(self.convs(feat))
        return logits.unflatten(0, (-1, num_frames)).transpose(1, 2)
