# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Losses of masks that share the pixels among themselves by softmax."""
from mmdet.registry import MODELS
from torch import Tensor, nn

from .utils import mean_of_nonzero


@MODELS.register_module()
class TubeCrossEntropyLoss(nn.Module):
    """Cross entropy over the queries, pixel by pixel.

    Args:
        loss_weight (float): Weight of the loss. Defaults to 1.
    """

    def __init__(self, loss_weight: float = 1.) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, log_probs: Tensor) -> Tensor:
        """Forward function.

        Args:
            log_probs (Tensor): Log-probability of the right query of each
                pixel, 0 where there is none, shape (B, T, h, w), as
                :func:`tube_softmax` has it.

        Returns:
            Tensor: Scalar.
        """
        return -self.loss_weight * mean_of_nonzero(log_probs.flatten(1))


@MODELS.register_module()
class TubeDiceLoss(nn.Module):
    """Dice loss of tubes, weighted by their class probability.

    The part of the PQ-style loss of `MaX-DeepLab
    <https://arxiv.org/abs/2012.00759>`_ that trains the masks.

    Args:
        alpha (float): Weight of a tube, as in :class:`PQClassLoss`. Defaults
            to 0.75.
        loss_weight (float): Weight of the loss. Defaults to 1.
    """

    def __init__(self, alpha: float = 0.75, loss_weight: float = 1.) -> None:
        super().__init__()
        self.alpha = alpha
        self.loss_weight = loss_weight

    def forward(self, log_probs: Tensor, prob_sums: Tensor, query_map: Tensor,
                areas: Tensor, weights: Tensor) -> Tensor:
        """Forward function.

        Args:
            log_probs (Tensor): Log-probability of the right query of each
                pixel, shape (B, T, h, w), as :func:`tube_softmax` has it.
            prob_sums (Tensor): Sum of the probabilities of each query over
                all pixels that count, shape (B, N).
            query_map (Tensor): Right query of each pixel, N for none, int64,
                shape (B, T, h, w).
            areas (Tensor): Number of pixels whose query is this one, (B, N).
            weights (Tensor): Class probability of each query that has a
                tube, 0 for the others, shape (B, N).

        Returns:
            Tensor: Scalar.
        """
        batch_size, num_queries = prob_sums.shape
        # Pixels without a query go to a last slot, which is cut off.
        overlaps = prob_sums.new_zeros((batch_size, num_queries + 1))
        overlaps = overlaps.scatter_add(1, query_map.flatten(1),
                                        log_probs.exp().flatten(1))[:, :-1]
        dice = (2 * overlaps + 1) / (prob_sums + areas + 1)
        loss = ((1 - dice) * weights).sum(1) * self.alpha / num_queries
        return self.loss_weight * loss.mean()
