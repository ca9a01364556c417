# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config

CATEGORIES = [
    dict(id=1, name='person', isthing=1),
    dict(id=2, name='car', isthing=1),
    dict(id=184, name='tree', isthing=0),
]
COCO_SEGMENTS = [  # id, category, crowd, (y, x, height, width)
    (10, 184, 0, (0, 0, 300, 400)),
    (300, 1, 0, (50, 50, 100, 100)),
    (70000, 1, 1, (200, 200, 60, 100)),
    (90001, 2, 0, (160, 20, 50, 60)),
]
PLAIN = [
    dict(type='RandomClipSampler'),
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadVideoFrame', to_float32=False),
            dict(type='LoadPanopticMap'),
            dict(type='PadToCanvas', canvas=(401, 301)),
        ],
    ),
    dict(type='PackPanopticClip', stride=1),
]


@pytest.fixture(scope='module')
def coco(tmp_path_factory):
    """Two images; the second has a single segment of 30 x 30 pixels."""
    root = tmp_path_factory.mktemp('coco')
    content = dict(images=[], annotations=[], categories=CATEGORIES)
    for folder in ('train', 'seg'):
        (root / folder).mkdir()
    for k, segments in enumerate(
        (COCO_SEGMENTS, [(5, 184, 0, (0, 0, 30, 30))])
    ):
        ids = np.zeros((300, 400), np.int32)
        for name, _, _, (y, x, height, width) in segments:
            ids[y : y + height, x : x + width] = name
        infos = []
        for name, category, crowd, (y, x, height, width) in segments:
            infos.append(
                dict(
                    id=name,
                    category_id=category,
                    iscrowd=crowd,
                    bbox=[x, y, width, height],
                    area=int((ids == name).sum()),
                )
            )
        content['images'].append(
            dict(id=k + 1, file_name=f'{k}.jpg', height=300, width=400)
        )
        content['annotations'].append(
            dict(image_id=k + 1, file_name=f'{k}.png', segments_info=infos)
        )
        colors = np.stack([ids >> 16, ids >> 8, ids], -1).astype(np.uint8)
        assert cv2.imwrite(str(root / f'seg/{k}.png'), colors)
        image = np.full((300, 400, 3), 90 + k, np.uint8)
        assert cv2.imwrite(str(root / f'train/{k}.jpg'), image)
    (root / 'train.json').write_text(json.dumps(content))
    return root


def build_coco(coco, pipeline=None, **kwargs):
    config = Config.fromfile('configs/_base_/datasets/coco_panoptic_kmax.py')
    cfg = config.train_dataloader.dataset
    cfg.update(
        data_root=str(coco),
        ann_file='train.json',
        data_prefix=dict(img='train', seg='seg'),
        metainfo=dict(
            classes=('person', 'car', 'tree'),
            thing_classes=('person', 'car'),
            stuff_classes=('tree',),
        ),
        serialize_data=False,
    )
    if pipeline is not None:
        cfg.pipeline = pipeline
    cfg.update(kwargs)
    return DATASETS.build(cfg)


def test_coco_image_is_a_clip(coco):
    sample = build_coco(coco, PLAIN)[0]
    assert sample['inputs'].shape == (1, 3, 301, 401)
    frame = sample['data_samples'][0]
    semantic = frame.gt_sem_seg.sem_seg[0]
    points = [(0, 0), (60, 60), (210, 210), (170, 30), (300, 0)]
    # the crowd is left out
    assert [int(semantic[p]) for p in points] == [2, 0, 255, 1, 255]
    tubes = frame.gt_panoptic_seg.sem_seg[0]
    assert [int(tubes[p]) for p in points] == [10, 300, 0, 90001, 0]
    assert frame.gt_instances.instances_ids.tolist() == [10, 300, 90001]
    assert frame.gt_instances.labels.tolist() == [2, 0, 1]
    assert frame.img_id == 1 and frame.ori_shape == (300, 400)


def test_segments_that_mmdet_leaves_out(coco):
    """Those with an empty box or without an area, if the map shows them."""
    content = json.loads((coco / 'train.json').read_text())
    infos = content['annotations'][0]['segments_info']
    infos[0]['bbox'][3] = 0
    infos[1]['bbox'][2] = 0.5
    infos[3]['area'] = 0
    infos.append(dict(infos[3], id=7))  # not shown
    (coco / 'empty.json').write_text(json.dumps(content))
    dataset = build_coco(coco, PLAIN, ann_file='empty.json')
    frame = dataset[0]['data_samples'][0]
    assert frame.gt_instances.instances_ids.tolist() == [10, 300, 90001]
    assert frame.gt_instances.labels.tolist() == [2, 0, 1]
    assert set(frame.gt_sem_seg.sem_seg.unique().tolist()) == {0, 1, 2, 255}
    infos[-1]['area'] = 1
    (coco / 'empty.json').write_text(json.dumps(content))
    dataset = build_coco(coco, PLAIN, ann_file='empty.json')
    with pytest.raises(ValueError, match='segment 7, which has no pixel'):
        dataset[0]


@pytest.mark.parametrize('flag', [-1, 1.5, 1e30, '1', None])
def test_wrong_crowd_flag(coco, flag):
    content = json.loads((coco / 'train.json').read_text())
    content['annotations'][0]['segments_info'][1]['iscrowd'] = flag
    (coco / 'flag.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"'iscrowd' is .*, but must be 0 or"):
        build_coco(coco, PLAIN, ann_file='flag.json')


def test_labels_are_bytes(coco):
    names = tuple(map(str, range(256)))
    with pytest.raises(ValueError, match='256 classes.* more than 255'):
        build_coco(
            coco,
            metainfo=dict(
                classes=names, thing_classes=names, stuff_classes=()
            ),
        )


def test_coco_config(coco):
    """The whole pipeline; an image with too few labels is drawn anew."""
    np.random.seed(0)
    dataset = build_coco(coco)
    for idx in (0, 1):
        sample = dataset[idx]
        frame = sample['data_samples'][0]
        assert sample['inputs'].shape == (1, 3, 1281, 1281)
        tubes = frame.gt_panoptic_seg.sem_seg
        assert tubes.shape == (1, 321, 321)
        assert (frame.gt_sem_seg.sem_seg != 255).sum() > 4096
        assert len(frame.gt_instances)


def test_coco_in_test_mode(coco):
    config = Config.fromfile('configs/_base_/datasets/coco_panoptic_kmax.py')
    sample = build_coco(coco, config.test_pipeline, test_mode=True)[0]
    assert sample['inputs'].shape == (3, 300, 400)
    assert sample['data_samples'].img_id == 1
    assert sample['data_samples'].ori_shape == (300, 400)
