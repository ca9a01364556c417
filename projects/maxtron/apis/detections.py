# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Results as detections of the library supervision."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.structures import DetDataSample

from ..errors import InputError
from ..structures import INSTANCE_OFFSET, PanopticMap, to_bitmap


def sample_to_detections(
    sample: DetDataSample,
    score_thr: float = 0.0,
    classes: Sequence[str] | None = None,
) -> Any:
    """Convert the result of a frame for the library supervision.

    Its annotators, zones and exporters take the result. Requires the package
    supervision: ``pip install "maxtron[supervision]"``.

    Args:
        sample (DetDataSample): Result of :class:`MaXTronInferencer`.
        score_thr (float): Minimum score of instances; panoptic segments have
            no scores. Defaults to 0.
        classes (Sequence[str], optional): Names of the classes,
            ``inferencer.model.dataset_meta['classes']``. Defaults to None: no
            names.

    Returns:
        supervision.Detections: ``xyxy`` (N, 4), ``mask`` (N, H, W),
        ``class_id``, ``tracker_id`` and, of instances, ``confidence``. The
        tracker id of an instance is its ``instances_id``, that of a segment
        its panoptic id. ``data['class_name']`` has the names.

    Raises:
        InputError: If supervision is not installed.
    """
    supervision = _import_supervision()
    if 'pred_panoptic_map' in sample:
        fields = _segments(sample.pred_panoptic_map)
        fields['xyxy'] = supervision.mask_to_xyxy(fields['mask'])
    else:
        fields = _instances(sample, score_thr)
    data = {}
    if classes is not None:
        names = np.array(classes, dtype=object)
        data['class_name'] = names[fields['class_id']].astype(str)
    return supervision.Detections(**fields, data=data)


def _import_supervision() -> Any:
    try:
        import supervision
    except ImportError as error:
        raise InputError(
            'sample_to_detections() needs the package supervision: '
            'pip install "maxtron[supervision]".'
        ) from error
    return supervision


def _instances(sample: DetDataSample, score_thr: float) -> dict[str, Any]:
    """Decode tracked instances."""
    instances = sample.pred_track_instances
    instances = instances[instances.scores >= score_thr].cpu()
    height, width = sample.ori_shape
    masks = np.zeros((len(instances), height, width), dtype=bool)
    for i, mask in enumerate(instances.masks):
        masks[i] = to_bitmap(mask, (height, width))
    return dict(
        xyxy=instances.bboxes.numpy().astype(np.float32).reshape(-1, 4),
        mask=masks,
        confidence=instances.scores.numpy(),
        class_id=instances.labels.numpy(),
        tracker_id=instances.instances_id.numpy(),
    )


def _segments(panoptic_map: PanopticMap) -> dict[str, Any]:
    """Decode the segments of a panoptic map."""
    ids = np.array(panoptic_map.segment_ids, dtype=int)
    return dict(
        mask=panoptic_map.decode()[None] == ids[:, None, None],
        class_id=ids % INSTANCE_OFFSET,
        tracker_id=ids,
    )
