# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Conversion of mask and class logits of a video to panoptic maps."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...structures import PanopticMap, thing_id
from .mask_candidates import CandidateFinder, Candidates, parallel_map
from .query_sets import FrameSets, QuerySets, VideoSets


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
    candidate queries of each pixel. Frames are kept compressed, independently
    of each other, so memory grows by the same amount with every frame.

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
        self.thing_thr = thing_thr
        self.stuff_thr = stuff_thr
        self.overlap_thr = overlap_thr
        self.align_corners = align_corners
        self.tile_shape = tile_shape
        self._logit_thr = math.log(pixel_thr / (1 - pixel_thr))
        self._finder_args: tuple | None = None
        self._finder: CandidateFinder
        self._accepted: np.ndarray | None = None  # (N, ), bool
        self._prob_sums = np.zeros(0)
        self._frames: list[FrameSets] = []

    def set_classes(self, cls_logits: Tensor) -> None:
        """Set the class logits of the video before its first frame.

        Queries with a low class score then need no mask. This does not change
        the result of :meth:`merge` with these logits.

        Args:
            cls_logits (Tensor): Class logits with shape (N, num_classes + 1),
                void last.
        """
        scores, labels = self._classify(cls_logits)
        self._accepted = self._pass_threshold(scores, labels)

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
        args: tuple = (
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
        if args != self._finder_args:
            self._finder_args, self._finder = args, CandidateFinder(*args)
        with parallel_map(mask_logits.device) as map_tiles:
            for logits in mask_logits.unbind(1):
                candidates = self._finder.find(logits.float(), map_tiles)
                if self._accepted is not None:
                    kept = self._accepted[candidates.queries]
                    candidates = Candidates(*(x[kept] for x in candidates))
                query_sets = QuerySets(len(mask_logits))
                sets = query_sets.add_set(candidates, math.prod(ori_shape))
                self._prob_sums += np.bincount(
                    candidates.queries,
                    candidates.probs,
                    minlength=len(mask_logits),
                )
                self._frames.append(query_sets.encode(sets.reshape(ori_shape)))

    def _start(
        self,
        mask_logits: Tensor,
        input_shape: tuple[int, int],
        img_shape: tuple[int, int],
    ) -> None:
        """Check the arguments of :meth:`update`, and prepare for N queries."""
        num_queries = len(mask_logits)
        if not self._frames:
            self._prob_sums = np.zeros(num_queries)
        if num_queries != len(self._prob_sums):
            raise ValueError(
                f'These mask logits have {num_queries} queries, those of the '
                f'frames before {len(self._prob_sums)}; start a new '
                f'{type(self).__name__} for another video.'
            )
        if any(i > p for i, p in zip(img_shape, input_shape)):
            raise ValueError(
                f'img_shape={tuple(img_shape)} must fit into '
                f'input_shape={tuple(input_shape)}.'
            )

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
        if not self._frames:
            raise ValueError('There is no frame to merge: call update first.')
        expected = (len(self._prob_sums), self.num_classes + 1)
        if cls_logits.shape != expected:
            raise ValueError(
                f'cls_logits has shape {tuple(cls_logits.shape)} '
                f'instead of {expected}.'
            )
        return self._merge(*self._classify(cls_logits))

    @staticmethod
    def _classify(cls_logits: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Compute class score and class of each query, shape (N, )."""
        scores, labels = (
            cls_logits.detach().float().softmax(-1)[:, :-1].max(-1)
        )
        return scores.cpu().double().numpy(), labels.cpu().numpy()

    def _pass_threshold(
        self, scores: np.ndarray, labels: np.ndarray
    ) -> np.ndarray:
        """Return whether each class score is high enough, (N, ) bool."""
        isthing = np.isin(labels, list(self.thing_labels))
        return scores > np.where(isthing, self.thing_thr, self.stuff_thr)

    def _merge(self, scores: np.ndarray, labels: np.ndarray) -> PanopticResult:
        """Number the segments of the queries, and paint them.

        Args:
            scores (np.ndarray): Class score of each query, shape (N, ).
            labels (np.ndarray): Class of each query, shape (N, ).

        Returns:
            PanopticResult: See :meth:`merge`.
        """
        sets = VideoSets(self._frames)
        table = np.full(len(sets.counts), self.num_classes, np.int32)
        segments: list[PanopticSegment] = []
        stuff: set[int] = set()
        num_things: dict[int, int] = {}
        for query, score, won in self._assign(sets, scores, labels):
            segment_id = label = int(labels[query])
            isthing = label in self.thing_labels
            if isthing:
                index = num_things.get(label, 0)
                num_things[label] = index + 1
                segment_id = thing_id(label, index)
            table[won] = segment_id
            if isthing or label not in stuff:
                segments.append(
                    PanopticSegment(segment_id, label, query, score, isthing)
                )
                stuff.add(label)
        maps = [
            PanopticMap(frame.indices, ids, self.num_classes)
            for frame, ids in zip(self._frames, sets.split(table))
        ]
        return PanopticResult(maps, segments)

    def _assign(
        self, sets: VideoSets, scores: np.ndarray, labels: np.ndarray
    ) -> Iterator[tuple[int, float, np.ndarray]]:
        """Give the pixels to the queries, best first.

        Args:
            sets (VideoSets): Candidate queries of all pixels.
            scores (np.ndarray): Class score of each query, shape (N, ).
            labels (np.ndarray): Class of each query, shape (N, ).

        Yields:
            tuple[int, float, np.ndarray]: An accepted query, its score, and
            the sets whose pixels it gets, shape (n, ).
        """
        counts, queries = sets.counts, range(len(scores))
        areas = np.array([counts[sets.of_query(q)].sum() for q in queries])
        ranks = scores * (self._prob_sums / np.maximum(areas, 1))
        accepted = self._pass_threshold(scores, labels)
        taken = np.zeros(len(counts), bool)
        for query in (-ranks).argsort(kind='stable').tolist():
            if not accepted[query]:
                continue
            free = sets.of_query(query)
            free = free[~taken[free]]
            if counts[free].sum() > self.overlap_thr * areas[query]:
                taken[free] = True
                yield query, float(ranks[query]), free
