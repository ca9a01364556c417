# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS

from tests.test_tools.raw_vipseg import load
from tools.dataset_converters.vipseg_to_720p import main as convert

OWN = [
    dict(id=3, name='небо', isthing=0, color=[90, 160, 255]),
    dict(id='x', name='square', isthing=1, color=[220, 40, 40]),
]


@pytest.fixture
def own(tmp_path):
    """A user's video, written by :func:`write_own`."""

    def write_own(name, frames, content=None, encoding='utf-8'):
        for t, frame in enumerate(frames):
            ids = np.full((20, 30), 1, np.uint16)
            ids[4:10, t : 6 + t] = 200
            for folder, suffix in (('imgs', 'jpg'), ('panomasks', 'png')):
                path = tmp_path / folder / name / f'{frame}.{suffix}'
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), ids if suffix == 'png' else ids % 100)
        lines = f'  {name} \r\n\r\n'
        (tmp_path / 'train.txt').write_text(lines, encoding)
        text = json.dumps(OWN if content is None else content)
        (tmp_path / 'categories.json').write_text(text, encoding)
        return [
            str(tmp_path),
            '--height=20',
            '--nproc=1',
            f'--categories={tmp_path}/categories.json',
        ]

    return write_own


@pytest.mark.parametrize(
    'name, frames',
    [
        ('my video', ['0', '1']),
        ('видео, 2', ['0', '1']),
        ('a/b', ['0', '1']),
        ('SEQ', ['img1/1', 'img1/2', 'img1/10']),
        ('a', [str(t) for t in range(1, 13)]),
        ('a', ['f_9', 'f_10', 'f_11']),
    ],
)
def test_any_names_and_one_order(own, tmp_path, name, frames):
    """The raw layout and the converted layout have the same order."""
    convert(own(name, frames, encoding='utf-8-sig'))
    content = load(tmp_path / 'VIPSeg_720P')
    assert [i['id'] for i in content['videos'][0]['images']] == frames
    assert content['categories'] == OWN
    cfg = dict(
        type='VIPSegDataset',
        metainfo=dict(
            classes=('небо', 'square'),
            stuff_classes=('небо',),
            thing_classes=('square',),
        ),
        pipeline=[],
        _scope_='mmdet',
    )
    for root, ann_file in (
        (tmp_path, 'train.txt'),
        (tmp_path / 'VIPSeg_720P', 'panoptic_gt_VIPSeg_train.json'),
    ):
        dataset = DATASETS.build(
            dict(cfg, data_root=str(root), ann_file=ann_file)
        )
        images = dataset.get_data_info(0)['images']
        assert [i['img_id'] for i in images] == frames
        assert dataset.metainfo['category_ids'] == (3, 'x')
        for image in images:
            assert cv2.imread(image['img_path']) is not None
            assert cv2.imread(image['seg_map_path']) is not None


def test_files_of_operating_systems_are_no_frames(own, tmp_path):
    options = own('a', ['0', '1'])
    for folder in ('imgs', 'panomasks'):
        for name in ('._0.jpg', '._0.png', '.DS_Store', 'Thumbs.db'):
            (tmp_path / folder / 'a' / name).write_bytes(b'x')
    convert(options)
    images = load(tmp_path / 'VIPSeg_720P')['videos'][0]['images']
    assert [i['id'] for i in images] == ['0', '1']


@pytest.mark.parametrize('field', ['id', 'name', 'isthing', 'color'])
@pytest.mark.parametrize('value', ['absent', None, [1, 2], '', 300])
def test_wrong_categories(own, field, value):
    category = dict(OWN[0], **{field: value})
    if value == 'absent':
        del category[field]
    if (field, value) == ('id', 300):
        category['id'] = 'x'  # as the second
    message = r'categories.json: (category|item 0 of categories)[^:]*: '
    with pytest.raises(SystemExit, match=message):
        convert(own('a', ['0'], [category, OWN[1]]))


def test_two_categories_of_one_name_or_colour(own):
    for change, message in (
        (dict(name='небо'), 'category x: another category has the same name'),
        (dict(isthing=0, color=[90, 160, 255]), 'The colour .* is that of'),
    ):
        with pytest.raises(SystemExit, match=f'categories.json: .*{message}'):
            convert(own('a', ['0'], [OWN[0], dict(OWN[1], **change)]))


def test_order_of_the_classes_in_raw_maps(own, tmp_path):
    own('a', ['0'])
    with pytest.raises(ValueError, match='categories.json lists the classes'):
        DATASETS.build(
            dict(
                type='VIPSegDataset',
                data_root=str(tmp_path),
                ann_file='train.txt',
                metainfo=dict(
                    classes=('square', 'небо'),
                    stuff_classes=('небо',),
                    thing_classes=('square',),
                ),
                pipeline=[],
                _scope_='mmdet',
            )
        )
