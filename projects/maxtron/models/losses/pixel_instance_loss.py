# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from itertools import combinations_with_replacement
from typing import Iterator, Tuple

import torch
from mmdet.registry import MODELS, TASK_UTILS
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ..utils import at_least_float32
from .utils import mean_of_nonzero

# Vectors whose similarities to as many others are worked on at a time.
_BLOCK = 1024


class _SimilarityLogSumExp(Function):
    """log sum_i exp(<f_i, f_j>) of vectors f, shape (B, D, K) to (B, K).

    K x K similarities of a clip take 67 MB at the usual K, and autograd would
    keep several such tensors of each output of the network. Here they are
    computed block by block and again in the backward pass; as they are
    symmetric, only the blocks on and above the diagonal.
    """

    @staticmethod
    def forward(ctx, feats: Tensor) -> Tensor:
        # No similarity is above the largest squared length.
        peak = feats.square().sum(1).amax(1)[:, None, None]
        sums = torch.zeros_like(feats[:, 0])
        for rows, columns in _blocks(feats.shape[2]):
            block = _exp_similarities(feats, rows, columns, peak)
            sums[:, rows] += block.sum(2)
            if rows != columns:
                sums[:, columns] += block.sum(1)
        sums.clamp_(min=torch.finfo(sums.dtype).tiny)
        ctx.save_for_backward(feats, peak, sums)
        return sums.log() + peak[:, 0]

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> Tensor:
        feats, peak, sums = ctx.saved_tensors
        scale = grad / sums
        grad_feats = torch.zeros_like(feats)
        for rows, columns in _blocks(feats.shape[2]):
            block = _exp_similarities(feats, rows, columns, peak)
            block *= scale[:, rows, None] + scale[:, None, columns]
            grad_feats[:, :, rows] += feats[:, :, columns] @ block.mT
            if rows != columns:
                grad_feats[:, :, columns] += feats[:, :, rows] @ block
        return grad_feats


def _blocks(num: int) -> Iterator[Tuple[slice, slice]]:
    """Rows and columns of the blocks on and above the diagonal."""
    parts = [slice(i, i + _BLOCK) for i in range(0, num, _BLOCK)]
    return combinations_with_replacement(parts, 2)


def _exp_similarities(feats: Tensor, rows: slice, columns: slice,
                      peak: Tensor) -> Tensor:
    """exp(<f_i, f_j> - peak) of a block, shape (B, k, k)."""
    block = feats[:, :, rows].mT @ feats[:, :, columns]
    return block.sub_(peak).exp_()


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
