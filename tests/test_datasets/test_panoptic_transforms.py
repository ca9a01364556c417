# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import projects.maxtron  # noqa: F401
from projects.maxtron.datasets.transforms.resizing import (
    resize_bilinear,
    resize_nearest,
)
from projects.maxtron.structures import (
    index_map,
    read_raw_segments,
    rgb_to_ids,
    runs,
)

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.registry import DATASETS, TRANSFORMS
from mmengine.config import Config
from PIL import Image

from tests.test_datasets.tiny_panoptic import SEGMENTS, blue, color_id

CANVAS = (80, 60)  # width, height


def build(root, *steps, stride=1, colors=(), clip_len=3):
    """Clips that go through steps, which they share, onto the canvas."""
    return DATASETS.build(
        dict(
            type='VIPSegDataset',
            data_root=str(root),
            ann_file='train.json',
            img_suffix='.png',
            clip_len=clip_len,
            serialize_data=False,
            pipeline=[
                dict(type='RandomClipSampler'),
                dict(
                    type='TransformBroadcaster',
                    share_random_params=True,
                    transforms=[
                        dict(type='LoadVideoFrame', to_float32=False),
                        dict(type='LoadPanopticMap'),
                        *steps,
                    ],
                ),
                dict(
                    type='TransformBroadcaster',
                    transforms=[
                        *colors,
                        dict(type='PadToCanvas', canvas=CANVAS),
                    ],
                ),
                dict(type='PackPanopticClip', stride=stride),
            ],
        )
    )


JITTER = dict(type='ScaleJitter', canvas=CANVAS, ratio_range=(0.5, 1.6))
CROP = dict(type='RandomCrop', crop_size=CANVAS, allow_negative_crop=True)
FLIP = dict(type='RandomFlip', prob=0.5)


@pytest.mark.parametrize('video', [0, 1])
@pytest.mark.parametrize('seed', range(8))
def test_geometry_is_shared_and_aligned(root, video, seed):
    np.random.seed(seed)
    sample = build(root, JITTER, CROP, FLIP)[video]
    imgs = sample['inputs'].numpy().astype(int)
    frames = list(sample['data_samples'])
    valid = frames[0].valid_pixels.sem_seg[0].numpy()
    height, width = valid.any(1).sum(), valid.any(0).sum()
    assert valid[:height, :width].all() and valid.sum() == height * width
    to_blue = {color_id(v): blue(np.array(v)) for v in SEGMENTS} | {0: 0}
    for img, frame in zip(imgs, frames):
        assert (frame.valid_pixels.sem_seg[0].numpy() == valid).all()
        assert not img[:, ~valid].any()
        # green and red are coordinates: the same in all frames
        assert (img[1:] == imgs[0, 1:]).all()
        # blue is the segment, apart from interpolated borders
        tubes = frame.gt_panoptic_seg.sem_seg[0].numpy()
        assert not tubes[~valid].any()
        expected = np.vectorize(to_blue.get)(tubes)
        near = np.ones((5, 5), np.uint8)
        shown = expected[:height, :width].astype(np.uint8)
        inner = (cv2.erode(shown, near) == shown) & (
            cv2.dilate(shown, near) == shown
        )
        inner[[0, 1, -2, -1]] = inner[:, [0, 1, -2, -1]] = False
        assert inner.mean() > 0.2
        assert (img[0, :height, :width][inner] == shown[inner]).all()
        # coordinates increase evenly, by the scale factor
        flipped = frame.flip
        row, column = imgs[0, 1, :height, 8], imgs[0, 2, 8, :width]
        factors = frame.scale_factor
        assert abs(np.diff(row[2:-2]).mean() * factors[1] - 2) < 0.1
        sign = -1 if flipped else 1
        assert abs(np.diff(column[2:-2]).mean() * factors[0] - 2 * sign) < 0.1


@pytest.mark.parametrize('seed', range(6))
def test_cropping_resize_gives_the_same_samples(root, seed):
    """As the plain pipeline: resize the whole frame, then crop."""
    samples = []
    for steps in ((JITTER, CROP), (dict(JITTER, crop=True),)):
        np.random.seed(seed)
        colors = [dict(type='SSDColorJitter')]
        samples.append(build(root, *steps, FLIP, colors=colors)[seed % 2])
    plain, ours = samples
    assert ours['inputs'].equal(plain['inputs'])
    for a, b in zip(*(sample['data_samples'] for sample in samples)):
        assert a.metainfo == b.metainfo
        assert a.gt_panoptic_seg.sem_seg.equal(b.gt_panoptic_seg.sem_seg)
        assert a.valid_pixels.sem_seg.equal(b.valid_pixels.sem_seg)


def test_regions_of_resized_images():
    random = np.random.default_rng(0)
    img = random.integers(0, 256, (37, 53, 3)).astype(np.uint8)
    seg_map = random.integers(0, 1000, (37, 53)).astype(np.int32)
    for size in ((53, 37), (91, 64), (200, 37), (53, 90), (20, 11), (7, 150)):
        rows, columns = (
            slice(*sorted(random.choice(length + 1, 2, replace=False)))
            for length in size[::-1]
        )
        for resize, array, method in (
            (resize_bilinear, img, Image.Resampling.BILINEAR),
            (resize_nearest, seg_map, Image.Resampling.NEAREST),
        ):
            whole = np.array(Image.fromarray(array).resize(size, method))
            for region in ((rows, columns), (slice(0, size[1]), columns)):
                actual = resize(array, size, region)
                np.testing.assert_array_equal(actual, whole[region])


def test_nearest_agrees_with_bilinear(root):
    """Enlarged threefold, borders of the map are where the image's are."""
    step = dict(JITTER, ratio_range=(3.2, 3.2))  # 96 to 256, 64 to 171
    load = build(root, step)
    load.pipeline.transforms = load.pipeline.transforms[:2]
    frame = load[0]
    tubes = np.array([0] + [s['id'] for s in frame['segments_info'][0]])
    tubes = tubes[frame['gt_seg_map'][0]]
    assert tubes.shape == frame['img'][0].shape[:2] == (171, 256)
    value = frame['img'][0][2, :, 0].astype(float)  # void, then wall
    border = np.interp(blue(np.array(1)) / 2, value[:30], np.arange(30))
    assert abs(border + 0.5 - np.argmax(tubes[2] > 0)) <= 0.5


@pytest.mark.parametrize(
    'shape, ratio, expected',
    [
        ((720, 1280), 1.0, (757, 1345)),  # 1345 / 1280 is the smaller factor
        ((720, 960), 1.0, (769, 1025)),
        ((1280, 720), 0.3, (231, 130)),
        ((720, 1280), 1.7, (1286, 2286)),
        ((2, 2000), 0.3, (1, 404)),
    ],
)
def test_jitter_size(shape, ratio, expected):
    jitter = TRANSFORMS.build(
        dict(
            type='ScaleJitter', canvas=(1345, 769), ratio_range=(ratio, ratio)
        )
    )
    result = jitter(
        dict(
            img=np.zeros((*shape, 3), np.uint8),
            gt_seg_map=np.zeros(shape, np.int32),
        )
    )
    assert result['img'].shape == (*expected, 3)
    assert result['gt_seg_map'].shape == expected == result['img_shape']


@pytest.mark.parametrize(
    'config, low, high, paste',
    [
        ('vipseg.py', 0.3, 1.7, (0.15, 0.85)),
        ('coco_panoptic_kmax.py', 0.2, 2.0, (0.1, 1.0)),
    ],
)
def test_ranges_of_the_configs(config, low, high, paste):
    config = Config.fromfile(f'configs/_base_/datasets/{config}')
    step = TRANSFORMS.build(config.train_pipeline[0])
    assert not step.reference_collision
    ranges = []
    for steps in (step.transforms, step.paste_transforms):
        flat = []
        for part in steps.transforms:
            flat += getattr(part, 'transforms', [part])
        jitter, flip, color, pad = flat[-4:]
        ranges.append(jitter.ratio_range)
        assert jitter.crop and jitter.canvas == pad.size
        assert flip.prob == 0.5 and flip.direction == 'horizontal'
        assert (
            color.brightness_delta,
            color.contrast_range,
            color.saturation_range,
            color.hue_delta,
        ) == (32, (0.5, 1.5), (0.5, 1.5), 18)
    assert ranges == [(low, high), paste]
    np.random.seed(0)
    jitter = TRANSFORMS.build(
        dict(type='ScaleJitter', canvas=(9, 9), ratio_range=(low, high))
    )
    drawn = [jitter._random_ratio() for _ in range(2000)]
    assert low <= min(drawn) < low + 0.01 < high - 0.01 < max(drawn) <= high


def naive_colors(img, changes):
    """The facts, step by step and pixel by pixel."""

    def to_bytes(values):
        return np.clip(values, 0, 255).astype(np.uint8)

    def contrast(img):
        if changes['contrast'] is None:
            return img
        return to_bytes(img.astype(np.float32) * changes['contrast'])

    def hsv(img):
        if changes['saturation'] is not None:
            img = cv2.cvtColor(img, cv2.COLOR_BGR2HSV)
            img[..., 1] = to_bytes(
                img[..., 1].astype(np.float32) * changes['saturation']
            )
            img = cv2.cvtColor(img, cv2.COLOR_HSV2BGR)
        if changes['hue'] is not None:
            img = cv2.cvtColor(img, cv2.COLOR_BGR2HSV)
            img[..., 0] = (img[..., 0].astype(int) + changes['hue']) % 180
            img = cv2.cvtColor(img, cv2.COLOR_HSV2BGR)
        return img

    if changes['brightness'] is not None:
        img = to_bytes(img.astype(np.float32) + changes['brightness'])
    if changes['contrast_first']:
        return hsv(contrast(img))
    return contrast(hsv(img))


def test_color_jitter():
    jitter = TRANSFORMS.build(dict(type='SSDColorJitter'))
    img = np.random.default_rng(0).integers(
        0, 256, (12, 14, 3), dtype=np.uint8
    )
    drawn = []
    for seed in range(1500):
        np.random.seed(seed)
        drawn.append(jitter._random_changes())
        if seed < 60:
            np.random.seed(seed)
            out = jitter(dict(img=img.copy()))['img']
            assert out.dtype == np.uint8
            assert (out == naive_colors(img, drawn[-1])).all()
    limits = dict(
        brightness=(-32, 32),
        contrast=(0.5, 1.5),
        saturation=(0.5, 1.5),
        hue=(-18, 18),
    )
    for key, (low, high) in limits.items():
        values = [c[key] for c in drawn if c[key] is not None]
        assert abs(len(values) / 1500 - 0.5) < 0.05
        slack = (high - low) / 50 if key != 'hue' else 0
        assert low <= min(values) <= low + slack
        assert high - slack <= max(values) <= high
    first = [c['contrast_first'] for c in drawn]
    assert abs(np.mean(first) - 0.5) < 0.05


def test_colors_are_drawn_for_every_frame(root):
    np.random.seed(0)
    dataset = build(
        root, JITTER, CROP, colors=[dict(type='SSDColorJitter')], clip_len=6
    )
    sample = dataset[0]
    green = sample['inputs'][:, 1].flatten(1)
    assert len(green.unique(dim=0)) > 3
    assert len({f.scale_factor for f in sample['data_samples']}) == 1


def make_frame(index, segments):
    return dict(
        img=[np.zeros((*index.shape, 3), np.uint8)],
        gt_seg_map=[index],
        valid_pixels=[np.ones(index.shape, bool)],
        segments_info=[segments],
    )


def segment(id, category, is_thing=True, iscrowd=0):
    return dict(id=id, category=category, is_thing=is_thing, iscrowd=iscrowd)


def test_targets_at_stride_4():
    index = np.zeros((9, 13), np.uint8)  # 3 x 4 at stride 4
    index[0, 0], index[8, 12] = 1, 2  # on the grid
    index[1:4, 1:4] = 3  # between
    index[4, 4] = 4
    segments = [
        segment(70, 5),
        segment(80, 6),
        segment(90, 7),
        segment(99, 8, iscrowd=1),
    ]
    pack = TRANSFORMS.build(dict(type='PackPanopticClip'))
    frame = pack(make_frame(index, segments))['data_samples'][0]
    tubes = frame.gt_panoptic_seg.sem_seg
    expected = torch.zeros(1, 3, 4, dtype=torch.int32)
    expected[0, 0, 0], expected[0, 2, 3] = 70, 80
    assert torch.equal(tubes, expected)
    labels = frame.gt_sem_seg.sem_seg
    assert labels.dtype == torch.uint8
    assert torch.equal(
        labels.int(),
        torch.where(expected == 70, 5, torch.where(expected == 80, 6, 255)),
    )
    assert frame.gt_instances.instances_ids.tolist() == [70, 80]
    assert frame.gt_instances.labels.tolist() == [5, 6]
    assert frame.valid_pixels.sem_seg.shape == (1, 9, 13)
    empty = pack(make_frame(np.zeros((9, 13), np.uint8), []))
    empty = empty['data_samples'][0].gt_instances
    assert empty.instances_ids.shape == empty.labels.shape == (0,)
    assert empty.instances_ids.dtype == empty.labels.dtype == torch.int64


@pytest.mark.parametrize(
    'labelled, crowd, kept', [(12, 0, False), (13, 0, True), (13, 1, False)]
)
def test_rejection(labelled, crowd, kept):
    index = np.zeros((5, 5), np.uint8)
    index.flat[:labelled] = 1
    pack = TRANSFORMS.build(
        dict(type='PackPanopticClip', stride=1, min_labelled=12)
    )
    sample = pack(make_frame(index, [segment(1, 0, iscrowd=crowd)]))
    assert (sample is not None) == kept


def test_more_than_255_segments():
    ids = np.arange(300)[None].repeat(2, 0)
    index = index_map(ids, [segment(i, 0) for i in range(1, 300)], '')
    assert (index == ids).all()
    jitter = TRANSFORMS.build(
        dict(type='ScaleJitter', canvas=(600, 4), ratio_range=(1, 1))
    )
    result = jitter(
        dict(img=np.zeros((2, 300, 3), np.uint8), gt_seg_map=index)
    )
    assert (result['gt_seg_map'][:, ::2] == ids.repeat(2, 0)).all()


def test_ids_and_runs():
    img = np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8)
    ids = rgb_to_ids(img)
    assert (ids == img.astype(int) @ [65536, 256, 1]).all()
    few = ids % 3
    values, lengths = runs(few)
    assert (np.repeat(values, lengths) == few.ravel()).all()
    assert (values[1:] != values[:-1]).all()
    ids, segments = read_raw_segments(few, [False, True], 'here')
    assert (ids == few).all()
    assert [s['area'] for s in segments] == [(few == i).sum() for i in (1, 2)]


def test_wrong_arguments():
    for cfg in (
        dict(canvas=(0, 5), ratio_range=(1, 2)),
        dict(canvas=(5, 5), ratio_range=(2, 1)),
        dict(canvas=(5, 5), ratio_range=(0, 1)),
    ):
        with pytest.raises(ValueError, match='ScaleJitter'):
            TRANSFORMS.build(dict(type='ScaleJitter', **cfg))
    assert 'ratio_range=(0.5, 1.6)' in repr(
        Compose([TRANSFORMS.build(JITTER)])
    )
