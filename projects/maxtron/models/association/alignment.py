# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Alignment of the queries of clips that are all known."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .cues import ClipCues
from .queries import QueryAssociation, check_finite


def match_queries(reference: Tensor, current: Tensor) -> Tensor:
    """Match the queries of a clip to those of the clip before.

    Hungarian matching on the cost ``1 - cosine similarity``.

    Args:
        reference (Tensor): Embeddings of the previous, already aligned clip,
            shape (Q, E).
        current (Tensor): Embeddings of the current clip, shape (Q, E).

    Returns:
        Tensor: Permutation of shape (Q, ), int64: ``current[index[q]]`` is
        the continuation of ``reference[q]``.
    """
    association = QueryAssociation()
    association.match(ClipCues(reference))
    return association.match(ClipCues(current))


def align_queries(
    queries: Sequence[Tensor],
    cues: Sequence[ClipCues | Tensor],
    association: QueryAssociation | None = None,
) -> Tensor:
    """Permute the queries of all clips into the order of the first clip.

    Each clip is matched to the clips before it in its video, see
    :class:`QueryAssociation`.

    Args:
        queries (Sequence[Tensor]): Per clip, shape (B, Q, D).
        cues (Sequence[ClipCues | Tensor]): Cues to compare, per clip, or
            embeddings alone, shape (B, Q, E).
        association (QueryAssociation, optional): Settings. Defaults to None:
            those of the paper.

    Returns:
        Tensor: Aligned queries with shape (B, K, Q, D), differentiable.

    Raises:
        InputError: If queries or embeddings are not finite.
    """
    association = association or QueryAssociation()
    videos = [association.start_video() for _ in queries[0]]
    aligned = []
    for k, (clip, compared) in enumerate(zip(queries, cues)):
        check_finite(clip, k)
        if isinstance(compared, Tensor):
            compared = ClipCues(compared)
        aligned.append(
            torch.stack(
                [
                    x[video.match(compared.clip(b))]
                    for b, (x, video) in enumerate(zip(clip, videos))
                ]
            )
        )
    return torch.stack(aligned, 1)
