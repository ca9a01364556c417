# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Samples of predicted videos, and their expected values."""

import projects.maxtron  # noqa: F401, before MMDetection
from projects.maxtron.evaluation.functional import WINDOWS
from projects.maxtron.evaluation.panoptic_folders import list_videos
from projects.maxtron.structures import PanopticMap, read_id_map

import numpy as np
from mmdet.registry import METRICS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.evaluator import Evaluator

from tests.panoptic_results import panoptic_map
from tests.test_evaluation.panoptic_cases import GOLDEN, golden_args

CATEGORIES, VIDEOS = list_videos(**golden_args())
META = dict(
    classes=tuple(c['name'] for c in CATEGORIES),
    thing_classes=tuple(c['name'] for c in CATEGORIES if c['isthing']),
    palette=[tuple(c['color']) for c in CATEGORIES],
)
VOID = len(CATEGORIES)
EXPECTED = dict(
    {f'vps/{key}': GOLDEN['stq'][key] for key in ('STQ', 'AQ', 'IoU')},
    **{
        f'vps/VPQ{suffix}': GOLDEN['final_vpq'][group]
        for group, suffix in (('All', ''), ('Things', '_Th'), ('Stuff', '_St'))
    },
    **{
        f'vps/VPQ_{k}{suffix}': GOLDEN['per_k'][str(k)][group]['pq']
        for k in WINDOWS
        for group, suffix in (('All', ''), ('Things', '_Th'), ('Stuff', '_St'))
    },
)


def build(name, meta=META, **kwargs):
    metric = METRICS.build(dict(type=f'{name}Metric', **kwargs))
    metric.dataset_meta = meta
    return metric


class CountedMap(PanopticMap):
    """Panoptic map that counts its decodings."""

    decoded = 0

    def decode(self):
        CountedMap.decoded += 1
        return super().decode()


def encode(ids, void):
    return panoptic_map(ids, void, CountedMap)


def make_sample(video, with_gt=True):
    """Ground truth and golden prediction of a video."""
    numbers, frames = {}, []
    for t, frame in enumerate(video.frames):
        id_map = read_id_map(frame.pred_path, '')
        ids = np.full(id_map.shape, VOID, np.int32)
        for s in frame.pred_segments:
            label = s['category_id']
            of_class = numbers.setdefault(label, {})
            number = of_class.setdefault(s['id'], len(of_class) + 1)
            ids[id_map == s['id']] = (
                label + 1000 * number * CATEGORIES[label]['isthing']
            )
        frames.append(
            DetDataSample(
                metainfo=dict(
                    img_path=f'images/{video.video_id}/{frame.name}.jpg',
                    frame_id=t,
                    video_id=video.video_id,
                    video_length=len(video.frames),
                    ori_shape=ids.shape,
                )
            )
        )
        frames[-1].pred_panoptic_map = encode(ids, VOID)
        if with_gt:
            frames[-1].set_metainfo(
                dict(
                    seg_map_path=frame.gt_path,
                    segments_info=[
                        dict(
                            id=s['id'],
                            category=s['category_id'],
                            iscrowd=s['iscrowd'],
                            area=s['area'],
                        )
                        for s in frame.gt_segments
                    ],
                )
            )
    sample = TrackDataSample()
    sample.video_data_samples = frames
    return sample


def evaluate(metrics, samples):
    evaluator = Evaluator(metrics)
    evaluator.dataset_meta = META
    for sample in samples:
        evaluator.process([sample])
    return evaluator.evaluate(len(samples))
