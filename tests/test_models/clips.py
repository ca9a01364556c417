# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Clips with ground truth as the training pipeline packs it."""

from collections.abc import Sequence

import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.structures import InstanceData, PixelData
from torch import Tensor


def pack_clip(
    id_map: Tensor, labels: dict, semantic: Tensor
) -> TrackDataSample:
    """Pack the ground truth of a clip.

    Args:
        id_map (Tensor): Tube ids, 0 for none, shape (T, h, w).
        labels (dict[int, int]): Label of each id.
        semantic (Tensor): Labels, 255 for none, shape (T, h, w).

    Returns:
        TrackDataSample: Each frame lists the segments that it shows.
    """
    frames = []
    for t, (ids, classes) in enumerate(zip(id_map, semantic)):
        shown = [i for i in labels if (ids == i).any()]
        frame = DetDataSample(metainfo=dict(img_path=f'clip/{t}.jpg'))
        frame.gt_panoptic_seg = PixelData(sem_seg=ids[None].int())
        frame.gt_sem_seg = PixelData(sem_seg=classes[None].to(torch.uint8))
        frame.gt_instances = InstanceData(
            instances_ids=torch.tensor(shown, dtype=torch.int64),
            labels=torch.tensor([labels[i] for i in shown], dtype=torch.int64),
        )
        frames.append(frame)
    clip = TrackDataSample()
    clip.video_data_samples = frames
    return clip


def pack_masks(
    labels: Tensor, masks: Tensor, semantic: Tensor, first_id: int = 7
) -> TrackDataSample:
    """Pack disjoint masks.

    Args:
        labels (Tensor): Shape (M, ).
        masks (Tensor): Of 0 and 1, shape (M, T, h, w).
        semantic (Tensor): Labels, negative for none, shape (T, h, w).
        first_id (int): Id of the first one; the others count up.

    Returns:
        TrackDataSample: See :func:`pack_clip`.
    """
    ids = torch.arange(len(labels)) + first_id
    id_map = (masks.long() * ids[:, None, None, None]).sum(0)
    return pack_clip(
        id_map,
        dict(zip(ids.tolist(), labels.tolist())),
        semantic.long().where(semantic >= 0, 255),
    )


def random_clip(
    seed: int,
    num_tubes: int,
    num_classes: int,
    size: Sequence[int],
    void: float = 0.3,
):
    """Labels (M, ), disjoint masks (M, T, h, w) and semantic map of a clip.

    Every tube has a pixel; ``void`` is the part of pixels without one.
    """
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(num_classes, (num_tubes,), generator=random)
    tubes = torch.randint(num_tubes, tuple(size), generator=random)
    tubes.flatten()[:num_tubes] = torch.arange(num_tubes)
    masks = tubes == torch.arange(num_tubes)[:, None, None, None]
    is_void = torch.rand(tuple(size), generator=random) < void
    is_void.flatten()[:num_tubes] = False
    semantic = labels[tubes].masked_fill(is_void, -1)
    return labels, masks & ~is_void, semantic
