# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.postprocess import (
    encode_clip,
    frame_instances,
    softmax_to_sigmoid_logits,
    top_pairs,
)

import numpy as np
import torch
from mmengine.structures import InstanceData
from pycocotools import mask as mask_utils

from tests.instance_results import compare_frames, compare_submission
from tests.parity import load_case


def test_frames_equal_reference(tmp_path):
    case = load_case('j_postprocess')
    shapes = [case.settings[k] for k in ('image', 'img_shape', 'ori_shape')]
    num_classes = case.settings['num_classes']
    scores, queries, labels = top_pairs(case.outputs['cls'], 100)
    ids = queries * num_classes + labels + 1
    masks = encode_clip(case.outputs['mask'].float().transpose(0, 1), *shapes)
    frames = [
        InstanceData(
            **frame_instances(frame, scores, queries, labels, ids, 30)
        )
        for frame in masks
    ]
    # Same logits, but two interpolations: a pixel at 0 may flip.
    compare_frames(frames, case, num_classes, pixels=1, atol=1e-5)
    compare_submission(
        frames, 'j_postprocess', num_classes, tmp_path, pixels=1, atol=1e-5
    )


def test_chunks_and_empty_masks():
    logits = torch.randn(7, 1, 6, 8, generator=torch.manual_seed(0))
    logits[3] = -1  # a query that is nowhere
    args = ((12, 16), (11, 15), (22, 30))
    (whole,), (parts,) = (
        encode_clip(logits, *args, chunk_size=n) for n in (7, 2)
    )
    assert whole.rles == parts.rles
    assert whole.scores[3] == 0 and not whole.bboxes[3].any()
    np.testing.assert_allclose(whole.scores, parts.scores, rtol=1e-6)
    pick = torch.tensor([3, 0])
    best = frame_instances(whole, torch.ones(2), pick, pick, pick, 2)
    assert best['labels'].tolist() == [0, 3]  # the empty one comes last


def test_no_visible_mask():
    logits = torch.full((3, 2, 4, 5), -1.0)
    frames = encode_clip(logits, (16, 20), (16, 20), (16, 20))
    assert len(frames) == 2
    for rles, scores, bboxes in frames:
        assert mask_utils.area(rles).tolist() == [0, 0, 0]
        assert scores.tolist() == [0, 0, 0] and not bboxes.any()


def test_masks_that_compete_as_single_ones():
    """Logits of the softmax, also where it is 1 in float32."""
    logits = torch.randn(5, 6, 7, generator=torch.manual_seed(0))
    for i, margin in enumerate((0, 5, 15, 20, 40, 300)):
        logits[1, i] += margin
    single = softmax_to_sigmoid_logits(logits)
    exact = logits.double()
    others = torch.stack(
        [torch.cat((exact[:q], exact[q + 1 :])).logsumexp(0) for q in range(5)]
    )
    torch.testing.assert_close(
        single.double(), exact - others, rtol=1e-5, atol=1e-5
    )
    torch.testing.assert_close(single.sigmoid(), logits.softmax(0))
    # so that no pixel is of two masks, wherever between them it lies
    assert (single.topk(2, 0).values.sum(0) <= 1e-4).all()
    assert softmax_to_sigmoid_logits(logits[:1]).isfinite().all()


def test_corners_are_aligned_on_request():
    logits = torch.tensor([[[[-3.0, 1]]]])  # 0 at 3/4 of the way
    args = ((1, 9), (1, 9), (1, 9))
    for align_corners, left in ((True, 7), (False, 6)):
        (((rle,), *_),) = encode_clip(logits, *args, align_corners)
        assert mask_utils.area(rle) == 9 - left
