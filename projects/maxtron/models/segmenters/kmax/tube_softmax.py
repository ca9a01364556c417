# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Memory-efficient softmax over queries, for losses and matching.

A clip has about 1e5 pixels and 1e2 queries, so a tensor of all mask
probabilities takes hundreds of MB, and autograd would keep several of them for
each output of the network. Since each pixel belongs to at most one tube,
losses and matching need only the probability of the tube's query, and sums of
probabilities over pixels. These are computed frame by frame, if frames are
small for several clips at once, and again in the backward pass. Mask logits of
lower resolution than the maps are resized frame by frame.
"""

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ...layers import at_least_float32
from .resampling import resize_frames

# Size of the pieces in which logits are processed. They fit a CPU's cache.
_PIECE = 2**18


def _parts(
    logits: Tensor, size: tuple[int, int]
) -> Iterator[tuple[slice, int]]:
    """Split logits (B, N, T, h, w) into the same frame of a few clips.

    Frames of small clips are processed together, since a call of an operator
    costs more than its work on one of them.
    """
    at_once = max(1, _PIECE // (logits.shape[1] * size[0] * size[1]))
    starts = range(0, len(logits), at_once)
    for t, start in product(range(logits.shape[2]), starts):
        yield slice(start, start + at_once), t


def _resize(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize the logits (b, N, h, w) of frames to (b, N, H, W)."""
    return resize_frames(at_least_float32(logits), size)


def _pieces(frames: Tensor) -> Iterator[slice]:
    """Split the rows of frames (b, N, H, W) into pieces."""
    height = frames.shape[2]
    step = height
    if not frames.is_cuda:
        step = max(1, _PIECE // frames[:, :, 0].numel())
    for start in range(0, height, step):
        yield slice(start, start + step)


@torch.no_grad()
def tube_overlaps(logits: Tensor, tube_map: Tensor, num_tubes: int) -> Tensor:
    """Sum the mask probabilities of each query over each tube.

    Args:
        logits (Tensor): Mask logits, shape (B, N, T, h, w).
        tube_map (Tensor): 0 or 1 + the tube of each pixel, int64, with shape
            (B, T, H, W).
        num_tubes (int): M.

    Returns:
        Tensor: Shape (B, N, 1 + M). Column 0 sums over the pixels without a
            tube.
    """
    tubes = torch.arange(num_tubes + 1, device=logits.device)
    overlaps = at_least_float32(
        logits.new_zeros((*logits.shape[:2], num_tubes + 1))
    )
    size = tube_map.shape[2:]
    for clips, t in _parts(logits, size):
        frames = _resize(logits[clips, :, t], size)
        for rows in _pieces(frames):
            probs = frames[:, :, rows].flatten(2).softmax(1)  # (b, N, P)
            one_hot = tube_map[clips, t, rows].flatten(1)[..., None] == tubes
            overlaps[clips].baddbmm_(probs, one_hot.to(probs.dtype))
    return overlaps


class _TubeSoftmax(Function):
    """See :func:`tube_softmax`."""

    @staticmethod
    def forward(
        ctx, logits: Tensor, query_map: Tensor, with_void: bool
    ) -> tuple[Tensor, Tensor]:
        """Compute log-probabilities and sums of probabilities."""
        num_queries = logits.shape[1]
        covered = query_map < num_queries
        query_map = query_map.clamp(max=num_queries - 1)
        counted = (covered | with_void).to(
            torch.promote_types(logits.dtype, torch.float32)
        )
        ctx.save_for_backward(logits, query_map, covered, counted)
        log_probs = torch.empty_like(counted)
        prob_sums = counted.new_zeros(logits.shape[:2])
        size = query_map.shape[2:]
        for clips, t in _parts(logits, size):
            frames = _resize(logits[clips, :, t], size)
            for rows in _pieces(frames):
                piece = frames[:, :, rows].flatten(2).log_softmax(1)
                index = query_map[clips, t, rows]  # (b, rows, W)
                log_probs[clips, t, rows] = piece.gather(
                    1, index.flatten(1)[:, None]
                ).view_as(index)
                weights = counted[clips, t, rows].flatten(1)[..., None]
                prob_sums[clips] += (piece.exp_() @ weights)[..., 0]
        return log_probs.masked_fill_(~covered, 0), prob_sums

    @staticmethod
    @once_differentiable
    def backward(
        ctx, grad_log_probs: Tensor, grad_sums: Tensor
    ) -> tuple[Tensor, None, None]:
        logits, query_map, covered, counted = ctx.saved_tensors
        grad_log_probs = grad_log_probs * covered
        grad = torch.empty_like(logits)
        size = query_map.shape[2:]
        for clips, t in _parts(logits, size):
            source, target = logits[clips, :, t], grad[clips, :, t]
            maps = (
                query_map[clips, t],
                counted[clips, t],
                grad_log_probs[clips, t],
            )
            if source.shape[2:] == size:
                _write_gradient(source, *maps, grad_sums[clips], target)
                continue
            with torch.enable_grad():
                source = source.detach().requires_grad_()
                frames = _resize(source, size)
            grad_frames = torch.empty_like(frames)
            _write_gradient(
                frames.detach(), *maps, grad_sums[clips], grad_frames
            )
            target.copy_(torch.autograd.grad(frames, source, grad_frames)[0])
        return grad, None, None


def _write_gradient(
    frames: Tensor,
    query_map: Tensor,
    counted: Tensor,
    grad_log_probs: Tensor,
    grad_sums: Tensor,
    out: Tensor,
) -> None:
    """Write the gradient of the logits of one frame of b clips.

    Args:
        frames (Tensor): Logits, shape (b, N, H, W).
        query_map (Tensor): Query of each pixel, shape (b, H, W). The value at
            pixels without a query has no effect.
        counted (Tensor): 1 for pixels in the sums, else 0, shape (b, H, W).
        grad_log_probs (Tensor): Gradient of the log-probabilities, 0 for
            pixels without a query, shape (b, H, W).
        grad_sums (Tensor): Gradient of the sums, shape (b, N).
        out (Tensor): Tensor to write to, shape (b, N, H, W).
    """
    grad_sums = grad_sums[..., None]
    for rows in _pieces(frames):
        index, weights, own = (
            x[:, None, rows].flatten(2)
            for x in (query_map, counted, grad_log_probs)
        )  # (b, 1, P)
        grad = at_least_float32(frames[:, :, rows]).flatten(2).softmax(1)
        grad *= weights
        # term of the gradient that all queries of a pixel share
        common = grad_sums.mT @ grad + own
        grad *= grad_sums - common
        grad.scatter_add_(1, index, own)
        out[:, :, rows] = grad.view_as(out[:, :, rows])


def tube_softmax(
    logits: Tensor, query_map: Tensor, with_void: bool = False
) -> tuple[Tensor, Tensor]:
    """Apply the softmax over queries and reduce it to two statistics.

    Args:
        logits (Tensor): Mask logits, shape (B, N, T, h, w).
        query_map (Tensor): Target query of each pixel, N for none,
            int64, shape (B, T, H, W).
        with_void (bool): Whether the sums include pixels without a query.
            Defaults to False.

    Returns:
        tuple[Tensor, Tensor]: Log-probability of the query of each pixel, 0
        for no query, shape (B, T, H, W), and the sums of each query's
        probabilities over the pixels, shape (B, N), both in float32 or
        better.
    """
    return _TubeSoftmax.apply(logits, query_map, with_void)
