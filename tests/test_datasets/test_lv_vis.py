# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""LV-VIS, whose annotation file names its classes."""

import json
import shutil

import projects.maxtron  # noqa: F401, before MMDetection

import pytest
from mmdet.registry import DATASETS

from tests.test_datasets.tiny_benchmarks import (
    lv_vis_annotations,
    write_lv_vis,
)
from tools.dataset_converters import youtube_vis_to_coco


@pytest.fixture(scope='module')
def lv_vis(tmp_path_factory):
    root = tmp_path_factory.mktemp('lv_vis')
    write_lv_vis(root)
    return root


def build(root, **kwargs):
    cfg = dict(
        type='LVVISDataset',
        data_root=str(root),
        ann_file='annotations/lv_vis_val.json',
        data_prefix=dict(img_path='JPEGImages/val'),
        pipeline=[dict(type='ClipSampler')],
    )
    return DATASETS.build({**cfg, **kwargs})


def test_classes_are_those_of_the_file(lv_vis):
    """Labels follow the ids, groups the partitions."""
    dataset = build(lv_vis)
    classes = dataset.metainfo['classes']
    assert classes == tuple(f'thing_{i}' for i in range(1, 1197))
    assert dataset.metainfo['category_ids'] == tuple(range(1, 1197))
    groups = dataset.metainfo['class_groups']
    assert groups['base'][:4] == [0, 3, 4, 7]
    assert groups['novel'][:4] == [1, 2, 5, 6]
    assert sorted(groups['base'] + groups['novel']) == list(range(1196))
    images = dataset.get_data_info(0)['images']
    assert [x['bbox_label'] for x in images[3]['instances']] == [0, 2]

    chosen = dict(classes=('thing_3', 'thing_1'))
    dataset = build(lv_vis, metainfo=chosen)
    assert dataset.metainfo['category_ids'] == (3, 1)
    assert dataset.metainfo['class_groups'] == dict(base=[1], novel=[0])


def edit(change):
    def spoil(root):
        path = root / 'annotations/lv_vis_val.json'
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return spoil


def test_without_partitions_there_are_no_groups(lv_vis, tmp_path, log):
    root = shutil.copytree(lv_vis, tmp_path / 'own')
    edit(lambda c: [x.pop('partition') for x in c['categories']])(root)
    assert 'class_groups' not in build(root).metainfo
    assert 'no category has a partition, so there are no sep' in log.text


@pytest.mark.parametrize(
    'change, message',
    [
        (
            lambda c: c['categories'][0].update(partition=4),
            "category 1196: the field 'partition' is 4, but must be 0 or 1 .a",
        ),
        (
            lambda c: c['categories'][5].pop('partition'),
            "category 1191: the field 'partition' is missing",
        ),
        (
            lambda c: c['annotations'][0].update(category_id=1197),
            'annotation 1 has the unknown category 1197',
        ),
        (lambda c: c['images'].clear(), 'lists no frames: the dataset is emp'),
        (lambda c: c.pop('images'), 'not a per-image annotation file'),
    ],
)
def test_bad_input(lv_vis, tmp_path, change, message):
    (tmp_path / 'annotations').mkdir()
    name = 'annotations/lv_vis_val.json'
    shutil.copy(lv_vis / name, tmp_path / name)
    edit(change)(tmp_path)
    with pytest.raises(ValueError, match=message):
        build(tmp_path)


@pytest.mark.parametrize(
    'change, message',
    [
        (
            lambda c: c['annotations'][0]['segmentations'].pop(),
            'annotation 1 has 6 segmentations, but video 1 has 7 frames',
        ),
        (
            lambda c: c['videos'][1]['file_names'].clear(),
            'video 2 has no frames: file_names is empty',
        ),
        (
            lambda c: c['annotations'][0].update(video_id=9),
            'annotation 1 belongs to video_id 9, which does not exist',
        ),
        (lambda c: c['annotations'].clear(), 'has no annotations. Name the s'),
    ],
)
def test_bad_originals(tmp_path, change, message):
    content = lv_vis_annotations()
    change(content)
    (tmp_path / 'val_instances.json').write_text(json.dumps(content))
    with pytest.raises(SystemExit, match=message):
        youtube_vis_to_coco.main([str(tmp_path), '--version=lv_vis'])


def test_missing_frames(lv_vis, tmp_path):
    root = shutil.copytree(lv_vis, tmp_path / 'own')
    (root / 'JPEGImages/val/landscape/00002.jpg').unlink()
    pipeline = [
        dict(type='PackLazyVideo', transforms=[dict(type='LoadVideoFrame')])
    ]
    sample = build(root, test_mode=True, pipeline=pipeline)[0]
    with pytest.raises(FileNotFoundError, match='val/landscape/00002.jpg'):
        sample['inputs'][2]
