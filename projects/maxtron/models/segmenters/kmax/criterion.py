# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.

from typing import Any

import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures import TrackSampleList
from torch import Tensor, nn

from ....errors import InputError
from ....structures import ClipPrediction
from ..targets import index_targets, semantic_targets
from .query_targets import QueryTargets, assign_tubes
from .resampling import take_pixels
from .tube_softmax import tube_softmax


@MODELS.register_module()
class KMaXCriterion(nn.Module):
    """Matching and losses of kMaX-DeepLab on clips.

    See `k-means Mask Transformer <https://arxiv.org/abs/2207.04044>`_. All
    losses are computed in float32, even in mixed precision.

    Args:
        num_classes (int): Number of classes C.
        loss_cls (dict): Config of the class loss, such as
            :class:`PQClassLoss`.
        loss_dice (dict): Config of the loss of each mask, such as
            :class:`TubeDiceLoss`.
        loss_mask (dict, optional): Config of the loss of each pixel, such as
            :class:`TubeCrossEntropyLoss`; None for none. Defaults to None.
        loss_pixel (dict, optional): Config of the loss of pixel embeddings,
            such as :class:`PixelInstanceLoss`; None for none. Defaults to
            None.
        loss_semantic (dict, optional): Config of the loss of the semantic
            branch, such as :class:`AuxiliarySemanticLoss`; None for none.
            Defaults to None.
        matcher (dict): Config of the matcher. Defaults to a
            :class:`SimilarityMatcher`.
        share_final_matching (bool): Whether auxiliary outputs use the matching
            of the last output. Defaults to True.
        masking_void_pixel (bool): Whether pixels without a tube are left out
            of matching and dice loss. Defaults to True.
    """

    def __init__(
        self,
        num_classes: int,
        loss_cls: dict,
        loss_dice: dict,
        loss_mask: dict | None = None,
        loss_pixel: dict | None = None,
        loss_semantic: dict | None = None,
        matcher: dict = dict(type='SimilarityMatcher'),
        share_final_matching: bool = True,
        masking_void_pixel: bool = True,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.loss_cls, self.loss_dice, self.loss_mask = map(
            _build, (loss_cls, loss_dice, loss_mask)
        )
        self.loss_pixel = _build(loss_pixel)
        self.loss_semantic = _build(loss_semantic)
        self.matcher = TASK_UTILS.build(
            matcher, default_args=dict(masking_void_pixel=masking_void_pixel)
        )
        self.share_final_matching = share_final_matching
        self.masking_void_pixel = masking_void_pixel

    def forward(
        self,
        pred: ClipPrediction,
        semantic_logits: Tensor | None,
        data_samples: TrackSampleList,
    ) -> dict[str, Tensor]:
        """Compute the losses of a batch of clips.

        Args:
            pred (ClipPrediction): Prediction, with ``mask_feats`` if
                there is a pixel loss. Each entry of ``aux`` is a tuple of
                class logits, mask logits and, if they differ from those of the
                last output, pixel embeddings. Mask logits and embeddings may
                have any resolution.
            semantic_logits (Tensor, optional): Logits of the semantic branch,
                shape (B, C + 1, T, h, w).
            data_samples (list[TrackDataSample]): Ground truth, see
                :func:`index_targets` and :func:`semantic_targets`.

        Returns:
            dict[str, Tensor]: Weighted ``loss_cls``, ``loss_mask``,
            ``loss_dice``, ``loss_pixel`` and ``loss_semantic`` of the last
            output, as far as they are configured, and ``d0.loss_cls`` etc. of
            the auxiliary outputs.

        Raises:
            InputError: If the ground truth is invalid, or a loss is configured
                for an output that is not predicted.
        """
        size = tuple(pred.mask_logits.shape[2:])
        with torch.autocast(pred.mask_logits.device.type, enabled=False):
            tubes = index_targets(data_samples, self.num_classes, size)
            output = (pred.cls_logits, pred.mask_logits, pred.mask_feats)
            targets = assign_tubes(self.matcher, *output[:2], tubes)
            losses = self._output_losses(*output, targets)
            if self.loss_semantic is not None:
                losses['loss_semantic'] = self._semantic_loss(
                    semantic_logits,
                    targets,
                    semantic_targets(data_samples, self.num_classes, size),
                )
            for i, aux in enumerate(pred.aux):
                logits, masks, feats = (*aux, pred.mask_feats)[:3]
                if not self.share_final_matching:
                    targets = assign_tubes(self.matcher, logits, masks, tubes)
                for name, loss in self._output_losses(
                    logits, masks, feats, targets
                ).items():
                    losses[f'd{i}.{name}'] = loss
        return losses

    def _output_losses(
        self,
        cls_logits: Tensor,
        mask_logits: Tensor,
        mask_feats: Tensor | None,
        targets: QueryTargets,
    ) -> dict[str, Tensor]:
        """Compute the losses of one output of the network."""
        losses = dict(
            loss_cls=self.loss_cls(
                cls_logits, targets.labels, targets.cls_weights
            )
        )
        log_probs, prob_sums = tube_softmax(
            mask_logits, targets.query_map, not self.masking_void_pixel
        )
        if self.loss_mask is not None:
            losses['loss_mask'] = self.loss_mask(log_probs)
        losses['loss_dice'] = self.loss_dice(
            log_probs,
            prob_sums,
            targets.query_map,
            targets.areas,
            targets.mask_weights,
        )
        if self.loss_pixel is not None:
            if mask_feats is None:
                raise InputError(
                    'The criterion has a loss_pixel, but the prediction has '
                    'no mask_feats. Set loss_pixel=None, or let the segmenter '
                    'give its pixel embeddings.'
                )
            pixels = targets.sample(self.loss_pixel.sampler)
            losses['loss_pixel'] = self.loss_pixel(
                take_pixels(mask_feats, pixels, targets.query_map.shape[1:]),
                targets.query_map.flatten(1).gather(1, pixels),
                cls_logits.shape[1],
            )
        return losses

    def _semantic_loss(
        self, logits: Tensor | None, targets: QueryTargets, labels: Tensor
    ) -> Tensor:
        """Compute the semantic loss, with labels (B, T, h, w)."""
        if logits is None:
            raise InputError(
                'The criterion has a loss_semantic, but there are no semantic '
                'logits. Set loss_semantic=None, or give the segmenter a '
                'semantic_head.'
            )
        pixels = targets.sample(self.loss_semantic.sampler)
        return self.loss_semantic(
            take_pixels(logits, pixels, labels.shape[1:]),
            labels.flatten(1).gather(1, pixels),
        )


def _build(cfg: dict | None) -> Any:
    """Build a loss that may be None."""
    return None if cfg is None else MODELS.build(cfg)
