# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Comparison of per-frame instances with those of the reference."""
from typing import List

import numpy as np
from mmengine.structures import InstanceData
from pycocotools import mask as mask_utils

from tests.parity import Case


def compare_frames(frames: List[InstanceData], case: Case, num_classes: int,
                   pixels: int, atol: float) -> None:
    """Compare instances by (label, query), for their order is free.

    Args:
        frames (list[:obj:`InstanceData`]): Instances of each frame, with ids
            ``query * num_classes + label + 1``.
        case (:obj:`Case`): Golden case with the candidates of all frames.
        num_classes (int): Number of classes.
        pixels (int): By how many pixels the area of a mask may differ.
        atol (float): Absolute tolerance of the scores.
    """
    golden = {k: v.numpy() for k, v in case.outputs.items()}
    pairs = list(zip(golden['top_labels'], golden['top_queries']))
    assert len(frames) == case.settings['frames']
    for t, frame in enumerate(frames):
        queries, labels = np.divmod(frame.instances_id.numpy() - 1,
                                    num_classes)
        np.testing.assert_array_equal(labels, frame.labels)
        index = [pairs.index(pair) for pair in zip(labels, queries)]
        assert set(index) == set(np.flatnonzero(golden['kept'][t]))
        np.testing.assert_allclose(
            frame.scores, golden['frame_scores'][t, index], atol=atol, rtol=0)
        assert (np.diff(frame.scores) <= 0).all()
        areas = mask_utils.area(frame.masks).astype(int)
        assert np.abs(areas - golden['frame_areas'][t, index]).max() <= pixels
        np.testing.assert_allclose(
            frame.bboxes, golden['frame_boxes'][t, index], atol=1)
        assert frame.masks[0]['size'] == list(case.settings['ori_shape'])
