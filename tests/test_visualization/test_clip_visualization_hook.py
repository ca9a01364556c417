# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from argparse import Namespace

import projects.maxtron  # noqa: F401, before MMDetection

import cv2
from mmdet.engine.hooks.utils import trigger_visualization_hook
from mmengine.config import Config
from mmengine.runner import Runner

from tests.footage import write_config
from tests.test_datasets.tiny_videos import (
    CLASSES,
    NUM_FRAMES,
    VIDEOS,
    write_dataset,
)


def test_show_dir_of_a_test_run(tmp_path):
    write_dataset(tmp_path)
    cfg = Config.fromfile(write_config(tmp_path))
    cfg.model.head.segmenter.update(
        num_classes=len(CLASSES),
        loss_cls=dict(class_weight=[1.0] * len(CLASSES) + [0.1]))
    cfg.test_dataloader.dataset.update(
        data_root=str(tmp_path),
        ann_file='train.json',
        data_prefix=dict(img_path='train/JPEGImages'),
        metainfo=dict(classes=CLASSES))
    cfg.test_evaluator.update(outfile_prefix=str(tmp_path / 'results'))
    # as tools/test.py --show-dir
    cfg = trigger_visualization_hook(
        cfg, Namespace(show=False, show_dir='shown', wait_time=0))
    runner = Runner(
        model=cfg.model,
        work_dir=str(tmp_path / 'work'),
        test_dataloader=cfg.test_dataloader,
        test_evaluator=cfg.test_evaluator,
        test_cfg=dict(type='TestLoop'),
        default_hooks=cfg.default_hooks,
        visualizer=cfg.visualizer,
        default_scope=cfg.default_scope,
        experiment_name='show_dir')
    runner.test()
    show_dir = tmp_path / 'work' / runner.timestamp / 'shown'
    assert {path.name for path in show_dir.iterdir()} == set(VIDEOS)
    for name, (height, width, _) in VIDEOS.items():
        images = sorted((show_dir / name).iterdir())
        assert [path.name for path in images
                ] == [f'{t:05d}.png' for t in range(NUM_FRAMES[name])]
        for path in images:  # ground truth beside the prediction
            assert cv2.imread(str(path)).shape == (height, 2 * width, 3)
