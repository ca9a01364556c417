# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.postprocess import MaskFormerMerger

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.models.seg_heads import MaskFormerFusionHead

NUM_THINGS, NUM_CLASSES = 3, 5
SIZE = (48, 64)
NAMES = ('thing_thr', 'stuff_thr')


def random_logits(num_queries, seed):
    """Mask logits of smooth regions (N, h, w), and class logits (N, C + 1)."""
    generator = torch.manual_seed(seed)
    masks = torch.randn(num_queries, 1, 3, 4, generator=generator)
    masks = F.interpolate(masks, (12, 16), mode='bicubic')[:, 0]
    classes = torch.randn(num_queries, NUM_CLASSES + 1, generator=generator)
    return 4 * masks - 3, 3 * classes


def make_merger(score_thr=0.6, iou_thr=0.5):
    return MaskFormerMerger(
        range(NUM_THINGS),
        NUM_CLASSES,
        pixel_thr=0.5,
        overlap_thr=iou_thr,
        align_corners=False,
        **dict.fromkeys(NAMES, score_thr),
    )


def expected_map(masks, classes, score_thr=0.6, iou_thr=0.5):
    """The map of MMDetection (H, W)."""
    head = MaskFormerFusionHead(
        NUM_THINGS,
        NUM_CLASSES - NUM_THINGS,
        test_cfg=dict(
            object_mask_thr=score_thr, iou_thr=iou_thr, filter_low_score=True
        ),
    )
    masks = F.interpolate(masks[None], SIZE, mode='bilinear')[0]
    return head.panoptic_postprocess(classes, masks).sem_seg[0].numpy()


def segments_of(ids):
    """Label, whether it is a thing, and pixels of each segment."""
    segments = [
        (i % 1000, i >= 1000, np.flatnonzero(ids == i).tolist())
        for i in np.unique(ids).tolist()
    ]
    return sorted(segments)


@pytest.mark.parametrize('num_queries', [6, 40])  # one chunk, and three
@pytest.mark.parametrize('score_thr', [0.1, 0.6])  # 0.1: "no object" decides
def test_equals_mmdetection(num_queries, score_thr):
    found = 0
    for seed in range(10):
        masks, classes = random_logits(num_queries, seed)
        merger = make_merger(score_thr)
        merger.set_classes(classes)
        merger.update(masks[:, None], SIZE, SIZE, SIZE)
        result = merger.merge(classes)
        expected = expected_map(masks, classes, score_thr)
        ids = result.maps[0].decode()
        assert segments_of(ids) == segments_of(expected)
        # The segments have ids of the map, and the scores of their classes.
        scores = classes.softmax(-1).amax(-1)
        assert {s.id for s in result.segments} == {*ids.flat} - {NUM_CLASSES}
        assert all(
            s.score == scores[s.query] > score_thr for s in result.segments
        )
        found += len(result.segments)
    assert found > 10


def test_frames_of_a_clip_are_decided_together():
    """A clip of twice the same frame has twice the same map."""
    masks, classes = random_logits(6, seed=1)
    merger = make_merger()
    merger.set_classes(classes)
    merger.update(masks[:, None].expand(-1, 2, -1, -1), SIZE, SIZE, SIZE)
    expected = segments_of(expected_map(masks, classes))
    assert len(expected) > 2
    for panoptic_map in merger.merge(classes).maps:
        assert segments_of(panoptic_map.decode()) == expected


def test_no_object_at_all():
    masks, classes = random_logits(6, seed=0)
    classes[:, -1] = 99
    merger = make_merger()
    merger.set_classes(classes)
    merger.update(masks[:, None], SIZE, SIZE, SIZE)
    maps, segments = merger.merge(classes)
    assert not segments and (maps[0].decode() == NUM_CLASSES).all()


def test_classes_come_first():
    masks, _ = random_logits(6, seed=0)
    with pytest.raises(ValueError, match='call set_classes first'):
        make_merger().update(masks[:, None], SIZE, SIZE, SIZE)
