# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Losses of Video-kMaX."""

from collections.abc import Iterator
from itertools import combinations_with_replacement

import torch
import torch.nn.functional as F
from mmdet.registry import MODELS, TASK_UTILS
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ....errors import InputError
from ...layers import at_least_float32


def mean_of_nonzero(loss: Tensor) -> Tensor:
    """Average the non-zero entries of each clip, then the clips.

    Args:
        loss (Tensor): Loss of each of n entries of B clips, shape (B, n).

    Returns:
        Tensor: Scalar. The mean of a clip without such entries is 0.
    """
    num = loss.count_nonzero(1).clamp(min=1)
    return (loss.sum(1) / num).mean()


@MODELS.register_module()
class PQClassLoss(nn.Module):
    """Cross entropy of the classes of tubes, weighted by their masks.

    Class term of the PQ-style loss of `MaX-DeepLab
    <https://arxiv.org/abs/2012.00759>`_.

    Args:
        alpha (float): Weight of the classes. "No object" has the weight 1 -
            alpha. Defaults to 0.75.
        loss_weight (float): Weight of the loss. Defaults to 1.
    """

    def __init__(self, alpha: float = 0.75, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha
        self.loss_weight = loss_weight

    def forward(
        self, cls_logits: Tensor, labels: Tensor, weights: Tensor
    ) -> Tensor:
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
            reduction='none',
        )
        return self.loss_weight * mean_of_nonzero(
            loss.view_as(weights) * weights
        )


@MODELS.register_module()
class TubeCrossEntropyLoss(nn.Module):
    """Cross entropy over the queries, pixel by pixel.

    Args:
        loss_weight (float): Weight of the loss. Defaults to 1.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, log_probs: Tensor) -> Tensor:
        """Forward function.

        Args:
            log_probs (Tensor): Log-probability of the target query of each
                pixel, 0 for no query, shape (B, T, h, w), see
                :func:`tube_softmax`.

        Returns:
            Tensor: Scalar.
        """
        return -self.loss_weight * mean_of_nonzero(log_probs.flatten(1))


@MODELS.register_module()
class TubeDiceLoss(nn.Module):
    """Dice loss of tubes, weighted by their class probability.

    Mask term of the PQ-style loss of `MaX-DeepLab
    <https://arxiv.org/abs/2012.00759>`_.

    Args:
        alpha (float): Weight of a tube, as in :class:`PQClassLoss`. Defaults
            to 0.75.
        loss_weight (float): Weight of the loss. Defaults to 1.
    """

    def __init__(self, alpha: float = 0.75, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha
        self.loss_weight = loss_weight

    def forward(
        self,
        log_probs: Tensor,
        prob_sums: Tensor,
        query_map: Tensor,
        areas: Tensor,
        weights: Tensor,
    ) -> Tensor:
        """Forward function.

        Args:
            log_probs (Tensor): Log-probability of the target query of each
                pixel, shape (B, T, h, w), see :func:`tube_softmax`.
            prob_sums (Tensor): Sum of the probabilities of each query over the
                valid pixels, shape (B, N).
            query_map (Tensor): Target query of each pixel, N for none, int64,
                shape (B, T, h, w).
            areas (Tensor): Number of target pixels of each query, (B, N).
            weights (Tensor): Class probability of each query that has a
                tube, 0 for the others, shape (B, N).

        Returns:
            Tensor: Scalar.
        """
        batch_size, num_queries = prob_sums.shape
        # Pixels without a query go to a last slot, which is cut off.
        overlaps = prob_sums.new_zeros((batch_size, num_queries + 1))
        overlaps = overlaps.scatter_add(
            1, query_map.flatten(1), log_probs.exp().flatten(1)
        )[:, :-1]
        dice = (2 * overlaps + 1) / (prob_sums + areas + 1)
        loss = ((1 - dice) * weights).sum(1) * self.alpha / num_queries
        return self.loss_weight * loss.mean()


# The reference gives this logit to pixels without a tube. They are drawn only
# if there are too few other pixels.
_VOID_LOGIT = -99999.0


@TASK_UTILS.register_module()
class GumbelPixelSampler:
    """Sampler of pixels without replacement that prefers small tubes.

    The weight of a pixel is the inverse area of its tube to the power of
    ``temperature``. The pixels are drawn by the Gumbel-top-k trick.

    Args:
        num_points (int): Number of pixels of a clip. Defaults to 4096.
        temperature (float): Exponent of the weights; 0: all pixels are equally
            likely. Defaults to 1.

    Raises:
        InputError: If ``num_points`` is below 1.
    """

    def __init__(
        self, num_points: int = 4096, temperature: float = 1.0
    ) -> None:
        if num_points < 1:
            raise InputError(
                f'num_points={num_points} of a pixel sampler '
                'must be at least 1.'
            )
        self.num_points = num_points
        self.temperature = temperature

    def uniform_noise(self, like: Tensor) -> Tensor:
        """Draw the random numbers of the sampling.

        Args:
            like (Tensor): Tensor with the shape, type and device of the
                result.

        Returns:
            Tensor: Uniform in [0, 1).
        """
        return torch.rand_like(like)

    @torch.no_grad()
    def sample(self, log_inverse_areas: Tensor, is_void: Tensor) -> Tensor:
        """Draw pixels.

        Args:
            log_inverse_areas (Tensor): Logarithm of clip size over tube area
                at each pixel, shape (B, P).
            is_void (Tensor): Whether a pixel has no tube, bool, (B, P).

        Returns:
            Tensor: Indices of pixels, int64, shape
            (B, min(num_points, P)).
        """
        logits = (log_inverse_areas * self.temperature).masked_fill_(
            is_void, _VOID_LOGIT
        )
        noise = self.uniform_noise(logits)
        keys = logits - noise.log_().neg_().log_()
        return keys.topk(min(self.num_points, keys.shape[1]))[1]


# Number of rows and columns of a block of similarities.
_BLOCK = 1024


class _SimilarityLogSumExp(Function):
    """log sum_i exp(<f_i, f_j>) of vectors f, shape (B, D, K) to (B, K).

    The K x K similarities of a clip take 67 MB at the usual K, and autograd
    would keep several such tensors for each output of the network. This
    function computes them block by block, and again in the backward pass. They
    are symmetric, so only the blocks on and above the diagonal are computed.
    A single block is kept for the backward pass.
    """

    @staticmethod
    def forward(ctx, feats: Tensor) -> Tensor:
        """Compute the values.

        Args:
            ctx: Context for :meth:`backward`.
            feats (Tensor): Vectors, shape (B, D, K), at least float32.

        Returns:
            Tensor: Shape (B, K).
        """
        # No similarity is above the largest squared length.
        peak = feats.square().sum(1).amax(1)[:, None, None]
        sums = torch.zeros_like(feats[:, 0])
        for rows, columns in _blocks(feats.shape[2]):
            block = _exp_similarities(feats, rows, columns, peak)
            sums[:, rows] += block.sum(2)
            if rows != columns:
                sums[:, columns] += block.sum(1)
        sums.clamp_(min=torch.finfo(sums.dtype).tiny)
        kept = block if feats.shape[2] <= _BLOCK else None
        ctx.save_for_backward(feats, peak, sums, kept)
        return sums.log() + peak[:, 0]

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> Tensor:
        """Compute the gradient of the vectors, shape (B, D, K)."""
        feats, peak, sums, block = ctx.saved_tensors
        scale = grad / sums
        if block is not None:
            scale = scale[:, None]
            return (feats * scale) @ block + feats @ block * scale
        grad_feats = torch.zeros_like(feats)
        for rows, columns in _blocks(feats.shape[2]):
            block = _exp_similarities(feats, rows, columns, peak)
            block *= scale[:, rows, None] + scale[:, None, columns]
            grad_feats[:, :, rows] += feats[:, :, columns] @ block.mT
            if rows != columns:
                grad_feats[:, :, columns] += feats[:, :, rows] @ block
        return grad_feats


def _blocks(num: int) -> Iterator[tuple[slice, slice]]:
    """List the rows and columns of the blocks on and above the diagonal."""
    parts = [slice(i, i + _BLOCK) for i in range(0, num, _BLOCK)]
    return combinations_with_replacement(parts, 2)


def _exp_similarities(
    feats: Tensor, rows: slice, columns: slice, peak: Tensor
) -> Tensor:
    """exp(<f_i, f_j> - peak) of a block, shape (B, k, k)."""
    with torch.autocast(feats.device.type, enabled=False):
        block = feats[:, :, rows].mT @ feats[:, :, columns]
    return block.sub_(peak).exp_()


@MODELS.register_module()
class PixelInstanceLoss(nn.Module):
    """Pixel-wise instance discrimination.

    The loss of `MaX-DeepLab <https://arxiv.org/abs/2012.00759>`_ pulls
    embeddings of sampled pixels towards those of the same tube and pushes them
    away from all others.

    Args:
        sampler (dict): Config of the sampler of pixels, such as
            :class:`GumbelPixelSampler`.
        temperature (float): Divisor of the similarities. Defaults to 0.3.
        loss_weight (float): Weight of the loss. Defaults to 1.

    Raises:
        InputError: If ``temperature`` is not above 0.
    """

    def __init__(
        self, sampler: dict, temperature: float = 0.3, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise InputError(
                f'temperature={temperature} of the pixel loss '
                'divides similarities: it must be above 0.'
            )
        self.sampler = TASK_UTILS.build(sampler)
        self.temperature = temperature
        self.loss_weight = loss_weight

    def forward(
        self, feats: Tensor, queries: Tensor, num_queries: int
    ) -> Tensor:
        """Forward function.

        Args:
            feats (Tensor): Embeddings of sampled pixels, shape (B, D, K).
            queries (Tensor): Query of each pixel, ``num_queries`` for none,
                int64, shape (B, K). Pixels without a query are only pushed
                away.
            num_queries (int): N.

        Returns:
            Tensor: Scalar.
        """
        feats = at_least_float32(feats) * self.temperature**-0.5
        tubes = torch.arange(num_queries, device=feats.device)
        members = (queries[..., None] == tubes).to(feats)  # (B, K, N)
        # The mean similarity to the own tube is the similarity to its mean.
        means = feats @ members / members.sum(1, keepdim=True).clamp(min=1)
        positive = (means @ members.transpose(1, 2) * feats).sum(1)  # (B, K)
        loss = _SimilarityLogSumExp.apply(feats) - positive
        return self.loss_weight * mean_of_nonzero(
            loss.masked_fill(queries == num_queries, 0)
        )


@MODELS.register_module()
class AuxiliarySemanticLoss(nn.Module):
    """Cross entropy of an auxiliary semantic segmentation at sampled pixels.

    Args:
        sampler (dict): Config of the sampler of pixels, such as
            :class:`GumbelPixelSampler`.
        loss_weight (float): Weight of the loss. Defaults to 1.
    """

    def __init__(self, sampler: dict, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.sampler = TASK_UTILS.build(sampler)
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Forward function.

        Args:
            logits (Tensor): Logits of sampled pixels, shape (B, C + 1, K).
            labels (Tensor): Classes of the pixels, int64, shape (B, K). C
                marks unlabelled pixels, which are ignored.

        Returns:
            Tensor: Scalar.
        """
        loss = F.cross_entropy(
            at_least_float32(logits),
            labels,
            ignore_index=logits.shape[1] - 1,
            reduction='none',
        )
        return self.loss_weight * mean_of_nonzero(loss)
