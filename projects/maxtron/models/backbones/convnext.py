# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from mmdet.registry import MODELS
from mmengine.model import BaseModule, ModuleList, Sequential
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...errors import InputError
from ..layers import LayerNorm2d, channels_last

# Expansion of the channels in a block.
_MLP_RATIO = 4
# Names in the original code, and in MMPretrain and here.
_ORIGINAL_NAMES = (
    ('.dwconv.', '.depthwise_conv.'),
    ('.pwconv', '.pointwise_conv'),
)


class GlobalResponseNorm(nn.Module):
    """Global response normalization of ConvNeXt V2.

    Args:
        num_channels (int): Number of channels.
        eps (float): Added to the mean over the channels. Defaults to 1e-6.
    """

    def __init__(self, num_channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(num_channels))
        self.beta = nn.Parameter(torch.zeros(num_channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Scale the channels by their share of the response.

        Args:
            x (Tensor): Map of shape (N, H, W, C).

        Returns:
            Tensor: Same shape.
        """
        # A sum over the whole map exceeds the range of half precision.
        response = torch.linalg.vector_norm(
            x,
            dim=(1, 2),
            keepdim=True,
            dtype=torch.promote_types(x.dtype, torch.float32),
        )
        share = response / (response.mean(-1, keepdim=True) + self.eps)
        # gamma * x * share + beta + x in one pass over the map
        scale = (1 + self.gamma * share).to(x.dtype)  # (N, 1, 1, C)
        return torch.addcmul(self.beta.to(x.dtype), x, scale)


class ConvNeXtBlock(nn.Module):
    """Block of ConvNeXt, V1 or V2.

    Args:
        num_channels (int): Number of channels.
        use_grn (bool): Whether it is a block of V2. Defaults to False.
        drop_path_rate (float): Stochastic depth rate. Defaults to 0.
        layer_scale_init_value (float): Initial factor of the residual
            branch; 0 for none. Defaults to 1e-6.
        with_cp (bool): Whether to compute the block again in the backward
            pass rather than to keep its activations. Defaults to False.
    """

    def __init__(
        self,
        num_channels: int,
        use_grn: bool = False,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float = 1e-6,
        with_cp: bool = False,
    ) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.depthwise_conv = nn.Conv2d(
            num_channels, num_channels, 7, padding=3, groups=num_channels
        )
        self.norm = nn.LayerNorm(num_channels, eps=1e-6)
        self.pointwise_conv1 = nn.Linear(
            num_channels, _MLP_RATIO * num_channels
        )
        self.grn = (
            GlobalResponseNorm(_MLP_RATIO * num_channels) if use_grn else None
        )
        self.pointwise_conv2 = nn.Linear(
            _MLP_RATIO * num_channels, num_channels
        )
        self.gamma = (
            nn.Parameter(torch.full((num_channels,), layer_scale_init_value))
            if layer_scale_init_value > 0
            else None
        )
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """Forward function.

        Args:
            x (Tensor): Map of shape (N, C, H, W).

        Returns:
            Tensor: Same shape.
        """
        if self.with_cp and x.requires_grad:
            branch = checkpoint(self._branch, x, use_reentrant=False)
        else:
            branch = self._branch(x)
        return x + self.drop_path(branch)

    def _branch(self, x: Tensor) -> Tensor:
        """Compute the residual branch."""
        # channels last: linear layers are faster than 1x1 convolutions
        x = self.depthwise_conv(x).permute(0, 2, 3, 1)
        x = F.gelu(self.pointwise_conv1(self.norm(x)))
        if self.grn is not None:
            x = self.grn(x)
        x = self.pointwise_conv2(x)
        if self.gamma is not None:
            x = x * self.gamma
        return x.permute(0, 3, 1, 2)


@MODELS.register_module()
class ConvNeXt(BaseModule):
    """ConvNeXt and ConvNeXt V2 for dense prediction.

    `A ConvNet for the 2020s <https://arxiv.org/abs/2201.03545>`_,
    `ConvNeXt V2 <https://arxiv.org/abs/2301.00808>`_. Weights have the names
    of MMPretrain. ``init_cfg`` accepts files of MMPretrain with
    ``prefix='backbone.'``, and original files without. As in the reference,
    outputs are not normalised, because Video-kMaX normalises them.

    Args:
        arch (str or dict): Name of a size, or a dict with 'depths' and
            'channels' of the stages. Defaults to 'large'.
        in_channels (int): Number of input channels. Defaults to 3.
        use_grn (bool): Whether the network is V2. Defaults to False.
        extra_padding (bool): Whether zeros are padded before each
            down-sampling. Maps of images of size 2^k + 1 are then aligned at
            their corners, and a size s becomes ceil(s / stride). The reference
            pads images of all sizes; ImageNet classifiers do not pad. Defaults
            to True.
        drop_path_rate (float): Stochastic depth rate of the last block, from
            0 for the first. Defaults to 0.
        layer_scale_init_value (float, optional): Initial factor of residual
            branches; 0 for none. Defaults to None: 1e-6 for V1, 0 for V2.
        out_indices (Sequence[int]): Stages whose maps are returned. Defaults
            to (0, 1, 2, 3), the strides 4, 8, 16 and 32.
        frozen_stages (int): Number of stages, from the first, that are not
            trained. Defaults to 0.
        with_cp (bool): Whether to save memory by computing the blocks again in
            the backward pass. Defaults to False.
        init_cfg (dict, optional): Initialization config. Defaults to None,
            random weights.

    Raises:
        InputError: If ``arch`` is unknown.
    """

    arch_settings = {  # depths and channels
        'atto': ((2, 2, 6, 2), (40, 80, 160, 320)),
        'femto': ((2, 2, 6, 2), (48, 96, 192, 384)),
        'pico': ((2, 2, 6, 2), (64, 128, 256, 512)),
        'nano': ((2, 2, 8, 2), (80, 160, 320, 640)),
        'tiny': ((3, 3, 9, 3), (96, 192, 384, 768)),
        'small': ((3, 3, 27, 3), (96, 192, 384, 768)),
        'base': ((3, 3, 27, 3), (128, 256, 512, 1024)),
        'large': ((3, 3, 27, 3), (192, 384, 768, 1536)),
        'xlarge': ((3, 3, 27, 3), (256, 512, 1024, 2048)),
        'huge': ((3, 3, 27, 3), (352, 704, 1408, 2816)),
    }

    def __init__(
        self,
        arch: str | dict = 'large',
        in_channels: int = 3,
        use_grn: bool = False,
        extra_padding: bool = True,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float | None = None,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        frozen_stages: int = 0,
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        if init_cfg is None:
            init_cfg = dict(
                type='TruncNormal', layer=['Conv2d', 'Linear'], std=0.02
            )
        super().__init__(init_cfg=init_cfg)
        self.depths, self.channels = self._parse_arch(arch)
        self.extra_padding = extra_padding
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        if layer_scale_init_value is None:
            layer_scale_init_value = 0.0 if use_grn else 1e-6

        self.downsample_layers = ModuleList(
            [
                Sequential(
                    nn.Conv2d(in_channels, self.channels[0], 4, stride=4),
                    LayerNorm2d(self.channels[0]),
                )
            ]
        )
        for before, after in zip(self.channels, self.channels[1:]):
            self.downsample_layers.append(
                Sequential(
                    LayerNorm2d(before), nn.Conv2d(before, after, 2, stride=2)
                )
            )
        self.stages = ModuleList()
        last = max(sum(self.depths) - 1, 1)
        index = 0
        for depth, channels in zip(self.depths, self.channels):
            self.stages.append(
                Sequential(
                    *(
                        ConvNeXtBlock(
                            channels,
                            use_grn,
                            drop_path_rate * (index + i) / last,
                            layer_scale_init_value,
                            with_cp,
                        )
                        for i in range(depth)
                    )
                )
            )
            index += depth
        self._freeze_stages()

    @classmethod
    def _parse_arch(
        cls, arch: str | dict
    ) -> tuple[Sequence[int], Sequence[int]]:
        """Look up depths and channels."""
        if isinstance(arch, str):
            if arch not in cls.arch_settings:
                raise InputError(
                    f"There is no ConvNeXt of arch='{arch}': give one of "
                    f'{", ".join(cls.arch_settings)}, or a dict with '
                    "'depths' and 'channels'."
                )
            return cls.arch_settings[arch]
        if {'depths', 'channels'} != arch.keys() or len(arch['depths']) != len(
            arch['channels']
        ):
            raise InputError(
                "A dict as arch of ConvNeXt has 'depths' and "
                f"'channels' of the same length, not {arch}."
            )
        return arch['depths'], arch['channels']

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Forward function.

        Args:
            x (Tensor): Images of shape (N, in_channels, H, W).

        Returns:
            tuple[Tensor]: Map of each stage in ``out_indices``, of shape (N,
            channels, ceil(H / stride), ceil(W / stride)). Sizes are rounded
            down without ``extra_padding``.
        """
        x = channels_last(x)
        outputs = []
        for i, (down, stage) in enumerate(
            zip(self.downsample_layers, self.stages)
        ):
            if self.extra_padding:  # left, right, top, bottom
                x = F.pad(x, (1, 2, 1, 2) if i == 0 else (0, 1, 0, 1))
            x = stage(down(x))
            if i in self.out_indices:
                outputs.append(x)
        return tuple(outputs)

    def train(self, mode: bool = True) -> 'ConvNeXt':
        """Set the mode of all stages that are not frozen."""
        super().train(mode)
        self._freeze_stages()
        return self

    def _freeze_stages(self) -> None:
        """Keep frozen stages in evaluation mode and without gradients."""
        for modules in (self.downsample_layers, self.stages):
            for module in modules[: self.frozen_stages]:
                module.eval()
                module.requires_grad_(False)

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, *args
    ) -> None:
        """Accept the original files and those of MMPretrain, too."""
        if not prefix and isinstance(state_dict.get('model'), Mapping):
            state_dict.update(state_dict.pop('model'))
        for key in [key for key in state_dict if key.startswith(prefix)]:
            value, new = state_dict[key], key
            for old_name, new_name in _ORIGINAL_NAMES:
                new = new.replace(old_name, new_name)
            if '.grn.' in key:  # (1, 1, 1, C) in the original code
                value = value.flatten()
            elif '.pointwise_conv' in new and value.dim() == 4:
                value = value.flatten(1)  # weight of a 1x1 convolution
            del state_dict[key]
            state_dict[new] = value
        super()._load_from_state_dict(state_dict, prefix, *args)
