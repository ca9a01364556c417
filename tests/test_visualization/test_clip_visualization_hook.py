# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from argparse import Namespace

from projects.maxtron.visualization import ClipLocalVisualizer

import cv2
import numpy as np
import pytest
from mmdet.engine.hooks.utils import trigger_visualization_hook
from mmengine.config import Config
from mmengine.runner import Runner

from tests.footage import PANOPTIC_CONFIG, write_config
from tests.shrinking import shrink
from tests.test_datasets import tiny_panoptic
from tests.test_datasets.tiny_coco import PICTURES, write_coco
from tests.test_datasets.tiny_videos import (
    CLASSES,
    NUM_FRAMES,
    VIDEOS,
    move_frames_deeper,
    write_dataset,
)


def run_show_dir(cfg, tmp_path, show=False):
    """Test like ``tools/test.py --show-dir``; return the folder."""
    cfg = trigger_visualization_hook(
        cfg, Namespace(show=show, show_dir='shown', wait_time=2)
    )
    runner = Runner(
        model=cfg.model,
        work_dir=str(tmp_path / 'work'),
        test_dataloader=cfg.test_dataloader,
        test_evaluator=cfg.test_evaluator,
        test_cfg=dict(type='TestLoop'),
        default_hooks=cfg.default_hooks,
        visualizer=dict(cfg.visualizer, name=tmp_path.name),
        default_scope=cfg.default_scope,
        experiment_name=tmp_path.name,
    )
    runner.test()
    return tmp_path / 'work' / runner.timestamp / 'shown'


@pytest.mark.slow
@pytest.mark.parametrize('below', ['', 'img1'])
def test_show_dir_of_a_test_run(tmp_path, below):
    write_dataset(tmp_path)
    if below:
        move_frames_deeper(
            tmp_path / 'train/JPEGImages', tmp_path / 'train.json'
        )
    cfg = Config.fromfile(write_config(tmp_path))
    cfg.model.head.segmenter.num_classes = len(CLASSES)
    cfg.test_dataloader.dataset.update(
        data_root=str(tmp_path),
        ann_file='train.json',
        data_prefix=dict(img_path='train/JPEGImages'),
        metainfo=dict(classes=CLASSES),
    )
    cfg.test_evaluator.update(outfile_prefix=str(tmp_path / 'results'))
    cfg.default_hooks.visualization.score_thr = 0.0
    show_dir = run_show_dir(cfg, tmp_path)
    assert {path.name for path in show_dir.iterdir()} == set(VIDEOS)
    for name, (height, width, _) in VIDEOS.items():
        images = sorted((show_dir / name / below).iterdir())
        assert [path.name for path in images] == [
            f'{t:05d}.png' for t in range(NUM_FRAMES[name])
        ]
        for path in images:  # ground truth beside the prediction
            drawn = cv2.imread(str(path))
            assert drawn.shape == (height, 2 * width, 3)
            frame = tmp_path / 'train/JPEGImages' / name / below / path.name
            # scores of random weights are low, but above the threshold
            assert (drawn[:, width:] != cv2.imread(str(frame))).any()


@pytest.mark.slow
@pytest.mark.parametrize('ann_file', ['train.json', 'train.txt'])
def test_show_dir_of_a_panoptic_test_run(tmp_path, ann_file, monkeypatch):
    """Frames are shown in windows, too."""
    windows = []
    monkeypatch.setattr(
        ClipLocalVisualizer,
        'show',
        lambda self, drawn, win_name, wait_time: windows.append(
            (win_name, wait_time)
        ),
    )
    tiny_panoptic.write_dataset(tmp_path)
    cfg = Config.fromfile(write_config(tmp_path, PANOPTIC_CONFIG))
    cfg.model.head.segmenter.num_classes = 124
    cfg.test_dataloader.dataset.update(
        type='VIPSegDataset',
        data_root=str(tmp_path),
        ann_file=ann_file,
        img_suffix='.png',
    )
    show_dir = run_show_dir(cfg, tmp_path, show=True)
    assert windows == [
        (f'{name}/{t:05d}.png', 2)
        for name, (*_, length) in tiny_panoptic.VIDEOS.items()
        for t in range(length)
    ]
    for name, (height, width, length) in tiny_panoptic.VIDEOS.items():
        truths = []
        for t in range(length):
            drawn = cv2.imread(str(show_dir / name / f'{t:05d}.png'))
            assert drawn.shape == (height, 2 * width, 3)
            image = tiny_panoptic.draw_frame(name, t)
            np.testing.assert_array_equal(drawn[-8:, :2], image[-8:, :2])
            # the colours that were mixed with the image, half and half
            truths.append(drawn[:, :width] * 2.0 - image)
        # stuff, away from labels and borders
        rows, bgr = dict(
            landscape=(slice(55, 60), (51, 255, 8)),
            portrait=(slice(90, 92), (82, 6, 255)),
        )[name]
        np.testing.assert_allclose(
            [truth[rows, 40:56] for truth in truths],
            np.broadcast_to(bgr, (length, rows.stop - rows.start, 16, 3)),
            atol=2,
        )
        if name == 'landscape':
            check_doors(truths)


def check_doors(truths):
    """Check that two doors, of which the first moves, keep their colours."""
    doors = np.array(
        [
            (truth[28:36, 17 + 2 * t : 27 + 2 * t], truth[44:52, 63:73])
            for t, truth in enumerate(truths)
        ]
    )
    colors = np.median(doors, axis=(0, 2, 3))
    assert np.abs(colors[0] - colors[1]).sum() > 80
    np.testing.assert_allclose(
        doors, np.broadcast_to(colors[:, None, None], doors.shape), atol=2
    )


def test_show_dir_of_images(tmp_path):
    pytest.importorskip('panopticapi', reason='CocoPanopticMetric needs it')
    write_coco(tmp_path / 'coco')
    cfg = shrink(
        'configs/kmax/coco/kmax_r50_8xb8-150k_coco-panoptic.py',
        tmp_path,
        tmp_path / 'work',
    )
    images = sorted(run_show_dir(cfg, tmp_path).iterdir())
    assert [path.name for path in images] == [
        f'{i:012d}.jpg' for i in range(1, 1 + len(PICTURES))
    ]
    assert cv2.imread(str(images[0])) is not None
