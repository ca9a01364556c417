# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Multi-scale deformable self-attention, a module."""

from collections.abc import Sequence

from mmcv.ops import MultiScaleDeformableAttention
from torch import Tensor

from ..layers import multi_scale_deformable_attention, short_softmax
from .token_grid import TokenGrid


class DeformableAttention(MultiScaleDeformableAttention):
    """Multi-scale deformable self-attention with room for tracking inside.

    Initialisation, parameters and result are those of MMCV's
    :class:`MultiScaleDeformableAttention`.

    Attributes:
        implementation (str, optional): See
            :func:`~projects.maxtron.models.layers.multi_scale_deformable_attention`.
            Defaults to None.
    """

    implementation: str | None = None

    def forward(
        self,
        query: Tensor,
        query_pos: Tensor,
        grid: TokenGrid,
        temporal_pos: Sequence[Tensor] = (),
    ) -> Tensor:
        """Sample inside each frame, call :meth:`track`, project.

        Args:
            query (Tensor): Tokens of all L levels from low to high
                resolution, shape (B * T, N, C) with N the sum of h * w.
            query_pos (Tensor): Positional encoding of the tokens, broadcasts
                to (B * T, N, C).
            grid (TokenGrid): Places of the tokens.
            temporal_pos (Sequence[Tensor]): See :meth:`TemporalMixin.track`.

        Returns:
            Tensor: Output with the shape of the query.
        """
        sampled = self._sample(query + query_pos, query, grid)
        tracked = self.track(sampled, temporal_pos)
        return query + self.dropout(self.output_proj(tracked))

    def _sample(self, query: Tensor, value: Tensor, grid: TokenGrid) -> Tensor:
        """Multi-scale deformable attention without its output projection.

        The computation is that of MMCV's class, whose ``forward`` does not
        separate the sampling from the projection.

        Returns:
            Tensor: Sampled values with shape (B * T, N, C).
        """
        value = self.value_proj(value)
        value = value.unflatten(-1, (self.num_heads, -1))  # (B * T, N, h, d)
        points = (self.num_heads, self.num_levels, self.num_points)
        weights = self.attention_weights(query)
        weights = short_softmax(weights.unflatten(-1, (self.num_heads, -1)))
        weights = weights.unflatten(-1, points[1:])  # (B * T, N, h, L, P)
        # A CPU is slow on axes of two elements: the places and the sizes are
        # repeated instead.
        offsets = self.sampling_offsets(query)
        sizes = grid.level_sizes.expand(*points, 2).flatten()
        places = grid.reference_points.repeat(1, len(sizes) // 2)
        locations = places + offsets / sizes
        locations = locations.unflatten(-1, (*points, 2))
        # (B * T, N, h, L, P, 2)
        return multi_scale_deformable_attention(
            value, grid.spatial_shapes, locations, weights, self.implementation
        )

    def track(self, tokens: Tensor, temporal_pos: Sequence[Tensor]) -> Tensor:
        """Return the tokens (B * T, N, C); a sub-class changes them."""
        return tokens
