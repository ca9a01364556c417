# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Memory of tracks that are out of sight."""

import torch
from torch import Tensor

from ...errors import InputError
from .cues import ClipCues


class TrackMemory:
    """Memory of tracks that are out of sight.

    A query shows an object if its highest class probability reaches
    ``min_score``. When the object of a track disappears, the track keeps its
    last visible embedding and class. An object that appears later continues
    the track if they are similar, and is new otherwise.

    Args:
        max_clips (int): A track is forgotten after this number of clips
            without its object. Defaults to 12.
        decay (float): Factor of the similarity for each clip without the
            object, in (0, 1]. Defaults to 0.95.
        min_score (float): Class probability of a visible object. Defaults to
            0.3.
        min_similarity (float): A pair of a track and an object that is less
            similar is not linked if there is a free query. It is compared
            with the weighted sum of the similarities, see
            :class:`QueryAssociation`. Defaults to 0.5.

    Raises:
        InputError: If a value is out of its range.
    """

    def __init__(
        self,
        max_clips: int = 12,
        decay: float = 0.95,
        min_score: float = 0.3,
        min_similarity: float = 0.5,
    ) -> None:
        if max_clips < 1 or not 0 < decay <= 1 or not 0 < min_score < 1:
            raise InputError(
                f'model.head.association.memory has max_clips={max_clips}, '
                f'decay={decay} and min_score={min_score}; they must be at '
                'least 1, in (0, 1] and between 0 and 1.'
            )
        self.max_clips = max_clips
        self.decay = decay
        self.min_score = min_score
        self.min_similarity = min_similarity
        # Clips since the object was seen; infinite if the track is free.
        self._ages: Tensor

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
        pairs = self._ages.isfinite()[:, None] & self._shows_object(current)
        gains = (similarity - self.min_similarity) * pairs
        return gains + 1e-3 * similarity

    def update(self, tracks: ClipCues | None, current: ClipCues) -> ClipCues:
        """Add the next clip.

        Args:
            tracks (ClipCues, optional): Cues of the tracks; None before the
                first clip.
            current (ClipCues): Cues of the clip in the order of the tracks.

        Returns:
            ClipCues: New cues of the tracks.
        """
        visible = self._shows_object(current)
        ages = torch.where(visible, 0.0, torch.inf)
        if tracks is not None:
            older = self._ages + 1
            kept = ~visible & (older <= self.max_clips)
            ages = torch.where(kept, older, ages)
            current = current._replace(
                embeds=_replace_rows(current.embeds, kept, tracks.embeds),
                class_probs=_replace_rows(
                    current.class_probs, kept, tracks.class_probs
                ),
            )
            if current.last_masks is not None:  # where it is now is unknown
                current.last_masks[kept] = False
        self._ages = ages
        return current

    def _shows_object(self, cues: ClipCues) -> Tensor:
        """Return whether each query shows an object, (Q, ) bool."""
        return cues.class_probs.amax(-1) >= self.min_score


def _replace_rows(x: Tensor, rows: Tensor, others: Tensor) -> Tensor:
    """Take the chosen rows from another tensor of the same shape."""
    return torch.where(rows[:, None], others, x)
