# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Messages of tools/train.py and tools/test.py on bad VIPSeg data."""

import re

import cv2
import pytest
import torch

from tests.models import build
from tests.shrinking import shrink
from tests.test_datasets.tiny_panoptic import write_dataset

CONFIG = 'configs/video_kmax/vipseg/video-kmax_r50_8xb4-40k_vipseg.py'


def write_run(root):
    """Write data, a small config for it and weights for that."""
    write_dataset(root)
    cfg = shrink(CONFIG, root, root / 'out')
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.update(
            data_root=f'{root}/', ann_file='train.json'
        )
    cfg.dump(root / 'tiny.py')
    torch.save(
        dict(state_dict=build(cfg.model).state_dict()), root / 'tiny.pth'
    )


def remove_annotations(root):
    (root / 'train.json').unlink()


def remove_frames(root):
    for path in root.glob('images/*/*.png'):
        path.unlink()


def remove_frame(root):
    (root / 'images/portrait/00003.png').unlink()


def crop_map(root, width=56):
    path = str(root / 'panomasksRGB/portrait/00003.png')
    assert cv2.imwrite(path, cv2.imread(path)[:, :width])


def draw_unknown_segment(root):
    path = str(root / 'panomasksRGB/portrait/00003.png')
    ids = cv2.imread(path)
    ids[20:30, 20:30] = (0, 0, 7)
    assert cv2.imwrite(path, ids)


@pytest.mark.parametrize(
    'tool, spoil, message',
    [
        (
            'train.py',
            remove_annotations,
            'The file .*train.json does not exist. Set data_root and ann_file',
        ),
        (
            'train.py',
            remove_frames,
            r'Frame \d of video (portrait|landscape), .*png, does not exist. Check',
        ),
        (
            'test.py',
            remove_frame,
            'Frame 3 of video portrait, .*/portrait/00003.png, does not exist.',
        ),
        (
            'test.py',
            crop_map,
            'video portrait, frame 00003: the prediction is 96 x 64 .*truth 96 x 56',
        ),
        (
            'test.py',
            draw_unknown_segment,
            'video portrait, frame 00003: the mask of the ground truth has ids .* 7',
        ),
    ],
)
def test_bad_data_is_named(run_here, tmp_path, tool, spoil, message):
    write_run(tmp_path)
    spoil(tmp_path)
    checkpoint = [tmp_path / 'tiny.pth'] if tool == 'test.py' else []
    end, _ = run_here(tool, tmp_path / 'tiny.py', *checkpoint)
    # the output ends with one sentence of this project
    assert re.search(message, str(end)), str(end)
    assert len(str(end)) < 300 and '\n' not in str(end)
