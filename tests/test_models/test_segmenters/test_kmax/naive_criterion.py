# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Naive losses, formula by formula, with dense masks."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

EPS = 1e-5


def mean_of_nonzero(loss: Tensor) -> Tensor:
    """Average the means of each sample's non-zero entries over the batch."""
    loss = loss.flatten(1)
    return (loss.sum(1) / (loss != 0).sum(1).clamp(min=1)).mean()


def match(
    cls_logits: Tensor,
    mask_logits: Tensor,
    labels: Tensor,
    masks: Tensor,
    mask_void: bool,
):
    """Match the queries of a clip.

    Args:
        cls_logits (Tensor): (N, C + 1).
        mask_logits (Tensor): (N, T, h, w).
        labels (Tensor): (M, ).
        masks (Tensor): Of 0 and 1, (M, T, h, w).
        mask_void (bool): Whether to ignore pixels without a mask.

    Returns:
        tuple: Queries, ground truths, their mask similarity and class
        probability, each (min(M, N), ).
    """
    probs = mask_logits.softmax(0).flatten(1)
    masks = masks.flatten(1).to(probs)
    if mask_void:
        probs = probs * (masks.sum(0) > 0)
    similarity = (
        probs @ masks.T / ((probs.sum(1)[:, None] + masks.sum(1)) / 2 + EPS)
    )
    cls_probs = cls_logits.softmax(1)[:, labels]
    query, gt = map(
        torch.from_numpy,
        linear_sum_assignment(-(similarity * cls_probs).numpy()),
    )
    return query, gt, similarity[query, gt], cls_probs[query, gt]


def targets_of(
    cls_logits: Tensor,
    mask_logits: Tensor,
    labels: list[Tensor],
    masks: list[Tensor],
    mask_void: bool,
) -> dict:
    """Make the targets of the queries, by name."""
    batch, num_queries = cls_logits.shape[:2]
    slots = dict(
        labels=torch.full((batch, num_queries), cls_logits.shape[-1] - 1),
        masks=torch.zeros_like(mask_logits),
        mask_weight=mask_logits.new_zeros(batch, num_queries),
        class_weight=mask_logits.new_zeros(batch, num_queries),
        matches=[],
    )
    for b in range(batch):
        found = match(
            cls_logits[b], mask_logits[b], labels[b], masks[b], mask_void
        )
        query, gt, similarity, cls_prob = found
        slots['matches'].append(found)
        slots['labels'][b, query] = labels[b][gt]
        slots['masks'][b, query] = masks[b][gt].to(mask_logits)
        slots['mask_weight'][b, query] = cls_prob.clamp(min=EPS)
        probs = mask_logits[b].softmax(0)
        void = slots['masks'][b].sum(0) == 0
        weight = (probs * void).flatten(1).sum(1) / (
            probs.flatten(1).sum(1) + EPS
        )
        weight[query] = similarity
        slots['class_weight'][b] = weight.clamp(min=EPS)
    areas = slots['masks'].flatten(2).sum(2)
    pixel_area = torch.einsum('bnthw,bn->bthw', slots['masks'], areas)
    slots['void'] = slots['masks'].sum(1) == 0
    slots['inverse_area'] = pixel_area[0].numel() / pixel_area.clamp(min=1)
    return slots


def sample(
    inverse_area: Tensor,
    void: Tensor,
    num_points: int,
    temperature: float,
    noise: Tensor,
) -> Tensor:
    """Draw pixels (B, K) by the Gumbel-top-k trick."""
    logits = inverse_area.flatten(1).log() * temperature
    logits = logits.masked_fill(void.flatten(1), -99999)
    return (logits - (-noise.log()).log()).topk(num_points)[1]


def naive_losses(
    cls_logits: Tensor,
    mask_logits: Tensor,
    targets: dict,
    mask_feats: Tensor | None = None,
    sampled: Tensor | None = None,
    mask_void: bool = True,
) -> dict:
    """Compute the unweighted losses of one output.

    Args:
        cls_logits (Tensor): (B, N, C + 1).
        mask_logits (Tensor): (B, N, T, h, w).
        targets (dict): See :func:`targets_of`.
        mask_feats (Tensor, optional): (B, D, T, h, w).
        sampled (Tensor, optional): Sampled pixels, (B, K).
        mask_void (bool): As for :func:`match`.

    Returns:
        dict[str, Tensor]: By the names of the criterion.
    """
    num_queries, num_classes = cls_logits.shape[1], cls_logits.shape[2] - 1
    onehot = torch.eye(num_classes + 1).to(cls_logits)[targets['labels']]
    alpha = onehot.new_tensor([0.75] * num_classes + [0.25])
    loss_cls = (
        -(onehot * alpha * cls_logits.log_softmax(-1)).sum(-1)
        * targets['class_weight']
    )

    masks, valid = targets['masks'], ~targets['void'][:, None]
    loss_mask = -(masks * mask_logits.log_softmax(1)).sum(1)
    probs = mask_logits.softmax(1)
    probs = (probs * valid if mask_void else probs).flatten(2)
    overlap = (probs * masks.flatten(2)).sum(2)
    total = probs.sum(2) + masks.flatten(2).sum(2)
    loss_dice = (
        (1 - (2 * overlap + 1) / (total + 1))
        * targets['mask_weight']
        * 0.75
        / num_queries
    )
    losses = dict(
        loss_cls=mean_of_nonzero(loss_cls),
        loss_mask=mean_of_nonzero(loss_mask),
        loss_dice=loss_dice.sum(1).mean(),
    )
    if sampled is not None:
        index = sampled[:, None]
        feats = mask_feats.flatten(2).gather(
            2, index.expand(-1, mask_feats.shape[1], -1)
        )
        gts = masks.flatten(2).gather(2, index.expand(-1, num_queries, -1))
        same = gts.transpose(1, 2) @ gts
        same = same / same.sum(1, keepdim=True).clamp(min=1)
        similarity = feats.transpose(1, 2) @ feats / 0.3
        losses['loss_pixel'] = mean_of_nonzero(
            -(same * similarity.log_softmax(1)).sum(1)
        )
    return losses


def naive_semantic_loss(
    logits: Tensor, semantic: Tensor, sampled: Tensor
) -> Tensor:
    """Compute the auxiliary semantic loss.

    Args:
        logits (Tensor): (B, C + 1, T, h, w).
        semantic (Tensor): Labels, C where there is none, (B, T, h, w).
        sampled (Tensor): Sampled pixels, (B, K).

    Returns:
        Tensor: Scalar.
    """
    num_classes = logits.shape[1] - 1
    log_probs = logits.log_softmax(1).flatten(2)
    labels = semantic.flatten(1).gather(1, sampled)
    log_probs = log_probs.gather(
        2, sampled[:, None].expand(-1, log_probs.shape[1], -1)
    )
    loss = -log_probs.gather(1, labels[:, None])[:, 0]
    return mean_of_nonzero(loss * (labels != num_classes))
