# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Cues that association compares."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...structures import copy_to_cpu


class ClipCues(NamedTuple):
    """Cues of the queries of one clip, or of a batch of clips.

    B is the number of clips, Q of queries, E of channels, C of classes. A
    batch has the axis B, one clip has not. Cues that are not compared are
    None. The owner of a pixel is the query whose mask it belongs to, -1 if
    there is none, see :func:`find_owners`.

    Attributes:
        embeds (Tensor): Embeddings, ([B, ] Q, E).
        class_probs (Tensor, optional): Probabilities of the classes without
            "no object", ([B, ] Q, C).
        colors (Tensor, optional): Shares of red, green and blue in the colour
            of each mask, ([B, ] Q, 3); zero without pixels.
        visible (Tensor, optional): Whether each query shows an object, see
            :class:`TrackMemory`, ([B, ] Q), bool.
        motion (Tensor, optional): Motion of the masks in the last frames, in
            pixels per frame, ([B, ] Q, 2), int64.
        first_owners (Tensor, optional): Owners in the frames that are
            compared with the clip before, ([B, ] k, h, w), int64.
        last_owners (Tensor, optional): Owners in the last frames, which are
            compared with the next clip, same shape.
    """

    embeds: Tensor
    class_probs: Tensor = None  # type: ignore[assignment]
    colors: Tensor | None = None
    visible: Tensor = None  # type: ignore[assignment]
    motion: Tensor | None = None
    first_owners: Tensor | None = None
    last_owners: Tensor | None = None

    def clip(self, index: int) -> 'ClipCues':
        """Select a clip of a batch."""
        return ClipCues(*(x if x is None else x[index] for x in self))

    def select(self, index: Tensor | np.ndarray | Sequence[int]) -> 'ClipCues':
        """Select queries of a clip, in any order.

        Args:
            index (Tensor | np.ndarray | Sequence[int]): Query ``index[q]``
                becomes query q, shape (n, ), int64. A tensor is on the device
                of the cues; others require cues on the CPU.

        Returns:
            ClipCues: Cues of n queries. Pixels of others have no owner.
        """
        if not isinstance(index, Tensor):
            index = torch.as_tensor(index, dtype=torch.int64)
        # The owner -1 reads the last number.
        numbers = index.new_full((len(self.embeds) + 1,), -1)
        numbers[index] = torch.arange(len(index), device=index.device)
        return ClipCues(
            *(x if x is None else x.index_select(0, index) for x in self[:5]),
            *(x if x is None else numbers[x] for x in self[5:]),
        )

    def hide(self, is_hidden: Tensor) -> 'ClipCues':
        """Take the pixels in the last frames from queries, (Q, ) bool."""
        if self.last_owners is None:
            return self
        hidden = torch.cat([is_hidden, is_hidden.new_zeros(1)])
        return self._replace(
            last_owners=self.last_owners.masked_fill(
                hidden[self.last_owners], -1
            )
        )

    def cpu(self) -> 'ClipCues':
        """Copy all cues to the CPU by one transfer."""
        copies = iter(copy_to_cpu(*(x for x in self if x is not None)))
        return ClipCues(*(x if x is None else next(copies) for x in self))

    def extend(self, others: 'ClipCues') -> 'ClipCues':
        """Append the queries of a later clip, whose pixels count."""
        both = ClipCues(
            *(
                x if x is None else torch.cat((x, y))
                for x, y in zip(self[:5], others)
            )
        )
        owners = others.last_owners
        if owners is None:
            return both
        return both._replace(
            last_owners=owners + len(self.embeds) * (owners >= 0)
        )
