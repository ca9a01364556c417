# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""docs/custom_dataset.md, followed to the letter."""

import json
import re

from projects.maxtron.structures import (
    index_map,
    read_id_map,
    read_raw_segments,
)

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from pycocotools import mask as mask_utils

from tests.test_docs.pages import (
    ROOT,
    assert_shows_files,
    follow,
    read_json,
    read_page,
    workplace,
)
from tools.dataset_converters.youtube_vis_to_coco import convert

pytestmark = pytest.mark.slow

PAGE = 'custom_dataset.md'
FILES = [
    f'docs/examples/custom_dataset/{name}.py'
    for name in ('instances', 'panoptic', 'two_datasets')
]
# Layers of a checkpoint that may not fit, and its metrics.
KINDS = dict(
    instances=('cls_embed', r'segm_mAP: [\d.]+', r'segm_AR@10: [\d.]+'),
    panoptic=('cls_embed|conv_seg', r'vps/VPQ: [\d.]+', r'vps/STQ: [\d.]+'),
)


@pytest.fixture(scope='module')
def followed(tmp_path_factory):
    """The folder of the commands, and their output."""
    folder = workplace(tmp_path_factory.mktemp('custom'))
    return folder, follow(read_page(PAGE), folder)


def outputs(followed, tool, kind):
    """Output of a tool that was run on a kind of data."""
    found = [
        text
        for command, text in followed[1].items()
        if tool in command and f'{kind}.py' in command
    ]
    assert len(found) == 1
    return found[0]


def test_shows_the_configs_as_they_are():
    assert_shows_files(read_page(PAGE), *FILES)


@pytest.mark.parametrize('kind', KINDS)
def test_commands_work(followed, kind):
    folder = followed[0] / 'work_dirs' / kind
    checked = outputs(followed, 'check_dataset', kind)
    assert checked.endswith('No errors.\n')
    assert len(list(folder.glob('clips/*/*.jpg'))) == 6  # clip of each video

    parts, *metrics = KINDS[kind]
    log = outputs(followed, 'train.py', kind)
    config = ROOT / f'docs/examples/custom_dataset/{kind}.py'
    start = Config.fromfile(config).load_from
    assert f'Load checkpoint from {start}' in log
    anew = re.findall(r'size mismatch for (\S+):', log)
    assert anew and all(re.search(parts, name) for name in anew)

    log = outputs(followed, 'tools/test.py', kind)
    for metric in metrics:
        assert re.search(metric, log)
    capture = cv2.VideoCapture(str(folder / 'g.mp4'))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 12
    assert outputs(followed, 'video_demo', kind)


def test_two_datasets_are_trained_on(followed):
    assert (followed[0] / 'work_dirs/two_datasets/iter_2.pth').is_file()
    log = outputs(followed, 'train.py', 'two_datasets')
    assert re.search('train.json: 6 of 6 videos', log)
    assert re.search('valid.json: 2 of 2 videos', log)
    config = ROOT / 'docs/examples/custom_dataset/two_datasets.py'
    dataset = Config.fromfile(config).train_dataloader.dataset
    for inner in (dataset.datasets[0], dataset.datasets[1].dataset):
        inner.data_root = str(followed[0] / inner.data_root)
    assert len(DATASETS.build(dataset)) == 6 + 3 * 2


def test_results_are_of_the_new_classes(followed):
    folder, printed = followed
    for name in ('results', 'g'):
        tracks = json.loads(
            (folder / f'work_dirs/instances/{name}.json').read_text()
        )
        assert {track['category_id'] for track in tracks} == {1, 2}
    maps = sorted((folder / 'work_dirs/panoptic/g').glob('*.png'))
    assert len(maps) == 12
    lines = printed['python'].splitlines()
    assert len(lines) == 24  # twelve frames by either model
    ids = [i for line in lines[12:] for i in json.loads(line.split(' ', 1)[1])]
    assert {i % 1000 for i in ids} <= {0, 1, 2, 3}


def test_json_of_instances(tmp_path):
    """The JSON is valid, and the table has every field."""
    content = read_json(read_page(PAGE))[0]
    told = set(
        re.findall(
            r'^\| (.*?) \|', (ROOT / 'docs' / PAGE).read_text(), re.MULTILINE
        )
    )
    told = {name for cell in told for name in re.findall(r'`(\w+)`', cell)}
    assert keys(content) <= told

    annotation = content['annotations'][0]
    for mask, area, box in zip(
        annotation['segmentations'], annotation['areas'], annotation['bboxes']
    ):
        if mask is not None:
            rle = mask_utils.frPyObjects(mask, 96, 160)
            rle = mask_utils.merge(rle) if isinstance(rle, list) else rle
            assert mask_utils.area(rle) == area
            assert mask_utils.toBbox(rle).tolist() == box
    (tmp_path / 'some.json').write_text(json.dumps(convert(content, True)))
    dataset = DATASETS.build(
        dict(
            type='YouTubeVISClipDataset',
            dataset_version='2021',
            data_root=str(tmp_path),
            ann_file='some.json',
            clip_len=3,
            metainfo=dict(classes=('square',)),
            pipeline=[],
        )
    )
    video = dataset.get_data_info(0)
    assert [len(image['instances']) for image in video['images']] == [1, 0, 1]
    assert video['images'][2]['instances'][0]['bbox_label'] == 0


def keys(node):
    """All keys of a JSON."""
    if isinstance(node, list):
        return set().union(*map(keys, node))
    if not isinstance(node, dict):
        return set()
    return node.keys() | keys(list(node.values()))


def test_json_of_panoptic(tmp_path, followed):
    categories, content = read_json(read_page(PAGE))[1:]
    assert categories == json.loads(
        (followed[0] / 'data/custom/vps/categories.json').read_text()
    )
    (tmp_path / 'some.json').write_text(json.dumps(content))
    dataset = DATASETS.build(
        dict(
            type='VIPSegDataset',
            data_root=str(tmp_path),
            ann_file='some.json',
            metainfo=dict(
                classes=('sky', 'square'),
                stuff_classes=('sky',),
                thing_classes=('square',),
            ),
            pipeline=[],
        )
    )
    frame = dataset.get_data_info(0)['images'][0]
    colors = np.zeros((96, 160, 3), np.uint8) + np.uint8((90, 160, 255))
    colors[10:40, 20:60] = (220, 40, 40)
    path = tmp_path / 'panomasksRGB/a/00000.png'
    assert frame['seg_map_path'] == str(path)
    path.parent.mkdir(parents=True)
    cv2.imwrite(str(path), colors[..., ::-1])
    segments = frame['segments_info']
    ids = index_map(read_id_map(str(path), ''), segments, '')
    for i, segment in enumerate(segments, 1):
        assert segment['area'] == (ids == i).sum()
        assert segment['is_thing'] == (i == 2)


def test_values_of_maps(followed):
    """Those of the example, and the trap that the page warns of."""
    path = followed[0] / 'data/custom/vps/panomasks/a/00003.png'
    values = read_id_map(str(path), '', raw=True)
    _, segments = read_raw_segments(values, (False, False, True, True), '')
    assert [(s['id'], s['category']) for s in segments] == [
        (1, 0),
        (2, 1),
        (300, 2),
        (400, 3),
    ]
    with pytest.raises(ValueError, match='class number 100 counted from 1'):
        read_raw_segments(np.array([[100]]), (True, True), '')


@pytest.mark.parametrize('kind', KINDS)
def test_config_of_a_real_model(tmp_path, kind):
    """The lines that the page asks users to change."""
    folder = workplace(tmp_path)
    (lines,) = (
        block.text
        for block in read_page(PAGE)
        if block.label == f'real {kind}'
    )
    example = (ROOT / f'docs/examples/custom_dataset/{kind}.py').read_text()
    example = re.sub(r'(?s)_base_ = \(.*?\)\n', '', example)
    example = re.sub(r'load_from = .*\n', '', example)
    config = folder / 'configs/custom/my_videos.py'
    config.parent.mkdir()
    config.write_text(lines + example)
    cfg = Config.fromfile(config)
    assert cfg.load_from.startswith('checkpoints/')
    num_classes = len(cfg.train_dataloader.dataset.metainfo.classes)
    init_default_scope('mmdet')
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    shapes = {
        tuple(weight.shape[:1])
        for name, weight in model.named_parameters()
        if 'cls_embed' in name and name.endswith('weight')
    }
    assert shapes == {(num_classes + 1,)}
    if kind == 'panoptic':
        assert model.head.merge_cfg['thing_labels'] == (2, 3)
