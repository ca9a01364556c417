# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from torch import Tensor, nn

from ..utils import at_least_float32
from .utils import mean_of_nonzero


@MODELS.register_module()
class PQClassLoss(nn.Module):
    """Cross entropy of the classes of tubes, weighted by their masks.

    The part of the PQ-style loss of `MaX-DeepLab
    <https://arxiv.org/abs/2012.00759>`_ that trains the classes.

    Args:
        alpha (float): Weight of a class; that of "no object" is 1 - alpha.
            Defaults to 0.75.
        loss_weight (float): Weight of the loss. Defaults to 1.
    """

    def __init__(self, alpha: float = 0.75, loss_weight: float = 1.) -> None:
        super().__init__()
        self.alpha = alpha
        self.loss_weight = loss_weight

    def forward(self, cls_logits: Tensor, labels: Tensor,
                weights: Tensor) -> Tensor:
        """Forward function.

        Args:
            cls_logits (Tensor): Class logits, "no object" last, with shape
                (B, N, C + 1).
            labels (Tensor): Class of each query, C for "no object", int64,
                shape (B, N).
            weights (Tensor): Quality of the mask of each query, (B, N).

        Returns:
            Tensor: Scalar.
        """
        is_void = labels == cls_logits.shape[-1] - 1
        weights = weights * torch.where(is_void, 1 - self.alpha, self.alpha)
        loss = F.cross_entropy(
            at_least_float32(cls_logits).flatten(0, 1),
            labels.flatten(),
            reduction='none')
        return self.loss_weight * mean_of_nonzero(
            loss.view_as(weights) * weights)
