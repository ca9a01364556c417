# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Collection of the tracks of a video in YouTube-VIS format."""

from collections import defaultdict
from typing import Any

import numpy as np
from mmdet.structures.mask import encode_mask_results
from pycocotools import mask as mask_utils

from ...errors import InputError
from ...structures import to_rle
from ..sample_fields import ANNOTATIONS, require_fields


def collect_ground_truth(frames: list[dict[str, Any]]) -> list[dict]:
    """Collect the annotated tracks of a video.

    Args:
        frames (list[dict]): Frames in temporal order with ``video_id``,
            ``ori_shape`` and, if annotated, ``instances``: dicts with
            ``instance_id``, ``bbox_label``, ``mask`` and ``ignore_flag``.

    Returns:
        list[dict]: For each track ``video_id``, ``category_id`` (label + 1),
        ``iscrowd`` and, over frames, ``segmentations`` (compressed run
        lengths) and ``areas`` (pixels), None in frames without the instance.

    Raises:
        InputError: If an instance has no id or no label, or its mask is
            malformed or does not fit the frame.
    """
    tracks: dict[int, dict] = {}
    for t, frame in enumerate(frames):
        for ann in frame.get('instances', ()):
            require_fields(
                ann,
                ('instance_id', 'bbox_label'),
                f'{_name(frame)}: an instance of the ground truth',
                ANNOTATIONS,
            )
            rle = _read_mask(ann, frame)
            area = int(mask_utils.area(rle))
            if area == 0:
                continue
            if ann['instance_id'] not in tracks:
                tracks[ann['instance_id']] = dict(
                    video_id=frame['video_id'],
                    category_id=int(ann['bbox_label']) + 1,
                    iscrowd=ann.get('ignore_flag', 0),
                    segmentations=[None] * len(frames),
                    areas=[None] * len(frames),
                )
            track = tracks[ann['instance_id']]
            track['segmentations'][t] = rle
            track['areas'][t] = area
    return list(tracks.values())


def _read_mask(ann: dict, frame: dict) -> dict:
    """Read the mask of an instance; a missing mask has no pixels."""
    mask = ann.get('mask')
    try:
        return to_rle([] if mask is None else mask, frame['ori_shape'][:2])
    except ValueError as error:
        raise InputError(
            f'{_name(frame)}: the mask of instance {ann["instance_id"]} of '
            f'the ground truth {error}. Correct the annotation file.'
        ) from error


def _name(frame: dict) -> str:
    """Name a frame for messages."""
    return (
        f'Frame {frame.get("frame_id")} of video {frame["video_id"]} '
        f'({frame.get("img_path", "")})'
    )


def collect_predictions(frames: list[dict[str, Any]]) -> list[dict]:
    """Collect the predicted tracks of a video.

    The score of a track is the mean over its frames. Its category is the most
    frequent one, and the first of equally frequent ones.

    Args:
        frames (list[dict]): Frames in temporal order with ``video_id``,
            ``ori_shape`` and ``pred_track_instances``.

    Returns:
        list[dict]: For each track ``video_id``, ``category_id`` (label + 1),
        ``score`` and, over frames, ``segmentations`` (compressed run lengths
        as text, None in frames without a prediction).

    Raises:
        InputError: If a frame has no prediction, or a mask is malformed or
            does not have the size of its frame.
    """
    labels: dict[int, list] = defaultdict(list)
    scores: dict[int, list] = defaultdict(list)
    masks: dict[int, list] = defaultdict(lambda: [None] * len(frames))
    for t, frame in enumerate(frames):
        pred = frame.get('pred_track_instances')
        if pred is None:
            raise InputError(
                f'{_name(frame)} has no pred_track_instances. Use a model for '
                'instance segmentation.'
            )
        require_fields(
            pred,
            ('instances_id', 'labels', 'scores', 'masks'),
            f'{_name(frame)}: pred_track_instances',
            'Correct the model.',
        )
        ids, pred_labels, pred_scores = (
            _to_numpy(pred[key])
            for key in ('instances_id', 'labels', 'scores')
        )
        pred_masks = _predicted_masks(frame)
        for i, instance_id in enumerate(ids.tolist()):
            labels[instance_id].append(pred_labels[i])
            scores[instance_id].append(pred_scores[i])
            masks[instance_id][t] = pred_masks[i]
    return [
        dict(
            video_id=frames[0]['video_id'],
            score=np.array(scores[i]).mean().item(),
            category_id=np.bincount(np.array(labels[i])).argmax().item() + 1,
            segmentations=masks[i],
        )
        for i in masks
    ]


def _predicted_masks(frame: dict) -> list[dict]:
    """Encode the predicted masks of a frame, and check their size."""
    masks = frame['pred_track_instances']['masks']
    if not isinstance(masks, (list, tuple)):
        masks = encode_mask_results(_to_numpy(masks).astype(bool))
    size = list(frame['ori_shape'][:2])
    encoded = []
    for mask in masks:
        try:
            counts = to_rle(mask, (size[0], size[1]))['counts']
        except ValueError as error:
            raise InputError(
                f'{_name(frame)}: a predicted mask {error}. The model must '
                'return masks at ori_shape.'
            ) from error
        encoded.append(dict(size=size, counts=counts.decode()))
    return encoded


def _to_numpy(values) -> np.ndarray:
    """Convert a tensor on any device, an array or a list to an array."""
    if hasattr(values, 'cpu'):
        values = values.detach().cpu()
    return np.asarray(values)
