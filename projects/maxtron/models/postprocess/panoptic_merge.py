# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Mask and class logits of a video to panoptic maps."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

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
    """What :meth:`PanopticMerger.merge` returns.

    Attributes:
        maps (list[:obj:`PanopticMap`]): One for each frame.
        segments (list[:obj:`PanopticSegment`]): Accepted segments, best
            first; the numbers of the instances of a class ascend.
    """

    maps: list[PanopticMap]
    segments: list[PanopticSegment]


class QuerySets:
    """Numbers the sets of queries that occur, from 0 for the empty one.

    They are the nodes of a trie: a set is the set without its last query,
    and that query.

    Args:
        num_queries (int): Number of queries N; set q + 1 is query q alone.
    """

    def __init__(self, num_queries: int) -> None:
        self.num_queries = num_queries
        self._parents = [0] * (num_queries + 1)
        self._last = [-1, *range(num_queries)]
        self._children: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._last)

    def number(self, candidates: Candidates, num_pixels: int) -> np.ndarray:
        """The set of each pixel.

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
            # of equal indices the last assignment stays, so reversed the first
            first[pixels[::-1]] = queries[::-1]
            chosen = first[pixels] == queries
            sets[pixels[chosen]] = self._extend(
                sets[pixels[chosen]], queries[chosen]
            )
            pixels, queries = pixels[~chosen], queries[~chosen]
        return sets

    def _extend(self, sets: np.ndarray, queries: np.ndarray) -> np.ndarray:
        """Numbers of the sets with one more query each, shape (n, )."""
        if not sets.any():
            return queries + 1
        keys, inverse = np.unique(
            sets.astype(np.int64) * self.num_queries + queries,
            return_inverse=True,
        )
        numbers = np.empty(len(keys), np.int32)
        for i, key in enumerate(keys.tolist()):
            number = self._children.setdefault(key, len(self))
            if number == len(self):
                parent, query = divmod(key, self.num_queries)
                self._parents.append(parent)
                self._last.append(query)
            numbers[i] = number
        return numbers[inverse]

    def sets_of_queries(self) -> list[np.ndarray]:
        """The numbers of the sets that contain each query."""
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

    Probabilities are a softmax of the mask logits over the queries; for other
    masks see :class:`SingleMaskMerger`. The queries compete for the pixels of
    a whole video, best first. That is decided by two things that are summed
    up frame by frame: how many pixels have which set of candidate queries,
    and each query's sum of probabilities. Only the number of each pixel's set
    is kept, compressed.

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
        ValueError: If ``pixel_thr`` is no probability between 0 and 1 or a
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
            raise ValueError(
                f'pixel_thr={pixel_thr} must lie between 0 and 1: it is the '
                'probability that a query needs at a pixel.'
            )
        foreign = sorted(self.thing_labels - set(range(num_classes)))
        if foreign:
            raise ValueError(
                f'thing_labels holds {foreign}, but there are '
                f'only the labels 0 to {num_classes - 1}.'
            )
        self.pixel_thr = pixel_thr
        self.thing_thr = thing_thr
        self.stuff_thr = stuff_thr
        self.overlap_thr = overlap_thr
        self.align_corners = align_corners
        self.tile_shape = tile_shape
        self._finder_args = self._finder = None
        self._sets: QuerySets | None = None
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
        """Take in the next frames of the video.

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
        num_queries = self._count_queries(mask_logits, input_shape, img_shape)
        if self._sets is None:
            self._sets = QuerySets(num_queries)
        args = (
            num_queries,
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
                self._add_frame(self._finder.find(logits.float(), map_tiles))

    def _count_queries(
        self,
        mask_logits: Tensor,
        input_shape: tuple[int, int],
        img_shape: tuple[int, int],
    ) -> int:
        """Number of queries N, after a look at the arguments of update."""
        num_queries = len(mask_logits)
        if not len(self._prob_sums):
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
        return num_queries

    def _add_frame(self, candidates: Candidates) -> None:
        """Take in the candidates of one frame."""
        shape = self._finder.ori_shape
        sets = self._sets.number(candidates, shape[0] * shape[1])
        counts = np.bincount(sets, minlength=len(self._sets))
        self._counts = counts + np.pad(
            self._counts, (0, len(counts) - len(self._counts))
        )
        self._prob_sums += np.bincount(
            candidates.queries,
            candidates.probs,
            minlength=self._sets.num_queries,
        )
        present = counts.nonzero()[0]
        local = np.zeros(len(counts), np.min_scalar_type(len(present)))
        local[present] = range(len(present))
        self._frames.append(
            (IndexMap.encode(local[sets].reshape(shape)), present)
        )

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
        """Decide and make the maps, given class scores and labels (N, )."""
        sets_of = self._sets.sets_of_queries()
        areas = np.array([self._counts[sets].sum() for sets in sets_of])
        table = np.full(len(self._sets), self.num_classes, np.int32)
        taken = np.zeros(len(self._sets), bool)

        def free(query):
            return sets_of[query][~taken[sets_of[query]]]

        def take(query, segment_id):
            new = free(query)
            taken[new] = True
            table[new] = segment_id

        segments = self._decide(
            scores,
            labels,
            areas,
            lambda query: self._counts[free(query)].sum(),
            take,
        )
        maps = [
            PanopticMap(indices, table[present], self.num_classes)
            for indices, present in self._frames
        ]
        return PanopticResult(maps, segments)

    def _decide(
        self,
        scores: np.ndarray,
        labels: list[int],
        areas: np.ndarray,
        count_free: Callable[[int], int],
        take: Callable[[int, int], None],
    ) -> list[PanopticSegment]:
        """The greedy decision.

        Args:
            scores (np.ndarray): Class score of each query, shape (N, ).
            labels (list[int]): Class of each query.
            areas (np.ndarray): Pixels that each query is a candidate of, in
                all frames, shape (N, ).
            count_free (Callable): Number of those pixels that nothing has
                taken yet, of a query.
            take (Callable): Takes them for a query, under a panoptic id.

        Returns:
            list[:obj:`PanopticSegment`]: The segments, best first.
        """
        ranks = scores * (self._prob_sums / np.maximum(areas, 1))
        segments: list[PanopticSegment] = []
        stuff, num_things = set(), {}
        for query in (-ranks).argsort(kind='stable').tolist():
            label = labels[query]
            isthing = label in self.thing_labels
            if scores[query] <= (
                self.thing_thr if isthing else self.stuff_thr
            ):
                continue
            if count_free(query) <= self.overlap_thr * areas[query]:
                continue
            segment_id = label
            if isthing:
                index = num_things.get(label, 0)
                num_things[label] = index + 1
                segment_id = thing_id(label, index)
            take(query, segment_id)
            if isthing or label not in stuff:
                segments.append(
                    PanopticSegment(
                        segment_id, label, query, float(ranks[query]), isthing
                    )
                )
                stuff.add(label)
        return segments
