# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""FLOPs: counted by hand on small layers, added up over whole models."""

import re

from projects.maxtron.models.within_clip import TrajectoryAttention

import pytest
import torch
import torch.nn.functional as F
from mmcv.ops import MultiScaleDeformableAttention
from mmdet.models import ResNet
from mmengine.analysis import FlopAnalyzer
from mmengine.config import Config
from torch import nn

from tests.models import ROOT
from tools.analysis_tools.get_flops import (
    build_model,
    count_flops,
    count_parts,
    main,
)

CONFIGS = {
    'baseline': 'video_kmax/synthetic/video-kmax_tiny_1xb8-450_synthetic-vps',
    'near-online': 'maxtron/synthetic/maxtron-nearonline_tube-link_tiny_2xb3-'
    '5k_synthetic-vis',
    'offline': 'maxtron/synthetic/maxtron-offline_video-kmax_tiny_1xb2-300_'
    'synthetic-vps',
}


def flops(function, *shapes):
    return count_flops(function, *map(torch.zeros, shapes))[1]


def test_operators_by_hand():
    # channels out x in x kernel x pixels out
    conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    assert flops(conv, (2, 3, 8, 10)) == 2 * 8 * 3 * 9 * 4 * 5
    depthwise = nn.Conv2d(8, 8, 7, padding=3, groups=8)
    assert flops(depthwise, (1, 8, 6, 6)) == 8 * 49 * 36
    assert flops(nn.Linear(5, 7), (2, 3, 5)) == 6 * 5 * 7
    assert (
        flops(
            lambda a, b: torch.einsum('bqc,bchw->bqhw', a, b),
            (2, 4, 5),
            (2, 5, 3, 6),
        )
        == 2 * 4 * 5 * 18
    )
    # 6 queries see 9 keys of 8 channels, 10 of the value
    assert flops(
        F.scaled_dot_product_attention,
        (2, 4, 6, 8),
        (2, 4, 9, 8),
        (2, 4, 9, 8),
    ) == 2 * 4 * 6 * 9 * (8 + 8)
    # four corners a value
    assert (
        flops(
            lambda x, grid: F.grid_sample(x, grid, align_corners=False),
            (2, 3, 5, 5),
            (2, 4, 6, 2),
        )
        == 4 * 2 * 3 * 24
    )


@pytest.mark.parametrize('t', [3, 7])
def test_trajectory_attention_by_hand(t):
    p, c, heads = 6, 16, 4
    attention = TrajectoryAttention(c, heads).requires_grad_(False)
    tokens = t * p
    expected = tokens * 3 * c * c  # q, k and v
    expected += 2 * tokens * tokens * c  # to all tokens, and back
    if t < 5:  # q2, k2 and v2 of the steps to other frames, v2 of the own
        expected += tokens * c * c * (1 + 2 * (t - 1) + 1)
    else:  # q2, W_k and W_v folded out; weights and mean a head
        expected += tokens * (3 * c * c + 2 * t * heads * c)
    expected += tokens * c * c  # output
    assert flops(attention, (1, t, p, c)) == expected


def test_deformable_attention_by_hand():
    c, heads, levels, points = 32, 4, 2, 3
    attention = MultiScaleDeformableAttention(
        c, heads, levels, points, batch_first=True
    ).requires_grad_(False)
    sizes = torch.tensor([[4, 5], [2, 3]])
    query = torch.zeros(1, 26, c)
    kwargs = dict(
        spatial_shapes=sizes,
        level_start_index=torch.tensor([0, 20]),
        reference_points=torch.zeros(1, 26, levels, 2),
    )
    _, count = count_flops(lambda: attention(query, **kwargs))
    samples = heads * levels * points
    expected = 2 * c * c  # value and output
    expected += c * samples * (2 + 1)  # offsets and weights
    expected += 4 * samples * c // heads
    assert count == 26 * expected


def test_convolutions_as_mmdetection_counts_them():
    model = ResNet(depth=18).requires_grad_(False)
    model.eval()
    image = torch.zeros(1, 3, 64, 96)
    analyzer = FlopAnalyzer(model, image)
    analyzer.unsupported_ops_warnings(False)
    _, count = count_flops(model, image)
    assert count == analyzer.by_operator()['conv']


@pytest.mark.slow
@pytest.mark.parametrize('stage', CONFIGS)
def test_parts_add_up(stage):
    """The parts, one after the other, are the model, on real tensors."""
    cfg = Config.fromfile(ROOT / f'configs/{CONFIGS[stage]}.py')
    inputs = torch.zeros(1, 4, 3, 65, 97)
    model = build_model(cfg)
    _, whole = count_flops(lambda: model(inputs, mode='tensor'))
    params = sum(p.numel() for p in model.parameters())
    parts = count_parts(model, inputs, 3)
    tracker = parts.pop('tracker', None)
    names = ['backbone', 'neck', 'segmenter']
    if model.neck is None:
        names.remove('neck')
    assert list(parts) == names
    assert sum(part.flops for part in parts.values()) == whole
    assert (tracker is None) == (stage != 'offline')
    if tracker is not None:
        params -= tracker.params
        assert tracker.num_clips == 3
        # the queries of a video see each other: more than three times as much
        one = count_parts(build_model(cfg), inputs, 1)['tracker']
        assert 3 * one.flops < tracker.flops < 9 * one.flops
    assert sum(part.params for part in parts.values()) == params


def run(capsys, config, *options):
    main([str(ROOT / f'configs/{config}.py'), *options])
    return capsys.readouterr().out


def test_report(capsys):
    out = run(capsys, CONFIGS['offline'], '--num-clips', '4')
    assert 'Mode: offline, 4 clips a video' in out
    assert 'Input shape: 2 x (97, 161)' in out
    rows = dict(re.findall(r'^\| (\w+) \|(.*)\|$', out, re.MULTILINE))
    assert list(rows) == [
        'Part',
        'backbone',
        'neck',
        'segmenter',
        'tracker',
        'all',
    ]
    total = re.search(r'Flops: (\S+) a frame, (\S+) a clip', out)
    assert [cell.strip() for cell in rows['all'].split('|')[1:3]] == list(
        total.groups()
    )
    # near-online it does without the tracker, and its parameters
    out = run(
        capsys,
        CONFIGS['offline'],
        '--cfg-options',
        'model.head.test_cfg.mode=near_online',
    )
    assert 'tracker' not in out and 'offline' not in out


def test_padding_and_length(capsys):
    out = run(
        capsys,
        CONFIGS['near-online'],
        '--shape',
        '70',
        '100',
        '--num-frames',
        '5',
    )
    assert (
        'Use size divisor set input shape from (70, 100) to (96, 128)' in out
    )
    assert 'Input shape: 5 x (96, 128)' in out


@pytest.mark.slow
def test_image_model(capsys):
    """An image is a clip of one frame; --shape sets the canvas."""
    out = run(
        capsys,
        'kmax/coco/kmax_r50_8xb8-150k_coco-panoptic',
        '--shape',
        '97',
        '129',
    )
    assert 'Input shape: 1 x (97, 129)' in out
    frame, clip = re.search(
        r'Flops: (\S+) a frame, (\S+) a clip', out
    ).groups()
    assert frame == clip


def test_wrong_arguments(tmp_path, capsys):
    config = str(ROOT / f'configs/{CONFIGS["baseline"]}.py')
    with pytest.raises(SystemExit):
        main([config, '--num-clips', '0'])
    assert '--num-clips: must be 1 or more' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(tmp_path / 'no.py')])
    assert 'error: Config not found' in capsys.readouterr().err
    other = tmp_path / 'other.py'
    other.write_text(
        'model = dict(type="DETR", backbone=dict(type="ResNet", depth=18))'
    )
    with pytest.raises(SystemExit, match='a DETR'):
        main([str(other)])
