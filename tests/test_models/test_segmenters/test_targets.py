# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.segmenters import index_targets, semantic_targets

import pytest
import torch
from mmengine.structures import InstanceData, PixelData

from tests.test_models.clips import pack_clip

SIZE = (2, 2, 3)


@pytest.fixture
def clip():
    ids = torch.tensor(
        [[[0, 9, 9], [70000, 70000, 5]], [[9, 9, 0], [70000, 0, 5]]]
    )
    semantic = torch.tensor(
        [[[255, 1, 1], [0, 0, 255]], [[1, 1, 255], [0, 255, 255]]]
    )
    return pack_clip(ids, {9: 1, 70000: 0}, semantic)


def test_ids_become_indices(clip):
    # 5 has no label, 40 no pixel: neither is a tube.
    clip[1].gt_instances = InstanceData.cat(
        [
            clip[1].gt_instances,
            InstanceData(
                instances_ids=torch.tensor([40]), labels=torch.tensor([2])
            ),
        ]
    )
    empty = pack_clip(torch.zeros(SIZE), {}, torch.full(SIZE, 255))
    targets = index_targets([clip, empty, clip], 3, SIZE)
    assert [x.tolist() for x in targets.labels] == [[1, 0], [], [1, 0]]
    assert [x.tolist() for x in targets.areas] == [[4, 3], [], [4, 3]]
    expected = torch.tensor([[[0, 1, 1], [2, 2, 0]], [[1, 1, 0], [2, 0, 0]]])
    assert targets.tube_map.equal(
        torch.stack((expected, torch.zeros_like(expected), expected))
    )

    semantic = semantic_targets([clip], 3, SIZE)
    expected = torch.tensor([[[[3, 1, 1], [0, 0, 3]], [[1, 1, 3], [0, 3, 3]]]])
    assert semantic.equal(expected)


def test_masks_of_tubes(clip):
    empty = pack_clip(torch.zeros(SIZE), {}, torch.full(SIZE, 255))
    first, second = index_targets([clip, empty], 3, SIZE).masks()
    assert first.labels.tolist() == [1, 0]
    assert first.masks.tolist() == [
        [[0, 1, 1], [0, 0, 0], [1, 1, 0], [0, 0, 0]],
        [[0, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0]],
    ]
    assert first.masks.dtype == torch.float32
    assert second.labels.shape == (0,) and second.masks.shape == (0, 4, 3)


def break_label(clip):
    clip[0].gt_instances.labels[:] = 3


def break_class(clip):
    clip[1].gt_instances.labels = clip[1].gt_instances.labels.flip(0)


def break_id(clip):
    clip[1].gt_instances.instances_ids[0] = 0


def break_size(clip):
    clip[1].gt_panoptic_seg = PixelData(sem_seg=torch.ones(1, 3, 3))


def break_field(clip):
    del clip[1].gt_panoptic_seg


def break_semantic(clip):
    clip[1].gt_sem_seg.sem_seg[0, 0, 0] = 3


def shorten(clip):
    clip.video_data_samples = clip.video_data_samples[:1]


@pytest.mark.parametrize(
    'harm, message',
    [
        (break_label, r'Segment \d+ of clip/0.jpg has label 3.*num_classes=3'),
        (break_class, r'has label 0, but 1 in an earlier frame'),
        (break_id, r'Segment 0 of clip/1.jpg.*ids start at 1'),
        (break_size, r'clip/1.jpg is of size \(3, 3\), but masks of \(2, 3\)'),
        (break_field, 'clip/1.jpg has no gt_panoptic_seg'),
        (break_semantic, 'gt_sem_seg has labels from 0 to 3.*num_classes=3'),
        (shorten, '1 frames of ground truth, but masks are predicted for 2'),
    ],
)
def test_bad_ground_truth_is_told(clip, harm, message):
    harm(clip)
    with pytest.raises(ValueError, match=message):
        index_targets([clip], 3, SIZE)
        semantic_targets([clip], 3, SIZE)
