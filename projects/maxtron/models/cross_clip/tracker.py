# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from inspect import signature

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...errors import InputError
from ..layers import truncated_normal_init
from ..within_clip import SelfAttention, TrajectoryAttention
from .temporal_aspp import TemporalASPP

_ATTENTIONS = {'trajectory': TrajectoryAttention, 'self': SelfAttention}
_ASPP_KEYS = signature(TemporalASPP).parameters.keys() - {'channels'}


class CrossClipLayer(nn.Module):
    """Attention over the queries of all clips, then Temporal-ASPP.

    Both have a residual connection, followed by a layer norm. There is no
    positional encoding and no feed-forward network.

    Args:
        embed_dims (int): Number of channels D.
        num_heads (int): Heads of the attention.
        attention (str): 'trajectory' or 'self'.
        attn_drop (float): Dropout of the attention probabilities.
        aspp (dict, optional): Arguments of :class:`TemporalASPP`; None: the
            layer has none.
        zero_init_residual (bool): Whether the layer starts as its layer norms
            alone: what it adds to the queries is zero.

    Raises:
        InputError: If ``attention`` or a key of ``aspp`` is unknown.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        attention: str,
        attn_drop: float,
        aspp: dict | None,
        zero_init_residual: bool,
    ) -> None:
        super().__init__()
        if attention not in _ATTENTIONS:
            raise InputError(
                f'attention={attention!r} of the tracker is unknown; choose '
                f'one of {sorted(_ATTENTIONS)}.'
            )
        unknown = (aspp or {}).keys() - _ASPP_KEYS
        if unknown:
            raise InputError(
                f'The Temporal-ASPP has no argument {sorted(unknown)}; check '
                f'model.head.tracker.aspp, whose keys are '
                f'{sorted(_ASPP_KEYS)}.'
            )
        self.attn = _ATTENTIONS[attention](embed_dims, num_heads, attn_drop)
        self.attn.init_weights(nn.init.xavier_uniform_)
        self.norm1 = nn.LayerNorm(embed_dims)
        self.aspp = None
        if aspp is not None:
            self.aspp = TemporalASPP(embed_dims, **aspp)
            self.norm2 = nn.LayerNorm(embed_dims)
        if zero_init_residual:
            nn.init.zeros_(self.attn.proj.weight)
            nn.init.zeros_(self.attn.proj.bias)
            if self.aspp is not None:
                self.aspp.zero_init()

    def forward(self, queries: Tensor) -> Tensor:
        """Forward function.

        Args:
            queries (Tensor): Shape (B, K, Q, D).

        Returns:
            Tensor: Same shape.
        """
        queries = self.norm1(queries + self.attn(queries))
        if self.aspp is None:
            return queries
        batch_size, _, num_queries, _ = queries.shape
        # Each query is a sequence: (B, K, Q, D) -> (B * Q, D, K)
        sequences = queries.permute(0, 2, 3, 1).flatten(0, 1)
        sequences = self.aspp(sequences).unflatten(
            0, (batch_size, num_queries)
        )
        return self.norm2(queries + sequences.permute(0, 3, 1, 2))


@MODELS.register_module()
class CrossClipTracker(BaseModule):
    """Cross-clip tracking module: refinement of the queries of a whole video.

    See Section 3.3 of `MaXTron <https://arxiv.org/abs/2311.18537>`_. The input
    is the aligned queries of all clips. Trajectory attention follows every
    query through the clips, and Temporal-ASPP mixes each query with itself in
    nearby clips. The queries may come from any segmenter. The numbers of clips
    and of videos may vary, and videos do not influence each other.

    Args:
        embed_dims (int): Number of channels D of the queries. Defaults to
            256.
        num_layers (int): Number of layers (N_c in the paper). Defaults to 4,
            as in all released models except OVIS with ResNet-50.
        num_heads (int): Heads of the attention. Defaults to 8.
        attention (str): 'trajectory' or, for comparison, 'self': plain
            attention over the queries of all clips. Defaults to 'trajectory'.
        attn_drop (float): Dropout of the attention probabilities. Defaults to
            0.
        aspp (dict, optional): ``rates``, ``kernel_sizes``, ``norm`` and
            ``drop`` of :class:`TemporalASPP`; None: no Temporal-ASPP. Defaults
            to rates (1, 2, 3) and kernel sizes (3, 3, 3).
        cls_weight_std (float, optional): Standard deviation of the initial
            weights of the layer that weighs the clips (its biases are zero).
            None: PyTorch's default. The reference uses 0.01 with Video-kMaX
            and None with Tube-Link. Defaults to 0.01.
        separate_norm_statistics (bool): Whether the running statistics of the
            batch norms of the heads, which all layers share, come from the
            last layer only, the one that inference uses. Otherwise they mix
            all layers, as in the reference. Defaults to False.
        zero_init_residual (bool): Whether each layer starts as its layer norms
            alone: what it adds to the queries is zero at first, so that
            training starts with what the segmenter has learnt. Defaults to
            False, as in the reference.
        truncate (int, optional): Number of clips in a chunk of a training
            video whose segmenter is trained, too. The tracker refines all
            clips together, but the queries of other chunks are constants for
            the outputs of a chunk: no gradient goes from one chunk to
            another. It runs once for each chunk, and again in the backward
            pass, so that memory does not grow. Defaults to None: gradients
            go through the whole video.
        init_cfg (ConfigDict or dict or list, optional): As for
            :class:`BaseModule`.

    Raises:
        InputError: If ``num_layers`` or ``truncate`` is below 1, or an
            argument is wrong, see :class:`CrossClipLayer` and
            :class:`TemporalASPP`.
    """

    def __init__(
        self,
        embed_dims: int = 256,
        num_layers: int = 4,
        num_heads: int = 8,
        attention: str = 'trajectory',
        attn_drop: float = 0.0,
        aspp: dict | None = dict(rates=(1, 2, 3), kernel_sizes=(3, 3, 3)),
        cls_weight_std: float | None = 0.01,
        separate_norm_statistics: bool = False,
        zero_init_residual: bool = False,
        truncate: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_layers < 1:
            raise InputError(
                f'num_layers={num_layers} of the tracker must be at least 1; '
                'for near-online tracking, without one, set '
                'model.head.tracker=None.'
            )
        if truncate is not None and truncate < 1:
            raise InputError(
                f'truncate={truncate} of the tracker must be at least 1; to '
                'let gradients go through the whole video, set '
                'model.head.tracker.truncate=None.'
            )
        self.embed_dims = embed_dims
        self.truncate = truncate
        self.separate_norm_statistics = separate_norm_statistics
        self.layers = nn.ModuleList(
            CrossClipLayer(
                embed_dims,
                num_heads,
                attention,
                attn_drop,
                aspp,
                zero_init_residual,
            )
            for _ in range(num_layers)
        )
        self.cls_weight = nn.Linear(embed_dims, 1)
        if cls_weight_std is not None:
            truncated_normal_init(self.cls_weight.weight, cls_weight_std)
            nn.init.zeros_(self.cls_weight.bias)

    def forward(self, queries: Tensor) -> list[Tensor]:
        """Refine the queries of the clips of a video.

        Args:
            queries (Tensor): Aligned queries of K clips of each of B videos,
                shape (B, K, Q, D). Query q is the same object in all clips.

        Returns:
            list[Tensor]: The queries after each layer, shape (B, K, Q, D).

        Raises:
            ValueError: If the queries have another shape or are empty.
        """
        if queries.dim() != 4 or queries.shape[-1] != self.embed_dims:
            raise InputError(
                'The tracker expects queries of shape (videos, clips, '
                f'queries, {self.embed_dims}), but got '
                f'{tuple(queries.shape)}; model.head.tracker.embed_dims must '
                'be the width of the queries of the segmenter.'
            )
        if 0 in queries.shape:
            raise ValueError(
                f'The queries to track have the shape {tuple(queries.shape)}: '
                'there must be at least one video, one clip and one query.'
            )
        length = self.truncate
        if length is None or not queries.requires_grad:
            return self._refine(queries)
        chunks = [
            self._refine_chunk(queries, start, start + length)
            for start in range(0, queries.shape[1], length)
        ]
        return [torch.cat(layer, 1) for layer in zip(*chunks)]

    def _refine(self, queries: Tensor) -> list[Tensor]:
        """Apply all layers to queries (B, K, Q, D), see :meth:`forward`."""
        outputs = []
        for layer in self.layers:
            queries = layer(queries)
            outputs.append(queries)
        return outputs

    def _refine_chunk(
        self, queries: Tensor, start: int, end: int
    ) -> list[Tensor]:
        """Refine a chunk of clips, with the other clips as constants.

        Args:
            queries (Tensor): Queries of all clips, shape (B, K, Q, D).
            start (int): First clip of the chunk.
            end (int): First clip behind it.

        Returns:
            list[Tensor]: The chunk after each layer, shape (B, k, Q, D).
        """
        fixed = queries.detach()
        parts = [fixed[:, :start], queries[:, start:end], fixed[:, end:]]
        layers = checkpoint(
            self._refine, torch.cat(parts, 1), use_reentrant=False
        )
        return [layer[:, start:end] for layer in layers]

    def pool_over_clips(self, cls_feats: Tensor) -> Tensor:
        """Average the class features over the clips with learnt weights.

        The weights of a query are a softmax over the clips of its video. The
        clips that show an object best can thus determine its class.

        Args:
            cls_feats (Tensor): Class features, shape (B, K, Q, D).

        Returns:
            Tensor: Shape (B, Q, D).
        """
        weights = self.cls_weight(cls_feats).softmax(1)
        return (weights * cls_feats).sum(1)
