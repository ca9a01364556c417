# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Memory of tracks that are out of sight."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..layers import at_least_float32
from .cues import ClipCues
from .settings import check_number


class TrackMemory:
    """Memory of tracks that are out of sight.

    A query shows an object if its highest class probability reaches
    ``min_score`` and its mask, if masks are compared, ``min_area``. A track
    has the mean embedding, class and colour of its object. When the object
    disappears, they are kept. An object that appears later continues the
    track that it resembles most.

    Args:
        max_clips (int): A track is forgotten after this number of clips
            without its object. Defaults to 12.
        decay (float): Factor of the similarity for each clip without the
            object, in (0, 1]. Defaults to 1.
        min_score (float): Class probability of a visible object. Defaults to
            0.3.
        min_similarity (float): A pair of a track and an object that is less
            similar is not linked if there is a free query. It is compared
            with the weighted mean of the similarities, see
            :class:`QueryAssociation`. Defaults to 0.
        min_area (float): Share of the pixels of a frame that a visible object
            has in one frame of the clip, in [0, 1). Defaults to 0.002.
        momentum (float): Weight of the earlier clips in the mean of a track,
            in [0, 1). Defaults to 0: the last clip that shows the object.

    Raises:
        InputError: If a value is out of its range.
    """

    def __init__(
        self,
        max_clips: int = 12,
        decay: float = 1.0,
        min_score: float = 0.3,
        min_similarity: float = 0.0,
        min_area: float = 0.002,
        momentum: float = 0.0,
    ) -> None:
        for name, value, rule, holds in (
            ('max_clips', max_clips, 'at least 1', lambda x: x >= 1),
            ('decay', decay, 'above 0, at most 1', lambda x: 0 < x <= 1),
            ('min_score', min_score, 'between 0 and 1', lambda x: 0 < x < 1),
            ('min_similarity', min_similarity, 'a number', math.isfinite),
            ('min_area', min_area, 'from 0 to below 1', lambda x: 0 <= x < 1),
            ('momentum', momentum, 'from 0 to below 1', lambda x: 0 <= x < 1),
        ):
            check_number(f'memory.{name}', value, rule, holds)
        self.max_clips = max_clips
        self.decay = decay
        self.min_score = min_score
        self.min_similarity = min_similarity
        self.min_area = min_area
        self.momentum = momentum
        # Clips since the object was seen; infinite if the track is free.
        self._ages: Tensor

    def shows_object(self, scores: Tensor, areas: Tensor | None) -> Tensor:
        """Decide which queries show an object.

        Args:
            scores (Tensor): Highest class probabilities, of any shape.
            areas (Tensor, optional): Largest share of a frame that each query
                owns, same shape, if masks are compared.

        Returns:
            Tensor: Same shape, bool.
        """
        visible = scores >= self.min_score
        return visible if areas is None else visible & (areas >= self.min_area)

    def factors(self) -> Tensor:
        """Return the factor of the similarities of each track, (Q, 1)."""
        return self.decay ** self._ages.clamp(max=self.max_clips)[:, None]

    def gains(self, similarity: Tensor, current: ClipCues) -> Tensor:
        """Compute the gain of each link.

        Pairs without a track or an object gain nothing. Such pairs still get
        a small share of their similarity, so that empty queries keep their
        order.

        Args:
            similarity (Tensor): Similarity of tracks and queries, (Q, Q).
            current (ClipCues): Cues of the queries.

        Returns:
            Tensor: Gains, shape (Q, Q).
        """
        pairs = self._ages.isfinite()[:, None] & current.visible
        gains = (similarity - self.min_similarity) * pairs
        return gains.add_(similarity, alpha=1e-3)

    def update(self, tracks: ClipCues | None, current: ClipCues) -> ClipCues:
        """Add the next clip.

        Args:
            tracks (ClipCues, optional): Cues of the tracks; None before the
                first clip.
            current (ClipCues): Cues of the clip in the order of the tracks.

        Returns:
            ClipCues: New cues of the tracks.
        """
        visible = current.visible
        ages = torch.where(visible, 0.0, torch.inf)
        current = current._replace(
            embeds=F.normalize(at_least_float32(current.embeds), dim=-1)
        )
        if tracks is not None:
            older = self._ages + 1
            kept = ~visible & (older <= self.max_clips)
            ages = torch.where(kept, older, ages)
            # Weights of the tracks.
            weights = torch.where(
                visible & self._ages.isfinite(), self.momentum, kept.float()
            )
            current = current._replace(
                **{
                    name: getattr(current, name).lerp(
                        getattr(tracks, name),
                        weights[:, None].to(getattr(current, name)),
                    )
                    for name in ('embeds', 'class_probs', 'colors')
                    if getattr(current, name) is not None
                }
            ).hide(kept)  # where it is now is unknown
        self._ages = ages
        return current
