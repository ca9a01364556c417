# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import projects.maxtron  # noqa: F401, before MMDetection

import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData


def assign(scores, overlaps, labels, areas, **kwargs):
    matcher = TASK_UTILS.build(dict(type='SimilarityMatcher', **kwargs))
    return matcher.assign(
        InstanceData(
            scores=torch.tensor(scores), overlaps=torch.tensor(overlaps)
        ),
        InstanceData(
            labels=torch.tensor(labels).long(), areas=torch.tensor(areas)
        ),
    )


@pytest.mark.parametrize(
    'masking, similarity', [(True, 12 / 16), (False, 12 / 20)]
)
def test_mask_and_class_both_count(masking, similarity):
    # Query 1 has the better mask of tube 0, but query 2 the right class.
    result = assign(
        scores=[[0.5, 0.4, 0.1], [0.01, 0.01, 0.98], [0.6, 0.3, 0.1]],
        overlaps=[[0.0, 0.0, 8.0], [0.0, 10.0, 0.0], [4.0, 6.0, 0.0]],
        labels=[0, 1],
        areas=[10, 8],
        masking_void_pixel=masking,
    )
    assert result.num_gts == 2
    assert result.gt_inds.tolist() == [2, 0, 1]
    assert result.labels.tolist() == [1, -1, 0]
    torch.testing.assert_close(
        result.max_overlaps, torch.tensor([1.0, 0.0, similarity])
    )
    torch.testing.assert_close(
        result.get_extra_property('cls_probs'), torch.tensor([0.4, 0.0, 0.6])
    )


def test_no_ground_truth():
    result = assign([[0.5, 0.5]] * 3, [[1.0]] * 3, [], [])
    assert result.gt_inds.tolist() == [0, 0, 0]
    assert result.max_overlaps.tolist() == [0, 0, 0]


def test_more_ground_truths_than_queries():
    result = assign([[0.5, 0.5]], [[0.0, 1.0, 9.0, 2.0]], [0, 0, 0], [9, 9, 9])
    assert result.gt_inds.tolist() == [2]


def test_numbers_that_are_none():
    result = assign(
        [[float('nan'), 0.5], [0.5, 0.5]],
        [[0.0, float('inf')], [0.0, 5.0]],
        [0],
        [5],
    )
    assert result.gt_inds.tolist() == [0, 1]
