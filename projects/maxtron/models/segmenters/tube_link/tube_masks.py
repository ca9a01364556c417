# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.

import torch
from mmdet.structures import TrackSampleList
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData

from ..tube_targets import tube_targets


def tube_masks(
    data_samples: TrackSampleList, num_classes: int
) -> InstanceList:
    """Ground truth of clips as masks, for losses of the Mask2Former family.

    Args:
        data_samples (list[:obj:`TrackDataSample`]): Clips. Each frame has
            ``gt_instances`` with ``labels``, ``instances_ids`` and ``masks``
            (:obj:`BitmapMasks`), padded to the input, or panoptic ground
            truth as :func:`tube_targets` wants it.
        num_classes (int): C.

    Returns:
        list[:obj:`InstanceData`]: Per clip ``labels`` (M, ) and ``masks`` of
        0 and 1, the frames one below the other, float32, shape
        (M, T * h, w), of its tubes in the order of their ids; zero where a
        tube is absent.

    Raises:
        ValueError: If a tube has two labels within a clip, or one that is not
            below ``num_classes``, or panoptic ground truth is incomplete.
    """
    if 'gt_panoptic_seg' in data_samples[0][0]:
        return tube_targets(data_samples, num_classes).masks()
    return [
        _join_frames([frame.gt_instances for frame in clip], num_classes)
        for clip in data_samples
    ]


def _join_frames(frames: list[InstanceData], num_classes: int) -> InstanceData:
    """Join the instances of the frames of a clip to tubes."""
    ids, index = torch.cat([f.instances_ids for f in frames]).unique(
        return_inverse=True
    )
    labels = torch.cat([f.labels for f in frames])
    tube_labels = labels.new_zeros(len(ids))
    tube_labels[index] = labels
    if not torch.equal(tube_labels[index], labels):
        raise ValueError(
            'An instance has different labels in the frames of one clip '
            f'(instance ids {ids.tolist()}); check "category_id" in the '
            'annotation file.'
        )
    if len(labels) and labels.max() >= num_classes:
        raise ValueError(
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
