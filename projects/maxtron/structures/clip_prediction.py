# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Output of a clip segmenter."""

from dataclasses import dataclass, field, replace

from torch import Tensor


@dataclass
class ClipPrediction:
    """Prediction of a clip segmenter, the input of association and heads.

    B is the number of clips, Q of queries, T of frames in the clip, D and E
    the channels of queries and embeddings, h x w the mask resolution.

    Attributes:
        cls_logits (Tensor): Class logits with shape (B, Q, C + 1); the last
            class is "no object".
        mask_logits (Tensor): Mask logits with shape (B, Q, T, h, w).
        queries (Tensor): Queries that a cross-clip tracker refines,
            (B, Q, D).
        embeds (Tensor): Embeddings that association compares, (B, Q, E).
        mask_feats (Tensor, optional): Pixel embeddings, which are multiplied
            with refined queries, (B, E, T, h, w).
        aux (list[tuple[Tensor]]): ``cls_logits`` and ``mask_logits`` of the
            earlier layers, first to last, for deep supervision, and
            ``mask_feats`` if each layer has its own. Maps may have a lower
            resolution than those of the last layer. Empty at test time.
        frames (Tensor, optional): The preprocessed clips, which association
            by colour reads, (B, T, 3, H, W).
    """

    cls_logits: Tensor
    mask_logits: Tensor
    queries: Tensor
    embeds: Tensor
    mask_feats: Tensor | None = None
    aux: list[tuple[Tensor, ...]] = field(default_factory=list)
    frames: Tensor | None = None

    def float(self) -> 'ClipPrediction':
        """Convert the prediction of a network in half precision.

        Returns:
            ClipPrediction: Prediction in float32, without ``aux``;
            ``mask_feats`` stay in half precision.
        """
        return replace(
            self,
            cls_logits=self.cls_logits.float(),
            mask_logits=self.mask_logits.float(),
            queries=self.queries.float(),
            embeds=self.embeds.float(),
            aux=[],
        )

    def clone(self) -> 'ClipPrediction':
        """Copy the prediction, without ``aux``, to memory of its own."""
        return replace(
            self,
            cls_logits=self.cls_logits.clone(),
            mask_logits=self.mask_logits.clone(),
            queries=self.queries.clone(),
            embeds=self.embeds.clone(),
            mask_feats=None
            if self.mask_feats is None
            else self.mask_feats.clone(),
            aux=[],
        )

    def reorder(self, index: Tensor) -> 'ClipPrediction':
        """Apply one permutation to the queries of all clips.

        Args:
            index (Tensor): Query ``index[q]`` becomes query q, shape (Q, ).

        Returns:
            ClipPrediction: Permuted prediction, without ``aux``.
        """
        return replace(
            self,
            cls_logits=self.cls_logits[:, index],
            mask_logits=self.mask_logits[:, index],
            queries=self.queries[:, index],
            embeds=self.embeds[:, index],
            aux=[],
        )
