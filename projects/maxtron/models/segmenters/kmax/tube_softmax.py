# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Memory-efficient softmax over queries, for losses and matching.

A clip has about 1e5 pixels and 1e2 queries, so a tensor of all mask
probabilities takes hundreds of MB, and autograd would keep several of them for
each output of the network. Since each pixel belongs to at most one tube,
losses and matching need only the probability of the tube's query, and sums of
probabilities over pixels. These are computed frame by frame, and again in the
backward pass. Mask logits of lower resolution than the maps are resized frame
by frame.
"""

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ...layers import at_least_float32
from .resampling import resize_frames

# Size of the pieces in which a CPU processes logits. They fit its cache.
_PIECE = 2**18


def _resized_frame(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize the logits (N, h, w) of a frame to (N, H, W)."""
    return resize_frames(at_least_float32(logits)[None], size)[0]


def _pieces(frame: Tensor) -> Iterator[slice]:
    """Split the rows of a frame (N, H, W) into pieces."""
    num_queries, height, width = frame.shape
    step = height
    if not frame.is_cuda:
        step = max(1, _PIECE // (num_queries * width))
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
    for b, t in _frames(logits):
        frame = _resized_frame(logits[b, :, t], tube_map.shape[2:])
        for rows in _pieces(frame):
            probs = frame[:, rows].flatten(1).softmax(0)  # (N, P)
            one_hot = tube_map[b, t, rows].reshape(-1, 1) == tubes
            overlaps[b].addmm_(probs, one_hot.to(probs.dtype))
    return overlaps


class _TubeSoftmax(Function):
    """See :func:`tube_softmax`."""

    @staticmethod
    def forward(
        ctx, logits: Tensor, query_map: Tensor, with_void: bool
    ) -> tuple[Tensor, Tensor]:
        num_queries = logits.shape[1]
        covered = query_map < num_queries
        query_map = query_map.clamp(max=num_queries - 1)
        counted = (covered | with_void).to(
            torch.promote_types(logits.dtype, torch.float32)
        )
        ctx.save_for_backward(logits, query_map, covered, counted)
        log_probs = torch.empty_like(counted)
        prob_sums = counted.new_zeros(logits.shape[:2])
        for b, t in _frames(logits):
            frame = _resized_frame(logits[b, :, t], query_map.shape[2:])
            for rows in _pieces(frame):
                piece = frame[:, rows].flatten(1).log_softmax(0)  # (N, P)
                index = query_map[b, t, rows]
                log_probs[b, t, rows] = piece.gather(
                    0, index.reshape(1, -1)
                ).view_as(index)
                prob_sums[b] += piece.exp_() @ counted[b, t, rows].flatten()
        return log_probs.masked_fill_(~covered, 0), prob_sums

    @staticmethod
    @once_differentiable
    def backward(
        ctx, grad_log_probs: Tensor, grad_sums: Tensor
    ) -> tuple[Tensor, None, None]:
        logits, query_map, covered, counted = ctx.saved_tensors
        grad_log_probs = grad_log_probs * covered
        grad = torch.empty_like(logits)
        for b, t in _frames(logits):
            source, target = logits[b, :, t], grad[b, :, t]
            maps = (query_map[b, t], counted[b, t], grad_log_probs[b, t])
            if source.shape[1:] == maps[0].shape:
                _write_gradient(source, *maps, grad_sums[b], target)
                continue
            with torch.enable_grad():
                source = source.detach().requires_grad_()
                frame = _resized_frame(source, maps[0].shape)
            grad_frame = torch.empty_like(frame)
            _write_gradient(frame.detach(), *maps, grad_sums[b], grad_frame)
            target.copy_(torch.autograd.grad(frame, source, grad_frame)[0])
        return grad, None, None


def _write_gradient(
    frame: Tensor,
    query_map: Tensor,
    counted: Tensor,
    grad_log_probs: Tensor,
    grad_sums: Tensor,
    out: Tensor,
) -> None:
    """Write the gradient of the logits of a frame.

    Args:
        frame (Tensor): Logits, shape (N, H, W).
        query_map (Tensor): Query of each pixel, shape (H, W). The value at
            pixels without a query has no effect.
        counted (Tensor): 1 for pixels in the sums, else 0, shape (H, W).
        grad_log_probs (Tensor): Gradient of the log-probabilities, 0 for
            pixels without a query, shape (H, W).
        grad_sums (Tensor): Gradient of the sums, shape (N, ).
        out (Tensor): Tensor to write to, shape (N, H, W).
    """
    for rows in _pieces(frame):
        own = grad_log_probs[rows].reshape(1, -1)
        grad = at_least_float32(frame[:, rows]).flatten(1).softmax(0)
        grad *= counted[rows].flatten()
        # term of the gradient that all queries of a pixel share
        common = grad_sums @ grad + own
        grad *= grad_sums[:, None] - common
        grad.scatter_add_(0, query_map[rows].reshape(1, -1), own)
        out[:, rows] = grad.view_as(out[:, rows])


def _frames(logits: Tensor) -> Iterator[tuple[int, int]]:
    """List the indices (clip, frame) of logits (B, N, T, h, w)."""
    return product(range(logits.shape[0]), range(logits.shape[2]))


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
