# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""KITTI-STEP and its conversion."""

import shutil

import cv2
import numpy as np
import pytest

from tests.test_datasets.tiny_benchmarks import (
    STEP_SEGMENTS,
    step_map,
    write_kitti_step,
)
from tests.test_datasets.tiny_panoptic import build, draw_map
from tools.dataset_converters import step_to_720p


@pytest.fixture(scope='module')
def step(tmp_path_factory):
    root = tmp_path_factory.mktemp('kitti_step')
    write_kitti_step(root)
    return root


def build_step(root, **kwargs):
    return build(
        root,
        'panoptic_gt_KITTI-STEP_train.json',
        type='KITTISTEPDataset',
        data_prefix=dict(img_path='images/train'),
        **kwargs,
    )


def test_maps_are_kept(step):
    """Classes, tubes, void and crowds of every pixel."""
    dataset = build_step(step, clip_len=7)
    assert sum(dataset.metainfo['isthing']) == 2
    for t, frame in enumerate(dataset[0]['data_samples']):
        raw = draw_map('landscape', t)
        table = np.zeros((501, 2), int)
        for value, pair in STEP_SEGMENTS.items():
            table[value] = pair
        labels, instances = np.moveaxis(table[raw], -1, 0)
        # R + 1 + 256 G + 65536 B, where 256 G + B is the instance
        green, blue = instances // 256, instances % 256
        tubes = np.where(
            labels == 255, 0, labels + 1 + 256 * green + 65536 * blue
        )
        tubes[:4, -4:], labels[:4, -4:] = 0, 255  # the crowd
        assert (frame.gt_panoptic_seg.sem_seg[0, :64].numpy() == tubes).all()
        assert (frame.gt_sem_seg.sem_seg[0, :64].numpy() == labels).all()
        assert sorted(frame.gt_instances.labels.tolist()) == [0, 2, 13, 13]


def class_19(root):
    pixels = step_map('landscape', 0)
    pixels[:5, :5] = 0, 0, 19
    path = root / 'panoptic_maps/train/0000/000000.png'
    cv2.imwrite(str(path), pixels)


@pytest.mark.parametrize(
    'spoil, message',
    [
        (
            lambda root: (root / 'images/train/0003/000004.png').unlink(),
            'sequence 0003: frame 000004 is in .*/panoptic_maps/train/0003, '
            'but not in .*/images/train/0003',
        ),
        (
            lambda root: (
                root / 'panoptic_maps/train/0000/000006.png'
            ).unlink(),
            'frame 000006 is in .*/images/train/0000, but not in .*maps',
        ),
        (
            lambda root: [
                path.unlink()
                for path in (root / 'panoptic_maps/train/0003').iterdir()
            ],
            'sequence 0003: .*/panoptic_maps/train/0003 has no maps',
        ),
        (
            lambda root: shutil.move(root / 'panoptic_maps', root / 'maps'),
            'panoptic_maps/train has no sequences. Is .* folder of KITTI-STEP',
        ),
        (
            class_19,
            'sequence 0000, frame 000000: .*.png has the class 19, but classes '
            'are 0 to 18, and 255 is void',
        ),
        (
            lambda root: cv2.imwrite(
                str(root / 'panoptic_maps/train/0000/000000.png'),
                np.zeros((64, 96), np.uint8),
            ),
            'has 1 channel.* not 8 bit RGB',
        ),
    ],
)
def test_bad_input(step, tmp_path, spoil, message):
    root = shutil.copytree(step, tmp_path / 'own')
    spoil(root)
    with pytest.raises(SystemExit, match=f'step_to_720p: .*{message}'):
        step_to_720p.main([str(root), '--splits=train', '--nproc=1'])
