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
import yaml
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
    '/(vspw|kitti_step|cityscapes_vps)/.*_(swin-l|convnext-l)_'
    '|/(ytvis22|ovis)/.*_dinov|/maxtron/.*_dinov2-l'
)
# Variables that bases provide; the leaves put them into the config.
VARIABLES = ('.panoptic', '.semantic', '.instances', '.offline_instances')
FOLDERS = ('kmax', 'mask2former', 'maxtron', 'tube_link', 'video_kmax')
# Dumping a config takes seconds, so only one of each kind is dumped.
DUMPED = [
    path
    for path in LEAVES
    if 'maxtron' in path
    and not re.search(
        '/ytvis(19|22)|/vspw|/kitti|/city|/ablations/|_convnext|'
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
        dataset = DATASETS.build({**loader.dataset, 'lazy_init': True})
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


# names of initial weights of a whole model and of a backbone
STARTS = dict(
    r50=(
        r'mask2former_r50_8xb2-lsj-50e_coco{}_202\d+_\d+-\w{{8}}\.pth',
        r'resnet50-0676ba61\.pth',
    ),
    **{
        'swin-l': (
            r'mask2former_swin-l-p4-w12-384-in21k_16xb1-lsj-100e_coco-'
            r'panoptic_2022\d+_\d+-\w{8}\.pth',
            r'swin_large_patch4_window12_384_22k\.pth',
        ),
        'convnext-l': (
            r'mask2former_convnext-l_coco-panoptic\.pth',
            r'convnext-large_in21k-pre-3rdparty_in1k-384px_\d+-'
            r'\w{8}\.pth',
        ),
        'convnextv2-l': (
            r'mask2former_convnextv2-l_coco-panoptic\.pth',
            r'convnext-v2-large_fcmae-in21k-pre_3rdparty_in1k-384px_\d+-'
            r'\w{8}\.pth',
        ),
        **dict.fromkeys(('dinov2-b', 'dinov2-l', 'dinov3-l'), (None, None)),
    },
)


@pytest.mark.parametrize('path', ZOO + MASK2FORMER)
def test_starts_from_weights_of_its_kind(path):
    """By the name of the file; second stages: see test_offline.py."""
    cfg = load(path)
    name = Path(path).stem
    backbone = next(b for b in STARTS if f'_{b}_' in name)
    model, image = STARTS[backbone]
    init = (cfg.model.backbone.get('init_cfg') or {}).get('checkpoint')
    if 'coco' in name:
        assert not cfg.get('load_from')
        if path not in MASK2FORMER or backbone.startswith('convnext'):
            assert re.search(f'^https://.*/{image}$', init)
        return
    assert init is None  # load_from brings it
    folder, _, file = (cfg.load_from or '').rpartition('/')
    if folder.startswith('work_dirs/'):
        assert f'_{backbone}_' in folder and '-nearonline_' in folder
    elif model is None:  # transformers bring the weights of the backbone
        assert cfg.load_from is None and cfg.model.backbone.weights
    elif 'tube-link' in name:
        if backbone == 'r50':
            model = model.format('-panoptic' * ('vipseg' in name))
        assert re.fullmatch(model, file)
        local = backbone.startswith('convnext')
        assert folder == 'checkpoints' if local else '://' in folder
        source = file.partition('_coco')[0]
        assert not local or any(f'/{source}_' in p for p in MASK2FORMER)
    else:
        kind = 'kmax-msda' if cfg.model.get('neck') else 'kmax'
        assert cfg.load_from == (
            f'checkpoints/{kind}_{backbone}_coco-panoptic.pth'
        )
        assert any(f'/{kind}_{backbone}_8xb8' in leaf for leaf in ZOO)


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


def test_model_index_names_every_metafile():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert index['Import'] == [
        f'configs/{folder}/metafile.yml' for folder in FOLDERS
    ]
    assert {path.split('/')[1] for path in LEAVES} == set(FOLDERS)


@pytest.mark.parametrize('folder', FOLDERS)
def test_metafile_lists_every_leaf(folder):
    text = (ROOT / 'configs' / folder / 'metafile.yml').read_text()
    content = yaml.safe_load(text)
    collections = {c['Name']: c for c in content['Collections']}
    for collection in collections.values():
        assert (ROOT / collection['README']).is_file()
    models = {m['Config']: m for m in content['Models']}
    assert len(models) == len(content['Models'])
    leaves = [path for path in LEAVES if path.split('/')[1] == folder]
    assert sorted(models) == leaves
    for path, model in models.items():
        assert model['Name'] == Path(path).stem
        assert model['In Collection'] in collections
        if path not in ZERO_SHOT:  # MMDetection's own number
            iters = load(path).train_cfg.max_iters
            assert model['Metadata']['Iterations'] == iters


def test_readmes_link_every_leaf():
    for path in ZOO + ZERO_SHOT:
        folder = ROOT.joinpath(*path.split('/')[:2])
        readme = (folder / 'README.md').read_text()
        assert f'({(ROOT / path).relative_to(folder)})' in readme
