# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Association of the queries of successive clips."""

import math
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from mmdet.registry import TASK_UTILS
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ...errors import InputError
from ...structures import ClipPrediction, copy_to_device
from ..layers import at_least_float32
from .colors import color_similarity, mean_colors, read_colors
from .cues import ClipCues
from .masks import (
    find_owners,
    measure_masks,
    measure_motion,
    owner_ious,
    sample_grid,
)
from .memory import TrackMemory
from .settings import check_arguments, check_flag, check_number, check_weights


def check_finite(queries: Tensor, clip: int) -> None:
    """Refuse non-finite queries: they would spoil the whole video.

    Args:
        queries (Tensor): Queries or their embeddings, of any shape.
        clip (int): Index of the clip in the video, from 0.

    Raises:
        InputError: If a value is NaN or infinite.
    """
    # The sum is not finite, either, and faster than a test of each value.
    if not queries.sum(dtype=torch.float32).isfinite():
        raise InputError(
            f'The queries of clip {clip} of the video are not finite. Check '
            'the input frames for NaN, the weights for a training that '
            'diverged, and half precision (AMP) for an overflow.'
        )


@TASK_UTILS.register_module()
class QueryAssociation:
    """Near-online association of queries from clip to clip.

    The queries of each clip are permuted into the order of the previous clip
    by Hungarian matching. The similarity of a pair is the weighted mean of the
    cosine similarity of the embeddings, the product of the class probabilities
    and the similarity of the colours, plus the weighted IoU of the masks. The
    masks are those of the last frame of the previous clip and the first frame
    of this one, or, if clips overlap, those of the shared frames (the video
    stitching of `Video-kMaX <https://arxiv.org/abs/2304.04694>`_). The
    default, embeddings alone, is the association of the paper. Only the cues
    of the last clip are kept, or means with a memory.

    Args:
        embed_weight (float): Weight of the embeddings. Defaults to 1.
        class_weight (float): Weight of the classes. Defaults to 0.
        overlap_weight (float): Weight of the masks. Defaults to 0.
        color_weight (float): Weight of the mean colours of the masks, which
            tell objects of one class apart after an absence. Brightness does
            not count. Defaults to 0.
        motion (bool): Whether masks are first shifted by their motion in the
            last two frames of their clip. It has no effect on clips of one
            frame and on shared frames. Defaults to False.
        memory (dict, optional): Arguments of :class:`TrackMemory`, which
            keeps tracks that are out of sight. Defaults to None: every track
            is what the last clip shows.
        max_masks (int): Number of queries whose masks are compared: those
            with the highest class probabilities. Defaults to 50.
        max_pixels (int): Bound of the pixels of a frame whose masks are
            compared. Defaults to 2048.
        mask_activation (str): See :class:`ClipSegmenter`; set by the head.
            Defaults to 'sigmoid'.
        overlap (int): Frames shared by neighbouring clips; set by the head.
            Defaults to 0.

    Attributes:
        cls_logits (Tensor): Mean of the class logits over the previous clips,
            shape (Q, C + 1).
        pixel_scale (tuple[Tensor, Tensor], optional): Mean and standard
            deviation that normalise the frames, shape (3, 1, 1); set by the
            model. None if they are not normalised.

    Raises:
        InputError: If a setting is of another type or out of its range, or
            all weights are 0.
    """

    def __init__(
        self,
        embed_weight: float = 1.0,
        class_weight: float = 0.0,
        overlap_weight: float = 0.0,
        color_weight: float = 0.0,
        motion: bool = False,
        memory: dict | None = None,
        max_masks: int = 50,
        max_pixels: int = 2048,
        mask_activation: str = 'sigmoid',
        overlap: int = 0,
    ) -> None:
        weights = dict(
            embed_weight=embed_weight,
            class_weight=class_weight,
            overlap_weight=overlap_weight,
            color_weight=color_weight,
        )
        check_weights(weights)
        check_flag('motion', motion)
        check_arguments('memory', memory, TrackMemory)
        check_number('max_masks', max_masks, 'at least 1', lambda x: x >= 1)
        check_number('max_pixels', max_pixels, 'at least 1', lambda x: x >= 1)
        # Without a cue of appearance, the masks alone have the weight 1.
        total = embed_weight + class_weight + color_weight or overlap_weight
        (
            self.embed_weight,
            self.class_weight,
            self.overlap_weight,
            self.color_weight,
        ) = (weight / total for weight in weights.values())
        self.motion = motion
        self.memory = None if memory is None else TrackMemory(**memory)
        self.max_masks = max_masks
        self.max_pixels = max_pixels
        self.mask_activation = mask_activation
        self.overlap = overlap
        self.pixel_scale: tuple[Tensor, Tensor] | None = None
        self._tracks: ClipCues | None = None
        self._num_clips = 0
        self.cls_logits: Any = 0  # a tensor after the first clip

    def start_video(self) -> 'QueryAssociation':
        """Make an association of the same settings for a new video."""
        return deepcopy(self)

    @torch.inference_mode()
    def read(self, clips: ClipPrediction, num_shared: int = 0) -> ClipCues:
        """Read the cues of clips.

        Args:
            clips (ClipPrediction): Prediction of B clips.
            num_shared (int): Number of their first frames that the clip
                before shows, too. Defaults to 0.

        Returns:
            ClipCues: The cues that are compared, tensors of PyTorch's
            inference mode.
        """
        cues = ClipCues(clips.embeds.detach())
        uses_masks = self.overlap_weight or self.color_weight
        if not (self.class_weight or uses_masks or self.memory):
            return cues
        probs = clips.cls_logits.float().softmax(-1)[..., :-1]
        cues = cues._replace(class_probs=probs)
        class_scores, areas = probs.amax(-1), None
        if uses_masks:
            cues, areas = self._read_masks(
                clips, cues, class_scores, num_shared
            )
        if self.memory:
            visible = self.memory.shows_object(class_scores, areas)
            cues = cues._replace(visible=visible)
        return cues

    def _read_masks(
        self,
        clips: ClipPrediction,
        cues: ClipCues,
        class_scores: Tensor,
        num_shared: int,
    ) -> tuple[ClipCues, Tensor]:
        """Add the cues of the masks, and compute their areas.

        Args:
            clips (ClipPrediction): See :meth:`read`.
            cues (ClipCues): Other cues.
            class_scores (Tensor): Highest class probabilities, shape (B, Q).
            num_shared (int): See :meth:`read`.

        Returns:
            tuple[ClipCues, Tensor]: All cues, and the largest share of a
            frame that each query owns, shape (B, Q), in [0, 1].
        """
        num_queries, num_frames = clips.mask_logits.shape[1:3]
        scores, queries = self._choose(class_scores)
        kept = max(self.overlap, 1)
        moves = self.motion and not self.overlap
        # Clips without shared frames are compared in neighbouring frames.
        start, stop = max(num_shared - kept, 0), max(num_shared, kept)
        last = max(num_frames - max(kept, 1 + moves), stop)
        frames = range(num_frames)
        frames = (*frames[start:stop], *frames[last:])
        grid = sample_grid(clips.mask_logits.shape[-2:], self.max_pixels)
        owners = find_owners(
            clips.mask_logits,
            queries,
            scores >= self._min_score,
            self.mask_activation,
            grid,
            frames,
        )
        areas, centres = measure_masks(owners, num_queries)
        cues = cues._replace(
            first_owners=owners[:, : stop - start],
            last_owners=owners[:, -kept:],
        )
        if moves:
            cues = cues._replace(motion=measure_motion(areas, centres))
        if self.color_weight:
            pixels = read_colors(clips, grid, frames, self.pixel_scale)
            colors = mean_colors(owners, pixels, num_queries)
            cues = cues._replace(colors=colors)
        return cues, areas.amax(1) / math.prod(owners.shape[2:])

    @property
    def _min_score(self) -> float:
        """float: Class probability of the queries whose masks count."""
        return 0.0 if self.memory is None else self.memory.min_score

    def _choose(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Choose the queries whose masks are compared.

        Args:
            scores (Tensor): Highest class probabilities, shape (B, Q).

        Returns:
            tuple[Tensor, Tensor]: Scores and queries, best first, shape (B,
            n) each.
        """
        number = min(self.max_masks, scores.shape[1])
        if not scores.is_cuda:  # counting would wait for the device
            shown = (scores >= self._min_score).sum(-1).max()
            number = min(number, max(int(shown), 1))
        return scores.topk(number)

    def similarity(
        self, tracks: ClipCues, current: ClipCues, recall: Tensor | float = 1.0
    ) -> Tensor:
        """Compute the similarities of all pairs.

        Args:
            tracks (ClipCues): Cues of n tracks, without the axis of clips.
            current (ClipCues): Cues of m queries of the next clip.
            recall (Tensor | float): Factor of the similarities of each track
                except for masks, shape (n, 1). Defaults to 1.

        Returns:
            Tensor: Shape (n, m).
        """
        with torch.autocast(current.embeds.device.type, enabled=False):
            similarity = self.embed_weight * (
                F.normalize(at_least_float32(tracks.embeds), dim=-1)
                @ F.normalize(at_least_float32(current.embeds), dim=-1).T
            )
            if self.class_weight:
                similarity.add_(
                    tracks.class_probs @ current.class_probs.T,
                    alpha=self.class_weight,
                )
            if self.color_weight:
                similarity.add_(
                    color_similarity(tracks.colors, current.colors),
                    alpha=self.color_weight,
                )
            similarity *= recall
            if self.overlap_weight:
                ious = owner_ious(
                    tracks.last_owners,
                    current.first_owners,
                    len(tracks.embeds),
                    len(current.embeds),
                    tracks.motion,
                )
                similarity.add_(ious, alpha=self.overlap_weight)
        return similarity

    def match(self, current: ClipCues) -> Tensor:
        """Match the queries of the next clip to the tracks.

        Args:
            current (ClipCues): Cues of one clip, without the axis of clips.

        Returns:
            Tensor: Permutation of shape (Q, ), int64: query ``index[q]``
            continues track q.

        Raises:
            InputError: If the embeddings are not finite.
        """
        # Inference mode saves a tenth of the time of so many small operators,
        # but autograd cannot save its tensors.
        return self._match(current).clone()

    @torch.inference_mode()
    def _match(self, current: ClipCues) -> Tensor:
        device, tracks = current.embeds.device, self._tracks
        if tracks is None:
            check_finite(current.embeds, self._num_clips)
            index = torch.arange(len(current.embeds), device=device)
        else:
            recall = self.memory.factors() if self.memory else 1.0
            gains = self.similarity(tracks, current, recall)
            if self.memory:
                gains = self.memory.gains(gains, current)
            # With embeddings alone this is the paper's cost.
            cost = (1 - gains).cpu()
            # It is finite if the embeddings are, and need not be waited for.
            check_finite(cost, self._num_clips)
            _, columns = linear_sum_assignment(cost.numpy())
            index = copy_to_device(torch.from_numpy(columns), device)
            # Only the last masks are compared with the next clip.
            current = current._replace(first_owners=None).select(index)
        if self.memory:
            current = self.memory.update(tracks, current)
        self._tracks = current
        self._num_clips += 1
        return index

    def update(
        self, clip: ClipPrediction, num_shared: int = 0
    ) -> ClipPrediction:
        """Link the next clip of the video.

        Args:
            clip (ClipPrediction): Prediction of batch size 1.
            num_shared (int): See :meth:`read`. Defaults to 0.

        Returns:
            ClipPrediction: The clip with its queries in order.
        """
        clip = clip.reorder(self.match(self.read(clip, num_shared).clip(0)))
        logits = clip.cls_logits[0].float()
        self.cls_logits = (
            self.cls_logits + (logits - self.cls_logits) / self._num_clips
        )
        return clip
