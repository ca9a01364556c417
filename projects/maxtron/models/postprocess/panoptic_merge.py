# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Conversion of mask and class logits of a video to panoptic maps."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...structures import (
    IndexMap,
    PanopticMap,
    copy_to_cpu,
    copy_to_device,
    thing_id,
)
from .mask_candidates import make_finder, not_finite_error
from .query_sets import FrameSets, PixelSets, VideoSets, number_sets


class PanopticSegment(NamedTuple):
    """A segment of a video.

    Attributes:
        id (int): Panoptic id, see :class:`PanopticMap`.
        label (int): Class of the segment.
        query (int): Query of the segment. If several queries form one stuff
            segment, the first of them.
        score (float): Class score times mask score of the query.
        isthing (bool): Whether it is an instance.
    """

    id: int
    label: int
    query: int
    score: float
    isthing: bool


class PanopticResult(NamedTuple):
    """Result of :meth:`PanopticMerger.merge`.

    Attributes:
        maps (list[PanopticMap]): One for each frame.
        segments (list[PanopticSegment]): Accepted segments, best
            first. The numbers of the instances of a class are in ascending
            order.
    """

    maps: list[PanopticMap]
    segments: list[PanopticSegment]


class PanopticMerger:
    """Merger of the masks of all queries into panoptic maps.

    Probabilities are a softmax of the mask logits over the queries; see
    :class:`SigmoidPanopticMerger` for independent masks. A query is a
    candidate of the pixels at which its probability exceeds a threshold. The
    queries get their pixels in the order of their scores, best first. The rule
    requires each query's sum of probabilities and, for each frame, the set of
    candidate queries of each pixel. Both are computed on the device of the
    logits; the decision is made on the CPU. The sets of a clip are copied to
    the CPU when the next one comes or the decision is due. There they are kept
    compressed, frame by frame, so memory grows by the same amount with every
    frame.

    Args:
        thing_labels (Iterable[int]): The labels that are things.
        num_classes (int): Number of classes; also the id of void pixels.
        pixel_thr (float): Probability, between 0 and 1, that a query must
            exceed to get a pixel.
        thing_thr (float): Class score that a thing must exceed.
        stuff_thr (float): Class score that a stuff region must exceed.
        overlap_thr (float): A query must get more than this share of the
            pixels that it is a candidate of.
        align_corners (bool): Whether logits are resized with aligned corners.
            Defaults to True.
        tile_shape (tuple[int, int], optional): Height and width of a tile, see
            :class:`CandidateFinder`.

    Raises:
        InputError: If ``pixel_thr`` is not between 0 and 1, or a thing label
            is not below ``num_classes``.
    """

    def __init__(
        self,
        thing_labels: Iterable[int],
        num_classes: int,
        pixel_thr: float,
        thing_thr: float,
        stuff_thr: float,
        overlap_thr: float,
        align_corners: bool = True,
        tile_shape: tuple[int, int] | None = None,
    ) -> None:
        self.thing_labels = frozenset(thing_labels)
        self.num_classes = num_classes
        if not 0 < pixel_thr < 1:
            raise InputError(
                f'pixel_thr={pixel_thr} must lie between 0 and 1: it is the '
                'probability that a query needs at a pixel.'
            )
        foreign = sorted(self.thing_labels - set(range(num_classes)))
        if foreign:
            raise InputError(
                f'thing_labels holds {foreign}, but there are '
                f'only the labels 0 to {num_classes - 1}.'
            )
        self.pixel_thr = pixel_thr
        self.overlap_thr = overlap_thr
        self.align_corners = align_corners
        self.tile_shape = tile_shape
        self._logit_thr = math.log(pixel_thr / (1 - pixel_thr))
        thresholds = [
            thing_thr if label in self.thing_labels else stuff_thr
            for label in range(num_classes + 1)
        ]
        self._class_thr = torch.tensor(thresholds, dtype=torch.float64)
        self._accepted: Tensor | None = None  # (N, ), bool
        self._prob_sums = torch.zeros(0)
        self._num_queries: int | None = None
        self._pending: PixelSets | None = None  # of the last clip
        self._frames: list[FrameSets] = []

    def set_classes(self, cls_logits: Tensor) -> None:
        """Set the class logits of the video before its first frame.

        Queries with a low class score then need no mask. This does not change
        the result of :meth:`merge` with these logits.

        Args:
            cls_logits (Tensor): Class logits with shape (N, num_classes + 1),
                void last.
        """
        self._accepted = self._pass_threshold(*self._classify(cls_logits))

    @torch.no_grad()
    def update(
        self,
        mask_logits: Tensor,
        input_shape: tuple[int, int],
        img_shape: tuple[int, int],
        ori_shape: tuple[int, int],
    ) -> None:
        """Add the next frames of the video.

        Args:
            mask_logits (Tensor): Mask logits with shape (N, T, h, w). The
                order of the queries must be the same for the whole video.
            input_shape (tuple[int, int]): Height and width of the padded
                network input.
            img_shape (tuple[int, int]): Height and width before padding.
            ori_shape (tuple[int, int]): Height and width of the original
                image, and of the maps.

        Raises:
            ValueError: If the logits do not fit the previous ones or are not
                finite, or ``img_shape`` is larger than ``input_shape``.
        """
        self._start(mask_logits, input_shape, img_shape)
        finder = make_finder(
            len(mask_logits),
            tuple(mask_logits.shape[-2:]),
            tuple(input_shape),
            tuple(img_shape),
            tuple(ori_shape),
            self.pixel_thr,
            mask_logits.device,
            self.align_corners,
            self.tile_shape,
        )
        words, prob_sums = finder.find(
            mask_logits.detach().float(), self._accepted
        )
        self._prob_sums = self._prob_sums + prob_sums
        self._pending = number_sets(words)

    def _start(
        self,
        mask_logits: Tensor,
        input_shape: tuple[int, int],
        img_shape: tuple[int, int],
    ) -> None:
        """Check the arguments of :meth:`update`; make room for a clip."""
        num_queries = len(mask_logits)
        if self._num_queries is None:
            self._num_queries = num_queries
            self._prob_sums = mask_logits.new_zeros(
                num_queries, dtype=torch.float64
            )
        if num_queries != self._num_queries:
            raise ValueError(
                f'These mask logits have {num_queries} queries, those of the '
                f'frames before {self._num_queries}; start a new '
                f'{type(self).__name__} for another video.'
            )
        if any(i > p for i, p in zip(img_shape, input_shape)):
            raise ValueError(
                f'img_shape={tuple(img_shape)} must fit into '
                f'input_shape={tuple(input_shape)}.'
            )
        self._fetch()
        self._frames = [frame.compress() for frame in self._frames]

    def _choose(
        self, mask_logits: Tensor, visible: Tensor | None = None
    ) -> list[list[int]]:
        """Check the logits, and choose the queries that need masks.

        Args:
            mask_logits (Tensor): Mask logits, shape (N, T, h, w).
            visible (Tensor, optional): Whether the mask of a query may have
                pixels in a frame, shape (N, T), bool. Defaults to None.

        Returns:
            list[list[int]]: Accepted and visible queries of each frame.

        Raises:
            InputError: If a logit is not finite.
        """
        if visible is None:
            visible = mask_logits.new_ones(
                mask_logits.shape[:2], dtype=torch.bool
            )
        if self._accepted is not None:
            visible = visible & self._accepted[:, None]
        is_finite, visible = copy_to_cpu(
            mask_logits.sum(dtype=torch.float32).isfinite(), visible
        )
        if not is_finite:
            raise not_finite_error()
        return [np.flatnonzero(row).tolist() for row in visible.T.numpy()]

    def _fetch(self, *others: Tensor) -> list[Tensor]:
        """Copy the sets of the last clip, and other tensors, to the CPU."""
        pending = self._pending or ()
        copies = copy_to_cpu(*pending, *others)
        if self._pending is not None:
            self._frames += PixelSets(*copies[: len(pending)]).split()
            self._pending = None
        return copies[len(pending) :]

    def merge(self, cls_logits: Tensor) -> PanopticResult:
        """Assign the pixels to the queries.

        Args:
            cls_logits (Tensor): Class logits with shape (N, num_classes + 1),
                void last.

        Returns:
            PanopticResult: Maps and segments of all frames added so
            far.

        Raises:
            ValueError: If there is no frame or the shape is wrong.
        """
        if self._num_queries is None:
            raise ValueError('There is no frame to merge: call update first.')
        expected = (self._num_queries, self.num_classes + 1)
        if cls_logits.shape != expected:
            raise ValueError(
                f'cls_logits has shape {tuple(cls_logits.shape)} '
                f'instead of {expected}.'
            )
        scores, labels = self._classify(cls_logits)
        accepted = self._pass_threshold(scores, labels)
        scores, labels, accepted, *sums = (
            x.numpy()
            for x in self._fetch(scores, labels, accepted, *self._sums())
        )
        sets = VideoSets(self._frames)
        assigned = self._assign(sets, accepted, scores, *sums)
        ids, segments = self._number_segments(
            labels, assigned, len(sets.counts)
        )
        maps = [
            self._paint(frame, frame_ids)
            for frame, frame_ids in zip(self._frames, sets.split(ids))
        ]
        return PanopticResult(maps, segments)

    @staticmethod
    def _classify(cls_logits: Tensor) -> tuple[Tensor, Tensor]:
        """Compute class score and class of each query, shape (N, )."""
        scores, labels = (
            cls_logits.detach().float().softmax(-1)[:, :-1].max(-1)
        )
        return scores.double(), labels

    def _sums(self) -> tuple[Tensor, ...]:
        """Return the sums over pixels that the rule requires, (N, ) each."""
        return (self._prob_sums,)

    def _pass_threshold(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return whether each class score is high enough, (N, ) bool."""
        thresholds = copy_to_device(self._class_thr, labels.device)
        return scores > thresholds[labels]

    def _number_segments(
        self,
        labels: np.ndarray,
        assigned: Iterable[tuple[int, float, np.ndarray]],
        num_sets: int,
    ) -> tuple[np.ndarray, list[PanopticSegment]]:
        """Number the segments of the queries.

        Args:
            labels (np.ndarray): Class of each query, shape (N, ).
            assigned (Iterable): Accepted queries, see :meth:`_assign`.
            num_sets (int): Number of sets S.

        Returns:
            tuple[np.ndarray, list[PanopticSegment]]: Panoptic id of each set,
            shape (S, ), int32, and the segments, best first.
        """
        ids = np.full(num_sets, self.num_classes, np.int32)
        segments: list[PanopticSegment] = []
        stuff: set[int] = set()
        num_things: dict[int, int] = {}
        for query, score, won in assigned:
            segment_id = label = int(labels[query])
            isthing = label in self.thing_labels
            if isthing:
                index = num_things.get(label, 0)
                num_things[label] = index + 1
                segment_id = thing_id(label, index)
            ids[won] = segment_id
            if isthing or label not in stuff:
                segments.append(
                    PanopticSegment(segment_id, label, query, score, isthing)
                )
                stuff.add(label)
        return ids, segments

    def _paint(self, frame: FrameSets, ids: np.ndarray) -> PanopticMap:
        """Make the map of a frame from the id of each set, shape (S, )."""
        indices = frame.indices
        if isinstance(indices, np.ndarray):
            # There are fewer segments than sets, so the map becomes smaller.
            ids, segment_of_set = np.unique(ids, return_inverse=True)
            dtype = np.min_scalar_type(len(ids))
            indices = IndexMap.encode(segment_of_set.astype(dtype)[indices])
        return PanopticMap(indices, ids, self.num_classes)

    def _assign(
        self,
        sets: VideoSets,
        accepted: np.ndarray,
        scores: np.ndarray,
        *sums: np.ndarray,
    ) -> Iterator[tuple[int, float, np.ndarray]]:
        """Give the pixels to the queries, best first.

        Args:
            sets (VideoSets): Candidate queries of all pixels.
            accepted (np.ndarray): Whether the class score of each query is
                high enough, shape (N, ).
            scores (np.ndarray): Class score of each query, shape (N, ).
            sums (np.ndarray): See :meth:`_sums`.

        Yields:
            tuple[int, float, np.ndarray]: An accepted query, its score, and
            the sets whose pixels it gets, shape (n, ).
        """
        counts, queries = sets.counts, range(len(scores))
        areas = np.array([counts[sets.of_query(q)].sum() for q in queries])
        ranks = scores * (sums[0] / np.maximum(areas, 1))
        taken = np.zeros(len(counts), bool)
        for query in (-ranks).argsort(kind='stable').tolist():
            if not accepted[query]:
                continue
            free = sets.of_query(query)
            free = free[~taken[free]]
            if counts[free].sum() > self.overlap_thr * areas[query]:
                taken[free] = True
                yield query, float(ranks[query]), free
