# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from typing import Iterator, Tuple

import torch
from mmdet.registry import MODELS, TASK_UTILS
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from .utils import at_least_float32, mean_of_nonzero

# Similarities that are worked on at a time.
_PIECE = 2**22


class _SimilarityLogSumExp(Function):
    """log sum_i exp(<f_i, f_j>) of vectors f, shape (B, D, K) to (B, K).

    Similarities are symmetric, so their gradient takes one matrix product,
    and computing them again is cheaper than keeping K x K numbers a clip.
    """

    @staticmethod
    def forward(ctx, feats: Tensor) -> Tensor:
        result = torch.empty_like(feats[:, 0])
        for columns, similarity in _similarities(feats):
            peak = similarity.amax(2, keepdim=True)
            total = similarity.sub_(peak).exp_().sum(2)
            result[:, columns] = total.log_() + peak[..., 0]
        ctx.save_for_backward(feats, result)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> Tensor:
        feats, result = ctx.saved_tensors
        grad_feats = torch.empty_like(feats)
        for columns, similarity in _similarities(feats):
            weights = (similarity - result[:, columns, None]).exp_()
            weights *= grad[:, columns, None]
            similarity -= result[:, None]
            weights += similarity.exp_().mul_(grad[:, None])
            grad_feats[:, :, columns] = feats @ weights.transpose(1, 2)
        return grad_feats


def _similarities(feats: Tensor) -> Iterator[Tuple[slice, Tensor]]:
    """Products of some vectors with all, shape (B, k, K), piece by piece."""
    batch_size, _, num = feats.shape
    step = max(1, _PIECE // (batch_size * num))
    for start in range(0, num, step):
        columns = slice(start, start + step)
        yield columns, feats[:, :, columns].transpose(1, 2) @ feats


@MODELS.register_module()
class PixelInstanceLoss(nn.Module):
    """Pixel-wise instance discrimination.

    Embeddings of sampled pixels are pulled to those of the same tube and
    pushed off all others. From `MaX-DeepLab
    <https://arxiv.org/abs/2012.00759>`_.

    Args:
        sampler (dict): Config of the sampler of pixels, such as
            :class:`GumbelPixelSampler`.
        temperature (float): Divides the similarities. Defaults to 0.3.
        loss_weight (float): Weight of the loss. Defaults to 1.

    Raises:
        ValueError: ``temperature`` is not above 0.
    """

    def __init__(self,
                 sampler: dict,
                 temperature: float = 0.3,
                 loss_weight: float = 1.) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f'temperature={temperature} of the pixel loss '
                             'divides similarities: it must be above 0.')
        self.sampler = TASK_UTILS.build(sampler)
        self.temperature = temperature
        self.loss_weight = loss_weight

    def forward(self, feats: Tensor, queries: Tensor,
                num_queries: int) -> Tensor:
        """Forward function.

        Args:
            feats (Tensor): Embeddings of sampled pixels, shape (B, D, K).
            queries (Tensor): Query of each pixel, ``num_queries`` for none,
                int64, shape (B, K). A pixel without one is only pushed off.
            num_queries (int): N.

        Returns:
            Tensor: Scalar.
        """
        feats = at_least_float32(feats) * self.temperature**-0.5
        tubes = torch.arange(num_queries, device=feats.device)
        members = (queries[..., None] == tubes).to(feats)  # (B, K, N)
        # The mean similarity to the own tube is that to its mean.
        means = feats @ members / members.sum(1, keepdim=True).clamp(min=1)
        positive = (means @ members.transpose(1, 2) * feats).sum(1)  # (B, K)
        loss = _SimilarityLogSumExp.apply(feats) - positive
        return self.loss_weight * mean_of_nonzero(
            loss.masked_fill(queries == num_queries, 0))
