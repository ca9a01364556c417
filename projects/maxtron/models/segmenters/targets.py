# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Ground truth of clips: index maps, masks and semantic maps."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from mmdet.structures import TrackDataSample, TrackSampleList
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from ...errors import InputError
from ...structures import copy_to_cpu, copy_to_device
from .ground_truth import clip_map, label_table, read_instances

# Label of pixels that have none in ``gt_sem_seg``.
_UNLABELLED = 255


class TubeTargets(NamedTuple):
    """Tubes of B clips of T frames as index maps.

    The masks of the tubes of a clip are disjoint, so one map holds them all.

    Attributes:
        labels (list[Tensor]): Classes of the tubes of each clip, int64,
            shape (M_b, ), on the CPU, which matches them with queries.
        areas (list[Tensor]): Pixels of the tubes in all frames, int64, shape
            (M_b, ), at least 1, on the CPU.
        tube_map (Tensor): 0 or 1 + the tube of each pixel, int64, shape
            (B, T, h, w), on the device of the ground truth.
    """

    labels: list[Tensor]
    areas: list[Tensor]
    tube_map: Tensor

    def masks(self) -> InstanceList:
        """Convert to one mask per tube, see :func:`mask_targets`.

        Returns:
            list[InstanceData]: Per clip ``labels`` (M_b, ) and
            ``masks`` of 0 and 1, float32, shape (M_b, T * h, w).
        """
        clips = []
        for labels, tube_map in zip(self.labels, self.tube_map):
            labels = copy_to_device(labels, tube_map.device)
            order = torch.arange(1, len(labels) + 1, device=labels.device)
            masks = tube_map == order[:, None, None, None]  # (M, T, h, w)
            clips.append(
                InstanceData(labels=labels, masks=masks.float().flatten(1, 2))
            )
        return clips


def index_targets(
    data_samples: TrackSampleList,
    num_classes: int,
    size: tuple[int, int, int] | None = None,
) -> TubeTargets:
    """Collect the tubes of clips as index maps.

    Losses of kMaX use this form. Ids without a label and ids without a pixel
    are left out. The tubes of a clip are in the order of their ids.

    Args:
        data_samples (list[TrackDataSample]): Clips. Each frame has
            ``gt_panoptic_seg.sem_seg``, tube ids with shape (1, h, w), 0
            for no tube, and ``gt_instances`` with ``instances_ids``
            and ``labels``.
        num_classes (int): C.
        size (tuple[int, int, int], optional): Frames T, height h and width w
            of the predicted masks, which the maps must have. Defaults to
            None: no check.

    Returns:
        TubeTargets: The tubes.

    Raises:
        InputError: If something is missing, maps do not have this size, a
            label is not below ``num_classes`` or a tube has two labels.
    """
    tables = [
        label_table(clip, frames, num_classes)
        for clip, frames in zip(data_samples, read_instances(data_samples))
    ]
    id_maps = torch.stack(
        [clip_map(clip, 'gt_panoptic_seg', size) for clip in data_samples]
    ).long()  # (B, T, h, w)
    tubes = _index_ids(id_maps.flatten(1), tables)  # (B, P)
    num_slots = 1 + max(map(len, tables))
    (areas,) = copy_to_cpu(
        tubes.new_zeros((len(tubes), num_slots)).scatter_add_(
            1, tubes, torch.ones_like(tubes)
        )
    )
    # Drop tubes without a pixel and close the gaps in the numbers.
    seen = areas > 0
    seen[:, 0] = False
    if any(row.sum() < len(table) for row, table in zip(seen, tables)):
        order = seen.cumsum(1) * seen
        tubes = copy_to_device(order, tubes.device).gather(1, tubes)
    return TubeTargets(
        [
            torch.tensor(list(table.values()), dtype=torch.int64)[
                row[1 : len(table) + 1]
            ]
            for row, table in zip(seen, tables)
        ],
        [area[row] for row, area in zip(seen, areas)],
        tubes.view_as(id_maps),
    )


def mask_targets(
    data_samples: TrackSampleList, num_classes: int
) -> InstanceList:
    """Collect the tubes of clips as one mask per tube.

    Losses of the Mask2Former family use this form.

    Args:
        data_samples (list[TrackDataSample]): Clips. Each frame has
            panoptic ground truth as for :func:`index_targets`, or
            ``gt_instances`` with ``labels``, ``instances_ids`` and ``masks``
            (BitmapMasks), padded to the input.
        num_classes (int): C.

    Returns:
        list[InstanceData]: Per clip ``labels`` (M, ) and ``masks`` of
        0 and 1, float32, shape (M, T * h, w): the frames are concatenated
        along the height, and a mask is zero in frames without its tube. The
        tubes are in the order of their ids.

    Raises:
        InputError: If a tube has two labels within a clip, or a label that is
            not below ``num_classes``, or panoptic ground truth is incomplete.
    """
    if 'gt_panoptic_seg' in data_samples[0][0]:
        return index_targets(data_samples, num_classes).masks()
    return [
        _join_frames(clip, frames, num_classes)
        for clip, frames in zip(data_samples, read_instances(data_samples))
    ]


def semantic_targets(
    data_samples: TrackSampleList, num_classes: int, size: tuple[int, int, int]
) -> Tensor:
    """Collect the semantic maps of clips.

    Args:
        data_samples (list[TrackDataSample]): Clips. Each frame has
            ``gt_sem_seg.sem_seg``, labels with shape (1, h, w), 255 for none.
        num_classes (int): C.
        size (tuple[int, int, int]): Frames T, height h and width w.

    Returns:
        Tensor: Labels, C for none, int64, shape (B, T, h, w).

    Raises:
        InputError: If maps are missing or do not have this size, or a label is
            neither below ``num_classes`` nor 255.
    """
    labels = torch.stack(
        [clip_map(clip, 'gt_sem_seg', size) for clip in data_samples]
    ).long()
    is_unlabelled = labels == _UNLABELLED
    if ((labels < 0) | (labels >= num_classes) & ~is_unlabelled).any():
        labelled = labels[~is_unlabelled]
        raise InputError(
            f'gt_sem_seg has labels from {labelled.min()} to '
            f'{labelled.max()}, but with num_classes={num_classes} they are '
            f'0 to {num_classes - 1}, and {_UNLABELLED} for no class. '
            'Check num_classes and the categories of the dataset.'
        )
    return labels.masked_fill_(is_unlabelled, num_classes)


def _join_frames(
    clip: TrackDataSample, frames: Sequence[Tensor], num_classes: int
) -> InstanceData:
    """Join the instances of the frames of a clip to tubes.

    Args:
        clip (TrackDataSample): The clip, with masks.
        frames (Sequence[Tensor]): Ids and labels of the instances of each
            frame, shape (2, n).
        num_classes (int): C.

    Returns:
        InstanceData: See :func:`mask_targets`.
    """
    ids, labels = torch.cat(list(frames), 1)
    ids, index = ids.unique(return_inverse=True)
    tube_labels = labels.new_zeros(len(ids))
    tube_labels[index] = labels
    if not torch.equal(tube_labels[index], labels):
        raise InputError(
            'An instance has different labels in the frames of one clip '
            f'(instance ids {ids.tolist()}); check "category_id" in the '
            'annotation file.'
        )
    if len(labels) and labels.max() >= num_classes:
        raise InputError(
            f'An instance has the label {labels.max()}, but '
            f'model.head.segmenter.num_classes is {num_classes}; set it to '
            "the number of the dataset's classes."
        )
    size = clip[0].gt_instances.masks
    masks = np.zeros(
        (len(ids), len(frames), size.height, size.width), np.uint8
    )
    rows = index.split([frame.shape[1] for frame in frames])
    for t, (frame, row) in enumerate(zip(clip, rows)):
        masks[row.numpy(), t] = frame.gt_instances.masks.to_ndarray()
    device = clip[0].gt_instances.labels.device
    return InstanceData(
        labels=copy_to_device(tube_labels, device),
        masks=copy_to_device(torch.from_numpy(masks), device)
        .float()
        .flatten(1, 2),
    )


def _index_ids(id_maps: Tensor, tables: Sequence[dict[int, int]]) -> Tensor:
    """Replace the ids of tubes by 1 + their positions in the tables.

    Args:
        id_maps (Tensor): Ids of B clips, int64, shape (B, P).
        tables (Sequence[dict[int, int]]): Ids of each clip, in order.

    Returns:
        Tensor: Numbers, 0 for ids that are not in the table, same shape.
    """
    # Clips with fewer tubes get ids that no pixel has.
    nothing = torch.iinfo(torch.int64).max
    ids = torch.full((len(tables), 1 + max(map(len, tables))), nothing)
    for row, table in zip(ids, tables):
        row[: len(table)] = torch.tensor(list(table))
    ids = copy_to_device(ids, id_maps.device)
    tubes = torch.searchsorted(ids, id_maps)
    return (tubes + 1) * (ids.gather(1, tubes) == id_maps)
