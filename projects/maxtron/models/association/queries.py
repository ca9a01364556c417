# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Division of a video into clips, and association of their queries."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from typing import Any

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ...errors import InputError
from ...structures import ClipPrediction


def split_video(num_frames: int, clip_len: int, overlap: int = 0) -> list[int]:
    """Cut a video into clips of nearly equal length (rule of Tube-Link).

    Clip i covers the frames ``[ends[i - 1] - overlap, ends[i])``. If the
    video is not a multiple of the clip length, the last clips lose one frame
    each; if this does not suffice, only the last clip is shortened.

    Args:
        num_frames (int): Length of the video, at least 1.
        clip_len (int): Frames of a clip, more than ``overlap``.
        overlap (int): Frames that a clip shares with the previous clip.
            Defaults to 0.

    Returns:
        list[int]: Ends of the clips; the last one is ``num_frames``.

    Raises:
        InputError: If the video has no frame or the clips do not advance.
    """
    if num_frames < 1:
        raise InputError(
            f'A video of {num_frames} frames cannot be cut into clips; give '
            'at least one frame.'
        )
    if clip_len <= overlap or overlap < 0:
        raise InputError(
            f'clip_len={clip_len} must exceed overlap={overlap} >= 0, or the '
            'clips would not advance through the video.'
        )
    if num_frames <= clip_len:
        return [num_frames]
    total, size = num_frames - overlap, clip_len - overlap
    num_clips = -(-total // size)
    ends = [size * (i + 1) for i in range(num_clips)]
    surplus = ends[-1] - total
    if surplus < num_clips:
        for i in range(surplus):
            ends[-1 - i] -= surplus - i
    else:
        ends[-1] = total
    return [end + overlap for end in ends]


def iter_clips(
    frames: Iterable,
    clip_len: int,
    num_frames: int | None = None,
    overlap: int = 0,
    pad_last_clip: bool = False,
) -> Iterator[tuple[list, int]]:
    """Group a stream of frames into clips; hold one clip at a time.

    Args:
        frames (Iterable): The frames, of any type.
        clip_len (int): Frames of a clip.
        num_frames (int, optional): Length of the stream, if known. The clips
            are then cut as by :func:`split_video`; otherwise all clips except
            the last have ``clip_len`` frames. If the actual length differs,
            all frames are still returned.
        overlap (int): Frames shared by neighbouring clips. Defaults to 0.
        pad_last_clip (bool): Whether to repeat the last frame of the video so
            that all clips have one length (rule of Video-kMaX). Requires
            ``overlap`` 0 and ignores ``num_frames``. Defaults to False.

    Yields:
        tuple[list, int]: Frames of a clip, and the number of new frames among
        them. New frames are the last ones of the clip, or the first ones with
        ``pad_last_clip``.

    Raises:
        InputError: If there is no frame at all.
    """
    ends = []
    if num_frames and not pad_last_clip:
        ends = split_video(num_frames, clip_len, overlap)
    start = ends[-1] if ends else overlap
    step = clip_len - overlap
    clip, new, index = [], 0, 0
    ends = chain(ends, count(start + step, step))
    end = next(ends)
    for index, frame in enumerate(frames, 1):
        clip.append(frame)
        new += 1
        if index == end:
            yield clip, new
            clip, new = clip[len(clip) - overlap :], 0
            end = next(ends)
    if new:
        missing = clip_len - len(clip) if pad_last_clip else 0
        yield clip + clip[-1:] * missing, new
    if index == 0:
        raise InputError('The video has no frames: there is nothing to track.')


@torch.no_grad()
def match_queries(reference: Tensor, current: Tensor) -> Tensor:
    """Match the queries of a clip to those of the clip before.

    Hungarian matching on the cost ``1 - cosine similarity``.

    Args:
        reference (Tensor): Embeddings of the previous, already aligned clip,
            shape (Q, E).
        current (Tensor): Embeddings of the current clip, shape (Q, E).

    Returns:
        Tensor: Permutation of shape (Q, ), int64: ``current[index[q]]`` is
        the continuation of ``reference[q]``.
    """
    with torch.autocast(current.device.type, enabled=False):
        similarity = (
            F.normalize(reference.float(), dim=-1)
            @ F.normalize(current.float(), dim=-1).T
        )
    _, columns = linear_sum_assignment((1 - similarity).cpu().numpy())
    return torch.as_tensor(columns, device=current.device)


def check_finite(queries: Tensor, clip: int) -> None:
    """Refuse non-finite queries: they would spoil the whole video.

    Args:
        queries (Tensor): Queries or their embeddings, of any shape.
        clip (int): Index of the clip in the video, from 0.

    Raises:
        InputError: If a value is NaN or infinite.
    """
    if not queries.isfinite().all():
        raise InputError(
            f'The queries of clip {clip} of the video are not finite. Check '
            'the input frames for NaN, the weights for a training that '
            'diverged, and half precision (AMP) for an overflow.'
        )


def align_queries(
    queries: Sequence[Tensor], embeds: Sequence[Tensor]
) -> Tensor:
    """Permute the queries of all clips into the order of the first clip.

    Each clip is matched to the previous clip of its video, see
    :func:`match_queries`.

    Args:
        queries (Sequence[Tensor]): Per clip, shape (B, Q, D).
        embeds (Sequence[Tensor]): Embeddings to compare, per clip, shape
            (B, Q, E).

    Returns:
        Tensor: Aligned queries with shape (B, K, Q, D), differentiable.

    Raises:
        InputError: If queries or embeddings are not finite.
    """
    for k, tensors in enumerate(zip(queries, embeds)):
        for x in tensors:
            check_finite(x, k)
    aligned, reference = [queries[0]], embeds[0]
    for clip, current in zip(queries[1:], embeds[1:]):
        order = list(map(match_queries, reference, current))
        reference = torch.stack([x[i] for x, i in zip(current, order)])
        aligned.append(torch.stack([x[i] for x, i in zip(clip, order)]))
    return torch.stack(aligned, 1)


class QueryAssociation:
    """Near-online association of queries from clip to clip.

    The queries of each clip are permuted into the order of the previous clip.
    Only the embeddings of the last clip are kept.

    Attributes:
        cls_logits (Tensor): Mean of the class logits over the previous clips,
            shape (Q, C + 1).
    """

    def __init__(self) -> None:
        self._embeds = None
        self._num_clips = 0
        self.cls_logits: Any = 0  # a tensor after the first clip

    def update(self, clip: ClipPrediction) -> ClipPrediction:
        """Link the next clip of the video.

        Args:
            clip (ClipPrediction): Prediction of batch size 1.

        Returns:
            ClipPrediction: The clip with its queries in order.
        """
        check_finite(clip.embeds, self._num_clips)
        if self._embeds is not None:
            clip = clip.reorder(match_queries(self._embeds, clip.embeds[0]))
        self._embeds = clip.embeds[0]
        self._num_clips += 1
        logits = clip.cls_logits[0].float()
        self.cls_logits = (
            self.cls_logits + (logits - self.cls_logits) / self._num_clips
        )
        return clip
