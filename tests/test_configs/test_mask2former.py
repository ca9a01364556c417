# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Weights of MMDetection's Mask2Former fit our configs at full size."""

import re

import pytest
from mmengine.hub import get_config

from tests.configs import ZERO_SHOT, load, read_index

# Other weights have the same shapes, except for the number of classes; those
# of R-50 are loaded in tests/test_models/test_mask2former.py.
DISTINCT = [
    path
    for path in ZERO_SHOT
    if re.search('coco-panoptic|swin-l', path)
    and not re.search('_r50_|-in21k', path)
]
NORMALISATION = ('mean', 'std', 'bgr_to_rgb', 'pad_size_divisor')


@pytest.mark.slow
@pytest.mark.parametrize('path', DISTINCT)
def test_equals_the_config_of_the_weights(path, build_meta):
    cfg, expected = load(path), config_of_weights(path)
    shapes = {
        re.sub('^(panoptic|track)_head', 'head.segmenter', name): value.shape
        for name, value in build_meta(expected.model).state_dict().items()
    }
    ours = build_meta(cfg.model).state_dict()
    assert shapes == {name: value.shape for name, value in ours.items()}
    for key in NORMALISATION:
        assert (
            cfg.model.data_preprocessor[key]
            == (expected.model.data_preprocessor[key])
        )
    assert find_resize(cfg) == find_resize(expected)
    if 'panoptic' in path:
        check_fusion(cfg.model.head.test_cfg, expected.model)


def config_of_weights(path):
    """Load MMDetection's config, which the address of the weights names."""
    name = path.rpartition('/')[2].removesuffix('.py')
    folder, file = read_index()[name]['Weights'].split('/')[-3:-1]
    return get_config(f'mmdet::{folder}/{file}.py')


def find_resize(cfg):
    """Find the size of the frames in the pipeline of the test."""
    steps = cfg.test_dataloader.dataset.pipeline
    for step in (*steps, *steps[0].get('transforms', [])):
        if step.type == 'Resize':
            assert step.keep_ratio
            return step.scale


def check_fusion(test_cfg, model):
    """MMDetection's default of object_mask_thr is 0.8."""
    assert 'object_mask_thr' not in model.test_cfg
    assert test_cfg.thing_thr == test_cfg.stuff_thr == 0.8
    assert test_cfg.overlap_thr == model.test_cfg.iou_thr
    assert model.test_cfg.filter_low_score and test_cfg.pixel_thr == 0.5
    assert test_cfg.thing_labels == list(
        range(model.panoptic_head.num_things_classes)
    )
