# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import torch.nn.functional as F
from mmdet.registry import MODELS, TASK_UTILS
from torch import Tensor, nn

from ..utils import at_least_float32
from .utils import mean_of_nonzero


@MODELS.register_module()
class AuxiliarySemanticLoss(nn.Module):
    """Cross entropy of an auxiliary semantic segmentation at sampled pixels.

    Args:
        sampler (dict): Config of the sampler of pixels, such as
            :class:`GumbelPixelSampler`.
        loss_weight (float): Weight of the loss. Defaults to 1.
    """

    def __init__(self, sampler: dict, loss_weight: float = 1.) -> None:
        super().__init__()
        self.sampler = TASK_UTILS.build(sampler)
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Forward function.

        Args:
            logits (Tensor): Logits of sampled pixels, shape (B, C + 1, K).
            labels (Tensor): Their classes, C for unlabelled ones, which do
                not count, int64, shape (B, K).

        Returns:
            Tensor: Scalar.
        """
        loss = F.cross_entropy(
            at_least_float32(logits),
            labels,
            ignore_index=logits.shape[1] - 1,
            reduction='none')
        return self.loss_weight * mean_of_nonzero(loss)
