# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""k-means cross-attention: queries are cluster centres of the pixels.

See `k-means Mask Transformer <https://arxiv.org/abs/2207.04044>`_. Queries are
channel-major, (B, C, N), the layout of 1x1 convolutions.
"""

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from ....errors import InputError
from ...layers import at_least_float32
from .layers import GELU, KMAX_NORM_CFG, ConvNormAct, build_kmax_norm
from .predictor import KMaXPrediction, KMaXPredictor


def kmeans_update(
    values: Tensor, assignment: Tensor, num_clusters: int
) -> Tensor:
    """Sum the values of the pixels of each cluster.

    Args:
        values (Tensor): Values of pixels, shape (B, C, L).
        assignment (Tensor): Cluster of each pixel, shape (B, L).
        num_clusters (int): N.

    Returns:
        Tensor: Sums, not divided by the size of the cluster, in float32 or
        better, shape (B, C, N).
    """
    values = at_least_float32(values)
    sums = _sums_by_product if values.is_cuda else _sums_by_index
    with torch.autocast(values.device.type, enabled=False):
        return sums(values, assignment, num_clusters)


def _sums_by_index(
    values: Tensor, assignment: Tensor, num_clusters: int
) -> Tensor:
    """Memory-efficient k-means update; saves only ``assignment`` for backward.

    On the CPU it takes a quarter of the time of the matrix product.
    """
    sums = values.new_zeros((*values.shape[:2], num_clusters))
    return sums.scatter_add(2, assignment[:, None].expand_as(values), values)


def _sums_by_product(
    values: Tensor, assignment: Tensor, num_clusters: int
) -> Tensor:
    """Deterministic k-means update by a matrix product, for GPUs.

    On a GPU, ``scatter_add`` on few sums is slow and not deterministic,
    because neighbouring pixels mostly belong to one cluster.
    """
    clusters = torch.arange(num_clusters, device=values.device)
    return values @ (assignment[..., None] == clusters).to(values.dtype)


class KMeansCrossAttention(nn.Module):
    """Update of each query by the sum of the pixels assigned to it.

    Args:
        channels (int): Channels of pixels, values and queries.
        norm_cfg (dict): Config of the norms. Defaults to
            :data:`KMAX_NORM_CFG`.
    """

    def __init__(self, channels: int, norm_cfg: dict = KMAX_NORM_CFG) -> None:
        super().__init__()
        self.value = ConvNormAct(
            channels, channels, norm_cfg=norm_cfg, init_std=channels**-0.5
        )
        self.norm = build_kmax_norm(norm_cfg, channels, dims=1)
        self.proj = ConvNormAct(
            channels, channels, dims=1, norm_cfg=norm_cfg, norm_weight=0.0
        )

    def forward(self, pixels: Tensor, mask_logits: Tensor) -> Tensor:
        """Forward function.

        Args:
            pixels (Tensor): Shape (B, C, H, W).
            mask_logits (Tensor): Mask logits of the queries, shape
                (B, N, H, W). A pixel belongs to the query with the largest
                logit.

        Returns:
            Tensor: Update to add to the queries, shape (B, C, N).
        """
        assignment = mask_logits.detach().argmax(1).flatten(1)
        update = kmeans_update(
            self.value(pixels).flatten(2), assignment, mask_logits.shape[1]
        )
        return self.proj(self.norm(update))


class KMaXSelfAttention(nn.Module):
    """Self-attention of the queries with normalised, unscaled logits.

    Args:
        channels (int): Channels of queries and values.
        key_channels (int): Channels of the keys, over all heads.
        num_heads (int): Number of heads; must divide both.
        norm_cfg (dict): Config of the norms. Defaults to
            :data:`KMAX_NORM_CFG`.

    Raises:
        InputError: If ``num_heads`` does not divide the channels.
    """

    def __init__(
        self,
        channels: int,
        key_channels: int,
        num_heads: int = 8,
        norm_cfg: dict = KMAX_NORM_CFG,
    ) -> None:
        super().__init__()
        if channels % num_heads or key_channels % num_heads:
            raise InputError(
                f'Values of {channels} and keys of {key_channels} channels '
                f'cannot be split into num_heads={num_heads} heads of equal '
                'size; change embed_dims, key_channels or num_heads of the '
                'transformer decoder.'
            )
        self.num_heads = num_heads
        self.split_sizes = (key_channels, key_channels, channels)
        self.qkv = ConvNormAct(
            channels,
            sum(self.split_sizes),
            dims=1,
            norm_cfg=norm_cfg,
            init_std=channels**-0.5,
        )
        self.logits_norm = build_kmax_norm(norm_cfg, num_heads)
        self.norm = build_kmax_norm(norm_cfg, channels, dims=1)
        self.proj = ConvNormAct(
            channels, channels, dims=1, norm_cfg=norm_cfg, norm_weight=0.0
        )

    def forward(self, query: Tensor) -> Tensor:
        """Forward function.

        Args:
            query (Tensor): Shape (B, C, N).

        Returns:
            Tensor: Update to add to the queries, same shape.
        """
        q, k, v = (
            x.unflatten(1, (self.num_heads, -1))  # (B, heads, C / heads, N)
            for x in self.qkv(query).split(self.split_sizes, dim=1)
        )
        logits = self.logits_norm(q.transpose(2, 3) @ k)
        dtype = torch.promote_types(logits.dtype, torch.float32)
        weights = logits.softmax(-1, dtype=dtype).to(v.dtype)
        retrieved = (v @ weights.transpose(2, 3)).flatten(1, 2)
        return self.proj(F.gelu(self.norm(retrieved)))


class KMaXDecoderLayer(nn.Module):
    """k-means cross-attention, self-attention and feed-forward network.

    Args:
        pixel_channels (int): Channels of the pixel features.
        channels (int): Channels of the queries.
        key_channels (int): Channels of the keys of the self-attention.
        embed_channels (int): Channels of pixel embeddings and mask kernels.
        feedforward_channels (int): Hidden channels of the feed-forward
            network.
        num_classes (int): C.
        num_heads (int): Heads of the self-attention. Defaults to 8.
        drop_path_rate (float): Probability that a clip skips a branch in
            training, for each of the three branches. Defaults to 0.
        norm_cfg (dict): Config of the norms. Defaults to
            :data:`KMAX_NORM_CFG`.
    """

    def __init__(
        self,
        pixel_channels: int,
        channels: int,
        key_channels: int,
        embed_channels: int,
        feedforward_channels: int,
        num_classes: int,
        num_heads: int = 8,
        drop_path_rate: float = 0.0,
        norm_cfg: dict = KMAX_NORM_CFG,
    ) -> None:
        super().__init__()
        self.pixel_conv = ConvNormAct(
            pixel_channels, channels, norm_cfg=norm_cfg, act_cfg=GELU
        )
        self.query_conv = ConvNormAct(
            channels, channels, dims=1, norm_cfg=norm_cfg, act_cfg=GELU
        )
        self.predictor = KMaXPredictor(
            channels, channels, embed_channels, num_classes, norm_cfg
        )
        self.kmeans = KMeansCrossAttention(channels, norm_cfg)
        self.self_attn = KMaXSelfAttention(
            channels, key_channels, num_heads, norm_cfg
        )
        self.ffn = nn.Sequential(
            ConvNormAct(
                channels,
                feedforward_channels,
                dims=1,
                norm_cfg=norm_cfg,
                act_cfg=GELU,
            ),
            ConvNormAct(
                feedforward_channels,
                channels,
                dims=1,
                norm_cfg=norm_cfg,
                norm_weight=0.0,
            ),
        )
        self.drop_path = DropPath(drop_path_rate)

    def forward(
        self, pixels: Tensor, query: Tensor
    ) -> tuple[Tensor, KMaXPrediction | None]:
        """Update the queries; in training, also predict from them.

        The masks before the update assign the pixels to the queries. In
        training an auxiliary loss supervises these masks and the classes.
        Inference needs only the masks.

        Args:
            pixels (Tensor): Pixel features, after a GELU, with shape
                (B, P, H, W); the frames of a clip are stacked on the height.
            query (Tensor): Shape (B, C, N).

        Returns:
            tuple[Tensor, KMaXPrediction or None]: Updated queries, same shape,
            and the prediction before the update, None at inference.
        """
        pixels = self.pixel_conv(pixels)
        hidden = self.query_conv(query)
        prediction = None
        if self.training:
            prediction = self.predictor(pixels, hidden)
            mask_logits = prediction.mask_logits
        else:
            mask_logits = self.predictor.predict_masks(pixels, hidden)[0]
        query = query + self.drop_path(self.kmeans(pixels, mask_logits))
        query = F.gelu(query + self.drop_path(self.self_attn(hidden)))
        query = F.gelu(query + self.drop_path(self.ffn(query)))
        return query, prediction
