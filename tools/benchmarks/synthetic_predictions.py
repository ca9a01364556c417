# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Realistic predictions for models with random weights."""

import torch
import torch.nn.functional as F
from torch import Tensor

# Number of frames between the random fields from which masks are interpolated.
PERIOD = 8


class SyntheticPredictions:
    """Replacement of predictions by smoothly moving segments.

    With random weights no query has a class, so post-processing would have no
    segments. Some queries therefore get a segment: a class, and masks that are
    smooth in space and time, with some noise. The other queries get neither.

    Args:
        num_segments (int): Number of queries with a segment.
    """

    def __init__(self, num_segments: int) -> None:
        self.num_segments = num_segments
        self.frame = 0
        self._noise: Tensor | None = None

    def replace_clip(self, clip, with_masks: bool) -> None:
        """Overwrite the prediction of a segmenter.

        Args:
            clip (ClipPrediction): Prediction of batch size 1.
            with_masks (bool): Whether to replace the masks.
        """
        self.replace_classes(clip.cls_logits)
        # Queries are equal in all clips, so that they are associated.
        clip.embeds.copy_(_random(clip.embeds.shape, 0))
        if with_masks:
            self.replace_masks(clip.mask_logits)

    def replace_classes(self, logits: Tensor) -> None:
        """Overwrite class logits with shape (1, Q, C + 1)."""
        labels = torch.arange(self.num_segments) % (logits.shape[-1] - 1)
        replaced = _random(logits.shape, 1)
        replaced[..., -1] += 7
        replaced[0, range(self.num_segments), labels] += 12
        logits.copy_(replaced)

    def replace_masks(self, logits: Tensor) -> None:
        """Overwrite mask logits of the next frames, (1, Q, T, h, w)."""
        num_queries, num_frames, height, width = logits.shape[1:]
        if self._noise is None:
            self._noise = 0.3 * _random((height, width), 2).to(logits)
        is_segment = torch.arange(num_queries) < self.num_segments
        scale = torch.where(is_segment, 8, 3)[:, None, None]
        offset = torch.where(is_segment, -8, -18)[:, None, None]
        for t in range(num_frames):
            key, step = divmod(self.frame, PERIOD)
            before, after = (
                _random((num_queries, 7, 12), seed)
                for seed in (key + 3, key + 4)
            )
            field = torch.lerp(before, after, step / PERIOD) * scale + offset
            logits[0, :, t] = F.interpolate(
                field[None].to(logits),
                (height, width),
                mode='bilinear',
                align_corners=True,
            )[0]
            for query in range(num_queries):
                logits[0, query, t] += self._noise.roll(
                    (query, 7 * self.frame), (0, 1)
                )
            self.frame += 1


def _random(shape, seed: int) -> Tensor:
    """Draw normally distributed numbers that depend only on the seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
