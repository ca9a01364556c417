# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Sequence
from functools import partial

import torch.nn.functional as F
from mmdet.registry import MODELS
from torch import Tensor, nn

from ....errors import InputError
from ....structures import ClipPrediction
from ...layers import truncated_normal_init
from .decoder_layer import KMaXDecoderLayer
from .layers import KMAX_NORM_CFG
from .predictor import KMaXPrediction, KMaXPredictor, KMaXQueryHeads


@MODELS.register_module()
class KMaXTransformerDecoder(KMaXQueryHeads):
    """Transformer decoder of kMaX-DeepLab on clips.

    See `k-means Mask Transformer <https://arxiv.org/abs/2207.04044>`_. The
    decoder treats a clip as one image, with the frames stacked along the
    height. As in the reference, its 5x5 convolutions cross the border of two
    frames.

    Args:
        num_classes (int): Number of classes.
        in_channels (Sequence[int]): Channels of the feature maps of strides
            32, 16 and 8.
        mask_channels (int): Channels of the feature map of stride 4.
        num_queries (int): Number of queries. Defaults to 128.
        num_layers (Sequence[int]): Layers on each of the feature maps, in the
            order of ``in_channels``. Defaults to (2, 2, 2).
        embed_dims (int): Channels of the queries. Defaults to 256.
        key_channels (int): Channels of the keys of the self-attention.
            Defaults to 128.
        out_channels (int): Channels of pixel embeddings and mask kernels.
            Defaults to 128.
        feedforward_channels (int): Hidden channels of the feed-forward
            networks. Defaults to 2048.
        num_heads (int): Heads of the self-attention. Defaults to 8.
        drop_path_rate (float): Stochastic depth of the layers, per clip and
            branch. Defaults to 0.
        norm_cfg (dict): Config of the norms. Groups of a 'GN' must divide
            the one channel of mask logits. Defaults to batch norm with
            eps 1e-3 and momentum 0.01.
        init_cfg (dict, optional): As for :class:`BaseModule`.

    Raises:
        InputError: If ``in_channels`` and ``num_layers`` differ in length.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: Sequence[int] = (2048, 1024, 512),
        mask_channels: int = 256,
        num_queries: int = 128,
        num_layers: Sequence[int] = (2, 2, 2),
        embed_dims: int = 256,
        key_channels: int = 128,
        out_channels: int = 128,
        feedforward_channels: int = 2048,
        num_heads: int = 8,
        drop_path_rate: float = 0.0,
        norm_cfg: dict = KMAX_NORM_CFG,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            embed_dims,
            KMaXPredictor(
                mask_channels, embed_dims, out_channels, num_classes, norm_cfg
            ),
            norm_cfg,
            init_cfg,
        )
        # config of heads of this size
        self.heads_cfg = dict(
            embed_dims=embed_dims,
            out_channels=out_channels,
            num_classes=num_classes,
            norm_cfg=norm_cfg,
        )
        if len(in_channels) != len(num_layers):
            raise InputError(
                f'There are {len(in_channels)} feature maps for the '
                f'transformer decoder, but num_layers={tuple(num_layers)} '
                f'has {len(num_layers)} entries: give one for each map.'
            )
        self.num_layers = tuple(num_layers)
        self.layers = nn.ModuleList(
            KMaXDecoderLayer(
                pixel_channels=channels,
                channels=embed_dims,
                key_channels=key_channels,
                embed_channels=out_channels,
                feedforward_channels=feedforward_channels,
                num_classes=num_classes,
                num_heads=num_heads,
                drop_path_rate=drop_path_rate,
                norm_cfg=norm_cfg,
            )
            for channels, num in zip(in_channels, num_layers)
            for _ in range(num)
        )
        # channel-major, as in checkpoints of the reference
        self.cluster_centers = nn.Embedding(embed_dims, num_queries)
        truncated_normal_init(self.cluster_centers.weight, std=1.0)

    def forward(
        self, mask_feature: Tensor, feats: Sequence[Tensor], num_frames: int
    ) -> ClipPrediction:
        """Predict the tubes of a batch of clips.

        Args:
            mask_feature (Tensor): Feature map of stride 4 with shape
                (B * T, C, h, w). The frames of a clip are consecutive.
            feats (Sequence[Tensor]): Feature maps of strides 32, 16 and 8,
                each with shape (B * T, C_i, h_i, w_i).
            num_frames (int): T.

        Returns:
            ClipPrediction: ``queries`` are the final queries,
            ``embeds`` their mask kernels. ``aux`` has the prediction of each
            layer, at the resolution of its pixels, in training mode only.
        """
        batch_size = len(mask_feature) // num_frames
        query = self.cluster_centers.weight.expand(batch_size, -1, -1)
        layers = iter(self.layers)
        predictions: list[KMaXPrediction] = []
        for feat, num in zip(feats, self.num_layers):
            pixels = _stack_frames(F.gelu(feat), num_frames)
            for _ in range(num):
                query, prediction = next(layers)(pixels, query)
                if prediction is not None:
                    predictions.append(prediction)

        queries = query.transpose(1, 2)
        cls_feats, embeds = self.project(queries)
        mask_feats = self.mask_features(mask_feature, num_frames)
        split = partial(_split_frames, num_frames=num_frames)
        return ClipPrediction(
            cls_logits=self.classify(cls_feats),
            mask_logits=self.segment(embeds, mask_feats),
            queries=queries,
            embeds=embeds,
            mask_feats=mask_feats,
            aux=[
                (p.cls_logits, split(p.mask_logits), split(p.mask_feats))
                for p in predictions
            ],
        )

    def mask_features(self, mask_feature: Tensor, num_frames: int) -> Tensor:
        """Compute the pixel embeddings of the prediction.

        Args:
            mask_feature (Tensor): Feature map of stride 4 with shape
                (B * T, C, h, w).
            num_frames (int): T.

        Returns:
            Tensor: Shape (B, E, T, h, w).
        """
        pixels = _stack_frames(mask_feature, num_frames)
        return _split_frames(self.predictor.embed_pixels(pixels), num_frames)


def _stack_frames(x: Tensor, num_frames: int) -> Tensor:
    """(B * T, C, h, w) -> (B, C, T * h, w)."""
    return x.unflatten(0, (-1, num_frames)).transpose(1, 2).flatten(2, 3)


def _split_frames(x: Tensor, num_frames: int) -> Tensor:
    """(B, C, T * h, w) -> (B, C, T, h, w)."""
    return x.unflatten(2, (num_frames, -1))
