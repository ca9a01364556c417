# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Matching and losses of Tube-Link."""

import torch
import torch.nn.functional as F
from mmcv.ops import point_sample
from mmdet.models.tracking_heads import Mask2FormerTrackHead
from mmdet.models.utils import get_uncertain_point_coords_with_randomness
from mmdet.utils import InstanceList, reduce_mean
from mmengine.structures import InstanceData
from torch import Tensor


class LongImageLossHead(Mask2FormerTrackHead):
    """Mask2Former head whose losses see a clip as one long image.

    The frames are concatenated along the height. ``train_cfg.num_points``
    points are sampled in the long image. (MMDetection samples as many in each
    frame.)

    Args:
        point_loss (bool): Whether the mask losses are computed at
            ``train_cfg.num_points`` uncertain points. Otherwise all pixels of
            the ground truth are used. Defaults to True.
        kwargs: As for :class:`mmdet.models.Mask2FormerTrackHead`.
    """

    def __init__(self, point_loss: bool = True, **kwargs) -> None:
        super().__init__(**kwargs)
        self.point_loss = point_loss

    def _get_targets_single(
        self,
        cls_score: Tensor,
        mask_pred: Tensor,
        gt_instances: InstanceData,
        img_meta: dict,
    ) -> tuple:
        """Match the queries of one clip at random points of the long image.

        Args:
            cls_score (Tensor): Class logits, shape (Q, C + 1).
            mask_pred (Tensor): Mask logits, shape (Q, T * h, w).
            gt_instances (InstanceData): ``labels`` (G, ) and
                ``masks`` (G, T * H, W).
            img_meta (dict): Not used.

        Returns:
            tuple: See :meth:`MaskFormerHead._get_targets_single`.
        """
        points = torch.rand((1, self.num_points, 2), device=cls_score.device)
        # All masks are sampled at the same points, as channels of one image.
        pred = InstanceData(
            scores=cls_score, masks=point_sample(mask_pred[None], points)[0]
        )
        gt = InstanceData(
            labels=gt_instances.labels,
            masks=point_sample(gt_instances.masks[None], points)[0],
        )
        matched = self.sampler.sample(
            self.assigner.assign(
                pred_instances=pred, gt_instances=gt, img_meta=img_meta
            ),
            pred,
            gt_instances,
        )

        labels = gt.labels.new_full((self.num_queries,), self.num_classes)
        labels[matched.pos_inds] = gt.labels[matched.pos_assigned_gt_inds]
        mask_weights = mask_pred.new_zeros((self.num_queries,))
        mask_weights[matched.pos_inds] = 1
        return (
            labels,
            torch.ones_like(labels),
            gt_instances.masks[matched.pos_assigned_gt_inds],
            mask_weights,
            matched.pos_inds,
            matched.neg_inds,
            matched,
        )

    def _loss_by_feat_single(
        self,
        cls_scores: Tensor,
        mask_preds: Tensor,
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the losses of one decoder layer.

        Args:
            cls_scores (Tensor): Class logits, shape (B, Q, C + 1).
            mask_preds (Tensor): Mask logits, shape (B, Q, T * h, w).
            batch_gt_instances (list[InstanceData]): Tubes per clip.
            batch_img_metas (list[dict]): Not used.

        Returns:
            tuple[Tensor, Tensor, Tensor]: Class, mask and dice loss.
        """
        labels, weights, targets, mask_weights, num_masks = self.get_targets(
            list(cls_scores),
            list(mask_preds),
            batch_gt_instances,
            batch_img_metas,
        )
        labels = torch.cat(labels)
        class_weight = cls_scores.new_tensor(self.class_weight)
        loss_cls = self.loss_cls(
            cls_scores.flatten(0, 1),
            labels,
            torch.cat(weights),
            avg_factor=class_weight[labels].sum(),
        )

        num_masks = reduce_mean(cls_scores.new_tensor([num_masks])).clamp(1)
        targets = torch.cat(targets)
        mask_preds = mask_preds[torch.stack(mask_weights) > 0]
        if len(targets) == 0:
            nothing = mask_preds.sum()
            return loss_cls, nothing, nothing
        mask_preds, targets = self._sample_masks(mask_preds, targets)
        loss_dice = self.loss_dice(mask_preds, targets, avg_factor=num_masks)
        loss_mask = self.loss_mask(
            mask_preds.flatten(),
            targets.flatten(),
            avg_factor=num_masks * targets.shape[1],
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
