# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Results of frames for the library supervision."""

import sys
from pathlib import Path

from projects.maxtron.apis import sample_to_detections
from projects.maxtron.errors import InputError
from projects.maxtron.structures import PanopticMap
from projects.maxtron.structures.panoptic_map import IndexMap

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from pycocotools import mask as mask_utils

# Folder of setup_venv.sh.
FOLDER = Path(sys.prefix, 'supervision')
SIZE = (20, 30)


@pytest.fixture
def supervision(monkeypatch):
    if not FOLDER.exists():
        pytest.skip(f'{FOLDER} is missing: make setup')
    monkeypatch.syspath_prepend(str(FOLDER))
    loaded = cv2.__file__
    module = pytest.importorskip('supervision')
    assert sys.modules['cv2'].__file__ == loaded
    return module


@pytest.fixture
def boxes():
    masks = np.zeros((3, *SIZE), bool)
    masks[0, 2:8, 3:12] = masks[1, 10:18, 14:28] = masks[2, :3, :3] = True
    return masks


def make_instances(masks):
    rles = [mask_utils.encode(np.asfortranarray(m)) for m in masks]
    n = len(masks)
    instances = InstanceData(
        masks=[dict(rle, size=list(SIZE)) for rle in rles],
        bboxes=torch.tensor([[3.0, 2, 12, 8], [14, 10, 28, 18], [0, 0, 3, 3]])[
            :n
        ],
        scores=torch.tensor([0.9, 0.6, 0.1])[:n],
        labels=torch.tensor([1, 0, 1])[:n],
        instances_id=torch.tensor([7, 3, 5])[:n],
    )
    sample = DetDataSample(metainfo=dict(ori_shape=SIZE))
    sample.pred_track_instances = instances
    return sample


def test_instances_can_be_drawn(supervision, boxes):
    sample = make_instances(boxes)
    detections = sample_to_detections(sample, 0.5, ('cat', 'dog'))
    assert isinstance(detections, supervision.Detections)
    assert detections.tracker_id.tolist() == [7, 3]
    assert detections.class_id.tolist() == [1, 0]
    assert detections['class_name'].tolist() == ['dog', 'cat']
    np.testing.assert_allclose(detections.confidence, [0.9, 0.6])
    np.testing.assert_array_equal(detections.mask, boxes[:2])
    assert detections.xyxy[1].tolist() == [14, 10, 28, 18]
    colors = supervision.ColorLookup.TRACK
    annotator = supervision.MaskAnnotator(color_lookup=colors, opacity=1)
    drawn = annotator.annotate(np.zeros((*SIZE, 3), np.uint8), detections)
    np.testing.assert_array_equal(drawn.any(-1), boxes[:2].any(0))
    assert (drawn[4, 5] != drawn[12, 20]).any()
    label = supervision.LabelAnnotator(color_lookup=colors)
    assert label.annotate(drawn, detections, ['#7', '#3']).any()
    assert len(sample_to_detections(make_instances(boxes[:0]))) == 0


def test_segments_can_be_drawn(supervision, boxes):
    indices = np.zeros(SIZE, np.uint8)
    indices[boxes[0]], indices[boxes[1]] = 1, 2
    # stuff of class 2, a thing of class 1, and pixels without a segment
    table = np.array([2, 1001, 3], np.int32)
    sample = DetDataSample(metainfo=dict(ori_shape=SIZE))
    sample.pred_panoptic_map = PanopticMap(IndexMap.encode(indices), table, 3)
    detections = sample_to_detections(sample)
    assert detections.tracker_id.tolist() == [2, 1001]
    assert detections.class_id.tolist() == [2, 1]
    assert detections.xyxy[1].tolist() == [3, 2, 11, 7]
    annotator = supervision.PolygonAnnotator(
        color_lookup=supervision.ColorLookup.TRACK
    )
    assert annotator.annotate(np.zeros((*SIZE, 3), np.uint8), detections).any()


def test_without_supervision(boxes, monkeypatch):
    monkeypatch.setitem(sys.modules, 'supervision', None)
    with pytest.raises(InputError, match=r'pip install "maxtron\[superv'):
        sample_to_detections(make_instances(boxes))
