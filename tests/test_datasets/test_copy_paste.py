# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import projects.maxtron  # noqa: F401
from projects.maxtron.datasets.transforms.copy_paste import PASTED

import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS, TRANSFORMS

from tests.test_datasets.tiny_panoptic import (
    DOOR,
    GRASS,
    WALL,
    color_id,
    draw_frame,
    draw_map,
    write_dataset,
)

SKY, ROAD, PERSON = 20, 21, 22  # two of stuff, one of things
SIZE = 16
# id -> (label, is it a thing, is it a crowd)
ORIGINAL = {1: (SKY, 0, 0), 5: (PERSON, 1, 0), 6: (PERSON, 1, 0)}
OTHER = {
    3: (SKY, 0, 0),
    4: (ROAD, 0, 0),
    5: (PERSON, 1, 0),
    8: (PERSON, 1, 1),
    9: (PERSON, 1, 0),
}


def make_clip(table, maps, color):
    """Make a clip of id maps in one colour, with an invalid lower half."""
    frames, infos = [], []
    for ids in maps:
        present = [i for i in table if (ids == i).any()]
        index = np.zeros(ids.shape, np.uint8)
        for k, i in enumerate(present, 1):
            index[ids == i] = k
        frames.append(index)
        infos.append(
            [
                dict(
                    id=i,
                    category=table[i][0],
                    is_thing=bool(table[i][1]),
                    iscrowd=table[i][2],
                )
                for i in present
            ]
        )
    valid = np.zeros(maps[0].shape, bool)
    valid[: SIZE // 2] = True
    return dict(
        img=[np.full((*ids.shape, 3), color, np.uint8) for ids in maps],
        gt_seg_map=frames,
        segments_info=infos,
        valid_pixels=[valid.copy() for _ in maps],
    )


def original_maps():
    maps = np.ones((2, SIZE, SIZE), int)
    maps[:, 8:] = 0
    maps[:, 1:4, 1:4] = 5
    maps[:, 4:8, 8:12] = 6
    maps[1, maps[1] == 1] = 0  # the sky is gone
    return maps


def other_maps():
    maps = np.zeros((2, SIZE, SIZE), int)
    maps[:, 0] = 3
    maps[:, 15] = 4
    maps[0, 2:5, 2:5] = 5
    maps[1, 10:13, 10:13] = 5
    maps[:, 5:7, 5:7] = 8
    maps[1, 13:15, 1:3] = 9  # not in the first frame
    return maps


def paste(seed=None, **kwargs):
    if seed is not None:
        np.random.seed(seed)
    step = TRANSFORMS.build(
        dict(
            type='VideoCopyPaste', transforms=[], paste_transforms=[], **kwargs
        )
    )
    clip = make_clip(ORIGINAL, original_maps(), 10)
    clip['mix_results'] = [make_clip(OTHER, other_maps(), 200)]
    return step(clip)


def pack(clip):
    """Tubes and labels, (T, h, w), and tubes by frame."""
    step = TRANSFORMS.build(dict(type='PackPanopticClip', stride=1))
    frames = list(step(clip)['data_samples'])
    tubes = torch.stack([f.gt_panoptic_seg.sem_seg[0] for f in frames])
    labels = torch.stack([f.gt_sem_seg.sem_seg[0] for f in frames])
    seen = [
        dict(
            zip(
                f.gt_instances.instances_ids.tolist(),
                f.gt_instances.labels.tolist(),
            )
        )
        for f in frames
    ]
    return tubes.numpy(), labels.numpy(), seen


def pasted_ids(clip):
    """Find the pasted ids of the other clip by the changed pixels."""
    changed = np.stack(clip['img'])[..., 0] == 200
    return set(other_maps()[changed].tolist())


def seed_that_pastes(stuff):
    """Find a seed that pastes exactly this stuff."""
    return next(s for s in range(500) if pasted_ids(paste(s)) - {5} == stuff)


def test_what_is_chosen():
    """All things are chosen, and 0 to all segments at random."""
    counts = {}
    for seed in range(600):
        chosen = frozenset(pasted_ids(paste(seed)))
        counts[chosen] = counts.get(chosen, 0) + 1
    # neither the crowd nor what comes later
    options = [{5}, {5, 3}, {5, 4}, {5, 3, 4}]
    assert set(counts) == {frozenset(option) for option in options}
    # of 3 ids, 0 to 3 with equal probability: none of the two of stuff is
    # among the first ones in (1 + 1/3) / 4 = 1/3 of the cases, both in
    # (1 + 1/3) / 4, too
    for option in ({5}, {5, 3, 4}):
        assert abs(counts[frozenset(option)] / 600 - 1 / 3) < 0.07
    for option in ({5, 3}, {5, 4}):
        assert abs(counts[frozenset(option)] / 600 - 1 / 6) < 0.06


def test_pixels_go_along():
    clip = paste(seed_that_pastes({3, 4}))
    other = other_maps()
    mask = np.isin(other, (3, 4, 5))  # in both frames
    img = np.stack(clip['img'])
    assert (img == np.where(mask, 200, 10)[..., None]).all()
    valid = np.zeros_like(mask)
    valid[:, : SIZE // 2] = True
    assert (np.stack(clip['valid_pixels']) == valid | mask).all()
    tubes, labels, _ = pack(clip)
    kept = np.where(mask, 0, original_maps())
    assert (np.where(mask, 0, tubes) == kept).all()
    assert (labels[mask & (other == 5)] == PERSON).all()
    assert (labels[mask & (other == 3)] == SKY).all()
    assert (labels[mask & (other == 4)] == ROAD).all()


@pytest.mark.parametrize('reference_collision', [False, True])
def test_stuff_joins(reference_collision):
    clip = paste(
        seed_that_pastes({3, 4}), reference_collision=reference_collision
    )
    tubes, _, seen = pack(clip)
    other = other_maps()
    # the sky of both is one tube; in the second frame only the other clip has
    # any, which the reference does not join to that of the first
    second = 3 if reference_collision else 1
    assert (tubes[0][other[0] == 3] == 1).all()
    assert (tubes[1][other[1] == 3] == second).all()
    assert seen[0][1] == seen[1][second] == SKY
    assert (3 in seen[1]) == reference_collision and 3 not in seen[0]
    road = 4 if reference_collision else 4 + PASTED
    assert (tubes[other == 4] == road).all()
    assert seen[0][road] == seen[1][road] == ROAD


def test_collision_mended():
    tubes, labels, seen = pack(paste(seed_that_pastes(set())))
    other, original = other_maps(), original_maps()
    mask = other == 5
    assert (tubes[mask] == 5 + PASTED).all()
    assert (tubes[~mask] == original[~mask]).all()
    for frame in seen:
        assert frame[5] == frame[6] == frame[5 + PASTED] == PERSON
    assert (labels[(original >= 5) | mask] == PERSON).all()


def test_collision_of_the_reference():
    tubes, labels, seen = pack(
        paste(seed_that_pastes(set()), reference_collision=True)
    )
    other, original = other_maps(), original_maps()
    mask = other == 5
    assert (tubes[mask] == 5).all()
    # the original one is void of instances, but keeps its class
    lost = (original == 5) & ~mask
    assert lost[0].any() and lost[1].any()
    assert not tubes[lost].any() and (labels[lost] == PERSON).all()
    assert (tubes[~mask & ~lost] == original[~mask & ~lost]).all()
    for frame in seen:
        assert frame[5] == frame[6] == PERSON and max(frame) == 6


def test_collision_only_where_it_is_pasted():
    """Per frame: where the pasted segment is absent, the original stays."""
    step = TRANSFORMS.build(
        dict(
            type='VideoCopyPaste',
            transforms=[],
            paste_transforms=[],
            reference_collision=True,
        )
    )
    other = other_maps()
    other[1] = 0
    table = {**OTHER, 5: (PERSON + 1, 1, 0)}
    clip = make_clip(ORIGINAL, original_maps(), 10)
    clip['mix_results'] = [make_clip(table, other, 200)]
    tubes, labels, seen = pack(step(clip))
    assert (tubes[0] == 5).sum() == 9 and (tubes[1] == 5).sum() == 9
    assert (tubes[1][original_maps()[1] == 5] == 5).all()
    # one slot has one class, the largest; pixels keep theirs
    assert seen[0][5] == seen[1][5] == PERSON + 1
    assert (labels[1][tubes[1] == 5] == PERSON).all()


def test_no_second_video():
    step = TRANSFORMS.build(
        dict(type='VideoCopyPaste', transforms=[], paste_transforms=[])
    )
    with pytest.raises(ValueError, match='got no second video'):
        step(make_clip(ORIGINAL, original_maps(), 10))


def test_from_files(tmp_path):
    """In a dataset, any video may be pasted into any other."""
    write_dataset(tmp_path)

    def steps():
        return [
            dict(type='RandomClipSampler'),
            dict(
                type='TransformBroadcaster',
                transforms=[
                    dict(type='LoadVideoFrame', to_float32=False),
                    dict(type='LoadPanopticMap'),
                    dict(type='PadToCanvas', canvas=(96, 96)),
                ],
            ),
        ]

    dataset = DATASETS.build(
        dict(
            type='VIPSegDataset',
            data_root=str(tmp_path),
            ann_file='train.json',
            img_suffix='.png',
            clip_len=2,
            pipeline=[
                dict(
                    type='VideoCopyPaste',
                    transforms=steps(),
                    paste_transforms=steps(),
                ),
                dict(type='PackPanopticClip', stride=1),
            ],
        )
    )
    sources = set()
    for seed in range(12):
        np.random.seed(seed)
        sample = dataset[0]
        for img, frame in zip(sample['inputs'], sample['data_samples']):
            img = img.permute(1, 2, 0).numpy()
            own = np.zeros((96, 96, 3), np.uint8)
            own[:64] = draw_frame('landscape', frame.frame_id)
            ids = np.zeros((96, 96), int)
            raw = draw_map('landscape', frame.frame_id)
            for value in (1, 15, 300, 301):
                ids[:64][raw == value] = color_id(value)
            tubes = frame.gt_panoptic_seg.sem_seg[0].numpy()
            labels = frame.gt_sem_seg.sem_seg[0].numpy()
            pasted = tubes >= PASTED
            assert pasted.any()  # the doors of either video
            rest = ~pasted & (img == own).all(-1)
            assert (tubes[rest] == ids[rest]).all()
            assert set(labels[pasted].tolist()) <= {DOOR, GRASS, 4}
            joined = ~pasted & ~rest
            assert set(labels[joined].tolist()) <= {WALL, 14}
            below = (img[64:] != 0).any()
            sources.add('portrait' if below else 'landscape')
    assert sources == {'portrait', 'landscape'}
