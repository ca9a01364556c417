# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Initial weights of the trainings, by the names of the files."""

import re
from pathlib import Path

import pytest

from tests.configs import MASK2FORMER, ZOO, load

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
