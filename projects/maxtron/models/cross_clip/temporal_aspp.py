# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ..layers import LayerNorm2d, truncated_normal_init


class TemporalASPP(nn.Module):
    """Atrous spatial pyramid pooling along the clips of a video.

    Temporal-ASPP of the paper: convolutions with several dilation rates are
    applied to the same sequence, and a 1x1 convolution joins them. The
    sequence is padded by its first and last clip (replicate padding), so it
    may be shorter than the kernel, down to a single clip.

    Args:
        channels (int): Number of channels C.
        rates (Sequence[int]): Dilation of each convolution. Defaults to
            (1, 2, 3).
        kernel_sizes (Sequence[int]): Kernel size of each convolution. Defaults
            to (3, 3, 3).
        norm (str, optional): Norm after the 1x1 convolution: 'LN', layer norm
            over the channels, or None. Defaults to 'LN'.
        drop (float): Dropout of the output. Defaults to 0.

    Raises:
        InputError: If ``rates`` and ``kernel_sizes`` are empty, differ in
            length or have entries below 1, or if ``norm`` is unknown.
    """

    def __init__(
        self,
        channels: int,
        rates: Sequence[int] = (1, 2, 3),
        kernel_sizes: Sequence[int] = (3, 3, 3),
        norm: str | None = 'LN',
        drop: float = 0.0,
    ) -> None:
        super().__init__()
        if len(rates) != len(kernel_sizes) or len(rates) == 0:
            raise InputError(
                f'rates={tuple(rates)} and kernel_sizes={tuple(kernel_sizes)} '
                'of the Temporal-ASPP need one entry for each convolution, '
                'and there must be at least one.'
            )
        if min(*rates, *kernel_sizes) < 1:
            raise InputError(
                f'rates={tuple(rates)} and kernel_sizes={tuple(kernel_sizes)} '
                'of the Temporal-ASPP must all be at least 1.'
            )
        if norm not in ('LN', None):
            raise InputError(
                f'norm={norm!r} of the Temporal-ASPP is unknown; '
                "choose 'LN' or None."
            )
        self.convs = nn.ModuleList(
            nn.Conv1d(
                channels,
                channels,
                kernel_size,
                dilation=rate,
                padding='same',
                padding_mode='replicate',
            )
            for rate, kernel_size in zip(rates, kernel_sizes)
        )
        in_channels = channels * len(rates)
        self.proj = nn.Conv1d(in_channels, channels, 1, bias=False)
        truncated_normal_init(self.proj.weight, (2 / in_channels) ** 0.5)
        self.norm = LayerNorm2d(channels) if norm else nn.Identity()
        self.drop = nn.Dropout(drop)

    def zero_init(self) -> None:
        """Set weights to zero so that the output is zero, until training."""
        last = self.proj if isinstance(self.norm, nn.Identity) else self.norm
        nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Forward function.

        Args:
            x (Tensor): Sequences over the clips, shape (N, C, K).

        Returns:
            Tensor: Same shape.
        """
        x = self.proj(torch.cat([conv(x) for conv in self.convs], 1))
        return self.drop(F.gelu(self.norm(x)))
