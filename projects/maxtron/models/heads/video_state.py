# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""State of a video in a head during inference."""

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ...errors import InputError
from ...structures import ClipPrediction, ClipShapes
from ..association import QueryAssociation, check_finite
from ..cross_clip import FeatureCache


class VideoState(metaclass=ABCMeta):
    """State of one video: takes clips and returns results of frames.

    The model calls :meth:`update` for each clip in order and :meth:`finish`
    at the end of the video.

    Attributes:
        reads_twice (bool): Whether the model must read the video a second
            time, see :class:`OfflineState`.
    """

    reads_twice = False

    @abstractmethod
    def update(self, clip: ClipPrediction, shapes: ClipShapes) -> list:
        """Process the next clip.

        Args:
            clip (ClipPrediction): Prediction of batch size 1.
            shapes (ClipShapes): Sizes of its frames.

        Returns:
            list: Final results, one per frame; may be empty.
        """

    @abstractmethod
    def finish(self) -> Iterator[list]:
        """End the video.

        Returns:
            Iterator[list]: The remaining results, in order.
        """


class OfflineState(VideoState):
    """State of a video whose queries the cross-clip tracker refines.

    While clips arrive, their queries are aligned and kept. :meth:`refine`
    then runs the tracker. :meth:`segment` makes the masks of one clip after
    the other from its pixel embeddings. These come from the feature cache in
    :meth:`finish`, or, with ``feature_cache='none'`` (``reads_twice``), from
    the model, which computes them a second time.

    Args:
        refine (Callable): Maps aligned queries (K, Q, D) to the class logits
            (Q, C + 1) of the video and the mask embeddings (K, Q, E), see
            :meth:`BaseMaXTronHead.refine`.
        feature_cache (str): Mode of the :class:`FeatureCache`, or 'none'.
        association (QueryAssociation): Settings of association.

    Attributes:
        cache (FeatureCache, optional): Pixel embeddings of the clips.
    """

    def __init__(
        self,
        refine: Callable[[Tensor], tuple[Tensor, Tensor]],
        feature_cache: str,
        association: QueryAssociation,
    ) -> None:
        self._refine = refine
        self.cache = None
        if feature_cache != 'none':
            self.cache = FeatureCache(feature_cache)
        self._association = association.start_video()
        self._queries: list[Tensor] = []
        self._shapes: list[ClipShapes] = []
        self._embeds: list[Tensor] = []
        self._num_segmented = 0

    @property
    def reads_twice(self) -> bool:
        """bool: Whether the model must read the video a second time."""
        return self.cache is None

    def update(self, clip: ClipPrediction, shapes: ClipShapes) -> list:
        """Align the queries of the next clip and keep them."""
        check_finite(clip.queries, len(self._queries))
        order = self._association.match(self._association.read(clip).clip(0))
        self._queries.append(clip.queries[:, order])
        self._shapes.append(shapes)
        if self.cache is not None:
            self.cache.append(clip.mask_feats)
        return []

    def refine(self) -> Tensor:
        """Run the tracker on the queries of all clips.

        Returns:
            Tensor: Class logits of the video, shape (Q, C + 1).
        """
        cls_logits, embeds = self._refine(torch.cat(self._queries))
        self._embeds = list(embeds)  # K of (Q, E)
        return cls_logits

    def next_embeds(self) -> Tensor:
        """Mask embeddings of the next clip after :meth:`refine`.

        Returns:
            Tensor: Shape (Q, E).

        Raises:
            InputError: If the second reading has more clips than the first.
        """
        k = self._num_segmented
        if k == len(self._embeds):
            raise self._length_error('more')
        self._num_segmented += 1
        return self._embeds[k]

    @abstractmethod
    def segment(self, mask_feats: Tensor, shapes: ClipShapes) -> list:
        """Segment the next clip after :meth:`refine`.

        Args:
            mask_feats (Tensor): Pixel embeddings, shape (1, E, T, h, w).
            shapes (ClipShapes): Sizes of its frames.

        Returns:
            list: Final results, one per frame; may be empty.
        """

    def finish(self) -> Iterator[list]:
        """Segment all clips, unless the second reading has done it."""
        if self.cache is not None:
            self.refine()
            for mask_feats, shapes in zip(self.cache, self._shapes):
                yield self.segment(mask_feats, shapes)
        elif self._num_segmented < len(self._embeds):
            raise self._length_error(str(self._num_segmented))

    def _length_error(self, count: str) -> InputError:
        return InputError(
            f'The video had {len(self._embeds)} clips when it was read first, '
            f'and {count} when it was read again. Do not change it meanwhile.'
        )
