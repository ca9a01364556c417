# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Mask and class logits of a video to panoptic maps."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...structures import IndexMap, PanopticMap, thing_id
from .mask_candidates import CandidateFinder, Candidates, parallel_map


class PanopticSegment(NamedTuple):
    """A segment of a video.

    Attributes:
        id (int): Its panoptic id, see :class:`PanopticMap`.
        label (int): Its class.
        query (int): The query it came from; where several became one stuff
            segment, the first.
        score (float): Class score times mask score of that query.
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
        maps (list[:obj:`PanopticMap`]): One for each frame.
        segments (list[:obj:`PanopticSegment`]): Accepted segments, best
            first; the numbers of the instances of a class ascend.
    """

    maps: list[PanopticMap]
    segments: list[PanopticSegment]


class QuerySets:
    """Numbers the sets of queries that occur at pixels.

    A trie of query sets: each node is its parent's set plus one query. The
    empty set is number 0, and the set of query q alone is number q + 1.

    Args:
        num_queries (int): Number of queries N.
    """

    def __init__(self, num_queries: int) -> None:
        self.num_queries = num_queries
        self._parents = [0] * (num_queries + 1)
        self._last = [-1, *range(num_queries)]
        self._children: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._last)

    def add_set(self, candidates: Candidates, num_pixels: int) -> np.ndarray:
        """Add the candidate set of each pixel of a frame.

        Args:
            candidates (:obj:`Candidates`): Members of the sets.
            num_pixels (int): Number of pixels P.

        Returns:
            np.ndarray: Number of each pixel's set, shape (P, ), int32.
        """
        pixels, queries = candidates.pixels, candidates.queries
        sets = np.zeros(num_pixels, np.int32)
        first = np.empty(num_pixels, np.int32)
        while len(pixels):
            # The last assignment to an index wins, so in reverse the first.
            first[pixels[::-1]] = queries[::-1]
            chosen = first[pixels] == queries
            sets[pixels[chosen]] = self._extend(
                sets[pixels[chosen]], queries[chosen]
            )
            pixels, queries = pixels[~chosen], queries[~chosen]
        return sets

    def add_query(
        self, sets: np.ndarray, query: int, mask: np.ndarray
    ) -> None:
        """Add one query to the sets of the pixels of its mask.

        Queries must be added in ascending order.

        Args:
            sets (np.ndarray): Number of each pixel's set, shape (H, W),
                int32, changed in place.
            query (int): The query.
            mask (np.ndarray): Its mask, shape (H, W), bool.
        """
        old = sets[mask]  # (n, )
        numbers = np.zeros(len(self), np.int32)
        for number in np.bincount(old).nonzero()[0].tolist():
            numbers[number] = self._child(number, query)
        sets[mask] = numbers[old]

    def _child(self, parent: int, query: int) -> int:
        """Number of a set with one more query, new if it does not exist."""
        if parent == 0:
            return query + 1
        key = parent * self.num_queries + query
        number = self._children.setdefault(key, len(self))
        if number == len(self):
            self._parents.append(parent)
            self._last.append(query)
        return number

    def _extend(self, sets: np.ndarray, queries: np.ndarray) -> np.ndarray:
        """Numbers of the sets with one more query each, shape (n, )."""
        if not sets.any():
            return queries + 1
        keys, inverse = np.unique(
            sets.astype(np.int64) * self.num_queries + queries,
            return_inverse=True,
        )
        numbers = np.array(
            [self._child(*divmod(k, self.num_queries)) for k in keys.tolist()],
            np.int32,
        )
        return numbers[inverse]

    def sets_of_queries(self) -> list[np.ndarray]:
        """Find the sets that contain each query.

        Returns:
            list[np.ndarray]: Numbers of the sets of each query, N arrays of
            shape (number of sets, ), int64.
        """
        parents, last = np.array(self._parents), np.array(self._last)
        node = np.arange(len(self))
        pairs = []
        top = node
        while top.any():
            node, top = node[top > 0], top[top > 0]
            pairs.append((last[top], node))
            top = parents[top]
        queries, nodes = (np.concatenate(part) for part in zip(*pairs))
        order = queries.argsort(kind='stable')
        ends = np.bincount(queries, minlength=self.num_queries).cumsum()
        return np.split(nodes[order], ends[:-1])


class PanopticMerger:
    """Merges the masks of all queries into panoptic maps.

    Probabilities are a softmax of the mask logits over the queries; see
    :class:`SigmoidPanopticMerger` for independent masks. A query is a
    candidate of the pixels where its probability exceeds a threshold. The
    queries get their pixels in the order of their scores, best first. Two
    statistics are summed up frame by frame for this: the number of pixels of
    each set of candidate queries, and each query's sum of probabilities. Of a
    frame only the number of each pixel's set is kept, compressed.

    Args:
        thing_labels (Iterable[int]): The labels that are things.
        num_classes (int): Number of classes; also the id of void pixels.
        pixel_thr (float): A query can only get pixels where its probability
            exceeds this, between 0 and 1.
        thing_thr (float): A thing needs a class score above this.
        stuff_thr (float): A stuff region needs a class score above this.
        overlap_thr (float): A query must get more than this share of the
            pixels that it is a candidate of.
        align_corners (bool): Whether logits are resized with aligned corners.
            Defaults to True.
        tile_shape (tuple[int, int], optional): Pixels that are processed at
            a time, see :class:`CandidateFinder`.

    Raises:
        InputError: If ``pixel_thr`` is no probability between 0 and 1 or a
            thing label is no class.
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
        self._sets: QuerySets
        self._counts = np.zeros(0, np.int64)  # pixels of each set
        self._prob_sums = np.zeros(0)
        self._frames: list[tuple[IndexMap, np.ndarray]] = []

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
            mask_logits (Tensor): Mask logits with shape (N, T, h, w), whose
                queries are in the same order for the whole video.
            input_shape (tuple[int, int]): Height and width of the padded
                network input.
            img_shape (tuple[int, int]): Height and width before padding.
            ori_shape (tuple[int, int]): Height and width of the original
                image, and of the maps.

        Raises:
            ValueError: If the logits do not fit those before, are not
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
                sets = self._sets.add_set(candidates, math.prod(ori_shape))
                self._prob_sums += np.bincount(
                    candidates.queries,
                    candidates.probs,
                    minlength=len(mask_logits),
                )
                self._add_frame(sets.reshape(ori_shape))

    def _start(
        self,
        mask_logits: Tensor,
        input_shape: tuple[int, int],
        img_shape: tuple[int, int],
    ) -> None:
        """Check the arguments of :meth:`update`; prepare for N queries."""
        num_queries = len(mask_logits)
        if not self._frames:
            self._sets = QuerySets(num_queries)
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

    def _add_frame(self, sets: np.ndarray) -> None:
        """Add a frame by the set of each pixel, shape (H, W), int32."""
        counts = np.bincount(sets.ravel(), minlength=len(self._sets))
        self._counts = counts + np.pad(
            self._counts, (0, len(counts) - len(self._counts))
        )
        present = counts.nonzero()[0]
        local = np.zeros(len(counts), np.min_scalar_type(len(present)))
        local[present] = range(len(present))
        self._frames.append((IndexMap.encode(local[sets]), present))

    def merge(self, cls_logits: Tensor) -> PanopticResult:
        """Decide which query gets which pixels.

        Args:
            cls_logits (Tensor): Class logits with shape (N, num_classes + 1),
                void last.

        Returns:
            :obj:`PanopticResult`: Maps of all frames so far, and their
            segments.

        Raises:
            ValueError: If there was no frame or the shape is another.
        """
        if not self._frames:
            raise ValueError('There is no frame to merge: call update first.')
        expected = (len(self._prob_sums), self.num_classes + 1)
        if cls_logits.shape != expected:
            raise ValueError(
                f'cls_logits has shape {tuple(cls_logits.shape)} '
                f'instead of {expected}.'
            )
        scores, labels = (
            cls_logits.detach().float().softmax(-1)[:, :-1].max(-1)
        )
        return self._merge(scores.cpu().double().numpy(), labels.tolist())

    def _merge(self, scores: np.ndarray, labels: list[int]) -> PanopticResult:
        """Give the pixels to the queries, best first.

        Args:
            scores (np.ndarray): Class score of each query, shape (N, ).
            labels (list[int]): Class of each query.

        Returns:
            :obj:`PanopticResult`: See :meth:`merge`.
        """
        sets_of = self._sets.sets_of_queries()
        areas = np.array([self._counts[sets].sum() for sets in sets_of])
        ranks = scores * (self._prob_sums / np.maximum(areas, 1))
        table = np.full(len(self._sets), self.num_classes, np.int32)
        taken = np.zeros(len(self._sets), bool)
        segments: list[PanopticSegment] = []
        stuff: set[int] = set()
        num_things: dict[int, int] = {}
        for query in (-ranks).argsort(kind='stable').tolist():
            label = labels[query]
            isthing = label in self.thing_labels
            if scores[query] <= (
                self.thing_thr if isthing else self.stuff_thr
            ):
                continue
            free = sets_of[query][~taken[sets_of[query]]]
            if self._counts[free].sum() <= self.overlap_thr * areas[query]:
                continue
            segment_id = label
            if isthing:
                index = num_things.get(label, 0)
                num_things[label] = index + 1
                segment_id = thing_id(label, index)
            taken[free] = True
            table[free] = segment_id
            if isthing or label not in stuff:
                segments.append(
                    PanopticSegment(
                        segment_id, label, query, float(ranks[query]), isthing
                    )
                )
                stuff.add(label)
        maps = [
            PanopticMap(indices, table[present], self.num_classes)
            for indices, present in self._frames
        ]
        return PanopticResult(maps, segments)
