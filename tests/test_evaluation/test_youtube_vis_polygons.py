# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import projects.maxtron  # noqa: F401

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from pycocotools import mask as mask_utils

from tests.test_evaluation.instance_samples import build, make_video


def test_polygons_sizes_and_repeated_videos():
    """Ground truth may be polygons, its size is that of the mask and not of
    the box, and a video that was padded to another process counts once."""
    video = dict(id=5, height=200, width=300, file_names=['v5/0.jpg'] * 2)
    sample = make_video(video)
    triangle = [[10, 10, 190, 10, 10, 190]]  # < 128^2, its box is larger
    rle = mask_utils.merge(mask_utils.frPyObjects(triangle, 200, 300))
    for frame in sample['video_data_samples']:
        frame.set_metainfo(
            dict(
                instances=[
                    dict(
                        bbox=[10, 10, 190, 190],
                        bbox_label=0,
                        mask=triangle,
                        instance_id=1,
                    )
                ]
            )
        )
        frame.pred_track_instances = InstanceData(
            instances_id=np.array([7]),
            labels=np.array([0]),
            scores=np.array([0.5]),
            bboxes=np.zeros((1, 4)),
            masks=mask_utils.decode(rle)[None],
        )
    metric = build(metric_items=['mAP', 'mAP_s', 'mAP_m', 'AR@1'])
    metric.process({}, [sample, sample])
    assert list(metric.evaluate(2).values()) == pytest.approx([1, 1, -1, 1])


GOOD = [[20, 20, 60, 20, 60, 60, 20, 60]]


def polygon_video(masks, video_id='v'):
    """A video whose frames have one annotation and its prediction."""
    rle = mask_utils.merge(mask_utils.frPyObjects(GOOD, 96, 160))
    frames = []
    for t, mask in enumerate(masks):
        instance = dict(bbox_label=0, instance_id=1, ignore_flag=0)
        if mask is not None:
            instance['mask'] = mask
        frame = DetDataSample(
            metainfo=dict(
                img_id=t,
                frame_id=t,
                video_id=video_id,
                img_path=f'x/v/{t}.jpg',
                ori_shape=(96, 160),
                instances=[instance],
            )
        )
        frame.pred_track_instances = InstanceData(
            bboxes=torch.zeros(1, 4),
            scores=torch.ones(1),
            labels=torch.zeros(1, dtype=int),
            instances_id=torch.ones(1, dtype=int),
            masks=[dict(rle)],
        )
        frames.append(frame)
    return frames


@pytest.mark.parametrize(
    'mask, expected',
    [
        ([], 0.5),
        (None, 0.5),
        ([[]], 0.5),
        ([[30, 30]], 0.5),
        ([[20, 20, 60, 20]], 0.5),
        ([[0] * 6], 0.5),
        ([[200, 20, 260, 20, 260, 60]], 0.5),
        ([[20, 20, 60, 20], *GOOD], 1),
        (GOOD[0], 1),
        (dict(size=[96, 160], counts=[96 * 160]), 0.5),
    ],
)
def test_polygons_without_a_pixel_are_no_ground_truth(mask, expected):
    """The prediction is in both frames, the annotation in one or in both:
    the overlap is a half or one."""
    metric = build(metric_items=['mAP', 'mAP_50', 'mAP_75'])
    metric.process_video(polygon_video([GOOD, mask]))
    report = metric.compute_metrics(metric.results)
    thresholds = np.arange(0.5, 1, 0.05)
    assert report['segm_mAP'] == pytest.approx(
        np.mean(expected >= thresholds), abs=1e-9
    )
    # a track without any mask is none
    metric.results.clear()
    metric.process_video(polygon_video([mask, mask]))
    if expected < 1:
        assert metric.compute_metrics(metric.results) == {}


@pytest.mark.parametrize(
    'mask, message',
    [
        (dict(size=[96, 161], counts=[9]), 'is 96 x 161 .*image is 96 x 160'),
        ([[1, 2, 3, 4, 5, None]], 'polygon that is not a list of numbers'),
        (dict(size=[96, 160], counts='12'), 'has runs of'),
    ],
)
def test_broken_ground_truth_names_the_frame(mask, message):
    with pytest.raises(
        ValueError,
        match=r'Frame 1 of video v \(x/v/1.jpg\): the mask of instance 1 of '
        f'the ground truth .*{message}',
    ):
        build().process_video(polygon_video([GOOD, mask]))


@pytest.mark.parametrize(
    'spoil, message',
    [
        (dict(masks=[dict(size=[96, 160], counts='zz~')]), 'does not decode'),
        (dict(masks=[dict(counts='12')]), "a predicted mask has no 'size'"),
        (dict(labels=torch.tensor([1])), 'predicts label 1, but .* 1 classes'),
    ],
)
def test_bad_predictions_are_described(spoil, message):
    frames = polygon_video([GOOD])
    metric = build()
    metric.dataset_meta = dict(classes=('square',))
    pred = frames[0].pred_track_instances
    for key, value in spoil.items():
        pred.set_field(value, key)
    with pytest.raises(ValueError, match=message):
        metric.process_video(frames)
    del frames[0].pred_track_instances
    with pytest.raises(ValueError, match='Frame 0 .* model for instance seg'):
        metric.process_video(frames)
    with pytest.raises(ValueError, match='without frames'):
        metric.process_video([])


@pytest.mark.parametrize('key', ['instance_id', 'bbox_label'])
def test_instances_without_a_field_are_named(key):
    frames = polygon_video([GOOD, GOOD])
    del frames[1].instances[0][key]
    with pytest.raises(ValueError, match=f"Frame 1 of video v .* no '{key}'"):
        build().process_video(frames)
