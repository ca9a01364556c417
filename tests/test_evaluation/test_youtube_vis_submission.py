# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json
import zipfile
from pathlib import Path

import projects.maxtron  # noqa: F401

import numpy as np
import pytest
import torch
from mmdet.evaluation.functional import YTVIS, YTVISeval
from mmdet.registry import DATASETS
from mmengine.structures import InstanceData

from tests.test_evaluation.instance_samples import RESULTS, build, evaluate
from tools.dataset_converters.youtube_vis_to_coco import convert_file


def test_missing_ground_truth_is_said_and_nothing_is_lost(tmp_path, log):
    prefix = str(tmp_path / 'run/results')
    assert evaluate(build(outfile_prefix=prefix), with_gt=False) == {}
    warnings = [
        r.getMessage() for r in log.records if r.levelname == 'WARNING'
    ]
    assert len(warnings) == 1 and '\n' not in warnings[0]
    assert 'No AP: the annotation file has no annotations' in warnings[0]
    assert 'send the submission to the evaluation server' in warnings[0]
    assert Path(f'{prefix}.submission_file.zip').exists()


def test_submission(tmp_path, log):
    """The zip holds the results of the golden case, and only complete files
    are left behind."""
    metric = build(format_only=True, outfile_prefix=str(tmp_path / 'out/r'))
    assert evaluate(metric) == {}
    with zipfile.ZipFile(tmp_path / 'out/r.submission_file.zip') as archive:
        assert archive.namelist() == ['results.json']
        tracks = json.loads(archive.read('results.json'))
    # ids are in the order of the results, except for late starts
    want = sorted(RESULTS, key=lambda track: track['video_id'])
    key = ('video_id', 'category_id', 'segmentations')
    assert sorted(([t[k] for k in key] for t in tracks), key=str) == sorted(
        ([t[k] for k in key] for t in want), key=str
    )
    scores = sorted(track['score'] for track in tracks)
    np.testing.assert_allclose(
        scores, sorted(track['score'] for track in want), rtol=1e-6
    )
    assert {p.name for p in (tmp_path / 'out').iterdir()} == {
        'r.json',
        'r.submission_file.zip',
    }
    assert f'Wrote {len(RESULTS)} tracks' in log.text


def official_report(path, results):
    """AP as the published tools compute it from two files."""
    truth = YTVIS(str(path))
    for ann in truth.dataset['annotations']:
        ann['areas'] = [mask and 1600 for mask in ann['segmentations']]
    evaluator = YTVISeval(truth, truth.loadRes(results), 'segm')
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    return evaluator.stats[:3].tolist()


def write_user_file(path, video_ids, frames):
    """Two videos of two frames; six squares each, in the first frame."""
    annotations = [
        dict(
            id=100 + i,
            video_id=video_ids[v],
            category_id=category_id,
            iscrowd=0,
            bboxes=None,
            areas=[0, 0],
            segmentations=[
                [[x, y, x + 20, y, x + 20, y + 20, x, y + 20]],
                None,
            ],
        )
        for i, (v, category_id, x, y) in enumerate(
            (v, c, x, y)
            for v in range(2)
            for c, x in ((40, 5), (3, 60), (7, 110))
            for y in (10, 40)
        )
    ]
    content = dict(
        categories=[
            dict(id=i, name=name)
            for i, name in ((7, 'Bär'), (40, 'a b'), (3, 'c'))
        ],
        videos=[
            dict(
                id=video_id,
                height=96,
                width=160,
                length=2,
                file_names=[f'{v}/img1/{frame}.jpg' for frame in frames],
            )
            for v, video_id in enumerate(video_ids)
        ],
        annotations=annotations,
    )
    path.write_text(json.dumps(content))


def predict_with_one_error(video, rng):
    """Predict the ground truth, with one wrong class and random scores."""
    for frame in video['data_samples']:
        anns = frame.instances
        labels = [a['bbox_label'] for a in anns]
        if labels:
            labels[-1] = 0
        frame.pred_track_instances = InstanceData(
            instances_id=torch.tensor([a['instance_id'] for a in anns]),
            labels=torch.tensor(labels, dtype=int),
            scores=torch.from_numpy(rng.random(len(anns))),
            bboxes=torch.zeros(len(anns), 4),
            masks=[a['mask'] for a in anns],
        )


@pytest.mark.parametrize(
    'video_ids, frames',
    [
        ((1, 2), (0, 1)),
        (('b', 'a'), (10, 9)),
        ((2**40, 7), (0, 1)),
        (('10', '9'), (1, 0)),
    ],
)
def test_submission_has_the_ids_of_the_users_file(tmp_path, video_ids, frames):
    """Evaluated against the user's own file it gives the test's numbers.

    It has the order of the file, too, even if '10' is listed before '9'.
    """
    write_user_file(tmp_path / 'valid.json', video_ids, frames)
    convert_file(
        tmp_path / 'valid.json', tmp_path / 'annotations/valid.json', True
    )
    dataset = DATASETS.build(
        dict(
            type='YouTubeVISClipDataset',
            dataset_version='2019',
            data_root=str(tmp_path),
            ann_file='annotations/valid.json',
            data_prefix=dict(img_path=''),
            metainfo=dict(classes=('c', 'Bär', 'a b')),
            test_mode=True,
            pipeline=[dict(type='PackLazyVideo', transforms=[])],
            _scope_='mmdet',
        )
    )
    metric = build(
        outfile_prefix=str(tmp_path / 'out/results'),
        long_videos=['1/img1'],
        classwise=True,
    )
    metric.dataset_meta = dataset.metainfo
    rng = np.random.default_rng(0)
    for video in dataset:
        names = [Path(f.img_path).stem for f in video['data_samples']]
        assert names == (
            ['9', '10'] if 10 in frames else list(map(str, frames))
        )
        predict_with_one_error(video, rng)
        metric.process({}, [video['data_samples'].to_dict()])
    report = metric.evaluate(2)
    assert 0 < report['youtube_vis/segm_mAP'] < 1
    assert report['youtube_vis/c_precision'] < 1
    assert report['youtube_vis/a b_precision'] == pytest.approx(1)
    assert 'youtube_vis/segm_mAP_long' in report
    with zipfile.ZipFile(tmp_path / 'out/results.submission_file.zip') as zip_:
        tracks = json.loads(zip_.read('results.json'))
    assert tracks == json.loads((tmp_path / 'out/results.json').read_text())
    assert {track['video_id'] for track in tracks} == set(video_ids)
    assert {track['category_id'] for track in tracks} == {3, 7, 40}
    values = [
        report[f'youtube_vis/segm_{item}']
        for item in ('mAP', 'mAP_50', 'mAP_75')
    ]
    assert official_report(tmp_path / 'valid.json', tracks) == pytest.approx(
        values, abs=1e-9
    )
