# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Axial-trajectory attention over the feature maps of a clip."""

import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from .trajectory_attention import SelfAttention, TrajectoryAttention

# Names of the attention modules of a layer, by type of attention.
ATTENTIONS = {
    'axial_trajectory': dict(
        height_attn=TrajectoryAttention, width_attn=TrajectoryAttention
    ),
    'trajectory': dict(temporal_attn=TrajectoryAttention),
    'self_attention': dict(temporal_attn=SelfAttention),
}
# Permutation of (B, T, H, W, C) for each attention: independent sequences
# first, then frames, then the tokens of a frame.
TO_COLUMNS = (0, 3, 1, 2, 4)  # (B, W, T, H, C)
TO_ROWS = (0, 2, 1, 3, 4)  # (B, H, T, W, C)


class AxialTrajectoryLayer(nn.Module):
    """Trajectory attention along the columns, then the rows, then an FFN.

    ``x = x + height(x)``, ``x = x + width(x)``, ``x = norm1(x)``,
    ``x = norm2(x + ffn(x))``: one norm after both axes. For ablations, one
    attention over all tokens of the clip can replace the two axial attentions.

    Args:
        embed_dims (int): Number of channels C. Defaults to 256.
        num_heads (int): Number of attention heads. Defaults to 8.
        feedforward_channels (int): Hidden channels of the FFN. Defaults to
            1024.
        drop (float): Dropout of the attention output before the residual
            addition (``attn_drop`` in the reference). Defaults to 0.
        attn_drop (float): Dropout of the attention probabilities. Defaults to
            0.
        ffn_drop (float): Dropout in the FFN. Defaults to 0.
        attn_type (str): 'axial_trajectory', 'trajectory' (full trajectory
            attention over T x (H x W) tokens) or 'self_attention' (plain
            attention over T x H x W tokens). Defaults to 'axial_trajectory'.

    Raises:
        InputError: If ``attn_type`` is unknown.
    """

    def __init__(
        self,
        embed_dims: int = 256,
        num_heads: int = 8,
        feedforward_channels: int = 1024,
        drop: float = 0.0,
        attn_drop: float = 0.0,
        ffn_drop: float = 0.0,
        attn_type: str = 'axial_trajectory',
    ) -> None:
        super().__init__()
        if attn_type not in ATTENTIONS:
            raise InputError(
                f'attn_type={attn_type!r} is unknown. Choose '
                f'one of {", ".join(map(repr, ATTENTIONS))}.'
            )
        self.attn_type = attn_type
        for name, attention in ATTENTIONS[attn_type].items():
            self.add_module(name, attention(embed_dims, num_heads, attn_drop))
        self.drop = nn.Dropout(drop)
        self.norm1 = nn.LayerNorm(embed_dims)
        self.linear1 = nn.Linear(embed_dims, feedforward_channels)
        self.linear2 = nn.Linear(feedforward_channels, embed_dims)
        self.ffn_drop = nn.Dropout(ffn_drop)
        self.norm2 = nn.LayerNorm(embed_dims)

    def forward(
        self,
        query: Tensor,
        query_pos: Tensor | None = None,
        return_attention: bool = False,
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Forward function.

        Args:
            query (Tensor): Feature maps of B clips, shape (B, T, H, W, C).
            query_pos (Tensor, optional): Positional encoding of queries and
                keys, which broadcasts to ``query``. Defaults to None.
            return_attention (bool): Whether to also return the attention
                maps, which are large. Defaults to False.

        Returns:
            Tensor | tuple[Tensor, dict]: Output with the shape of ``query``
            and, on request, the map of each attention by its name:
            ``height_attn`` (B * W, heads, T * H, T, H) and ``width_attn``
            (B * H, heads, T * W, T, W), or ``temporal_attn``
            (B, heads, T * H * W, T, H * W).
        """
        maps = dict()
        x = query
        for name in ATTENTIONS[self.attn_type]:
            out = getattr(self, name)(
                self._group(x, name),
                None if query_pos is None else self._group(query_pos, name),
                return_attention=return_attention,
            )
            if return_attention:
                out, maps[name] = out
            x = x + self.drop(self._ungroup(out, name, x.shape))
        x = self.norm1(x)
        ffn = self.linear2(self.ffn_drop(F.relu(self.linear1(x))))
        x = self.norm2(x + self.ffn_drop(ffn))
        return (x, maps) if return_attention else x

    @staticmethod
    def _group(x: Tensor, name: str) -> Tensor:
        """(B, T, H, W, C) -> (..., T, tokens of one frame, C)."""
        if name == 'temporal_attn':
            return x.flatten(2, 3)
        return x.permute(TO_COLUMNS if name == 'height_attn' else TO_ROWS)

    @staticmethod
    def _ungroup(x: Tensor, name: str, shape: tuple[int, ...]) -> Tensor:
        """The inverse of :meth:`_group`."""
        if name == 'temporal_attn':
            return x.view(shape)
        if name == 'height_attn':
            return x.permute(0, 2, 3, 1, 4)
        return x.permute(
            TO_ROWS
        )  # The permutation swaps two axes, so it is its own inverse.


class AxialTrajectoryEncoder(nn.ModuleList):
    """Stack of :class:`AxialTrajectoryLayer`.

    Args:
        num_layers (int): Number of layers.
        **layer_cfg: Arguments of the layers.
    """

    def __init__(self, num_layers: int, **layer_cfg) -> None:
        super().__init__(
            AxialTrajectoryLayer(**layer_cfg) for _ in range(num_layers)
        )

    def forward(
        self, query: Tensor, query_pos: Tensor | None = None
    ) -> Tensor:
        """Run all layers with the same positional encoding.

        Args:
            query (Tensor): Feature maps of B clips, shape (B, T, H, W, C).
            query_pos (Tensor, optional): Positional encoding, broadcasts to
                ``query``. Defaults to None.

        Returns:
            Tensor: Output with the shape of ``query``.
        """
        for layer in self:
            query = layer(query, query_pos)
        return query
