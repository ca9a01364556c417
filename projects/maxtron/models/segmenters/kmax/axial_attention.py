# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Axial attention with relative positions, of Axial-DeepLab and kMaX."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....errors import InputError
from ...layers import channels_last, truncated_normal_init
from .layers import KMAX_NORM_CFG, ConvNormAct, affine_map, build_kmax_norm


def norm_and_sum(
    norm: nn.Module,
    terms: Sequence[Tensor],
    channels: tuple[int, ...],
    first: int = 0,
) -> Tensor:
    """Normalise tensors with separate channels, and sum them.

    Args:
        norm (nn.Module): Norm of (B, C, L) with the channels of all terms.
        terms (Sequence[Tensor]): Tensors with shape (B, *channels, h, w).
        channels (tuple[int]): The axes that make up the channels of a term.
        first (int): Index of the term by which the sum may be laid out in
            memory. Defaults to 0.

    Returns:
        Tensor: Sum with shape (B, *channels, h, w), of at least float32.
    """
    affine = affine_map(norm)
    if affine is None:
        dtype = torch.promote_types(terms[0].dtype, torch.float32)
        stacked = torch.stack(terms, 1)
        normed = norm(stacked.flatten(1, len(channels) + 1).flatten(2))
        return normed.view_as(stacked).sum(1, dtype=dtype)
    # The terms are not concatenated, because those of the similarity are the
    # largest tensors of the network.
    scale, shift = (x.view(len(terms), *channels, 1, 1) for x in affine)
    total = shift.sum(0)
    others = (i for i in range(len(terms)) if i != first)
    for i in (first, *others):
        total = torch.addcmul(total, terms[i], scale[i])
    return total


class SingleAxisAttention(nn.Module):
    """Self-attention of a feature map along one of its axes.

    Let `q`, `k` and `v` belong to one row (or column), and let the tables `E`
    contain a vector for each relative position, shared by the heads. The logit
    of position `l` for position `m` is the sum of the terms `q_l k_m`, `q_l
    Eq_lm` and `k_m Ek_lm`. A norm scales the terms; there is no factor 1 /
    sqrt(d). The retrieved values `v_m` and `Ev_lm` are also normalised and
    then summed.

    The tables have a row for each relative position up to ``max_length``. Each
    call uses the rows of its axis, so the size of the map may vary.

    Args:
        in_channels (int): Number of input channels.
        key_channels (int): Number of channels of the queries and of the keys,
            over all heads.
        value_channels (int): Number of channels of the values, over all heads,
            and of the output.
        axis (str): 'height' or 'width'.
        num_heads (int): Number of heads. Defaults to 8.
        max_length (int): Size of the longest axis. Defaults to 255.
        norm_cfg (dict): Config of the norms. Defaults to
            :data:`KMAX_NORM_CFG`.

    Raises:
        InputError: If the heads do not divide the channels.
    """

    def __init__(
        self,
        in_channels: int,
        key_channels: int,
        value_channels: int,
        axis: str,
        num_heads: int = 8,
        max_length: int = 255,
        norm_cfg: dict = KMAX_NORM_CFG,
    ) -> None:
        super().__init__()
        if key_channels % num_heads or value_channels % num_heads:
            raise InputError(
                f'{key_channels} channels of keys and {value_channels} of '
                f'values cannot be divided among num_heads={num_heads}.'
            )
        self.key_channels = key_channels
        self.value_channels = value_channels
        self.axis = axis
        self.num_heads = num_heads
        self.max_length = max_length
        self.qkv = ConvNormAct(
            in_channels,
            2 * key_channels + value_channels,
            dims=1,
            norm_cfg=norm_cfg,
            init_std=in_channels**-0.5,
        )
        key_dims = key_channels // num_heads
        num_rows = 2 * max_length - 1
        self.query_rpe = nn.Embedding(num_rows, key_dims)
        self.key_rpe = nn.Embedding(num_rows, key_dims)
        self.value_rpe = nn.Embedding(num_rows, value_channels // num_heads)
        self.similarity_norm = build_kmax_norm(norm_cfg, 3 * num_heads, dims=1)
        self.output_norm = build_kmax_norm(
            norm_cfg, 2 * value_channels, dims=1
        )
        for rpe in (self.query_rpe, self.key_rpe, self.value_rpe):
            truncated_normal_init(rpe.weight, std=1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Forward function.

        Args:
            x (Tensor): Shape (B, in_channels, H, W).

        Returns:
            Tensor: Shape (B, value_channels, H, W).

        Raises:
            InputError: If the axis is longer than ``max_length``.
        """
        batch_size, _, height, width = x.shape
        if self.axis == 'height':
            length, num_lines = height, width
            to_lines, to_map = (3, 0, 4, 1, 2), (1, 3, 4, 0, 2)
        else:
            length, num_lines = width, height
            to_lines, to_map = (4, 0, 3, 1, 2), (1, 3, 4, 2, 0)
        if length > self.max_length:
            raise InputError(
                f'The {self.axis} of a {height} x {width} feature map is '
                f'longer than max_length={self.max_length} of the axial '
                'attention of the pixel decoder. Use smaller images, or '
                'train with a larger max_length.'
            )
        qkv = self._project(x)
        # With L first and N = B * lines * heads, each product below is one
        # batched matrix product without a copy.
        q, k, v = (
            part.unflatten(1, (self.num_heads, -1))
            .permute(to_lines)
            .reshape(length, -1, part.shape[1] // self.num_heads)  # (L, N, d)
            for part in qkv.split(
                (self.key_channels, self.key_channels, self.value_channels),
                dim=1,
            )
        )
        retrieved = [
            part.unflatten(1, (batch_size, num_lines, -1)).permute(to_map)
            for part in self._attend(q, k, v)
        ]  # 2 of (B, heads, d, H, W)
        output = norm_and_sum(
            self.output_norm, retrieved, (self.num_heads, v.shape[-1]), first=1
        )
        return output.to(v.dtype).flatten(1, 2)

    def _project(self, x: Tensor) -> Tensor:
        """Project a map (B, C, H, W) to queries, keys and values."""
        folded = self.qkv.fold_norm()
        if folded is None:
            return self.qkv(x.flatten(2)).unflatten(2, x.shape[2:])
        # With the channels of a pixel side by side, a CPU copies the queries,
        # keys and values of a head in one piece.
        weight, bias = folded
        return F.conv2d(channels_last(x), weight[..., None], bias)

    def _attend(
        self, q: Tensor, k: Tensor, v: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Retrieve values and relative positions, both (L, N, d)."""
        index = torch.arange(len(q), device=q.device)
        index = index - index[:, None] + self.max_length - 1  # (L, L)
        terms = (
            torch.einsum('lnd,mnd->nlm', q, k),
            torch.einsum('lnd,lmd->nlm', q, self.query_rpe(index)),
            torch.einsum('mnd,lmd->nlm', k, self.key_rpe(index)),
        )
        logits = norm_and_sum(
            self.similarity_norm,
            [term.unflatten(0, (-1, self.num_heads)) for term in terms],
            (self.num_heads,),
        )
        # (B * lines, heads, L, L), in float32 also in mixed precision
        weights = logits.softmax(-1).to(v.dtype).flatten(0, 1)
        return (
            torch.einsum('nlm,mnd->lnd', weights, v),
            torch.einsum('nlm,lmd->lnd', weights, self.value_rpe(index)),
        )


class AxialAttention(nn.Sequential):
    """Attention along the height and then along the width of a feature map.

    Args:
        in_channels (int): Number of input channels.
        key_channels (int): Number of channels of the queries and the keys.
        value_channels (int): Number of channels of the values, and of the
            output.
        num_heads (int): Number of heads. Defaults to 8.
        max_length (int): Longest side of a map. Defaults to 255.
        norm_cfg (dict): Config of the norms. Defaults to
            :data:`KMAX_NORM_CFG`.
    """

    def __init__(
        self,
        in_channels: int,
        key_channels: int,
        value_channels: int,
        num_heads: int = 8,
        max_length: int = 255,
        norm_cfg: dict = KMAX_NORM_CFG,
    ) -> None:
        super().__init__()
        for axis in ('height', 'width'):
            self.add_module(
                f'{axis}_axis',
                SingleAxisAttention(
                    in_channels,
                    key_channels,
                    value_channels,
                    axis,
                    num_heads,
                    max_length,
                    norm_cfg,
                ),
            )
            in_channels = value_channels
