# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The golden case of the YouTube-VIS metric as samples of videos."""

import json
from pathlib import Path

import projects.maxtron  # noqa: F401

import torch
from mmdet.registry import METRICS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.structures import InstanceData
from pycocotools import mask as mask_utils

PARITY = Path(__file__).parents[1] / 'data/parity/vis'
GT, RESULTS, EXPECTED = (
    json.loads((PARITY / f'metric_{name}.json').read_text())
    for name in ('gt', 'results', 'expected')
)


def build(**kwargs):
    metric = METRICS.build(dict(type='ClipYouTubeVISMetric', **kwargs))
    metric.dataset_meta = dict(classes=[c['name'] for c in GT['categories']])
    return metric


def ground_truth(video, t):
    """Annotations of a frame, as the dataset gives them."""
    for ann in GT['annotations']:
        if ann['video_id'] == video['id'] and ann['bboxes'][t] is not None:
            x, y, w, h = ann['bboxes'][t]
            yield dict(
                bbox=[x, y, x + w, y + h],
                bbox_label=ann['category_id'] - 1,
                ignore_flag=ann['iscrowd'],
                mask=ann['segmentations'][t],
                instance_id=ann['id'],
            )


def prediction(video, t, as_tensor=False):
    """Prediction of a model for a frame: one id per track of the results."""
    tracks = [
        (i, track)
        for i, track in enumerate(RESULTS)
        if track['video_id'] == video['id']
        and track['segmentations'][t] is not None
    ]
    masks = [dict(track['segmentations'][t]) for _, track in tracks]
    if as_tensor:
        masks = torch.zeros(0, video['height'], video['width'])
        if tracks:
            rles = [track['segmentations'][t] for _, track in tracks]
            masks = (
                torch.from_numpy(mask_utils.decode(rles))
                .permute(2, 0, 1)
                .float()
            )
    return InstanceData(
        instances_id=torch.tensor([i + 1 for i, _ in tracks]).long(),
        labels=torch.tensor([k['category_id'] - 1 for _, k in tracks]).long(),
        scores=torch.tensor([k['score'] for _, k in tracks]),
        bboxes=torch.zeros(len(tracks), 4),
        masks=masks,
    )


def make_video(video, with_gt=True, with_pred=True, as_tensor=False):
    """The sample of a video as it comes from the model."""
    frames = []
    for t, file_name in enumerate(video['file_names']):
        frame = DetDataSample(
            metainfo=dict(
                img_id=100 * video['id'] + t,
                img_path=f'data/{file_name}',
                frame_id=t,
                video_id=video['id'],
                ori_shape=(video['height'], video['width']),
                ori_video_length=len(video['file_names']),
                instances=list(ground_truth(video, t)) if with_gt else [],
            )
        )
        pred = prediction(video, t, as_tensor)
        frame.pred_track_instances = pred if with_pred else pred[:0]
        frames.append(frame)
    sample = TrackDataSample()
    sample.video_data_samples = frames
    return sample.to_dict()


def evaluate(metric, videos=GT['videos'], **kwargs):
    for video in videos:
        metric.process({}, [make_video(video, **kwargs)])
    return metric.evaluate(len(videos))
