# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Reduction of full-size configs to narrow, shallow models and tiny data."""

import json
import runpy
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import projects.maxtron  # noqa: F401, before MMDetection

from mmengine.config import Config, ConfigDict

from tests.huggingface import import_transformers
from tests.models import ROOT
from tests.test_datasets import (
    tiny_benchmarks,
    tiny_coco,
    tiny_panoptic,
    tiny_videos,
)

CHANNELS = [8, 16, 32, 64]
CANVAS = dict(odd=(97, 65), even=(96, 64))  # width, height
_BACKBONES = dict(
    ResNet=dict(depth=18, base_channels=8, stem_channels=8),
    SwinTransformer=dict(
        embed_dims=8, depths=[1] * 4, num_heads=[1, 2, 2, 2], window_size=4
    ),
    ConvNeXt=dict(arch=dict(depths=[1] * 4, channels=CHANNELS)),
    TransformersBackbone=dict(
        weights=None,
        config=dict(
            hidden_size=16, num_hidden_layers=2, num_attention_heads=2
        ),
        pyramid=dict(out_channels=16),
    ),
)
_DECODER = dict(
    self_attn_cfg=dict(embed_dims=32, num_heads=4),
    ffn_cfg=dict(embed_dims=32, feedforward_channels=32),
)
_MASK2FORMER = dict(
    in_channels=CHANNELS,
    feat_channels=32,
    out_channels=32,
    num_queries=9,
    pixel_decoder=dict(
        encoder=dict(num_layers=1, layer_cfg=_DECODER),
        positional_encoding=dict(num_feats=16),
    ),
    positional_encoding=dict(num_feats=16),
    transformer_decoder=dict(
        num_layers=2,
        layer_cfg=dict(
            _DECODER, cross_attn_cfg=dict(embed_dims=32, num_heads=4)
        ),
    ),
)


def _kmax() -> dict:
    """Take the widths of the tiny Video-kMaX without other settings."""
    model = runpy.run_path(
        str(ROOT / 'configs/_base_/models/video-kmax_tiny.py')
    )['model']
    segmenter = model['head']['segmenter']
    parts = ('pixel_decoder', 'transformer_decoder', 'semantic_head')
    return dict({part: segmenter[part] for part in parts}, num_queries=9)


def shrink_model(model: ConfigDict) -> None:
    """Make a model narrow and shallow; keep classes, losses and thresholds."""
    changes = dict(backbone=_BACKBONES[model.backbone.type])
    channels = CHANNELS
    if model.backbone.type == 'TransformersBackbone':
        import_transformers()
        channels = [16] * 4
    model.backbone.init_cfg = None
    if model.type == 'Mask2Former':
        changes['panoptic_head'] = _MASK2FORMER
        model.train_cfg.num_points = 64
    elif model.type == 'Mask2FormerVideo':
        changes['track_head'] = _MASK2FORMER
    elif model.head.segmenter.type in ('TubeLinkHead', 'Mask2FormerClipHead'):
        segmenter = json.loads(json.dumps(_MASK2FORMER))
        if 'temporal_cfg' in model.head.segmenter.pixel_decoder:
            segmenter['pixel_decoder']['temporal_cfg'] = dict(
                feedforward_channels=32
            )
        segmenter.update(in_channels=channels, train_cfg=dict(num_points=64))
        changes['head'] = dict(segmenter=segmenter)
    else:
        segmenter = dict(_kmax(), in_channels=channels)
        if model.head.segmenter.get('semantic_head') is None:
            del segmenter['semantic_head']
        else:
            segmenter['criterion'] = {
                loss: dict(sampler=dict(num_points=64))
                for loss in ('loss_pixel', 'loss_semantic')
            }
        changes['head'] = dict(segmenter=segmenter)
    if model.get('neck'):
        changes['neck'] = dict(
            in_channels=channels,
            feat_channels=32,
            num_heads=4,
            feedforward_channels=32,
            norm_cfg=dict(type='GN', num_groups=8),
        )
    if 'head' in model and model.head.get('tracker'):
        kmax = model.head.segmenter.type == 'VideoKMaXHead'
        changes['head']['tracker'] = dict(
            embed_dims=64 if kmax else 32, num_heads=4, num_layers=2
        )
    _merge(model, changes)


def _merge(node: ConfigDict, changes: dict) -> None:
    """Update a config in place, dicts key by key."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(node.get(key), dict):
            _merge(node[key], value)
        else:
            node[key] = value


def shrink(
    path: str,
    data: Path,
    work_dir: Path,
    num_iters: int = 1,
    canvas: tuple[int, int] | None = None,
) -> Config:
    """Load a config with small parts and small data, for a few iterations.

    Pipelines keep their steps but get other sizes. Losses, schedule and
    optimizer stay. AMP is switched off, as it needs a GPU.

    Args:
        path (str): The config.
        data (Path): Folder in place of ``data``, such as
            :func:`write_miniatures` writes.
        work_dir (Path): Folder of the run.
        num_iters (int): Iterations, after which the model is evaluated and
            saved. Defaults to 1.
        canvas (tuple[int, int], optional): Width and height of a panoptic
            model's frames. Defaults to those of ``CANVAS``.

    Returns:
        Config: Resolved, so that it can be dumped.
    """
    cfg = Config.fromfile(ROOT / path)
    shrink_model(cfg.model)
    canvas = canvas or CANVAS['even' if '_tube-link_' in path else 'odd']
    if 'input_size' in cfg.model.get('data_preprocessor', {}):
        cfg.model.data_preprocessor.input_size = canvas[::-1]
    if cfg.model.get('head', {}).get('tracker'):
        clip_len = min(cfg.model.head.test_cfg.clip_len, 3)
        cfg.model.head.test_cfg.clip_len = clip_len
        cfg.train_dataloader.dataset.clip_len = 2 * clip_len
    run = _short_run(work_dir, num_iters)
    if 'train_dataloader' not in cfg:  # only the settings of a test
        del run['optim_wrapper'], run['train_cfg']
    _merge(cfg, run)
    cfg.get('train_cfg', {}).pop('dynamic_intervals', None)
    schedulers = cfg.get('param_scheduler') or []
    if isinstance(schedulers, list):
        for scheduler in schedulers:
            if scheduler.type == 'WarmupPolyLR':
                scheduler.warmup_iters = 0
    content = _resize(cfg.to_dict(), canvas, f'{data}/')
    for name in ('train', 'val', 'test'):
        loader = content.get(f'{name}_dataloader')
        if loader is None:
            continue
        loader.update(num_workers=0, persistent_workers=False)
        if 'data_root' in loader['dataset']:  # else it wraps others
            # MMEngine collects garbage before it serializes, in 0.2 s.
            loader['dataset']['serialize_data'] = False
        if loader['dataset']['type'] == 'VIPSegDataset':
            loader['dataset']['img_suffix'] = '.png'
        if name == 'train':
            loader['batch_size'] = 2
    return Config(content, filename=cfg.filename)


def _short_run(work_dir: Path, num_iters: int) -> dict:
    """Make the settings of a run of a few iterations."""
    return dict(
        load_from=None,
        work_dir=str(work_dir),
        experiment_name=work_dir.name,
        optim_wrapper=dict(type='OptimWrapper'),
        train_cfg=dict(max_iters=num_iters, val_interval=num_iters),
        default_hooks=dict(
            logger=dict(interval=1), checkpoint=dict(interval=num_iters)
        ),
        log_processor=dict(window_size=1),
        log_level='ERROR',
        randomness=dict(seed=0),
    )


def _resize(node: Any, canvas: tuple, data: str, key: str = '') -> Any:
    """Replace all sizes of a pipeline, and all paths to data."""
    if isinstance(node, dict):
        return {k: _resize(v, canvas, data, k) for k, v in node.items()}
    if key in ('canvas', 'crop_size', 'size'):
        return canvas if key == 'canvas' else (64, 48)
    if key == 'scales':
        return [(1000000, 48), (1000000, 64)]
    if key == 'scale':
        return (96, 64)
    if key == 'min_labelled':
        return min(node, 16)
    if isinstance(node, (list, tuple)):
        return [_resize(v, canvas, data, key) for v in node]
    if isinstance(node, str) and node.startswith('data/'):
        return data + node.removeprefix('data/')
    return node


def write_miniatures(
    root: Path, truth: Sequence[str] = tiny_coco.TRUTH
) -> Path:
    """Write a miniature of every dataset in the layout of the configs.

    Args:
        root (Path): Folder in place of ``data``.
        truth (Sequence[str]): Annotated drawings of COCO.

    Returns:
        Path: The same.
    """
    from projects.maxtron.datasets import OVISDataset, YouTubeVISClipDataset

    for version in ('2019', '2021', '2022', 'ovis'):
        if version == 'ovis':
            name, images = 'ovis', '{}'
            classes = OVISDataset.METAINFO['classes']
        else:
            YouTubeVISClipDataset.set_dataset_classes(version)
            name, images = f'youtube_vis_{version}', '{}/JPEGImages'
            classes = YouTubeVISClipDataset.METAINFO['classes']
        for split in ('train', 'valid'):
            tiny_videos.write_dataset(
                root / name,
                images.format(split),
                f'annotations/{name}_{split}.json',
                classes,
            )
    vipseg = root / 'VIPSeg/VIPSeg_720P'
    tiny_panoptic.write_dataset(vipseg)
    for split in ('train', 'val'):
        shutil.copy(
            vipseg / 'train.json', vipseg / f'panoptic_gt_VIPSeg_{split}.json'
        )
    tiny_benchmarks.write_files(
        root / 'VSPW_480p', tiny_benchmarks.vspw_files()
    )
    tiny_benchmarks.write_kitti_step(root / 'kitti_step')
    tiny_benchmarks.write_cityscapes_vps(root / 'cityscapes_vps')
    tiny_benchmarks.write_lv_vis(root / 'lv_vis')
    tiny_coco.write_coco(root / 'coco', truth)
    return root
