# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Every config loads, has no ignored keys, and is consistent."""

import ast
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from projects.maxtron.engine.config_keys import argument_names, find_classes
from projects.maxtron.models import MaXTronPanopticHead, TubeLinkHead

import pytest
from mmcv.transforms import Compose
from mmdet.engine.hooks import NumClassCheckHook
from mmdet.registry import DATASETS, METRICS
from mmengine.config import Config

from tests.configs import FILES, LEAVES, MASK2FORMER, ZERO_SHOT, ZOO, load
from tests.models import ROOT

VITS = ('dinov2-b', 'dinov2-l', 'dinov3-l')
DATASET_CLASSES = {
    **{f'youtube-vis-{year}': 40 for year in (2019, 2021, 2022)},
    'ovis': 25,
    **dict.fromkeys(('vipseg', 'vspw'), 124),
    **dict.fromkeys(('kitti-step', 'cityscapes-vps'), 19),
    'coco-panoptic': 133,
    'lv-vis': 1196,
}
BACKBONES = {
    'r50': 'ResNet',
    'swin-l': 'SwinTransformer',
    'convnext-l': 'ConvNeXt',
    'convnextv2-l': 'ConvNeXt',
    **dict.fromkeys(VITS, 'TransformersBackbone'),
}
# without MMDetection's own configs
OURS = [path for path in LEAVES if path not in MASK2FORMER]
# Models that are not built, as others differ only in backbone, classes or mode.
SMALLER = (
    '/(vspw|kitti_step|cityscapes_vps|lv_vis)/.*_(swin-l|convnext-l)_'
    '|/(ytvis22|ovis)/.*_dinov|/maxtron/.*_dinov2-l'
)
# Variables that bases provide; the leaves put them into the config.
VARIABLES = ('.panoptic', '.semantic', '.instances', '.offline_instances')
# Dumping a config takes seconds, so only one of each kind is dumped.
DUMPED = [
    path
    for path in LEAVES
    if 'maxtron' in path
    and not re.search(
        '/ytvis(19|22)|/vspw|/kitti|/city|/lv_vis|/ablations/|_convnext|'
        'vipseg.*_swin-l|_dinov|e2e|'
        '-vis/.*tube-link|ovis.*offline_video-kmax',
        path,
    )
]


def walk(node, where=''):
    """Yield (path, value) of all dicts and leaves of a config."""
    yield where, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, f'{where}.{key}')
    elif isinstance(node, (list, tuple)):
        for i, value in enumerate(node):
            yield from walk(value, f'{where}.{i}')


@pytest.mark.slow
@pytest.mark.parametrize('path', FILES)
def test_file_loads_and_names_no_absolute_path(path):
    for where, value in walk(load(path)._cfg_dict):
        if isinstance(value, str):
            assert not re.match(r'([/~]|[A-Za-z]:[\\/])', value), where
    assert not re.search(
        r'(/mnt/|/home/|/root/|/work/)', (ROOT / path).read_text()
    )


def test_leaves_have_only_what_they_change():
    """At most 15 lines, except for bases, comments and closing brackets."""
    for path in ZOO + MASK2FORMER + ZERO_SHOT:
        text = (ROOT / path).read_text()
        for node in ast.parse(text).body:
            if ast.unparse(node).startswith('_base_ ='):
                bases = ast.get_source_segment(text, node)
        lines = re.findall(r'^[^#\n]*\w.*', text.replace(bases, ''), re.M)
        assert len(lines) <= 15, path


@cache
def known_keys(kind):
    """List the keys that a dict of a type may have, '**' for any key."""
    classes = find_classes(kind)
    assert classes, f'{kind} does not exist'
    return {'type', *argument_names(classes[0])}


@pytest.mark.slow
@pytest.mark.parametrize('path', OURS)
def test_no_key_is_ignored(path):
    """Every typed dict has only keys that its class takes."""
    cfg = load(path)
    # These builders take more arguments than the class.
    builders = ('.norm_cfg', '.optim_wrapper')
    for where, node in walk(cfg._cfg_dict):
        if (
            isinstance(node, dict)
            and 'type' in node
            and not where.endswith(builders)
            and not where.startswith(VARIABLES)
        ):
            known = known_keys(node['type'])
            assert '**' in known or node.keys() <= known, where


@pytest.mark.parametrize('path', DUMPED)
def test_dump_and_reload(path, tmp_path):
    cfg = load(path)
    cfg.dump(tmp_path / 'dumped.py')
    assert Config.fromfile(tmp_path / 'dumped.py')._cfg_dict == cfg._cfg_dict


@pytest.mark.slow
@pytest.mark.parametrize(
    'path', [path for path in OURS if not re.search(SMALLER, path)]
)
def test_parts_agree(path, build_meta, monkeypatch):
    """Model, data and evaluation have the same classes and clips."""
    cfg = load(path)
    model = build_meta(cfg.model)
    segmenter = model.head.segmenter
    if cfg.model.type == 'MaXTron':
        check_clips(path, cfg, model)
    for loader in loaders(cfg):
        dataset = build_unread(loader.dataset)
        assert len(dataset.metainfo['classes']) == segmenter.num_classes
        Compose(loader.dataset.pipeline)
    if isinstance(segmenter, TubeLinkHead):
        classes = [1] * segmenter.num_classes
        assert segmenter.class_weight == [*classes, 0.1]
    else:
        check_kmax_parts(cfg, model)
    if isinstance(model.head, MaXTronPanopticHead):
        check_panoptic_parts(cfg, model, dataset.metainfo)
    assert dict(type='NumClassCheckHook') in cfg.custom_hooks
    runner = SimpleNamespace(
        model=model, train_dataloader=SimpleNamespace(dataset=dataset)
    )
    NumClassCheckHook().before_train_epoch(runner)
    with monkeypatch.context() as patch:
        patch.setattr(segmenter, 'num_classes', segmenter.num_classes + 1)
        with pytest.raises(AssertionError, match='not matches the length'):
            NumClassCheckHook().before_train_epoch(runner)
    for evaluators in filter(None, map(cfg.get, EVALUATORS)):
        for evaluator in (
            [evaluators] if isinstance(evaluators, dict) else evaluators
        ):
            if evaluator.type.startswith('Coco'):  # reads the file
                assert evaluator.ann_file == dataset.ann_file
            else:
                METRICS.build(evaluator)


EVALUATORS = ('val_evaluator', 'test_evaluator')


def build_unread(cfg):
    """Build a dataset without its files, which name the classes of LV-VIS."""
    cfg = dict(cfg, lazy_init=True)
    if cfg['type'] == 'LVVISDataset':
        cfg['metainfo'] = dict(classes=range(DATASET_CLASSES['lv-vis']))
    return DATASETS.build(cfg)


def loaders(cfg):
    """List the dataloaders of a config."""
    names = [f'{split}_dataloader' for split in ('train', 'val', 'test')]
    return [cfg[name] for name in names if name in cfg]


def check_clips(path, cfg, model):
    """A sample is one clip or, with a tracker, several clips."""
    num_frames, clip_len = (
        cfg.train_dataloader.dataset.clip_len,
        model.head.clip_len,
    )
    kind = re.search('-(nearonline|offline|e2e)_|$', path).group(1)
    tracker = model.head.tracker
    stuff = isinstance(model.head, MaXTronPanopticHead)
    assert stuff == bool(re.search('vipseg|-vps|vspw|kitti', path))
    assert (tracker is not None) == (kind in ('offline', 'e2e'))
    if tracker is None:
        assert num_frames == clip_len and model.head.mode == 'near_online'
        return
    assert num_frames % clip_len == 0 and num_frames >= 3 * clip_len
    assert model.head.mode == 'offline'
    assert model.freeze_segmenter == (kind == 'offline')
    assert (model.head.clip_loss_weight > 0) == (kind == 'e2e')
    if 'video-kmax' in path:
        assert model.head.criterion.masking_void_pixel == stuff
        losses = model.head.criterion
        assert losses.loss_cls.loss_weight == 4
        assert losses.loss_dice.loss_weight == 4
        # of the tiny models' short trainings
        assert (losses.loss_mask is None) == ('_tiny_' not in path)
        assert losses.loss_pixel is losses.loss_semantic is None


def check_panoptic_parts(cfg, model, metainfo):
    """Things and canvas."""
    things = [
        label
        for label, name in enumerate(metainfo['classes'])
        if name in metainfo['thing_classes']
    ]
    assert list(model.head.merge_cfg['thing_labels']) == things
    if 'canvas' in cfg:
        check_canvas(cfg, model)


def check_canvas(cfg, model):
    """Model and pipeline agree on the size of the frames."""
    assert cfg.canvas == model.data_preprocessor.input_size[::-1]
    canvases = {
        tuple(value)
        for where, value in walk(cfg.train_dataloader.dataset.pipeline)
        if where.endswith(('.canvas', '.crop_size'))
    }
    assert canvases == {cfg.canvas}


def check_kmax_parts(cfg, model):
    """Canvas, channels and the branch that only training has."""
    check_canvas(cfg, model)
    segmenter = model.head.segmenter
    channels = cfg.model.head.segmenter.in_channels
    if model.neck is not None:
        assert cfg.model.neck.in_channels == channels
    if cfg.model.backbone.type == 'ConvNeXt':
        assert list(model.backbone.channels) == channels
    if cfg.model.type == 'MaXTron' and model.freeze_segmenter:
        assert segmenter.criterion is segmenter.semantic_head is None
    else:
        assert segmenter.criterion.loss_semantic and segmenter.semantic_head
        stuff = isinstance(model.head, MaXTronPanopticHead)
        assert segmenter.criterion.masking_void_pixel == stuff


@pytest.mark.slow
@pytest.mark.parametrize('path', ZOO)
def test_name_tells_the_truth(path):
    cfg = load(path)
    backbone, gpus, batch, kilo, dataset = re.match(
        r'[^_]+(?:_tube-link|_video-kmax)?_([^_]+)(?:_[^_]+)?'
        r'_(\d+)xb(\d+)-(\d+)k_(.*)$',
        Path(path).stem,
    ).groups()
    assert cfg.auto_scale_lr.base_batch_size == int(gpus) * int(batch)
    assert not cfg.auto_scale_lr.enable
    assert cfg.train_dataloader.batch_size == int(batch)
    assert cfg.train_cfg.max_iters == 1000 * int(kilo)
    assert cfg.model.backbone.type == BACKBONES[backbone]
    assert cfg.model.backbone.get('use_grn', False) == (
        backbone == 'convnextv2-l'
    )
    if backbone in VITS:
        assert cfg.model.backbone == cfg[backbone.replace('-', '_')]
    segmenter = cfg.model.head.segmenter
    assert segmenter.num_classes == DATASET_CLASSES[dataset]
    root = cfg.test_dataloader.dataset.data_root.lower().replace('_', '-')
    assert dataset.partition('-panoptic')[0] in root
    if 'tube-link' in path:
        milestones = cfg.param_scheduler[-1].get('milestones', [0])
        assert max(milestones) < cfg.train_cfg.max_iters
        decoder = (
            'AxialTrajectoryPixelDecoder'
            if 'maxtron' in path
            else 'MSDeformAttnPixelDecoder'
        )
        assert segmenter.pixel_decoder.type == decoder
    else:
        check_kmax_name(path, cfg)


def check_kmax_name(path, cfg):
    """Check the parts of the name that only configs of kMaX have."""
    name = Path(path).stem
    assert cfg.sync_bn == 'torch'
    (scheduler,) = cfg.param_scheduler
    assert scheduler.type == 'WarmupPolyLR' and 'end' not in scheduler
    assert scheduler.warmup_iters < cfg.train_cfg.max_iters / 10
    neck = cfg.model.get('neck')
    assert (neck is None) == name.startswith(('kmax_', 'video-kmax_'))
    image = 'coco' in path
    assert cfg.model.type == ('ImageMaXTron' if image else 'MaXTron')
    if image:
        assert cfg.load_from is None
        assert 'checkpoint' in cfg.model.backbone.init_cfg
        assert neck is None or neck.temporal_cfg is None
        return
    variant = re.search(r'_msda(\d)-(traj|axial)(\d)-nw(\d)_', name)
    if variant:
        spatial, kind, temporal, blocks = variant.groups()
        assert neck.num_blocks == int(blocks)
        assert neck.num_spatial_layers == int(spatial)
        assert neck.temporal_cfg.num_layers == int(temporal)
        assert neck.temporal_cfg.attn_type.startswith(kind)
