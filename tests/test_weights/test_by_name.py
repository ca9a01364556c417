# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""From the name of released weights to masks, with files of their formats.

The files have all names of the real weights, and random values.
"""

import io

from projects.maxtron.apis import MaXTronInferencer
from projects.maxtron.weights import (
    cache_folder,
    cached_path,
    find_weights,
    resolve,
)

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import init_default_scope

from tests.foreign_checkpoints import to_reference

pytestmark = pytest.mark.slow


def by_reference(keys):
    """Write the weights of this project with the keys of a reference."""
    return lambda state: to_reference(state, keys)


def by_mmdetection(config):
    """Write the weights of MMDetection's own model."""

    def write(state):
        with torch.device('meta'):
            theirs = MODELS.build(get_config(f'mmdet::{config}.py').model)
        values = {
            key.replace('head.segmenter.', head): value
            for head in ('panoptic_head.', 'track_head.')
            for key, value in state.items()
        }
        return {key: values[key] for key in theirs.state_dict()}

    return write


def fill(state):
    """Make values up, much faster than the initialisation of a model."""
    torch.manual_seed(0)
    return {
        key: 0.02 * torch.rand(value.shape)
        if value.is_floating_point()
        else torch.zeros(value.shape, dtype=value.dtype)
        for key, value in state.items()
    }


CANVAS = {'model.data_preprocessor.input_size': (65, 97)}
FRAME = {'test_dataloader.dataset.pipeline.0.transforms.1.scale': (96, 64)}
CASES = {
    'maxtron-nearonline_video-kmax_r50_vipseg': (
        by_reference('vps/keys/maxtron_wc_r50'),
        CANVAS,
    ),
    'maxtron-offline_tube-link_r50_ovis': (
        by_reference('vis/keys_cc_r50_ovis'),
        FRAME,
    ),
    'kmax-deeplab_r50_coco-panoptic': (
        by_reference('vps/keys/kmax_r50'),
        CANVAS,
    ),
    'mask2former_r50_coco-panoptic': (
        by_mmdetection(
            'mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic'
        ),
        {'test_dataloader.dataset.pipeline.1.scale': (96, 64)},
    ),
    'mask2former_r50_youtube-vis-2021': (
        by_mmdetection(
            'mask2former_vis/mask2former_r50_8xb2-8e_youtubevis2021'
        ),
        FRAME,
    ),
}


@pytest.mark.parametrize('name', CASES)
def test_name_to_masks(name, server, monkeypatch):
    init_default_scope('mmdet')
    entry = find_weights(name)
    torch.manual_seed(0)
    state = MODELS.build(Config.fromfile(entry.config_path).model).state_dict()
    write, options = CASES[name]
    file = io.BytesIO()
    torch.save(dict(state_dict=write(state)), file)
    if entry.url.startswith('gdrive:'):
        place = cached_path(entry.url).relative_to(cache_folder()).as_posix()
        checkpoint = None
    else:
        # The name has the check sum of the real file, so the URL is given.
        place = 'random.pth'
        checkpoint = f'{server.url}/files/{place}'
    server.files = {place: file.getvalue()}
    if checkpoint is None:
        monkeypatch.setenv('MAXTRON_MIRROR', f'{server.url}/files')

    arguments = dict(device='cpu', cfg_options=options)
    inferencer = MaXTronInferencer(name, checkpoint, **arguments)
    loaded = inferencer.model.state_dict()
    assert loaded.keys() == state.keys()
    for key, value in state.items():
        assert value.equal(loaded[key]), key
    frames = np.random.default_rng(0).integers(
        0, 256, (2, 32, 48, 3), np.uint8
    )
    results = list(inferencer(list(frames)))
    assert [result.ori_shape for result in results] == [(32, 48)] * 2
    resolve(checkpoint or name)  # is in the cache
    assert len(server.requests) == 1
