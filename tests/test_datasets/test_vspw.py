# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""VSPW as it is published."""

import shutil

import cv2
import numpy as np
import pytest

from tests.test_datasets.tiny_benchmarks import (
    vspw_files,
    vspw_mask,
    write_files,
)
from tests.test_datasets.tiny_panoptic import DOOR, WALL, build


@pytest.fixture(scope='module')
def vspw(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp('vspw'), vspw_files())


def build_vspw(root, **kwargs):
    return build(
        root, 'train.txt', type='VSPWDataset', img_suffix='.jpg', **kwargs
    )


def test_a_class_is_a_segment(vspw):
    dataset = build_vspw(vspw, clip_len=7)
    assert not any(dataset.metainfo['isthing'])
    assert len(dataset.metainfo['classes']) == 124
    for t, frame in enumerate(dataset[0]['data_samples']):
        mask = vspw_mask('landscape', t).astype(int)
        labels = np.where(mask == 0, 255, np.where(mask == 255, 255, mask - 1))
        found = frame.gt_sem_seg.sem_seg[0].numpy()
        assert (found[:64] == labels).all()
        ids = frame.gt_panoptic_seg.sem_seg[0, :64].numpy()
        assert (ids == np.where(labels == 255, 0, labels + 1)).all()
        # the two doors of VIPSeg are one segment here
        assert frame.gt_instances.labels.tolist()[:2] == [WALL, DOOR]


def paint(root):
    mask = np.full((64, 96), 125, np.uint8)
    cv2.imwrite(str(root / 'data/landscape/mask/00000000.png'), mask)


def halve(root):
    mask = np.ones((32, 48), np.uint8)
    cv2.imwrite(str(root / 'data/landscape/mask/00000000.png'), mask)


@pytest.mark.parametrize(
    'spoil, message',
    [
        (
            lambda root: (root / 'data/portrait/mask/00000002.png').unlink(),
            'Video portrait: frame 00000002 has an image in .*/origin, but no '
            'map in .*data/portrait/mask',
        ),
        (
            lambda root: (root / 'data/portrait/origin/00000004.jpg').unlink(),
            'portrait: frame 00000004 has a map in .*, but no image',
        ),
        (
            lambda root: shutil.rmtree(root / 'data/portrait/mask'),
            'Video portrait has no maps in .*data/portrait/mask',
        ),
        (
            lambda root: shutil.move(root / 'data', root / 'JPEGImages'),
            'train.txt lists the video landscape, but there are no images '
            '.*data/landscape/origin. Check data_root',
        ),
        (
            lambda root: (root / 'train.txt').write_text('\n'),
            'train.txt lists no videos',
        ),
        (paint, 'value 125, which means class number 125 .* 124 classes'),
        (halve, 'the panoptic map is 32 x 48 .*, but the image .* is 64 x 96'),
    ],
)
def test_bad_input(vspw, tmp_path, spoil, message):
    root = shutil.copytree(vspw, tmp_path / 'own')
    spoil(root)
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        build_vspw(root, clip_len=7)[0]
