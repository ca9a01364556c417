# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Prediction of classes and masks from the queries of kMaX."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...layers import at_least_float32, product
from .layers import (
    GELU,
    KMAX_NORM_CFG,
    ConvNormAct,
    affine_map,
    build_kmax_norm,
)

# Prior probability of "no object" if all class logits are equal.
_VOID_PROBABILITY = 0.9


class KMaXPrediction(NamedTuple):
    """Prediction from one state of the queries.

    Attributes:
        cls_logits (Tensor): Class logits, "no object" last, with shape
            (B, N, C + 1).
        mask_logits (Tensor): Mask logits, shape (B, N, H, W).
        embeds (Tensor): Mask kernels, shape (B, N, E).
        mask_feats (Tensor): Pixel embeddings of length 1, (B, E, H, W).
    """

    cls_logits: Tensor
    mask_logits: Tensor
    embeds: Tensor
    mask_feats: Tensor


class KMaXQueryPredictor(nn.Module):
    """Predictor of classes and masks of queries, given pixel embeddings.

    Args:
        query_channels (int): Channels of the queries.
        embed_channels (int): Channels E of pixel embeddings and mask kernels.
        num_classes (int): C.
        norm_cfg (dict): Config of the norms. Defaults to
            :data:`KMAX_NORM_CFG`.
    """

    def __init__(
        self,
        query_channels: int,
        embed_channels: int,
        num_classes: int,
        norm_cfg: dict = KMAX_NORM_CFG,
    ) -> None:
        super().__init__()
        self.mask_embed = ConvNormAct(
            query_channels, embed_channels, dims=1, norm_cfg=norm_cfg
        )
        self.cls_embed = ConvNormAct(
            query_channels,
            num_classes + 1,
            dims=1,
            bias=True,
            norm_cfg=None,
            init_std=0.01,
        )
        self.mask_norm = build_kmax_norm(norm_cfg, 1, weight=0.1)
        prior = torch.zeros(num_classes + 1)
        prior[-1] = math.log(
            num_classes * _VOID_PROBABILITY / (1 - _VOID_PROBABILITY)
        )
        self.register_buffer('cls_prior', prior, persistent=False)

    def classify(self, query: Tensor) -> Tensor:
        """Predict classes.

        Args:
            query (Tensor): Shape (B, D, N).

        Returns:
            Tensor: Class logits, including the prior of "no object", with
            shape (B, N, C + 1).
        """
        return self.cls_embed(query).transpose(1, 2) + self.cls_prior

    def segment(self, embeds: Tensor, mask_feats: Tensor) -> Tensor:
        """Predict masks.

        Args:
            embeds (Tensor): Mask kernels, shape (B, N, E).
            mask_feats (Tensor): Pixel embeddings of length 1, (B, E, ...).

        Returns:
            Tensor: Mask logits with shape (B, N, ...).
        """
        mask_feats = mask_feats.to(embeds.dtype)
        affine = affine_map(self.mask_norm)
        if affine is not None:
            scale, shift = affine
            embeds = (embeds * scale).to(embeds.dtype)
            return product(embeds, mask_feats).add_(shift)
        logits = product(embeds, mask_feats).flatten(2)
        logits = self.mask_norm(logits[:, None])[:, 0]  # one norm for all
        return logits.unflatten(2, mask_feats.shape[2:])


class KMaXPredictor(KMaXQueryPredictor):
    """Predictor of classes and masks of queries.

    Args:
        pixel_channels (int): Channels of the pixels.
        query_channels (int): Channels of the queries.
        embed_channels (int): Channels E of pixel embeddings and mask kernels.
        num_classes (int): C.
        norm_cfg (dict): Config of the norms. Defaults to
            :data:`KMAX_NORM_CFG`.
    """

    def __init__(
        self,
        pixel_channels: int,
        query_channels: int,
        embed_channels: int,
        num_classes: int,
        norm_cfg: dict = KMAX_NORM_CFG,
    ) -> None:
        super().__init__(query_channels, embed_channels, num_classes, norm_cfg)
        self.pixel_convs = nn.Sequential(
            ConvNormAct(
                pixel_channels,
                pixel_channels,
                kernel_size=5,
                groups=pixel_channels,
                norm_cfg=norm_cfg,
                act_cfg=GELU,
                xavier=True,
            ),
            ConvNormAct(
                pixel_channels, query_channels, norm_cfg=norm_cfg, act_cfg=GELU
            ),
            ConvNormAct(
                query_channels,
                embed_channels,
                bias=True,
                norm_cfg=norm_cfg,
                init_std=0.01,
            ),
        )

    def embed_pixels(self, pixels: Tensor) -> Tensor:
        """Compute unit embeddings, (B, P, H, W) -> (B, E, H, W)."""
        return F.normalize(at_least_float32(self.pixel_convs(pixels)), dim=1)

    def predict_masks(
        self, pixels: Tensor, query: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Predict masks.

        Args:
            pixels (Tensor): Shape (B, P, H, W).
            query (Tensor): Shape (B, D, N).

        Returns:
            tuple[Tensor, Tensor, Tensor]: ``mask_logits``, ``embeds`` and
            ``mask_feats`` of :class:`KMaXPrediction`.
        """
        feats = self.embed_pixels(pixels)
        embeds = self.mask_embed(query).transpose(1, 2)  # (B, N, E)
        return self.segment(embeds, feats), embeds, feats

    def forward(self, pixels: Tensor, query: Tensor) -> KMaXPrediction:
        """Predict classes and masks.

        Args:
            pixels (Tensor): Shape (B, P, H, W).
            query (Tensor): Shape (B, D, N).

        Returns:
            KMaXPrediction: The prediction.
        """
        return KMaXPrediction(
            self.classify(query), *self.predict_masks(pixels, query)
        )


class KMaXQueryHeads(BaseModule):
    """Heads for classes and masks of the final queries.

    Args:
        channels (int): Channels D of the queries.
        predictor (KMaXQueryPredictor): Predictor of classes and masks.
        norm_cfg (dict): Config of the norms. Defaults to
            :data:`KMAX_NORM_CFG`.
        init_cfg (dict, optional): As for :class:`BaseModule`.
    """

    def __init__(
        self,
        channels: int,
        predictor: KMaXQueryPredictor,
        norm_cfg: dict = KMAX_NORM_CFG,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.cls_proj, self.mask_proj = (
            ConvNormAct(
                channels, channels, dims=1, norm_cfg=norm_cfg, act_cfg=GELU
            )
            for _ in range(2)
        )
        self.predictor = predictor

    def project(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Project queries to class features and mask kernels.

        Args:
            queries (Tensor): Shape (B, N, D).

        Returns:
            tuple[Tensor, Tensor]: Class features (B, N, D) and mask kernels
            (B, N, E).
        """
        queries = queries.transpose(1, 2)
        embeds = self.predictor.mask_embed(self.mask_proj(queries))
        return self.cls_proj(queries).transpose(1, 2), embeds.transpose(1, 2)

    def classify(self, cls_feats: Tensor) -> Tensor:
        """Classify class features (B, N, D) to class logits (B, N, C + 1)."""
        return self.predictor.classify(cls_feats.transpose(1, 2))

    def segment(self, embeds: Tensor, mask_feats: Tensor) -> Tensor:
        """Make masks from mask kernels.

        Args:
            embeds (Tensor): Mask kernels, shape (B, N, E).
            mask_feats (Tensor): Pixel embeddings, shape (B, E, T, h, w).

        Returns:
            Tensor: Mask logits with shape (B, N, T, h, w).
        """
        return self.predictor.segment(embeds, mask_feats)
