# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Cityscapes-VPS: videos of which every fifth frame is annotated."""

import json
import shutil

import projects.maxtron  # noqa: F401, before MMDetection
from projects.maxtron.evaluation.panoptic_evaluator import GroundTruthCounter
from projects.maxtron.evaluation.predicted_video import PredictedVideo

import cv2
import numpy as np
import pytest
from mmdet.registry import METRICS
from mmengine.evaluator import Evaluator

from tests.panoptic_results import panoptic_map
from tests.test_datasets.test_vipseg import LAZY
from tests.test_datasets.tiny_benchmarks import (
    CITY_SEGMENTS,
    city_frame,
    write_cityscapes_vps,
)
from tests.test_datasets.tiny_panoptic import build, draw_map
from tools.analysis_tools import error_analysis, eval_vpq
from tools.dataset_converters import cityscapes_vps_to_720p


@pytest.fixture(scope='module')
def city(tmp_path_factory):
    root = tmp_path_factory.mktemp('cityscapes_vps')
    write_cityscapes_vps(root)
    return root


def build_city(root, ann_file, split='val', **kwargs):
    return build(
        root,
        ann_file,
        type='CityscapesVPSDataset',
        data_prefix=dict(
            img_path=f'images/{split}', seg_map_path=f'panomasksRGB/{split}'
        ),
        **kwargs,
    )


def test_training_has_annotated_frames_only(city):
    dataset = build_city(
        city, 'cityscapes_vps_train.json', 'train', clip_len=3
    )
    assert sum(dataset.metainfo['isthing']) == 8
    for t, frame in zip((1, 3, 5), dataset[0]['data_samples']):
        assert frame.img_id == city_frame('0001', t)
        raw = draw_map('landscape', t)
        for value, (label, i) in CITY_SEGMENTS.items():
            where = raw == value
            labels = frame.gt_sem_seg.sem_seg[0, :64].numpy()[where]
            assert (labels == label).all()
            ids = frame.gt_panoptic_seg.sem_seg[0, :64].numpy()[where]
            assert (ids == i).all()
    with pytest.raises(ValueError, match='the frame has no annotations, thou'):
        build_city(city, 'cityscapes_vps_val_all.json')


def false_car(ids, raw, t):
    """Predict a car that is not there and changes its id."""
    ids[30:50, 6:20] = 13 + 1000 * (7 if t < 4 else 8)


def other_id(ids, raw, t):
    """Change the id of a car; nothing is right where nothing is annotated."""
    is_landscape = raw.shape == (64, 96)
    if is_landscape and t >= 4:
        ids[raw == 300] = 13 + 1000 * 9
    if t not in ((1, 3, 5) if is_landscape else (0, 4)):
        ids[:] = 12 + 1000 * t


def predict(root, ann_file, change=false_car):
    """Predict the ground truth with a change of each frame."""
    dataset = build_city(root, ann_file, test_mode=True, pipeline=LAZY)
    samples = []
    for data, name in zip(dataset, ('landscape', 'portrait')):
        for frame in data['data_samples']:
            t = int(frame.img_id.split('_')[1]) - 1
            raw = draw_map(name, t)
            ids = np.full(raw.shape, 19, np.int32)
            for value, (label, i) in CITY_SEGMENTS.items():
                number = i % 1000 if label > 10 else 0
                ids[raw == value] = label + 1000 * number
            change(ids, raw, t)
            frame.pred_panoptic_map = panoptic_map(ids, 19)
        samples.append(data['data_samples'])
    return samples, dataset.metainfo


def evaluate(samples, meta, others=(), **kwargs):
    metric = dict(type='VPQMetric', windows=(1, 2, 3, 4), **kwargs)
    evaluator = Evaluator([METRICS.build(metric), *map(METRICS.build, others)])
    evaluator.dataset_meta = meta
    for sample in samples:
        evaluator.process([sample])
    return evaluator.evaluate(len(samples))


def test_windows_are_of_annotated_frames(city, tmp_path, capsys):
    """All frames, the annotated ones, and folders give the same VPQ."""
    every = predict(city, 'cityscapes_vps_val_all.json')
    assert [len(sample.video_data_samples) for sample in every[0]] == [7, 5]
    labelled = predict(city, 'cityscapes_vps_val.json')
    assert [len(s.video_data_samples) for s in labelled[0]] == [3, 2]
    report = evaluate(*every, sparse=True, outfile_prefix=str(tmp_path))
    found = evaluate(*labelled)
    assert report == pytest.approx(found, nan_ok=True)
    assert 0 < report['vps/VPQ'] < 100 and report['vps/VPQ_3'] > 0
    assert np.isnan(report['vps/VPQ_4'])  # no video has 4 of them
    with pytest.raises(ValueError, match='4 of 7 frames .*set sparse=True'):
        evaluate(*every)

    command = [
        f'--pred-dir={tmp_path}',
        f'--pred-json={tmp_path}/pred.json',
        f'--gt-dir={city}/panomasksRGB/val',
        f'--gt-json={city}/cityscapes_vps_val.json',
        *'--windows 1 2 3 4'.split(),
    ]
    eval_vpq.main([*command, '--sparse'])
    line = f'VPQ: {report["vps/VPQ"]:.5f}\n'
    assert line in capsys.readouterr().out
    with pytest.raises(SystemExit, match='frame.* that do not exist in'):
        eval_vpq.main(command)


def test_only_annotated_frames_count_in_any_metric(city, tmp_path):
    """An id changes once; see other_id."""
    samples = predict(city, 'cityscapes_vps_val_all.json', other_id)
    others = [
        dict(type=f'{name}Metric', sparse=True)
        for name in ('Tracking', 'StableId')
    ]
    report = evaluate(
        *samples, others, sparse=True, outfile_prefix=str(tmp_path)
    )
    # The cars have 8 masks. That with two ids has AssA 2/3, 2/3 and 1/3.
    assert report['vps/DetA'] == pytest.approx(100)
    assert report['vps/AssA'] == pytest.approx(100 * (20 / 3 / 8 + 1) / 2)
    assert report['vps/HOTA'] == pytest.approx(
        100 * ((20 / 3 / 8) ** 0.5 + 1) / 2
    )
    assert report['vps/IDF1'] == pytest.approx(100 * (7 / 8 + 1) / 2)
    assert report['vps/IDSW'] == report['vps/id_switches'] == 1
    assert report['vps/ids_kept'] == 75  # 3 of 4 things
    video = PredictedVideo.read(samples[0][0].video_data_samples)
    counter = GroundTruthCounter(video, samples[1])
    for frame, name in zip(video.frames, video.frame_names):
        counter.add(frame, name, frame.pred_panoptic_map.decode())
    assert counter.result().times.tolist() == [1, 3, 5]

    command = [
        str(tmp_path),
        f'{city}/cityscapes_vps_val.json',
        f'--masks={city}/panomasksRGB/val',
        f'--out={tmp_path}/errors.json',
        *'--windows 1 2 3'.split(),
    ]
    with pytest.raises(SystemExit, match='frame.* that do not exist in'):
        error_analysis.main(command)
    error_analysis.main([*command, '--sparse'])
    found = json.loads((tmp_path / 'errors.json').read_text())
    vpq = {row: values['VPQ'] for row, values in found['alone'].items()}
    assert vpq['as it is'] == pytest.approx(report['vps/VPQ'])
    assert vpq.pop('true association') == pytest.approx(100)
    assert len(set(vpq.values())) == 1 and vpq['true masks'] < 100
    assert found['lengths']['0 to 10']['tracks'] == 4


def edit(change):
    def spoil(root):
        path = root / 'panoptic_gt_val_city_vps.json'
        content = json.loads(path.read_text())
        change(content['annotations'])
        path.write_text(json.dumps(content))

    return spoil


@pytest.mark.parametrize(
    'spoil, message',
    [
        (
            lambda root: shutil.rmtree(root / 'images/val/0005'),
            'video 0005: frame 0005_0001_.* is annotated, but .*images/val/',
        ),
        (
            lambda root: (
                root / f'panomasksRGB/val/0001/{city_frame("0001", 3)}.png'
            ).unlink(),
            'video 0001: frame 0001_0004_.* but .*panomasksRGB/val/0001 has n',
        ),
        (edit(list.clear), 'annotations is empty: nothing to convert'),
        (
            edit(lambda a: a[0].update(file_name='frankfurt.png')),
            'annotation frankfurt.png: the file_name does not start with',
        ),
        (edit(lambda a: a.append(a[0])), 'the frame is annotated twice'),
        (edit(lambda a: a[0].pop('segments_info')), "'segments_info' is miss"),
        (
            lambda root: (root / 'panoptic_gt_val_city_vps.json').unlink(),
            'panoptic_gt_val_city_vps.json does not exist',
        ),
    ],
)
def test_bad_input(city, tmp_path, spoil, message):
    root = shutil.copytree(city, tmp_path / 'own')
    spoil(root)
    with pytest.raises(
        SystemExit, match=f'cityscapes_vps_to_720p: .*{message}'
    ):
        cityscapes_vps_to_720p.main([str(root), '--splits=val'])


def test_labels_out_of_range(city, tmp_path):
    root = shutil.copytree(city, tmp_path / 'own')
    path = root / f'panomasksRGB/train/0001/{city_frame("0001", 1)}.png'
    cv2.imwrite(str(path), np.full((64, 96, 3), 9, np.uint8))
    with pytest.raises(ValueError, match='has the segment 592137, which the'):
        build_city(root, 'cityscapes_vps_train.json', 'train', clip_len=3)[0]
    listing = root / 'cityscapes_vps_train.json'
    text = listing.read_text()
    listing.write_text(text.replace('"category_id": 13', '"category_id": 77'))
    with pytest.raises(ValueError, match='has the unknown category 77'):
        build_city(root, 'cityscapes_vps_train.json', 'train')
