# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Cues that association compares."""

from typing import NamedTuple

import torch
from torch import Tensor

from ...structures import copy_to_cpu


class ClipCues(NamedTuple):
    """Cues of the queries of one clip, or of a batch of clips.

    B is the number of clips, Q of queries, E of channels, C of classes. A
    batch has the axis B, one clip has not. Cues that are not compared are
    None.

    Attributes:
        embeds (Tensor): Embeddings, ([B, ] Q, E).
        class_probs (Tensor, optional): Probabilities of the classes without
            "no object", ([B, ] Q, C).
        first_masks (Tensor, optional): Masks in the frames that are compared
            with the clip before, ([B, ] Q, k, h, w), bool.
        last_masks (Tensor, optional): Masks in the last frames, which are
            compared with the next clip, same shape.
        motion (Tensor, optional): Motion of the masks in the last frames, in
            pixels per frame, ([B, ] Q, 2), int64.
    """

    embeds: Tensor
    class_probs: Tensor = None  # type: ignore[assignment]
    first_masks: Tensor | None = None
    last_masks: Tensor | None = None
    motion: Tensor | None = None

    def select(self, index) -> 'ClipCues':
        """Index the first axis of all cues."""
        return ClipCues(*(x if x is None else x[index] for x in self))

    def cpu(self) -> 'ClipCues':
        """Copy all cues to the CPU by one transfer."""
        copies = iter(copy_to_cpu(*(x for x in self if x is not None)))
        return ClipCues(*(x if x is None else next(copies) for x in self))

    def extend(self, others: 'ClipCues') -> 'ClipCues':
        """Append the queries of other cues."""
        return ClipCues(
            *(
                x if x is None else torch.cat((x, y))
                for x, y in zip(self, others)
            )
        )
