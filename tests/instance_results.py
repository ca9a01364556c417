# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Comparison of instances with the reference."""

import json
from pathlib import Path

from projects.maxtron.evaluation import ClipYouTubeVISMetric

import numpy as np
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.structures import InstanceData
from pycocotools import mask as mask_utils

from tests.parity import DATA, Case


def compare_frames(
    frames: list[InstanceData],
    case: Case,
    num_classes: int,
    pixels: int,
    atol: float,
) -> None:
    """Compare instances by (label, query), as their order is free.

    Args:
        frames (list[InstanceData]): Instances of each frame, with ids
            ``query * num_classes + label + 1``.
        case (Case): Golden case with the candidates of all frames.
        num_classes (int): Number of classes.
        pixels (int): By how many pixels the area of a mask may differ.
        atol (float): Absolute tolerance of the scores.
    """
    golden = {k: v.numpy() for k, v in case.outputs.items()}
    pairs = list(zip(golden['top_labels'], golden['top_queries']))
    assert len(frames) == case.settings['frames']
    for t, frame in enumerate(frames):
        queries, labels = np.divmod(
            frame.instances_id.numpy() - 1, num_classes
        )
        np.testing.assert_array_equal(labels, frame.labels)
        index = [pairs.index(pair) for pair in zip(labels, queries)]
        assert set(index) == set(np.flatnonzero(golden['kept'][t]))
        np.testing.assert_allclose(
            frame.scores, golden['frame_scores'][t, index], atol=atol, rtol=0
        )
        assert (np.diff(frame.scores) <= 0).all()
        areas = mask_utils.area(frame.masks).astype(int)
        assert np.abs(areas - golden['frame_areas'][t, index]).max() <= pixels
        np.testing.assert_allclose(
            frame.bboxes, golden['frame_boxes'][t, index], atol=1
        )
        assert frame.masks[0]['size'] == list(case.settings['ori_shape'])


def compare_submission(
    frames: list[InstanceData],
    name: str,
    num_classes: int,
    folder: Path,
    pixels: int,
    atol: float,
) -> None:
    """Compare the submission that the metric writes with a golden one.

    Args:
        frames (list[InstanceData]): Instances of each frame.
        name (str): Name of the golden case.
        num_classes (int): Number of classes.
        folder (Path): Where the submission is written.
        pixels (int): By how many pixels the area of a mask may differ.
        atol (float): Absolute tolerance of the scores.
    """
    video = TrackDataSample()
    video.video_data_samples = [
        DetDataSample(
            metainfo=dict(
                img_id=t,
                video_id=1,
                ori_video_length=len(frames),
                frame_id=t,
                ori_shape=frame.masks[0]['size'],
            ),
            pred_track_instances=frame,
        )
        for t, frame in enumerate(frames)
    ]
    metric = ClipYouTubeVISMetric(
        format_only=True, outfile_prefix=str(folder / 'results')
    )
    metric.dataset_meta = dict(classes=[str(i) for i in range(num_classes)])
    metric.process({}, [video.to_dict()])
    metric.evaluate(size=1)
    actual = json.loads((folder / 'results.json').read_text())
    golden = json.loads((DATA / f'vis/{name}_results.json').read_text())[
        'results'
    ]
    assert len(actual) == len(golden)

    def key(track):
        return track['category_id'], track['score']

    for ours, theirs in zip(sorted(actual, key=key), sorted(golden, key=key)):
        assert ours['video_id'] == theirs['video_id'] == 1
        assert ours['category_id'] == theirs['category_id']
        assert abs(ours['score'] - theirs['score']) < atol
        for a, b in zip(
            ours['segmentations'], theirs['segmentations'], strict=True
        ):
            assert (a is None) == (b is None)
            if a is not None:
                a, b = mask_utils.decode([a, b]).transpose(2, 0, 1)
                assert (a != b).sum() <= pixels
