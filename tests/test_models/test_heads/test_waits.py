# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""How often inference would wait for a GPU."""

from projects.maxtron.structures import ClipPrediction, ClipShapes

import pytest
import torch
from mmengine.config import Config

from tests.imaginary_device import ImaginaryDevice
from tests.models import ROOT, build

SIZE = (48, 80)


def make_clip(num_queries, num_classes, seed=0):
    """A clip of two frames with regions of some queries."""
    random = torch.manual_seed(seed)
    masks = torch.randn(1, num_queries, 2, 3, 5, generator=random)
    masks = torch.nn.functional.interpolate(masks.flatten(1, 2), (12, 20))
    classes = torch.randn(1, num_queries, num_classes + 1, generator=random)
    embeds = torch.randn(1, num_queries, 16, generator=random)
    return ClipPrediction(
        4 * classes, 8 * masks.unflatten(1, (num_queries, 2)), embeds, embeds
    )


def make_head(name, **test_cfg):
    path = f'configs/_base_/models/maxtron-nearonline_{name}_tiny.py'
    cfg = Config.fromfile(ROOT / path).model.head
    cfg.test_cfg.update(test_cfg)
    return build(cfg)


@pytest.mark.parametrize(
    'name, whole_video, waits',
    [
        # two per frame, and one to link the things
        ('video-kmax', False, 5),
        # two per frame at most, and one to link the queries
        ('video-kmax', True, 5),
        # one each to link, to find masks, per chunk, and for masks and scores
        ('tube-link', False, 5),
        ('tube-link', True, 4),
    ],
)
def test_waits_of_a_clip(name, whole_video, waits):
    head = make_head(name)
    video = head.start_video(whole_video)
    shapes = ClipShapes(SIZE, SIZE, SIZE, 2)
    clips = [make_clip(20, head.num_classes, seed) for seed in range(2)]
    with ImaginaryDevice() as device:
        results = video.update(clips[0], shapes)
        device.waits.clear()
        results += video.update(clips[1], shapes)
    assert sum(device.waits.values()) <= waits, device.waits
    results += [x for part in video.finish() for x in part]
    assert len(results) == 4
    if name == 'video-kmax':
        assert any(len(x.segment_ids) > 1 for x in results)
    else:
        assert any(len(x.scores) for x in results)


def test_waits_are_counted():
    x = torch.arange(6.0)
    with ImaginaryDevice() as device:
        assert x.sum() > 3  # bool of a tensor
        x[x > 3]
        x[[0, 1]]  # copies the list
        host = (x + 1).cpu()
        x[host.long() - 1], host[[0, 1]]
        host.to(torch.device('cpu'), non_blocking=True)  # to the "device"
        host.to(torch.device('cpu')), x.new_tensor([1.0])
        host.tolist(), host.max().item(), host[host > 2].numpy()
        x.unique()
    assert device.waits == {
        '__bool__': 1,
        '__getitem__': 3,
        'cpu': 1,
        'new_tensor': 1,
        'to': 1,
        'unique': 1,
    }
