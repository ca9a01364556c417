# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Speed of inference from a video file to the results on the host."""

import os.path as osp
import tempfile
import time
from collections.abc import Iterator

from projects.maxtron.apis import VideoFileSource, VideoWriter

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tools.benchmarks.synthetic_predictions import SyntheticPredictions

# Pixels of the picture from one grid point to the next.
_SMOOTHNESS = 16
SPEEDS = ('network_only', 'in_sequence', 'end_to_end')


class RepeatedPredictions(SyntheticPredictions):
    """Synthetic masks of two clips, which alternate.

    Masks are made once, so that replacing predictions takes little time.
    """

    def __init__(self, num_segments: int) -> None:
        super().__init__(num_segments)
        self._masks: list[Tensor] = []
        self._num_clips = 0

    def replace_masks(self, logits: Tensor) -> None:
        """Overwrite mask logits of the next clip, see the base class."""
        if len(self._masks) < 2:
            super().replace_masks(logits)
            self._masks.append(logits.clone())
        else:
            masks = self._masks[self._num_clips % 2]
            logits.copy_(masks[:, :, : logits.shape[2]])
        self._num_clips += 1


class FileFrames:
    """Frames (3, H, W) of a video file, decoded when they are read.

    Args:
        path (str): The file.
    """

    def __init__(self, path: str) -> None:
        self._source = VideoFileSource(path)

    def __iter__(self) -> Iterator[Tensor]:
        for frame in self._source:
            yield torch.from_numpy(
                np.ascontiguousarray(frame.transpose(2, 0, 1))
            )


def write_moving_picture(
    path: str, num_frames: int, size: tuple[int, int]
) -> None:
    """Write a video of a smooth random picture that moves to the right.

    Args:
        path (str): The file.
        num_frames (int): Its length.
        size (tuple[int, int]): Height and width in pixels.
    """
    noise = torch.rand(
        (1, 3, size[0] // _SMOOTHNESS + 2, size[1] // _SMOOTHNESS + 2),
        generator=torch.Generator().manual_seed(0),
    )
    picture = F.interpolate(255 * noise, size, mode='bicubic').clamp(0, 255)
    image = picture[0].permute(1, 2, 0).byte().contiguous().numpy()
    with VideoWriter(path, 25, size) as writer:
        for t in range(num_frames):
            writer.write(np.roll(image, 8 * t, 1))


def measure_end_to_end(
    model, num_frames: int, size: tuple[int, int]
) -> dict[str, float]:
    """Track a video file, in sequence and with overlapping stages.

    Args:
        model (MaXTron): The model.
        num_frames (int): Length of the video.
        size (tuple[int, int]): Height and width of its frames.

    Returns:
        dict[str, float]: Frames per second by name.
    """
    decision = getattr(model.head, 'segment_decision', None)
    speeds = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = [osp.join(folder, name) for name in ('short.mp4', 'all.mp4')]
        write_moving_picture(paths[0], 2 * model.head.clip_len, size)
        write_moving_picture(paths[1], num_frames, size)
        for name, overlap in (('in_sequence', False), ('end_to_end', True)):
            model.overlap_stages = overlap
            for path in paths:  # The first one is a warm-up.
                begin = time.perf_counter()
                stream = model.predict_stream(
                    FileFrames(path), size, None, decision == 'per_video'
                )
                count = sum(len(clip) for clip in stream)
                speeds[name] = count / (time.perf_counter() - begin)
    return speeds


def report_speeds(rows: list[dict]) -> list[str]:
    """Format the table of frames per second.

    Args:
        rows (list[dict]): Rows with ``mode``, ``feature_cache``, ``frames``
            and ``speeds``.

    Returns:
        list[str]: Lines of the table.
    """
    names = [name.replace('_', ' ') for name in SPEEDS]
    lines = [
        '',
        'Frames per second:',
        f'| Mode | Feature cache | Frames | {" | ".join(names)} |',
        '| :-- | :-- | --: | --: | --: | --: |',
    ]
    for row in rows:
        cells = [row['mode'], row['feature_cache'] or '-', str(row['frames'])]
        cells += [f'{row["speeds"][name]:.3g}' for name in SPEEDS]
        lines.append(f'| {" | ".join(cells)} |')
    return lines
