# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Configs of the authors' models hold the numbers of the authors' configs.

Each line of the tables states the values of one config of the reference
implementation. If its dataset and its head disagree on the number of frames of
a clip, the table has the head's number (see configs/maxtron/README.md), or the
dataset's if the head has the default (see configs/tube_link/README.md). The
thresholds on COCO are those of kMaX-DeepLab.
"""

import re
from typing import NamedTuple

import numpy as np
import pytest

from tests.configs import learning_rates, load, read_index

RELEASED = {
    name
    for name, model in read_index().items()
    if model['Metadata']['Settings'] == 'released'
}
# The paper's baseline: the near-online code without its within-clip module.
BASELINES = {
    f'video-kmax_{setting}_vipseg'
    for setting in (
        'r50_8xb4-40k',
        'convnext-l_8xb4-30k',
        'convnextv2-l_8xb4-30k',
    )
}


class KMaX(NamedTuple):
    """iterations, batch, warm-up, frames, loss weights (class, dice, mask,
    pixel, semantic), drop path of the backbone, dropout of the within-clip
    module (None: there is no such layer), thresholds."""

    iters: int
    batch: int
    warmup: int
    frames: int
    losses: tuple
    drop_path: float
    drop: float
    thresholds: tuple


R50, LARGE = (0.3, 0.2, 0.3, 0.8), (0.4, 0.7, 0.5, 0.8)
NEAR_R50 = KMaX(40000, 32, 2000, 2, (4, 5, 0.1, 1, 1), None, 0.0, R50)
NEAR_V1 = KMaX(30000, 32, 1500, 2, (4, 5, 0.01, 1, 1), 0.3, 0.1, LARGE)
NEAR_V2 = NEAR_V1._replace(drop=0.2)
# Modules with dropout or drop path are frozen, in evaluation mode.
OFFLINE = KMaX(
    15000, 16, 750, 24, (4, 4, 0, 0, 0), None, None, (0.2, 0.2, 0.45, 0.8)
)
COCO = KMaX(150000, 64, 5000, 1, (3, 3, 0.3, 1, 1), None, None, LARGE)
KMAX = {
    'maxtron-nearonline_video-kmax_r50_8xb4-40k_vipseg': NEAR_R50,
    'maxtron-nearonline_video-kmax_convnext-l_8xb4-30k_vipseg': NEAR_V1,
    'maxtron-nearonline_video-kmax_convnextv2-l_8xb4-30k_vipseg': NEAR_V2,
    'maxtron-offline_video-kmax_r50_16xb1-15k_vipseg': OFFLINE,
    'maxtron-offline_video-kmax_convnext-l_16xb1-15k_vipseg': OFFLINE._replace(
        thresholds=LARGE
    ),
    'maxtron-offline_video-kmax_convnextv2-l_16xb1-15k_vipseg': OFFLINE._replace(
        thresholds=LARGE
    ),
    'video-kmax_r50_8xb4-40k_vipseg': NEAR_R50._replace(drop=None),
    'video-kmax_convnext-l_8xb4-30k_vipseg': NEAR_V1._replace(drop=None),
    'video-kmax_convnextv2-l_8xb4-30k_vipseg': NEAR_V1._replace(drop=None),
    'kmax_r50_8xb8-150k_coco-panoptic': COCO,
    'kmax-msda_r50_8xb8-150k_coco-panoptic': COCO,
    'kmax-msda_convnext-l_8xb8-150k_coco-panoptic': COCO._replace(
        drop_path=0.6
    ),
    'kmax-msda_convnextv2-l_8xb8-150k_coco-panoptic': COCO._replace(
        drop_path=0.6
    ),
}
LOSSES = ('cls', 'dice', 'mask', 'pixel', 'semantic')


class TubeLink(NamedTuple):
    """iterations, steps, frames of a sample, frames of a clip, N_c."""

    iters: int
    steps: tuple
    frames: int
    clip_len: int
    num_layers: int = 0


NEAR_15K = TubeLink(15000, (5000, 10000), 5, 5)
NEAR_10K = TubeLink(10000, (2500, 5000), 5, 5)
CC = TubeLink(10000, (2500, 7500), 9, 3, 4)
TUBE_LINK = {
    'tube-link_r50_8xb1-15k_youtube-vis-2019': NEAR_15K,
    'tube-link_swin-l_16xb1-10k_youtube-vis-2019': NEAR_10K,
    'tube-link_r50_8xb1-15k_youtube-vis-2021': NEAR_15K,
    'tube-link_swin-l_16xb1-10k_youtube-vis-2021': NEAR_10K,
    'tube-link_r50_8xb1-10k_ovis': NEAR_10K._replace(frames=4, clip_len=4),
    'tube-link_swin-l_16xb1-10k_ovis': NEAR_10K._replace(frames=4, clip_len=4),
    'maxtron-nearonline_tube-link_r50_8xb1-15k_youtube-vis-2021': NEAR_15K,
    'maxtron-nearonline_tube-link_swin-l_16xb1-10k_youtube-vis-2021': NEAR_10K._replace(
        frames=6, clip_len=6
    ),
    'maxtron-nearonline_tube-link_r50_8xb1-15k_youtube-vis-2022': NEAR_15K._replace(
        frames=4, clip_len=4
    ),
    'maxtron-nearonline_tube-link_swin-l_16xb1-10k_youtube-vis-2022': NEAR_10K._replace(
        frames=6, clip_len=6
    ),
    'maxtron-nearonline_tube-link_r50_8xb1-15k_ovis': NEAR_15K._replace(
        frames=4, clip_len=4
    ),
    'maxtron-nearonline_tube-link_swin-l_16xb1-15k_ovis': NEAR_15K._replace(
        frames=4, clip_len=4
    ),
    'maxtron-offline_tube-link_r50_8xb1-10k_youtube-vis-2021': CC,
    'maxtron-offline_tube-link_swin-l_16xb1-10k_youtube-vis-2021': CC._replace(
        frames=24, clip_len=6
    ),
    'maxtron-offline_tube-link_r50_8xb1-10k_youtube-vis-2022': CC._replace(
        frames=16, clip_len=4
    ),
    'maxtron-offline_tube-link_swin-l_16xb1-10k_youtube-vis-2022': CC._replace(
        frames=36, clip_len=6
    ),
    'maxtron-offline_tube-link_r50_8xb1-10k_ovis': CC._replace(
        frames=24, clip_len=4, num_layers=6
    ),
    'maxtron-offline_tube-link_swin-l_16xb1-10k_ovis': CC._replace(
        frames=16, clip_len=4
    ),
}


def test_every_released_config_is_in_a_table():
    assert KMAX.keys() | TUBE_LINK.keys() == RELEASED | BASELINES


def check_schedule(cfg, expected, warmup):
    """Check the factors in and after the warm-up, half way and at the end."""
    n = cfg.train_cfg.max_iters
    rates = learning_rates(cfg)
    for t in (0, warmup // 2, warmup - 1, warmup, n // 2, n - 1):
        assert rates[t] == pytest.approx(expected(t), rel=1e-9), t


def steps_of(pipeline, kind):
    """Find all transforms of a type, also those inside of others."""
    found = []
    for step in pipeline:
        if step.type == kind:
            found.append(step)
        for key in ('transforms', 'paste_transforms'):
            found += steps_of(step.get(key, []), kind)
    return found


@pytest.mark.slow
@pytest.mark.parametrize('name', KMAX)
def test_kmax(name):
    cfg, facts = load(name), KMAX[name]
    check_kmax_schedule(cfg, facts, 'coco' in name)
    check_kmax_model(cfg, facts, 'coco' in name, 'offline' in name)
    check_kmax_data(cfg, name)


def check_kmax_schedule(cfg, facts, coco):
    assert cfg.train_cfg.max_iters == facts.iters
    assert cfg.auto_scale_lr.base_batch_size == facts.batch
    lr = 5e-4 if coco else 5e-5
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    assert 'clip_grad' not in cfg.optim_wrapper
    assert cfg.optim_wrapper.optimizer == dict(
        type='AdamW',
        lr=lr,
        weight_decay=0.05,
        betas=(0.9, 0.999),
        eps=1e-8,
        fused=True,
    )
    w, n = facts.warmup, facts.iters
    check_schedule(
        cfg,
        lambda t: 0.001 * (1 - t / w) + t / w if t < w else (1 - t / n) ** 0.9,
        w,
    )


def check_kmax_model(cfg, facts, coco, offline):
    assert cfg.train_dataloader.dataset.get('clip_len', 1) == facts.frames
    head, segmenter = cfg.model.head, cfg.model.head.segmenter
    criterion = head.criterion if offline else segmenter.criterion
    assert (
        tuple(
            (criterion.get(f'loss_{k}') or {}).get('loss_weight', 0)
            for k in LOSSES
        )
        == facts.losses
    )
    if not offline:
        samplers = [criterion[f'loss_{k}'].sampler for k in LOSSES[3:]]
        assert [s.num_points for s in samplers] == [4096, 4096]
        assert [s.temperature for s in samplers] == (
            [1.5, 2.0] if coco else [1.8, 2.4]
        )
        assert criterion.loss_pixel.temperature == 0.3
    assert segmenter.transformer_decoder.drop_path_rate == 0.2
    assert segmenter.num_queries == 128
    temporal = (cfg.model.get('neck') or {}).get('temporal_cfg')
    if not offline:
        assert cfg.model.backbone.get('drop_path_rate') == facts.drop_path
        assert (temporal and temporal.drop) == facts.drop
    if temporal:
        assert (temporal.num_layers, cfg.model.neck.num_blocks) == (2, 2)
    if offline:
        assert head.tracker.num_layers == 4
        assert head.tracker.aspp.rates == (1, 2, 3)
    assert (
        tuple(
            head.test_cfg[f'{k}_thr']
            for k in ('pixel', 'thing', 'stuff', 'overlap')
        )
        == facts.thresholds
    )


def check_kmax_data(cfg, name):
    coco, dataset = 'coco' in name, cfg.train_dataloader.dataset
    size = (1281, 1281) if coco else (769, 1345)
    assert cfg.model.data_preprocessor.input_size == size
    assert [
        s.ratio_range for s in steps_of(dataset.pipeline, 'ScaleJitter')
    ] == ([(0.2, 2.0), (0.1, 1.0)] if coco else [(0.3, 1.7), (0.15, 0.85)])
    for kind, keys in (
        ('RandomFlip', dict(prob=0.5)),
        ('SSDColorJitter', {}),
        ('ScaleJitter', dict(canvas=size[::-1], crop=True)),
        ('PadToCanvas', dict(canvas=size[::-1])),
    ):
        for step in steps_of(dataset.pipeline, kind):
            assert all(step[k] == v for k, v in keys.items())
        assert len(steps_of(dataset.pipeline, kind)) == 2  # one is pasted
    reverse = 0.5 if 'offline_video-kmax_r50' in name else None
    for step in steps_of(dataset.pipeline, 'RandomClipSampler'):
        assert step.get('reverse_prob') == reverse
    (pack,) = steps_of(dataset.pipeline, 'PackPanopticClip')
    assert pack.get('min_labelled') == (4096 if coco else None)


@pytest.mark.parametrize('name', TUBE_LINK)
def test_tube_link(name):
    cfg, facts = load(name), TUBE_LINK[name]
    check_tube_link_schedule(cfg, facts, name)
    check_tube_link_model(cfg, facts, name)
    check_tube_link_data(cfg, 'ovis' in name)
    tracker = cfg.model.head.get('tracker')
    start = 'coco_2022' if '_r50_' in name else 'coco-panoptic_2022'
    assert re.search('iter_' if tracker else start, cfg.load_from)


def check_tube_link_schedule(cfg, facts, name):
    assert cfg.train_cfg.max_iters == facts.iters
    assert cfg.train_dataloader.batch_size == 1
    assert cfg.auto_scale_lr.base_batch_size == (8 if '_r50_' in name else 16)
    wrapper = cfg.optim_wrapper
    assert wrapper.type == 'OptimWrapper'
    assert wrapper.clip_grad == dict(max_norm=0.01, norm_type=2)
    assert wrapper.optimizer == dict(
        type='AdamW',
        lr=1e-4,
        weight_decay=0.05,
        betas=(0.9, 0.999),
        eps=1e-8,
        fused=True,
    )

    def factor(t):
        warm_up = 1 - (1 - min(t / 500, 1)) * (1 - 0.001)
        return warm_up * 0.1 ** sum(np.greater_equal(t, facts.steps))

    check_schedule(cfg, factor, 500)


def check_tube_link_model(cfg, facts, name):
    head = cfg.model.head
    assert cfg.train_dataloader.dataset.clip_len == facts.frames
    assert head.test_cfg.clip_len == facts.clip_len
    segmenter = head.segmenter
    assert segmenter.num_queries == 100
    assert segmenter.no_object_weight == 0.1
    assert [
        segmenter[f'loss_{k}'].loss_weight for k in ('cls', 'mask', 'dice')
    ] == [2, 5, 5]
    points = segmenter.train_cfg
    assert (
        points.num_points,
        points.oversample_ratio,
        points.importance_sample_ratio,
    ) == (12544, 3.0, 0.75)
    assert [c.weight for c in points.assigner.match_costs] == [2, 5, 5]
    decoder = segmenter.pixel_decoder
    assert decoder.encoder.num_layers == 6
    assert segmenter.transformer_decoder.num_layers == 9
    if 'maxtron' in name:
        assert decoder.temporal_cfg == dict(num_levels=2, drop=0.1)
    tracker = head.get('tracker')
    assert (tracker.num_layers if tracker else 0) == facts.num_layers
    if tracker:
        assert tracker.attn_drop == tracker.aspp.drop == 0.1
        assert tracker.aspp.rates == (1, 2, 3)
    assert head.test_cfg.max_per_video == 100
    assert head.test_cfg.max_per_frame == 30
    check_tube_link_backbone(cfg.model.backbone, '_swin-l_' in name)


def check_tube_link_data(cfg, ovis):
    dataset = cfg.train_dataloader.dataset
    sides = range(480, 801, 32) if ovis else range(288, 513, 32)
    (resize,) = steps_of(dataset.pipeline, 'RandomChoiceResize')
    assert [side for _, side in resize.scales] == list(sides)
    assert {width for width, _ in resize.scales} == {1000000}
    (flip,) = steps_of(dataset.pipeline, 'RandomFlip')
    assert flip.prob == 0.5
    crops = steps_of(dataset.pipeline, 'ClipCrop')
    assert [c.crop_size for c in crops] == [(640, 384)] * ovis
    (test,) = steps_of(cfg.test_dataloader.dataset.pipeline, 'Resize')
    assert test.scale == (640, 360) and test.keep_ratio
    preprocessor = cfg.model.data_preprocessor
    assert preprocessor.pad_size_divisor == 32
    assert preprocessor.mean == [123.675, 116.28, 103.53]


def check_tube_link_backbone(backbone, swin):
    if swin:
        assert (
            backbone.embed_dims,
            backbone.depths,
            backbone.window_size,
            backbone.drop_path_rate,
        ) == (192, [2, 2, 18, 2], 12, 0.3)
    else:
        assert backbone.norm_eval and backbone.norm_cfg.requires_grad
