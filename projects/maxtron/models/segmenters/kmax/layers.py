# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Layers of the pixel decoder and the transformer decoder of kMaX."""

import warnings

import torch
from mmcv.cnn import ConvModule, build_norm_layer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...layers import (
    at_least_float32,
    channels_last,
    runs_eagerly_on_cpu,
    truncated_normal_init,
)

# Batch norm of all kMaX models. Several GPUs synchronise it with the
# `sync_bn='torch'` of MMEngine's runner.
KMAX_NORM_CFG = dict(type='BN', eps=1e-3, momentum=0.01)
GELU = dict(type='GELU')


def build_kmax_norm(
    norm_cfg: dict, num_features: int, dims: int = 2, weight: float = 1.0
) -> nn.Module:
    """Build a norm layer.

    Args:
        norm_cfg (dict): Config of the norm, of any type known to MMCV.
        num_features (int): Number of channels.
        dims (int): Number of axes after the batch and the channels, which
            selects the variant of 'BN'. Defaults to 2.
        weight (float): Initial weight of the norm. Defaults to 1.

    Returns:
        nn.Module: The norm of (N, num_features, ...) tensors.
    """
    norm = build_norm_layer(_norm_cfg_of(norm_cfg, dims), num_features)[1]
    _init_norm(norm, weight)
    return norm


def _init_norm(norm: nn.Module, weight: float) -> None:
    """Set the weight of a norm, and its bias to 0, if it has them."""
    for parameter, value in ((norm.weight, weight), (norm.bias, 0.0)):
        if parameter is not None:
            nn.init.constant_(parameter, value)


def _norm_cfg_of(norm_cfg: dict | None, dims: int) -> dict | None:
    """Adapt ``norm_cfg`` to inputs with ``dims`` axes after the channels.

    MMCV's 'BN' is BatchNorm2d, which refuses (N, C, L).
    """
    if norm_cfg is not None and norm_cfg['type'] == 'BN':
        return dict(norm_cfg, type=f'BN{dims}d')
    return norm_cfg


def affine_map(norm: nn.Module) -> tuple[Tensor, Tensor] | None:
    """Return the map ``scale * x + shift`` that a norm is at inference.

    Args:
        norm (nn.Module): Any module.

    Returns:
        tuple[Tensor, Tensor] | None: Scale and shift of each channel, in
        float32 or better, or None if gradients are computed or the module is
        no batch norm with statistics.
    """
    if (
        torch.is_grad_enabled()
        or norm.training
        or not isinstance(norm, _BatchNorm)
        or not (norm.affine and norm.track_running_stats)
    ):
        return None
    variance = at_least_float32(norm.running_var)
    scale = norm.weight * (variance + norm.eps).rsqrt()
    return scale, norm.bias - norm.running_mean * scale


class ConvNormAct(ConvModule):
    """Convolution, norm and activation with the initialisation of kMaX.

    Children are named as in MMCV's :class:`ConvModule`: ``conv``, ``bn`` (by
    the type of the norm) and ``activate``.

    Args:
        in_channels (int): Number of input channels.
        out_channels (int): Number of output channels.
        kernel_size (int): Odd size of the kernel; the size of the map is
            kept. Defaults to 1.
        dims (int): 2 for maps (N, C, H, W), 1 for sequences (N, C, L).
            Defaults to 2.
        groups (int): Groups of the convolution. Defaults to 1.
        dilation (int): Dilation of the convolution. Defaults to 1.
        bias (bool): Whether the convolution has a bias, initially 0. Defaults
            to False.
        norm_cfg (dict, optional): Config of the norm; None for none.
            Defaults to :data:`KMAX_NORM_CFG`.
        act_cfg (dict, optional): Config of the activation; None for none.
            Defaults to None.
        init_std (float, optional): Factor of the truncated normal distribution
            that initialises the convolution. Defaults to None: the square root
            of 2 / ``in_channels``, independent of kernel and groups.
        xavier (bool): Whether the initialisation is Xavier-uniform instead.
            Defaults to False.
        norm_weight (float): Initial weight of the norm. Defaults to 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        dims: int = 2,
        groups: int = 1,
        dilation: int = 1,
        bias: bool = False,
        norm_cfg: dict | None = KMAX_NORM_CFG,
        act_cfg: dict | None = None,
        init_std: float | None = None,
        xavier: bool = False,
        norm_weight: float = 1.0,
    ) -> None:
        # The parent's constructor calls init_weights.
        if init_std is None:
            init_std = (2 / in_channels) ** 0.5
        self.init_std = init_std
        self.xavier = xavier
        self.norm_weight = norm_weight
        with warnings.catch_warnings():
            # kMaX has a bias before a norm, and checkpoints contain it.
            warnings.filterwarnings('ignore', 'Unnecessary conv bias')
            super().__init__(
                in_channels,
                out_channels,
                kernel_size,
                padding=dilation * (kernel_size // 2),
                dilation=dilation,
                groups=groups,
                bias=bias,
                conv_cfg=dict(type=f'Conv{dims}d'),
                norm_cfg=_norm_cfg_of(norm_cfg, dims),
                act_cfg=act_cfg,
            )

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """Forward function, see MMCV's :class:`ConvModule`."""
        # In training, gradients then have the order of the maps.
        if x.dim() == 4 and (self.training or self.conv.groups > 1):
            x = channels_last(x)
        folded = self.fold_norm()
        if folded is None:
            return super().forward(x, *args, **kwargs)
        x = self.conv._conv_forward(x, *folded)
        return self.activate(x) if self.with_activation else x

    def fold_norm(self) -> tuple[Tensor, Tensor] | None:
        """Fold the norm into the convolution, without changing either.

        A CPU thus saves a pass over the map. Elsewhere the additional small
        operators would take longer.

        Returns:
            tuple[Tensor, Tensor] | None: Weight and bias of the convolution
            that includes the norm, or None elsewhere and where
            :func:`affine_map` is None.
        """
        if not self.with_norm or not runs_eagerly_on_cpu(self.conv.weight):
            return None
        affine = affine_map(self.norm)
        if affine is None:
            return None
        scale, shift = affine
        weight, bias = self.conv.weight, self.conv.bias
        if bias is not None:
            shift = shift + scale * bias
        scale = scale.view(-1, *[1] * (weight.dim() - 1))
        return (weight * scale).to(weight), shift.to(weight)

    def init_weights(self) -> None:
        """Initialize weights."""
        if self.xavier:
            nn.init.xavier_uniform_(self.conv.weight)
        else:
            truncated_normal_init(self.conv.weight, self.init_std)
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)
        if self.with_norm:
            _init_norm(self.norm, self.norm_weight)
