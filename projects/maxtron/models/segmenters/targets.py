# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Ground truth of clips: index maps, masks and semantic maps."""

from typing import NamedTuple

import torch
from mmdet.structures import DetDataSample, TrackDataSample, TrackSampleList
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from ...errors import InputError

# Label of pixels that have none in ``gt_sem_seg``.
_UNLABELLED = 255


class TubeTargets(NamedTuple):
    """Tubes of B clips of T frames as index maps.

    The masks of the tubes of a clip are disjoint, so one map holds them all.

    Attributes:
        labels (list[Tensor]): Classes of the tubes of each clip, int64,
            shape (M_b, ).
        areas (list[Tensor]): Pixels of the tubes in all frames, int64, shape
            (M_b, ), at least 1.
        tube_map (Tensor): 0 or 1 + the tube of each pixel, int64, shape
            (B, T, h, w).
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
        TubeTargets: Tubes, on the device of the maps.

    Raises:
        InputError: If something is missing, maps do not have this size, a
            label is not below ``num_classes`` or a tube has two labels.
    """
    clips = [_clip_tubes(clip, num_classes, size) for clip in data_samples]
    labels, areas, tube_maps = zip(*clips)
    return TubeTargets(list(labels), list(areas), torch.stack(tube_maps))


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
        _join_frames([frame.gt_instances for frame in clip], num_classes)
        for clip in data_samples
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
        [_clip_map(clip, 'gt_sem_seg', size) for clip in data_samples]
    ).long()
    labelled = labels[labels != _UNLABELLED]
    if ((labelled < 0) | (labelled >= num_classes)).any():
        raise InputError(
            f'gt_sem_seg has labels from {labelled.min()} to '
            f'{labelled.max()}, but with num_classes={num_classes} they are '
            f'0 to {num_classes - 1}, and {_UNLABELLED} for no class. '
            'Check num_classes and the categories of the dataset.'
        )
    return labels.masked_fill_(labels == _UNLABELLED, num_classes)


def _join_frames(frames: list[InstanceData], num_classes: int) -> InstanceData:
    """Join the instances of the frames of a clip to tubes.

    Args:
        frames (list[InstanceData]): Instances of each frame.
        num_classes (int): C.

    Returns:
        InstanceData: See :func:`mask_targets`.
    """
    ids, index = torch.cat([f.instances_ids for f in frames]).unique(
        return_inverse=True
    )
    labels = torch.cat([f.labels for f in frames])
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
    height, width = frames[0].masks.height, frames[0].masks.width
    masks = labels.new_zeros(
        (len(ids), len(frames), height, width), dtype=torch.float
    )
    for t, (frame, rows) in enumerate(
        zip(frames, index.split([len(f) for f in frames]))
    ):
        masks[rows, t] = frame.masks.to_tensor(torch.float, labels.device)
    return InstanceData(labels=tube_labels, masks=masks.flatten(1, 2))


def _clip_tubes(
    clip: TrackDataSample, num_classes: int, size: tuple[int, int, int] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Make labels (M, ), areas (M, ) and map (T, h, w) of a clip."""
    table = sorted(_label_table(clip, num_classes).items())
    id_map = _clip_map(clip, 'gt_panoptic_seg', size)
    if not table:
        nothing = id_map.new_zeros(0, dtype=torch.int64)
        return nothing, nothing, torch.zeros_like(id_map, dtype=torch.int64)
    ids, labels = torch.tensor(table, device=id_map.device).T.contiguous()
    ids = ids.to(id_map.dtype)
    tubes = torch.searchsorted(ids, id_map).clamp_(max=len(ids) - 1)
    tubes = (tubes + 1) * (ids[tubes] == id_map)
    areas = tubes.flatten().bincount(minlength=len(ids) + 1)[1:]
    # Drop tubes without a pixel and close the gaps in the numbers.
    seen = areas > 0
    order = torch.cat((seen.new_zeros(1), seen))
    order = order.cumsum(0) * order
    return labels[seen], areas[seen], order[tubes]


def _label_table(clip: TrackDataSample, num_classes: int) -> dict[int, int]:
    """Look up the label of each tube id of a clip."""
    table = {}
    for frame in clip:
        instances = _field(frame, 'gt_instances')
        for tube, label in zip(
            instances.instances_ids.tolist(), instances.labels.tolist()
        ):
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
    return table


def _clip_map(
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
