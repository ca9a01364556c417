# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Matching and losses of Tube-Link."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmcv.ops import point_sample
from mmdet.models.tracking_heads import Mask2FormerTrackHead
from mmdet.models.utils import get_uncertain_point_coords_with_randomness
from mmdet.utils import InstanceList, reduce_mean
from mmengine.structures import InstanceData
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ....errors import InputError
from ....structures import copy_to_cpu, copy_to_device


class LongImageLossHead(Mask2FormerTrackHead):
    """Mask2Former head whose losses see a clip as one long image.

    The frames are concatenated along the height. ``train_cfg.num_points``
    points are sampled in the long image. (MMDetection samples as many in each
    frame.)

    Args:
        point_loss (bool): Whether the mask losses are computed at
            ``train_cfg.num_points`` uncertain points. Otherwise all pixels of
            the ground truth are used. Defaults to True.
        kwargs: As for :class:`mmdet.models.Mask2FormerTrackHead`. Matching
            uses the ``match_costs`` of ``train_cfg.assigner`` and needs no
            ``train_cfg.sampler``.

    Raises:
        InputError: If the assigner has no ``match_costs``.
    """

    label_weights: Tensor

    def __init__(self, point_loss: bool = True, **kwargs) -> None:
        super().__init__(**kwargs)
        self.point_loss = point_loss
        if self.train_cfg and not hasattr(self.assigner, 'match_costs'):
            raise InputError(
                'model.head.segmenter.train_cfg.assigner must have '
                'match_costs, as a HungarianAssigner has.'
            )
        # A weight of each label is the same as class weights of the loss,
        # which MMDetection copies to the GPU in each call.
        self.loss_cls.class_weight = None
        self.register_buffer(
            'label_weights', torch.tensor(self.class_weight), persistent=False
        )

    def loss_by_feat(
        self,
        all_cls_scores: Sequence[Tensor],
        all_mask_preds: Sequence[Tensor],
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict] | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of all decoder layers.

        Args:
            all_cls_scores (Sequence[Tensor]): Class logits of each layer,
                shape (B, Q, C + 1).
            all_mask_preds (Sequence[Tensor]): Mask logits of each layer,
                shape (B, Q, T * h, w).
            batch_gt_instances (list[InstanceData]): For each clip ``labels``
                (M, ) and ``masks`` (M, T * H, W) of its tubes.
            batch_img_metas (list[dict], optional): Not used.

        Returns:
            dict[str, Tensor]: ``loss_cls``, ``loss_mask`` and ``loss_dice``
            of the last layer, ``d0.loss_cls`` etc. of the earlier layers.
        """
        matches = self._match(
            all_cls_scores, all_mask_preds, batch_gt_instances
        )
        tubes = InstanceData.cat(list(batch_gt_instances))
        # As in MMDetection, a clip without tubes counts as one mask.
        num_masks = sum(
            max(1, min(self.num_queries, len(clip)))
            for clip in batch_gt_instances
        )
        losses = {}
        *inner, last = zip(all_cls_scores, all_mask_preds, matches)
        for prefix, layer in [
            ('', last),
            *((f'd{i}.', layer) for i, layer in enumerate(inner)),
        ]:
            values = self._layer_losses(*layer, tubes, num_masks)
            for name, value in zip(('cls', 'mask', 'dice'), values):
                losses[f'{prefix}loss_{name}'] = value
        return losses

    @torch.no_grad()
    def _match(
        self,
        all_cls_scores: Sequence[Tensor],
        all_mask_preds: Sequence[Tensor],
        clips: InstanceList,
    ) -> list[tuple[Tensor, Tensor]]:
        """Match the queries of all layers at random points of the long image.

        The costs of all layers and clips go to the CPU in one transfer.

        Args:
            all_cls_scores: See :meth:`loss_by_feat`.
            all_mask_preds: See :meth:`loss_by_feat`.
            clips (list[InstanceData]): Tubes of each clip.

        Returns:
            list[tuple[Tensor, Tensor]]: For each layer the matched queries,
            as positions among the B * Q queries in ascending order, and their
            tubes, as positions among the tubes of all clips.
        """
        costs = [
            self._costs(score, mask, clip)
            for scores, masks in zip(all_cls_scores, all_mask_preds)
            for score, mask, clip in zip(scores, masks, clips)
        ]
        queries, tubes = [], []
        for i, cost in enumerate(copy_to_cpu(*costs)):
            b = i % len(clips)
            # Replace NaN and inf so that matching does not crash. The loss
            # stays non-finite, and the gradient scaler skips the step.
            cost.nan_to_num_(0.0, 0.0, 0.0)
            query, tube = linear_sum_assignment(cost.numpy())
            queries.append(query + b * self.num_queries)
            tubes.append(tube + sum(map(len, clips[:b])))
        pairs = np.stack((np.concatenate(queries), np.concatenate(tubes)))
        matches = copy_to_device(
            torch.from_numpy(pairs), all_cls_scores[0].device
        ).chunk(len(all_cls_scores), dim=1)
        return [(query, tube) for query, tube in matches]

    def _costs(
        self, scores: Tensor, masks: Tensor, clip: InstanceData
    ) -> Tensor:
        """Compute the costs of matching queries with the tubes of a clip.

        Args:
            scores (Tensor): Class logits, shape (Q, C + 1).
            masks (Tensor): Mask logits, shape (Q, T * h, w).
            clip (InstanceData): ``labels`` (M, ) and ``masks`` (M, T * H, W).

        Returns:
            Tensor: Shape (Q, M).
        """
        points = torch.rand((1, self.num_points, 2), device=masks.device)
        # All masks are sampled at the same points, as channels of one image.
        pred = InstanceData(
            scores=scores, masks=point_sample(masks[None], points)[0]
        )
        gt = InstanceData(
            labels=clip.labels, masks=point_sample(clip.masks[None], points)[0]
        )
        return torch.stack(
            [cost(pred, gt, img_meta={}) for cost in self.assigner.match_costs]
        ).sum(0)

    def _layer_losses(
        self,
        cls_scores: Tensor,
        mask_preds: Tensor,
        match: tuple[Tensor, Tensor],
        tubes: InstanceData,
        num_masks: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the losses of one decoder layer.

        Args:
            cls_scores (Tensor): Class logits, shape (B, Q, C + 1).
            mask_preds (Tensor): Mask logits, shape (B, Q, T * h, w).
            match (tuple[Tensor, Tensor]): See :meth:`_match`.
            tubes (InstanceData): Tubes of all clips.
            num_masks (int): Number of masks that losses are averaged over.

        Returns:
            tuple[Tensor, Tensor, Tensor]: Class, mask and dice loss.
        """
        queries, matched = match
        cls_scores = cls_scores.flatten(0, 1)
        labels = tubes.labels.new_full((len(cls_scores),), self.num_classes)
        labels[queries] = tubes.labels[matched]
        weights = self.label_weights.to(cls_scores)[labels]
        loss_cls = self.loss_cls(
            cls_scores, labels, weights, avg_factor=weights.sum()
        )

        average = reduce_mean(cls_scores.new_full((1,), num_masks)).clamp(1)
        mask_preds = mask_preds.flatten(0, 1)[queries]
        if len(queries) == 0:
            nothing = mask_preds.sum()
            return loss_cls, nothing, nothing
        mask_preds, targets = self._sample_masks(
            mask_preds, tubes.masks[matched]
        )
        loss_dice = self.loss_dice(mask_preds, targets, avg_factor=average)
        loss_mask = self.loss_mask(
            mask_preds.flatten(),
            targets.flatten(),
            avg_factor=average * targets.shape[1],
        )
        return loss_cls, loss_mask, loss_dice

    def _sample_masks(
        self, preds: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Sample matched masks at the points of the mask losses.

        Args:
            preds (Tensor): Mask logits, shape (M, T * h, w).
            targets (Tensor): Masks of 0 and 1, shape (M, T * H, W).

        Returns:
            tuple[Tensor, Tensor]: Logits and targets, shape (M, P).
        """
        preds, targets = preds[:, None], targets[:, None]
        if not self.point_loss:
            preds = F.interpolate(preds, targets.shape[-2:], mode='nearest')
            return preds.flatten(1), targets.flatten(1)
        with torch.no_grad():
            points = get_uncertain_point_coords_with_randomness(
                preds,
                None,
                self.num_points,
                self.oversample_ratio,
                self.importance_sample_ratio,
            )
        return (
            point_sample(preds, points).squeeze(1),
            point_sample(targets, points).squeeze(1),
        )
