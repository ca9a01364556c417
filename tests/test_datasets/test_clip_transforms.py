# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import pickle
from copy import deepcopy
from functools import partial

import projects.maxtron  # noqa: F401

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS, TRANSFORMS
from mmdet.structures.mask import BitmapMasks
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from tests.test_datasets.tiny_videos import CLASSES, write_dataset

T = 4
LOAD = [
    dict(type='LoadVideoFrame'),
    dict(type='LoadTrackAnnotations', with_mask=True),
]
RESIZE = [dict(type='Resize', scale=(120, 80), keep_ratio=True)]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('videos')
    write_dataset(root)
    return root


def broadcast(transforms):
    return dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=transforms,
    )


def build(root, pipeline, **kwargs):
    cfg = dict(
        type='YouTubeVISClipDataset',
        dataset_version='2021',
        data_root=str(root),
        ann_file='train.json',
        data_prefix=dict(img_path='train/JPEGImages'),
        metainfo=dict(classes=CLASSES),
        clip_len=T,
        serialize_data=False,  # faster for a few frames
        pipeline=pipeline,
    )
    return DATASETS.build({**cfg, **kwargs})


@pytest.mark.parametrize('crop', [None, (100, 70)])
def test_augmentation_is_shared_and_masks_follow(root, crop):
    """Blue is the mask; green and red are the original place of a pixel."""
    np.random.seed(1)
    pipeline = [
        dict(type='ClipSampler'),
        broadcast(
            [
                *LOAD,
                dict(
                    type='RandomChoiceResize',
                    # twice the size: interpolated masks are exact at 0.5
                    scales=[(192, 128), (96, 64)],
                    keep_ratio=True,
                ),
                dict(type='RandomFlip', prob=0.5),
            ]
        ),
        dict(type='PackTrackInputs'),
    ]
    if crop is not None:
        pipeline.insert(2, dict(type='ClipCrop', crop_size=crop))
    dataset = build(root, pipeline)
    seen = set()
    for k in range(24):
        sample = dataset[(0, k % 3)]
        images, frames = sample['inputs'], sample['data_samples']
        assert images.dtype == torch.float32
        assert (images[:, 1:] == images[:1, 1:]).all()
        for image, frame in zip(images, frames):
            masks = frame.gt_instances.masks.masks.astype(bool)
            union = torch.from_numpy(masks.any(axis=0))
            assert torch.equal(image[0] > 127, union)
        flip, scale = frames[0].flip, frames[0].scale_factor
        corner = (float(images[0, 1, 0, 0]), float(images[0, 2, 0, 0]))
        seen.add((tuple(images.shape), flip, scale, corner))
    shapes, flips, scales, corners = (set(v) for v in zip(*seen))
    assert flips == {True, False} and scales == {(2.0, 2.0), (1.0, 1.0)}
    if crop is None:
        assert shapes == {(T, 3, 128, 192), (T, 3, 64, 96)}
    else:  # smaller images are kept
        assert shapes == {(T, 3, 70, 100), (T, 3, 64, 96)}
        assert len(corners) > 10


def load_clip(root, video=0, key=0):
    """A clip with images and annotations as on disk."""
    pipeline = [dict(type='ClipSampler'), broadcast(LOAD)]
    return build(root, pipeline).prepare_data((video, key))


def test_crop_clips_boxes_and_drops_what_is_outside(root):
    """The second object moves out of a crop at the left border."""
    clip = load_clip(root, key=2)
    crop = TRANSFORMS.build(dict(type='ClipCrop', crop_size=(64, 64)))
    out = crop(deepcopy(clip))
    while out['img'][0][0, 0, 2] > 0:  # red is twice the offset
        out = crop(deepcopy(clip))
    ids = [i.tolist() for i in out['gt_instances_ids']]
    assert ids == [[1, 2], [1, 2], [1, 2], [1]]  # it begins at x = 56 ... 65
    assert out['gt_bboxes'][0][1].tolist() == [56.0, 20.0, 64.0, 44.0]
    assert [len(labels) for labels in out['gt_bboxes_labels']] == [2, 2, 2, 1]
    assert [len(masks) for masks in out['gt_masks']] == [2, 2, 2, 1]
    assert out['gt_masks'][0].masks[1].sum() == 8 * 24


def test_crop_rejects_a_clip_with_an_empty_frame(root):
    """ClipCrop looks at every frame, RejectEmpty at the key frame only."""
    clip = load_clip(root, video=1, key=1)  # its second frame has no object
    crop = TRANSFORMS.build(dict(type='ClipCrop', crop_size=(200, 200)))
    reject = TRANSFORMS.build(dict(type='RejectEmpty'))
    assert [len(ids) for ids in clip['gt_instances_ids']] == [1, 0, 1, 1]
    assert reject(clip) is clip
    assert crop(clip) is None
    clip['gt_ignore_flags'][0][:] = True  # Crowds are not trained on.
    assert reject(clip) is None


def test_sampling_options(root):
    np.random.seed(0)
    dataset = build(root, [])

    def frames(key=1, **options):
        dataset.pipeline = TRANSFORMS.build(
            dict(type='ClipSampler', **options)
        )
        clip = dataset.prepare_data((0, key))
        return clip and (clip['frame_id'], clip['key_frame_flags'].index(True))

    assert frames() == ([1, 2, 3, 4], 0)
    assert frames(key=0, stride=2) == ([0, 2, 4, 6], 0)
    assert frames(key=1, stride=2) is None
    assert frames(reverse_prob=1.0) == ([4, 3, 2, 1], 3)
    played = {tuple(frames(reverse_prob=0.5)[0]) for _ in range(20)}
    assert played == {(1, 2, 3, 4), (4, 3, 2, 1)}
    orders = [frames(shuffle=True) for _ in range(20)]
    assert all(sorted(o) == [1, 2, 3, 4] and o[k] == 1 for o, k in orders)
    assert len({tuple(o) for o, _ in orders}) > 5
    with pytest.raises(ValueError, match='stride of ClipSampler is 0'):
        TRANSFORMS.build(dict(type='ClipSampler', stride=0))
    with pytest.raises(ValueError, match='reverse_prob of ClipSampler is 2'):
        TRANSFORMS.build(dict(type='ClipSampler', reverse_prob=2))


def test_lazy_video_equals_the_eager_pipeline(root):
    """The videos are equal even after transfer from a worker process."""
    lazy = build(
        root,
        [dict(type='PackLazyVideo', transforms=[LOAD[0], *RESIZE])],
        test_mode=True,
    )
    eager = build(
        root,
        [broadcast([LOAD[0], *RESIZE]), dict(type='PackTrackInputs')],
        test_mode=True,
    )
    loader = DataLoader(lazy, num_workers=1, collate_fn=pseudo_collate)
    for index, batch in enumerate(loader):
        frames, samples = batch['inputs'][0], batch['data_samples'][0]
        expected = eager[index]
        assert len(frames) == len(samples) == len(expected['inputs'])
        for t, frame in enumerate(expected['inputs']):
            assert torch.equal(frames[t], frame)  # bit for bit
            assert frames[t].dtype == torch.float32
            meta = dict(samples[t].metainfo)
            assert meta.pop('video_name') in ('landscape', 'portrait')
            want = expected['data_samples'][t].metainfo
            assert set(meta) == set(want) - {'img_shape', 'scale_factor'}
            assert all(meta[key] == want[key] for key in meta)
    with pytest.raises(IndexError):
        frames[len(frames)]


def test_lazy_video_holds_no_frames(root):
    dataset = build(
        root, [dict(type='PackLazyVideo', transforms=LOAD[:1])], test_mode=True
    )
    frames = dataset[0]['inputs']
    before = len(pickle.dumps(frames))
    for t in range(len(frames)):
        frames[t]
    assert len(pickle.dumps(frames)) == before < 64 * 96 * 3


def test_frames_are_interpolated_as_floats(root):
    sample = build(
        root,
        [dict(type='PackLazyVideo', transforms=[LOAD[0], *RESIZE])],
        test_mode=True,
    )[0]
    raw = cv2.imread(str(root / 'train/JPEGImages/landscape/00000.png'))
    want = cv2.resize(raw.astype(np.float32), (120, 80))
    got = sample['inputs'][0].permute(1, 2, 0).numpy()
    assert np.array_equal(got, want)
    assert not np.array_equal(got, np.round(got))


@pytest.mark.parametrize(
    'break_file, error, message',
    [
        (
            lambda p: p.unlink(),
            FileNotFoundError,
            r'Frame 2 of video 2, .*portrait/00002\.png, does not exist',
        ),
        (
            lambda p: p.write_bytes(b'no image'),
            ValueError,
            r'Frame 2 of video 2, .*00002\.png, cannot be read as an image',
        ),
        (
            lambda p: p.write_bytes(b''),
            ValueError,
            'cannot be read as an image',
        ),
        (
            lambda p: cv2.imwrite(str(p), np.zeros((48, 64, 3), np.uint8)),
            ValueError,
            r'is 48 x 64 \(height x width\), .* says 96 x 64',
        ),
    ],
)
@pytest.mark.parametrize('test_mode', [False, True])
def test_bad_frames(tmp_path, break_file, error, message, test_mode):
    write_dataset(tmp_path)
    break_file(tmp_path / 'train/JPEGImages/portrait/00002.png')
    if test_mode:
        pipeline = [dict(type='PackLazyVideo', transforms=LOAD[:1])]
        video = build(tmp_path, pipeline, test_mode=True)[1]['inputs']
        assert video[1].shape == (3, 96, 64)
        load = partial(video.__getitem__, 2)
    else:
        pipeline = [dict(type='ClipSampler'), broadcast(LOAD)]
        load = partial(build(tmp_path, pipeline).__getitem__, (1, 0))
    with pytest.raises(error, match=message):
        load()


def test_tracks_to_panoptic_map():
    """The smaller mask is on top, and ignored instances become crowd."""
    masks = np.zeros((3, 8, 10), np.uint8)
    masks[0, 1:3, 1:3] = masks[1, :6, :6] = masks[2, 5:, 5:] = 1
    frame = dict(
        img=np.zeros((8, 10, 3), np.uint8),
        gt_masks=BitmapMasks(masks, 8, 10),
        gt_bboxes=np.zeros((3, 4), np.float32),
        gt_bboxes_labels=np.array([4, 2, 0]),
        gt_instances_ids=np.array([0, 7, 9], np.int32),
        gt_ignore_flags=np.array([False, False, True]),
    )
    transform = TRANSFORMS.build(dict(type='TracksToPanopticMap'))
    packed = transform(deepcopy(frame))
    expected = 2 * masks[1]
    expected[5:, 5:] = 3
    expected[1:3, 1:3] = 1
    np.testing.assert_array_equal(packed['gt_seg_map'], expected)
    assert packed['segments_info'] == [
        dict(id=1, category=4, is_thing=True, iscrowd=0),
        dict(id=8, category=2, is_thing=True, iscrowd=0),
        dict(id=10, category=0, is_thing=True, iscrowd=1),
    ]
    assert packed.keys() == {'img', 'gt_seg_map', 'segments_info'}

    empty = {k: v[:0] for k, v in frame.items() if k.startswith('gt_')}
    empty = transform(dict(empty, img=frame['img']))
    assert not empty['gt_seg_map'].any() and empty['segments_info'] == []

    # among masks of one size, the last one is on top
    masks = np.ones((300, 1, 1), np.uint8)
    many = dict(deepcopy(frame), img=np.zeros((1, 1, 3), np.uint8))
    many.update(gt_masks=BitmapMasks(masks, 1, 1))
    assert transform(many)['gt_seg_map'].tolist() == [[300]]
