# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Descriptions of the configs of model-index.yml."""

import re
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml
from mmengine.config import Config, ConfigDict
from mmengine.utils import track_iter_progress

ROOT = Path(__file__).resolve().parents[2]
INDEX = ROOT / 'model-index.yml'


class Row(NamedTuple):
    """A config, described by its metafile and by its own settings.

    Attributes:
        task (str): VPS, VSS or VIS; PS or IS for images.
        dataset (str): Dataset of the (last) training.
        segmenter (str): Segmenter of clips or images.
        backbone (str): Backbone.
        mode (str): baseline, near-online, offline, end to end, image, or
            zero-shot.
        variant (str): Change that an ablation makes, or ''.
        frames (str): Clips x frames per training sample.
        iterations (str): Length of the training.
        batch (str): GPUs x samples per GPU.
        init (str): Initial weights of the training.
        published (str): Metric and value, '-' for none.
        settings (str): Origin of the settings: released, paper, ours, or
            mmdet.
        config (str): Path of the file.
    """

    task: str
    dataset: str
    segmenter: str
    backbone: str
    mode: str
    variant: str
    frames: str
    iterations: str
    batch: str
    init: str
    published: str
    settings: str
    config: str


def backbone_name(backbone: ConfigDict) -> str:
    """Name a backbone by its config."""
    if backbone.type == 'ResNet':
        slim = ' (slim)' if 'base_channels' in backbone else ''
        return f'R-{backbone.depth}{slim}'
    if backbone.type == 'ConvNeXt':
        return f'ConvNeXt{"V2" * backbone.get("use_grn", False)}-L'
    if backbone.type == 'TransformersBackbone':
        config = backbone.config
        name = dict(dinov2='DINOv2', dinov3_vit='DINOv3')[config.model_type]
        return f'{name}-' + {768: 'B', 1024: 'L'}[config.hidden_size]
    small = 'TS'[sum(backbone.depths) > 12]
    return 'Swin-' + {96: small, 128: 'B', 192: 'L'}[backbone.embed_dims]


def describe_task(head: ConfigDict) -> str:
    """Describe the task of a model for videos; VSS has no things."""
    if head.type != 'MaXTronPanopticHead':
        return 'VIS'
    return 'VPS' if head.test_cfg.thing_labels else 'VSS'


def describe_model(model: ConfigDict) -> dict:
    """Describe a model by its task, segmenter, backbone and mode."""
    names = dict(backbone=backbone_name(model.backbone), mode='image')
    if model.type == 'Mask2Former':
        stuff = model.panoptic_head.num_stuff_classes
        return dict(
            names, task='PS' if stuff else 'IS', segmenter='Mask2Former'
        )
    head, neck = model.head, model.get('neck')
    if head.segmenter.type == 'Mask2FormerClipHead':
        panoptic = head.type == 'MaXTronPanopticHead'
        task = 'VIS' if model.type == 'MaXTron' else 'PS' if panoptic else 'IS'
        return dict(
            names, mode='zero-shot', task=task, segmenter='Mask2Former'
        )
    if model.type == 'ImageMaXTron':
        name = 'kMaX-DeepLab' + ' + MSDeformAttn' * (neck is not None)
        return dict(names, task='PS', segmenter=name)
    within = neck is not None or 'AxialTrajectory' in (
        head.segmenter.pixel_decoder.type
    )
    mode = 'near-online' if within else 'baseline'
    if head.get('tracker') is not None:
        frozen = model.get('freeze_segmenter', True)
        mode = 'offline' if frozen else 'end to end'
    return dict(
        names,
        task=describe_task(head),
        segmenter={'VideoKMaXHead': 'Video-kMaX', 'TubeLinkHead': 'Tube-Link'}[
            head.segmenter.type
        ],
        mode=mode,
    )


def describe_init(cfg: Config) -> str:
    """Describe the initial weights of a training in a few words."""
    start = cfg.get('load_from')
    if start is None:
        if 'weights' in cfg.model.backbone:
            return Path(cfg.model.backbone.weights).name
        init = cfg.model.backbone.get('init_cfg') or {}
        return 'ImageNet' if 'checkpoint' in init else 'random'
    name = Path(start).stem
    if start.startswith('work_dirs/'):
        iteration = int(re.search(r'\d+', name)[0])
        (source,) = (x for x in Path(start).parts if re.search(r'\dxb\d', x))
        kind, *_, dataset = source.split('_')
        kind = kind.replace('maxtron-nearonline', 'near-online')
        return f'{kind}, {dataset}, {iteration:,} iterations'
    return re.sub(r'_\d{8}_\d{6}-\w+$', '', name)


def describe_training(cfg: Config) -> dict:
    """Describe frames, length, batch and initial weights of a training."""
    dataset = cfg.train_dataloader.dataset
    while 'dataset' in dataset:  # a wrapper such as RepeatDataset
        dataset = dataset.dataset
    num_frames = dataset.get('clip_len', 1)
    head = cfg.model.get('head', {})
    clip_len = head.get('test_cfg', {}).get('clip_len', 1)
    if head.get('tracker') is None:
        clip_len = num_frames
    batch_size = cfg.train_dataloader.batch_size
    num_gpus = cfg.auto_scale_lr.base_batch_size // batch_size
    return dict(
        frames=f'{num_frames // clip_len} x {clip_len}',
        iterations=f'{cfg.train_cfg.max_iters:,}',
        batch=f'{num_gpus} x {batch_size}',
        init=describe_init(cfg),
    )


def describe(model: dict) -> Row:
    """Describe an entry of a metafile."""
    cfg = Config.fromfile(ROOT / model['Config'])
    metrics = {
        key.replace(' (published)', ''): value
        for result in model.get('Results', [])
        for key, value in result['Metrics'].items()
        if '(published)' in key
    }
    metadata = model['Metadata']
    names = describe_model(cfg.model)
    if names['mode'] == 'zero-shot':  # The weights are MMDetection's.
        iterations = f'{metadata["Iterations"]:,}'
        frames = f'1 x {cfg.model.head.test_cfg.clip_len}'
        none = dict(batch='-', init='-')
        training = dict(frames=frames, iterations=iterations, **none)
    else:
        training = describe_training(cfg)
    return Row(
        dataset=metadata['Training Data'][-1],
        variant=metadata.get('Variant', ''),
        published=next((f'{k} {v}' for k, v in metrics.items()), '-'),
        settings=metadata['Settings'],
        config=model['Config'],
        **names,
        **training,
    )


@cache
def read_rows() -> list[Row]:
    """Read all configs of the index, in its order."""
    index = yaml.safe_load(INDEX.read_text())
    models = [
        model
        for path in index['Import']
        for model in yaml.safe_load((ROOT / path).read_text())['Models']
    ]
    if sys.stderr.isatty():
        models = track_iter_progress(models, file=sys.stderr)
    return [describe(model) for model in models]
