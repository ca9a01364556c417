# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Messages of tools/train.py and tools/test.py on bad VIPSeg data."""

import json
import re

import cv2
import pytest
import torch
from mmengine.config import Config

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


def change_things(root):
    """Let the file call the first thing of its categories stuff."""
    path = root / 'tiny.py'
    cfg = Config.fromfile(path)
    labels = cfg.model.head.test_cfg.thing_labels
    cfg.model.head.test_cfg.thing_labels = list(labels)[1:]
    cfg.dump(path)


def drop_field(root):
    path = root / 'train.json'
    content = json.loads(path.read_text())
    del content['videos'][0]['video_id']
    path.write_text(json.dumps(content))


def unknown_category(root):
    path = root / 'train.json'
    content = json.loads(path.read_text())
    frame = content['annotations'][0]['annotations'][0]
    frame['segments_info'][0]['category_id'] = 999
    path.write_text(json.dumps(content))


def no_video(root):
    path = root / 'train.json'
    content = json.loads(path.read_text())
    content.update(videos=[], annotations=[])
    path.write_text(json.dumps(content))


def wrong_channels(root):
    path = root / 'tiny.py'
    cfg = Config.fromfile(path)
    cfg.model.head.segmenter.in_channels[0] += 1
    cfg.dump(path)


def use_worker(root):
    """Remove a frame that a worker process of the data loader reads."""
    remove_frames(root)
    cfg = Config.fromfile(root / 'tiny.py')
    cfg.train_dataloader.num_workers = 1
    cfg.dump(root / 'tiny.py')


def misspell_type(root):
    cfg = Config.fromfile(root / 'tiny.py')
    cfg.model.type = 'MaXTronn'
    cfg.dump(root / 'tiny.py')


def only_data(root):
    cfg = Config.fromfile(root / 'tiny.py')
    cfg.pop('model')
    cfg.dump(root / 'tiny.py')


@pytest.mark.slow
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
            r'^error: Frame \d of video (portrait|landscape), .*png, does not exist. Check',
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
        (
            'train.py',
            use_worker,
            r'Frame \d of video .*png, does not exist. Check',
        ),
        (
            'train.py',
            change_things,
            'thing_labels contradicts metainfo of the',
        ),
        ('test.py', change_things, 'thing_labels contradicts metainfo of the'),
        (
            'train.py',
            drop_field,
            "train.json: .*the field 'video_id' is missing",
        ),
        (
            'test.py',
            drop_field,
            "train.json: .*the field 'video_id' is missing",
        ),
        ('train.py', unknown_category, 'train.json: .*999'),
        ('test.py', no_video, 'train.json'),
        ('train.py', no_video, 'train.json'),
        (
            'train.py',
            wrong_channels,
            'model.head.segmenter.in_channels is .* Set it to',
        ),
        (
            'train.py',
            misspell_type,
            "type='MaXTronn', but the registry .* has no",
        ),
        ('test.py', only_data, 'tiny.py has no model: give a whole config'),
        ('train.py', only_data, 'tiny.py has no model: give a whole config'),
    ],
)
def test_bad_data_is_named(run_here, tmp_path, tool, spoil, message):
    write_run(tmp_path)
    spoil(tmp_path)
    checkpoint = [tmp_path / 'tiny.pth'] if tool == 'test.py' else []
    end, _ = run_here(tool, tmp_path / 'tiny.py', *checkpoint)
    # the output ends with one sentence of this project
    assert isinstance(end, SystemExit), repr(end)
    assert end.code.startswith('error: ')
    assert re.search(message, str(end)), str(end)
    assert len(str(end)) < 500 and '\n' not in str(end)
