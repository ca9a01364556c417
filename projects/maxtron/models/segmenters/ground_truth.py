# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Reading of the ground truth of clips, with checks."""

from collections.abc import Iterator, Sequence

import torch
from mmdet.structures import DetDataSample, TrackDataSample, TrackSampleList
from torch import Tensor

from ...errors import InputError
from ...structures import copy_to_cpu


def read_instances(data_samples: TrackSampleList) -> Iterator[list[Tensor]]:
    """Read the ids and labels of all frames, by one transfer to the CPU.

    Args:
        data_samples (list[TrackDataSample]): Clips.

    Yields:
        list[Tensor]: For each frame of a clip the ids and the labels of its
        instances, shape (2, n).
    """
    clips = [
        [_field(frame, 'gt_instances') for frame in clip]
        for clip in data_samples
    ]
    frames = copy_to_cpu(
        *(
            torch.stack((frame.instances_ids, frame.labels))
            for clip in clips
            for frame in clip
        )
    )
    start = 0
    for clip in clips:
        yield frames[start : start + len(clip)]
        start += len(clip)


def label_table(
    clip: TrackDataSample, frames: Sequence[Tensor], num_classes: int
) -> dict[int, int]:
    """Look up the label of each tube id of a clip, in the order of the ids."""
    table: dict[int, int] = {}
    for frame, instances in zip(clip, frames):
        for tube, label in instances.T.tolist():
            if tube <= 0 or not 0 <= label < num_classes:
                raise InputError(
                    f'Segment {tube} of {_name(frame)} has label {label}: ids '
                    f'start at 1 and labels are 0 to {num_classes - 1} with '
                    f'num_classes={num_classes}. Check num_classes and the '
                    'categories of the dataset.'
                )
            if table.setdefault(tube, label) != label:
                raise InputError(
                    f'Segment {tube} of {_name(frame)} has label {label}, but '
                    f'{table[tube]} in an earlier frame of the clip: a tube '
                    'keeps its class. Check segments_info of this video.'
                )
    return dict(sorted(table.items()))


def clip_map(
    clip: TrackDataSample, name: str, size: tuple[int, int, int] | None
) -> Tensor:
    """Stack the maps of all frames of a clip, shape (T, h, w)."""
    if size is not None and len(clip) != size[0]:
        raise InputError(
            f'The clip from {_name(clip[0])} has {len(clip)} frames of ground '
            f'truth, but masks are predicted for {size[0]}.'
        )
    maps = []
    for frame in clip:
        maps.append(_field(frame, name).sem_seg[0])
        if size is not None and maps[-1].shape != size[1:]:
            raise InputError(
                f'{name} of {_name(frame)} is of size '
                f'{tuple(maps[-1].shape)}, but masks of {tuple(size[1:])} are '
                'predicted: the pipeline must give every 4th row and column '
                'of the padded frame.'
            )
    return torch.stack(maps)


def _field(frame: DetDataSample, name: str):
    """Return a field of a frame, which must exist."""
    if name not in frame:
        raise InputError(
            f'{_name(frame)} has no {name}: the training '
            'pipeline must load and pack it.'
        )
    return frame.get(name)


def _name(frame: DetDataSample) -> str:
    """Name a frame in a message."""
    return str(frame.metainfo.get('img_path', 'a frame without img_path'))
