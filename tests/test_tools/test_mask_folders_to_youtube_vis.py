# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Folders of palette masks, up to the loading of a training sample."""

import shutil

import projects.maxtron  # noqa: F401, before MMDetection

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from PIL import Image

from tests.test_datasets.tiny_videos import NUM_FRAMES, draw_frame, draw_masks
from tools.dataset_converters import youtube_vis_to_coco
from tools.dataset_converters.mask_folders_to_youtube_vis import main


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Videos as in MOSE; every second mask of a video is missing."""
    root = tmp_path_factory.mktemp('mose')
    for name, length in NUM_FRAMES.items():
        for kind in ('JPEGImages', 'Annotations'):
            (root / 'train' / kind / name).mkdir(parents=True)
        for t in range(length):
            frame = root / f'train/JPEGImages/{name}/{t:05d}.jpg'
            cv2.imwrite(str(frame), draw_frame(name, t))
            if name == 'portrait' and t % 2:
                continue
            ids = np.zeros(draw_frame(name, t).shape[:2], np.uint8)
            for number, (_, mask) in enumerate(draw_masks(name, t), 1):
                if mask is not None:
                    ids[mask > 0] = 3 * number
            ids[:2, :2] = 255  # void
            image = Image.fromarray(ids, 'P')
            image.putpalette(list(range(256)) * 3)
            image.save(root / f'train/Annotations/{name}/{t:05d}.png')
    return root


def convert(root, *options):
    folder = root / 'train'
    main(
        [
            str(folder / 'JPEGImages'),
            str(folder / 'Annotations'),
            str(root / 'train.json'),
            *options,
        ]
    )


def test_masks_are_kept(folders, tmp_path):
    root = shutil.copytree(folders, tmp_path / 'own')
    convert(root, '--name=thing')
    youtube_vis_to_coco.main([str(root), '--version=custom', '--splits=train'])
    dataset = DATASETS.build(
        dict(
            type='OVISDataset',
            data_root=str(root),
            ann_file='annotations/train.json',
            data_prefix=dict(img_path='train/JPEGImages'),
            metainfo=dict(classes=('thing',)),
            clip_len=3,
            pipeline=[dict(type='ClipSampler')],
            _scope_='mmdet',
        )
    )
    videos = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert [video['video_length'] for video in videos] == [7, 3]
    for video, name in zip(videos, NUM_FRAMES):
        step = 1 if name == 'landscape' else 2
        for t, image in enumerate(video['images']):
            drawn = [m for _, m in draw_masks(name, step * t) if m is not None]
            areas = [mask.sum() for mask in drawn]
            boxes = [x['bbox'] for x in image['instances']]
            found = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes]
            assert found == areas


def write(path, pixels):
    cv2.imwrite(str(path), np.asarray(pixels, np.uint8))


@pytest.mark.parametrize(
    'spoil, message',
    [
        (
            lambda train: shutil.rmtree(train / 'Annotations'),
            'Annotations has no folders of videos. Is it the folder of masks',
        ),
        (
            lambda train: [
                path.unlink()
                for path in (train / 'Annotations/portrait').iterdir()
            ],
            'video portrait: .*Annotations/portrait has no masks',
        ),
        (
            lambda train: (train / 'JPEGImages/portrait/00002.jpg').unlink(),
            'frame 00002 has a mask, but .*/portrait has no 00002.jpg',
        ),
        (
            lambda train: write(
                train / 'Annotations/portrait/00002.png', np.ones((9, 8))
            ),
            r'00002.png is 9 x 8 \(height x width\), but its image is 96 x 64',
        ),
        (
            lambda train: write(
                train / 'Annotations/portrait/00002.png', np.ones((96, 64, 3))
            ),
            r'video portrait, frame 00002: .* has 3 channel\(s\)',
        ),
        (
            lambda train: [
                write(train / f'{kind}/portrait/00002.{end}', np.ones((9, 8)))
                for kind, end in (
                    ('JPEGImages', 'jpg'),
                    ('Annotations', 'png'),
                )
            ],
            'is 9 x 8 .*, but portrait/00000.jpg is 96 x 64',
        ),
    ],
)
def test_bad_input(folders, tmp_path, spoil, message):
    root = shutil.copytree(folders, tmp_path / 'own')
    spoil(root / 'train')
    with pytest.raises(SystemExit, match=message):
        convert(root)
    assert not (root / 'train.json').exists()
