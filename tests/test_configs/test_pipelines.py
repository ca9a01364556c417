# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The pipelines of the configs at their sizes, on miniatures of the data."""

import copy

import pytest
import torch
from mmdet.registry import DATASETS

from tests.configs import OWN_DATASETS, load
from tests.shrinking import write_miniatures


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_miniatures(tmp_path_factory.mktemp('data'))


def build(loader, data, **kwargs):
    cfg = copy.deepcopy(loader.dataset)
    cfg.data_root = str(data / cfg.data_root.removeprefix('data/'))
    if cfg.type == 'VIPSegDataset':
        cfg.img_suffix = '.png'
    return DATASETS.build({**cfg, **kwargs})


@pytest.mark.slow
@pytest.mark.parametrize('path', OWN_DATASETS)
def test_training(path, data):
    cfg = load(path)
    # The miniature videos have up to 7 frames. One of them has only 2
    # consecutive frames with an object, as in OVIS.
    kwargs = {}
    if 'coco' not in path:
        kwargs = dict(clip_len=2 if 'ovis' in path else 5)
    dataset = build(cfg.train_dataloader, data, **kwargs)
    things = set()
    for sample in map(dataset.__getitem__, range(2)):
        inputs, track = sample['inputs'], sample['data_samples']
        assert len(inputs) == len(track) == kwargs.get('clip_len', 1)
        assert inputs.shape[1] == 3 and inputs.any()
        if 'canvas' in cfg:
            assert inputs.shape[2:] == cfg.canvas[::-1]
            assert inputs.dtype == torch.uint8
        for frame in track:
            gts = frame.gt_instances
            assert len(gts.labels) == len(gts.instances_ids)
            things |= set(gts.labels.tolist())
            if 'canvas' not in cfg:
                assert len(gts.masks) == len(gts.labels)
                assert (gts.masks.height, gts.masks.width) == inputs.shape[2:]
                continue
            ids = frame.gt_panoptic_seg.sem_seg
            stride = inputs.shape[3] / ids.shape[2]
            assert stride == pytest.approx(
                1 if 'tube-link' in path else 4, rel=0.01
            )
            assert set(ids.unique().tolist()) - {0} == set(
                gts.instances_ids.tolist()
            )
    assert things <= set(range(len(dataset.metainfo['classes']))) and things


@pytest.mark.parametrize('path', OWN_DATASETS)
def test_testing(path, data):
    cfg = load(path)
    dataset = build(cfg.val_dataloader, data)
    assert len(dataset) == (3 if 'coco' in path else 2)
    sample = dataset[0]
    inputs = sample['inputs']
    if 'coco' in path:
        assert inputs.shape[0] == 3
        return
    assert len(inputs) == len(sample['data_samples']) == 7
    height, width = inputs[6].shape[-2:]
    # 640 x 360 holds it, or the model resizes
    assert (height, width) == ((64, 96) if 'canvas' in cfg else (360, 540))
