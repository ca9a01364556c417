# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Full-size panoptic configs, made small enough to be run."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import projects.maxtron  # noqa: F401, before MMDetection

from mmengine.config import Config

ROOT = Path(__file__).parents[1]
CANVAS = (129, 97)  # width, height


def tiny_run(path: str, old_root: str, root: Path, work_dir: Path) -> Config:
    """A config with tiny widths on a small canvas, for two iterations.

    Classes, losses, thresholds, pipelines, schedule and optimizer are those
    of the config, but for AMP, which there is not on a CPU.

    Args:
        path (str): The config, below ``configs``.
        old_root (str): What its paths to data begin with.
        root (Path): What they are to begin with.
        work_dir (Path): Folder for logs and checkpoints.

    Returns:
        :obj:`Config`: The config; resolved, so that it can be dumped.
    """
    cfg = Config.fromfile(ROOT / 'configs' / path)
    model = runpy.run_path(
        str(ROOT / 'configs/_base_/models/video-kmax_tiny.py')
    )['model']
    segmenter = model['head']['segmenter']
    del model['head']['test_cfg'], segmenter['num_classes']
    segmenter['criterion'] = {
        loss: dict(sampler=dict(num_points=512))
        for loss in ('loss_pixel', 'loss_semantic')
    }
    model['data_preprocessor'] = dict(input_size=CANVAS[::-1])
    model['backbone']['init_cfg'] = None
    if cfg.model.get('neck'):
        model['neck'] = dict(
            in_channels=segmenter['in_channels'],
            feat_channels=32,
            num_heads=4,
            feedforward_channels=64,
            norm_cfg=dict(type='GN', num_groups=8),
        )
    cfg.merge_from_dict(
        dict(
            model=model,
            load_from=None,
            work_dir=str(work_dir),
            optim_wrapper=dict(type='OptimWrapper'),
            train_cfg=dict(max_iters=2, val_interval=2),
            param_scheduler={'0': dict(warmup_iters=1)},
            train_dataloader=dict(
                batch_size=2, num_workers=0, persistent_workers=False
            ),
            default_hooks=dict(
                logger=dict(interval=1), checkpoint=dict(interval=2)
            ),
            log_processor=dict(window_size=1),
            randomness=dict(seed=0),
        )
    )
    content = _map(cfg.to_dict(), _resize, old_root, str(root) + '/')
    for name in ('val_dataloader', 'test_dataloader'):
        content[name].update(num_workers=0, persistent_workers=False)
    return Config(content, filename=cfg.filename)


def _map(
    node: Any, change: Callable, old_root: str, root: str, key: str = ''
) -> Any:
    """Apply a function to all values of a config."""
    if isinstance(node, dict):
        return {k: _map(v, change, old_root, root, k) for k, v in node.items()}
    if key in ('canvas', 'crop_size', 'min_labelled'):
        return change(key)
    if isinstance(node, (list, tuple)):
        return [_map(v, change, old_root, root, key) for v in node]
    if isinstance(node, str) and node.startswith(old_root):
        return root + node[len(old_root) :]
    return node


def _resize(key: str) -> Any:
    """What a key that goes with the size of the canvas becomes."""
    return 16 if key == 'min_labelled' else CANVAS
