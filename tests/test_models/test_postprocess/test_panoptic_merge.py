# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import pickle
from itertools import product
from threading import Barrier

from projects.maxtron.datasets.vipseg_categories import VIPSEG_CATEGORIES
from projects.maxtron.models.postprocess import (
    PanopticMerger,
    SigmoidPanopticMerger,
)
from projects.maxtron.models.postprocess.mask_candidates import (
    CandidateFinder,
    parallel_map,
)
from projects.maxtron.models.postprocess.resize_spans import resize_spans
from projects.maxtron.structures import INSTANCE_OFFSET, thing_id
from projects.maxtron.testing import find_ties, resize_logits
from projects.maxtron.testing.naive_merge import naive_merge

import mmdet.evaluation.functional
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from tests.parity import load_case

VIPSEG_THINGS = [
    category['id'] for category in VIPSEG_CATEGORIES if category['isthing']
]
DEVICES = ['cpu'] + ['cuda'] * torch.cuda.is_available()


def decode(maps):
    return torch.from_numpy(np.stack([frame.decode() for frame in maps]))


def merge(masks, classes, shapes, *args, clip_len=1, compete=True, **kwargs):
    """The merger on a whole video: maps and segments."""
    merger = (PanopticMerger if compete else SigmoidPanopticMerger)(
        *args, **kwargs
    )
    for clip in masks.split(clip_len, 1):
        merger.update(clip, *shapes)
    return merger.merge(classes)


def random_video(num_queries, num_frames, size, num_classes, scale, seed):
    """Smooth mask logits, so that there are regions, and class logits."""
    generator = torch.manual_seed(seed)
    masks = torch.randn(num_queries, num_frames, 3, 4, generator=generator)
    masks = F.interpolate(masks, size, mode='bicubic', align_corners=True)
    masks += 0.1 * torch.randn(masks.shape, generator=generator)
    classes = 3 * torch.randn(
        num_queries, num_classes + 1, generator=generator
    )
    return scale * masks, classes


@pytest.mark.parametrize(
    'name', ['panoptic_inference_1', 'panoptic_inference_2']
)
def test_maps_equal_reference(name):
    case = load_case(name, 'vps')
    settings, arrays = case.settings, case.outputs
    size = (settings['height'], settings['width'])
    maps, segments = merge(
        arrays['mask_logits'],
        arrays['class_logits'],
        (size,) * 3,
        VIPSEG_THINGS,
        124,
        settings['pixel_confidence_threshold'],
        settings['class_threshold_thing'],
        settings['class_threshold_stuff'],
        settings['overlap_threshold'],
    )

    ids = {-1: 124, **{label: label for label in range(124)}}  # theirs: ours
    ids.update(
        (i, thing_id(i // 100, i % 100))
        for i in settings['thing_ids_in_order']
    )
    expected = arrays['panoptic'].clone().apply_(ids.get)
    assert decode(maps).equal(expected)
    for frame, exact in zip(maps, expected):
        present = set(exact.unique().tolist())
        assert frame.segment_ids == sorted(present - {124})
    things = [segment for segment in segments if segment.isthing]
    assert [s.id for s in things] == [
        ids[i] for i in settings['thing_ids_in_order']
    ]
    for segment, theirs in zip(things, settings['thing_ids_in_order']):
        torch.testing.assert_close(
            F.normalize(arrays['embeddings'][segment.query], dim=0),
            arrays[f'embedding_{theirs}'],
        )


def test_resizing_equals_reference():
    case = load_case('near_online_video_wise_7frames', 'vps')
    masks = case.outputs['aligned_masks']
    sizes = zip(
        masks.shape[-2:],
        case.settings['image_size'],
        case.settings['raw_size'],
        case.settings['raw_size'],
        (16, 7),
    )
    for dim, args in zip((-2, -1), sizes):
        masks = torch.cat(
            [
                torch.tensordot(
                    masks.movedim(dim, -1)[..., span.source], span.weights.T, 1
                ).movedim(-1, dim)
                for span in resize_spans(*args, True, masks.device)
            ],
            dim,
        )
    torch.testing.assert_close(
        masks[..., ::4, ::4],
        case.outputs['postprocessed_masks'],
        rtol=1e-4,
        atol=1e-4,
    )


# size of logits, padded input, without padding, original image
SHAPES = [
    ((9, 13), (33, 49), (30, 41), (30, 41)),
    ((17, 11), (65, 41), (65, 36), (180, 99)),
    ((12, 20), (12, 20), (12, 20), (12, 20)),
    ((20, 31), (77, 121), (77, 118), (23, 40)),
    ((8, 8), (32, 32), (1, 32), (1, 77)),
    ((1, 1), (1, 1), (1, 1), (5, 6)),
]
# pixel, thing, stuff and overlap threshold
THRESHOLDS = [
    (0.3, 0.2, 0.3, 0.8),
    (0.4, 0.7, 0.5, 0.8),
    (0.06, 0.05, 0.1, 0.4),
    (0.55, 0, 0, 0),
]


@pytest.mark.slow
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize(
    'compete, shapes, thresholds', product([True, False], SHAPES, THRESHOLDS)
)
def test_equals_the_plain_algorithm(compete, shapes, thresholds, device):
    size, *shapes = shapes
    segments, num_ties, num_pixels = 0, 0, 0
    for seed, (queries, frames, scale) in enumerate(
        [(1, 1, 4), (7, 3, 4), (40, 1, 0.5), (130, 2, 12), (33, 2, 150)]
    ):
        masks, classes = random_video(queries, frames, size, 9, scale, seed)
        masks, classes = masks.to(device), classes.to(device)
        things = (0, 2, 4, 6, 8)
        # segmenters with independent masks do not align corners
        maps, found = merge(
            masks,
            classes,
            shapes,
            things,
            9,
            *thresholds,
            compete=compete,
            align_corners=compete,
        )
        full = resize_logits(masks, *shapes, align_corners=compete)
        activation = 'softmax' if compete else 'sigmoid'
        expected = naive_merge(full, classes, things, *thresholds, activation)
        # the rounding of logits grows with them, and so of probabilities
        ties = find_ties(
            full,
            thresholds[0],
            margin=1e-6 * max(scale, 1),
            mask_activation=activation,
        )
        different = decode(maps) != expected.cpu()
        assert not (different & ~ties.cpu()).any(), (queries, scale)
        ids = set(expected.unique().tolist()) - {9}
        assert ids <= {segment.id for segment in found}
        segments += len(found)
        num_ties += int(ties.sum())
        num_pixels += ties.numel()
    # each of the single masks has ties of its own
    share = 2e-4 if compete else 2e-3
    assert segments > 1 and num_ties < 5 + share * num_pixels


def test_chunks_and_clips_do_not_matter():
    size, *shapes = SHAPES[1]
    masks, classes = random_video(40, 5, size, 9, 6, seed=1)
    args = (masks, classes, shapes, (1, 3), 9, *THRESHOLDS[0])
    maps, segments = merge(*args)
    for kwargs in (dict(clip_len=2), dict(clip_len=5)):
        again, same = merge(*args, **kwargs)
        assert same == segments
        assert decode(again).equal(decode(maps))
    ties = find_ties(resize_logits(masks, *shapes), THRESHOLDS[0][0])
    for tile_shape in ((1, 99), (180, 1), (7, 16), (1000, 1000)):
        again, same = merge(*args, tile_shape=tile_shape)
        assert [s[:3] for s in same] == [s[:3] for s in segments]
        assert not ((decode(again) != decode(maps)) & ~ties).any()
    # as does the number of threads, which stays what it was
    num_threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert decode(merge(*args).maps).equal(decode(maps))
        with torch.inference_mode():
            assert decode(merge(masks.clone(), *args[1:]).maps).equal(
                decode(maps)
            )
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(num_threads)


def one_hot_video(columns, num_queries, strength=30.0):
    """One row of pixels; each is given to some queries in equal parts."""
    masks = torch.zeros(num_queries, 1, 1, len(columns))
    for i, queries in enumerate(columns):
        masks[list(queries), 0, 0, i] = strength
    return masks


def test_rules_one_by_one():
    # 0 and 1: the same stuff, 1 being surer of its mask; 2: like 0, but only
    # one of three pixels is left; 3 and 4: the same pixels; 5: too low a class
    # score; 6: nowhere
    masks = one_hot_video(
        [{0}, {0}, {0, 2}, {0, 2}, {2}, {1}, {3, 4}, {3, 4}, {5}, ()], 7
    )
    classes = torch.full((7, 4), -20.0)
    labels = [1, 1, 1, 2, 2, 2, 2]
    classes[range(7), labels] = torch.tensor([9.0, 8, 7, 6, 5, 4, 3])
    classes[5, 3] = 6  # void
    shape = (1, 10)
    maps, segments = merge(
        masks, classes, (shape,) * 3, [2], 3, 0.4, 0.5, 0.5, 0.5
    )
    assert maps[0].decode().tolist() == [[1, 1, 1, 1, 3, 1, 1002, 1002, 3, 3]]
    assert [s[:3] for s in segments] == [(1, 1, 1), (1002, 2, 3)]
    assert maps[0].decode().dtype == np.int32
    # the overlap must exceed the threshold: 2 gets one of its three pixels
    below, at = (
        merge(masks, classes, (shape,) * 3, [2], 3, 0.4, 0.5, 0.5, overlap)
        .maps[0]
        .decode()[0, 4]
        for overlap in (0.333, 1 / 3)
    )
    assert (below, at) == (1, 3)
    # a class score at the threshold is not enough
    score = classes.softmax(-1)[3, 2].item()
    maps, _ = merge(masks, classes, (shape,) * 3, [2], 3, 0.4, score, 0.5, 0.5)
    assert 1002 not in maps[0].segment_ids


def test_more_than_hundred_instances_of_a_class():
    masks = one_hot_video([{q} for q in range(130)], 130)
    classes = torch.zeros(130, 4)
    classes[:, 1] = 9 - torch.arange(130) / 100
    shape = (1, 130)
    maps, segments = merge(
        masks, classes, (shape,) * 3, [1], 3, 0.5, 0.2, 0.2, 0.8
    )
    expected = [1 + 1000 * (k + 1) for k in range(130)]
    assert maps[0].decode()[0].tolist() == expected
    assert [segment.id for segment in segments] == expected
    assert INSTANCE_OFFSET == mmdet.evaluation.functional.INSTANCE_OFFSET


def test_all_void():
    masks, classes = random_video(9, 2, (6, 8), 5, 0.1, seed=0)
    maps, segments = merge(
        masks, classes, [(24, 32)] * 3, [0], 5, 0.5, 0, 0, 0
    )
    assert segments == [] and maps[1].segment_ids == []
    assert (decode(maps) == 5).all() and maps[1].shape == (24, 32)


def test_relabelled_and_pickled_maps():
    size, *shapes = SHAPES[1]
    masks, classes = random_video(12, 1, size, 4, 6, seed=1)
    (frame,), segments = merge(
        masks, classes, shapes, [0, 1, 2, 3], 4, 0.3, 0, 0, 0.3
    )
    a, b = frame.segment_ids[:2]
    other = frame.relabel({a: b, b: 7000})
    old, new = frame.decode(), other.decode()
    assert (new[old == a] == b).all() and (new[old == b] == 7000).all()
    rest = (old != a) & (old != b)
    assert rest.any() and (new[rest] == old[rest]).all()
    assert other.segment_ids == sorted({*frame.segment_ids, 7000} - {a})
    pickled = pickle.dumps(other)
    assert len(pickled) < old.nbytes / 10
    np.testing.assert_array_equal(pickle.loads(pickled).decode(), new)


@pytest.mark.parametrize('device', DEVICES)
def test_half_precision_logits_and_fast_matmul(device):
    size, *shapes = SHAPES[0]
    masks, classes = random_video(40, 2, size, 9, 6, seed=3)
    args = (classes.to(device), shapes, (1, 3), 9, *THRESHOLDS[0])
    half = masks.to(device).bfloat16()
    expected = decode(merge(half.float(), *args).maps)
    torch.set_float32_matmul_precision('medium')
    try:
        with torch.autocast(device, torch.bfloat16):
            assert decode(merge(half, *args).maps).equal(expected)
        assert torch.get_float32_matmul_precision() == 'medium'
    finally:
        torch.set_float32_matmul_precision('highest')


class MatmulSpy(TorchFunctionMode):
    """Records the types of matrix products, and whether autocast is on."""

    def __init__(self):
        super().__init__()
        self.settings = set()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in (torch.mm, torch.Tensor.__matmul__):
            self.settings.add(
                (args[0].dtype, torch.is_autocast_enabled('cpu'))
            )
        return function(*args, **(kwargs or {}))


def test_products_are_exact_where_the_cpu_could_round_them():
    """No CPU without bfloat16 products shows it in the result."""
    shapes = ((6, 8), (24, 32), (24, 32), (48, 64))
    finder = CandidateFinder(5, *shapes, 0.3, torch.device('cpu'))
    logits = torch.randn(5, 1, 6, 8, generator=torch.manual_seed(0))
    torch.set_float32_matmul_precision('medium')
    try:
        with torch.autocast('cpu', torch.bfloat16), MatmulSpy() as spy:
            finder.find(logits)
    finally:
        torch.set_float32_matmul_precision('highest')
    assert spy.settings == {(torch.float64, False)}


def test_tiles_are_searched_side_by_side():
    num_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    barrier = Barrier(2)
    try:
        with parallel_map(torch.device('cpu')) as map_tiles:
            # Neither call returns before both have begun.
            calls = map_tiles(lambda _: barrier.wait(timeout=60), range(2))
            assert sorted(calls) == [0, 1]
            assert [*map_tiles(lambda _: torch.get_num_threads(), 'ab')] == [
                1,
                1,
            ]
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(num_threads)


def test_corners_are_aligned_by_default():
    masks = torch.tensor([[[[-3.0, 1]]], [[[3.0, -1]]]])  # equal at 3/4
    classes = torch.tensor([[9.0, 0, 0], [0, 9, 0]])
    shapes = [(1, 8)] * 3
    for cls in (PanopticMerger, SigmoidPanopticMerger):
        for kwargs, right in (({}, 2), (dict(align_corners=False), 3)):
            merger = cls([], 2, 0.5, 0, 0, 0, **kwargs)
            merger.update(masks, *shapes)
            maps, _ = merger.merge(classes)
            expected = [1] * (8 - right) + [0] * right
            assert maps[0].decode().tolist() == [expected]


def test_bad_input():
    with pytest.raises(ValueError, match='pixel_thr=0 must lie between'):
        PanopticMerger([0], 3, 0, 0.2, 0.3, 0.8)
    with pytest.raises(ValueError, match=r'holds \[3\], but .* 0 to 2'):
        PanopticMerger([1, 3], 3, 0.4, 0.2, 0.3, 0.8)
    merger = PanopticMerger([0], 3, 0.4, 0.2, 0.3, 0.8)
    with pytest.raises(ValueError, match='no frame to merge'):
        merger.merge(torch.zeros(5, 4))
    with pytest.raises(ValueError, match='must fit into'):
        merger.update(torch.zeros(5, 1, 2, 2), (8, 8), (9, 8), (9, 8))
    merger.update(torch.zeros(5, 1, 2, 2), *[(8, 8)] * 3)
    with pytest.raises(ValueError, match='6 queries, .* before 5'):
        merger.update(torch.zeros(6, 1, 2, 2), *[(8, 8)] * 3)
    with pytest.raises(ValueError, match=r'\(5, 3\) instead of \(5, 4\)'):
        merger.merge(torch.zeros(5, 3))
    for value in (np.nan, np.inf, -np.inf):
        masks = torch.zeros(5, 1, 2, 2)
        masks[2, 0, 1, 1] = value
        for cls in (PanopticMerger, SigmoidPanopticMerger):
            merger = cls([0], 3, 0.4, 0.2, 0.3, 0.8)
            with pytest.raises(ValueError, match='nan or inf'):
                merger.update(masks, *[(8, 8)] * 3)
