# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import tracemalloc

from projects.maxtron.structures import read_polygons, to_bitmap, to_rle
from projects.maxtron.structures.masks import count_runs

import numpy as np
import pytest
import torch
from pycocotools import mask as mask_utils

SIZE = 40, 60
BOX = np.zeros(SIZE, bool)
BOX[10:30, 20:50] = True
POLYGON = [20, 10, 50, 10, 50, 30, 20, 30]
RLE = mask_utils.encode(np.asfortranarray(BOX, np.uint8))
RUNS = [20 * 40 + 10, *[20, 20] * 29, 20, 10 + 10 * 40]


@pytest.mark.parametrize(
    'mask',
    [
        [POLYGON],
        POLYGON,
        (tuple(POLYGON),),
        [POLYGON, [1, 1]],
        [[30, 30, 40, 40], POLYGON, []],
        [POLYGON[:4] + POLYGON[4:] + [7]] + [POLYGON],
        [[float(x) for x in POLYGON], POLYGON],
        [np.array(POLYGON, np.float32)],
        dict(RLE),
        dict(RLE, counts=RLE['counts'].decode()),
        dict(size=SIZE, counts=RUNS),
        dict(RLE, size=np.array(SIZE)),
        dict(size=[40.0, 60.0], counts=[float(run) for run in RUNS]),
        BOX,
        torch.from_numpy(BOX),
    ],
)
def test_every_form_of_the_same_mask(mask):
    bitmap = to_bitmap(mask, SIZE)
    assert bitmap.dtype == bool
    np.testing.assert_array_equal(bitmap, BOX)
    if isinstance(mask, (list, tuple, dict)):
        rle = to_rle(mask, SIZE)
        assert mask_utils.decode(rle).sum() == 600
        assert rle['size'] == [40, 60] and isinstance(rle['counts'], bytes)


@pytest.mark.parametrize(
    'mask',
    [
        [],
        [[]],
        [[30, 30]],
        [30, 30],
        [[20, 20, 40, 20]],
        [[20, 20, 40, 20, 40, 30, 7]],
        [[30, 30] * 3],
        [[70, 5, 90, 5, 90, 20]],
        [[-9, -9, -1, -9, -1, -1]],
        [[1e7, 1e7, 1e8, 1e7, 1e8, 1e8]],
        dict(size=SIZE, counts=[2400]),
    ],
)
def test_masks_without_a_pixel(mask):
    assert mask_utils.area(to_rle(mask, SIZE)) == 0
    assert not to_bitmap(mask, SIZE).any()


def test_polygons_are_rasterised_as_by_pycocotools():
    """Outside of the image, concave and self-touching ones, too."""
    rng = np.random.default_rng(0)
    shapes = [
        [[20, 10, 50, 30, 50, 10, 20, 30]],  # a bow tie
        [[5, 5, 30, 5, 30, 20, 30, 5, 50, 5, 50, 35, 5, 35]],  # touches itself
        [[-20, -10, 30, 20, 100, 5], [0.4, 0.4, 3.6, 0.2, 2.5, 9.7]],
    ]
    for _ in range(40):
        shapes.append([(rng.random(12) * 240 - 90).tolist()])
    for polygons in shapes:
        expected = mask_utils.merge(mask_utils.frPyObjects(polygons, *SIZE))
        assert to_rle(polygons, SIZE) == expected


@pytest.mark.parametrize('far', [1e3, 1e6, 1e12, 1e308])
def test_polygons_far_outside_take_no_more_memory(far):
    """Inside the image, the clipped polygon has the same pixels."""
    cross = [
        [-far, 10, far, 10, far, 30, -far, 30],
        [20, -far, 50, -far, 50, far, 20, far],
    ]
    to_bitmap(cross, SIZE)
    tracemalloc.start()
    bitmap = to_bitmap(cross, SIZE)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()
    expected = np.zeros(SIZE, bool)
    expected[10:30] = expected[:, 20:50] = True
    np.testing.assert_array_equal(bitmap, expected)
    diagonal = to_bitmap([[0, 0, far, far, 0, far]], SIZE)
    rows, columns = np.indices(SIZE)
    assert (diagonal == (columns <= rows)).mean() > 0.97


@pytest.mark.parametrize(
    'mask, message',
    [
        (dict(size=[60, 40], counts='0'), 'is 60 x 40 .*image is 40 x 60'),
        (dict(size=[40000, 60000], counts=[24 * 10**8]), 'is 40000 x 60000'),
        (dict(size=SIZE, counts=[9, 9]), 'has runs of 18 pixels .*40 x 60'),
        (dict(size=SIZE, counts=[10**30]), 'has runs of 10+ pixels'),
        (dict(size=SIZE, counts=[-1, 2401]), 'has a negative run'),
        (dict(size=SIZE, counts=[0.5, 2399.5]), 'not whole numbers'),
        (dict(size=SIZE, counts=[float('nan')]), 'not whole numbers'),
        (dict(size=SIZE, counts=['2400']), 'not whole numbers'),
        (dict(size=SIZE, counts='1'), 'has runs of 1 pixels'),
        (dict(size=SIZE, counts=b''), 'has runs of 0 pixels'),
        (dict(size=SIZE, counts='~o'), 'does not decode'),
        (dict(size=SIZE, counts='o'), 'does not decode'),
        (dict(size=SIZE, counts='ü'), 'does not decode'),
        (dict(size=SIZE, counts='o' * 12 + '0'), 'does not decode'),
        (dict(size=SIZE, counts='@0'), 'has a negative run'),
        (dict(size=SIZE), "has no 'counts'"),
        (dict(size=SIZE, counts=None), "has no 'counts'"),
        (dict(counts='0'), "has no 'size'"),
        (dict(size=[40], counts='0'), "has no 'size'"),
        (dict(size='4060', counts='0'), "has no 'size'"),
        ([[POLYGON]], 'polygon that is not a list of numbers'),
        ([[1, 2, 3, 4, 5, '6']], 'polygon that is not a list of numbers'),
        ([[1, 2, 3, 4, 5, None]], 'polygon that is not a list of numbers'),
        ([1, 2, 3, 4, 5, None], 'polygon that is not a list of numbers'),
        ([[1, 2, 3, 4, 5, float('inf')]], 'coordinate that is not finite'),
        ([[1, 2, 3, 4, 5, float('nan')]], 'coordinate that is not finite'),
        ([dict(RLE)], 'polygon that is not a list of numbers'),
        (None, 'is of type NoneType'),
        ('text', 'is of type str'),
    ],
)
def test_malformed_masks_are_described(mask, message):
    with pytest.raises(ValueError, match='^.*' + message):
        to_rle(mask, SIZE)


def test_bitmaps_of_another_size():
    with pytest.raises(ValueError, match=r'\(40, 61\).*\(40, 60\)'):
        to_bitmap(np.zeros((40, 61)), SIZE)
    with pytest.raises(ValueError, match='The mask is 40 x 60 .* 40 x 61'):
        to_bitmap(dict(RLE), (40, 61))


def test_runs_of_compressed_masks():
    rng = np.random.default_rng(0)
    for side in (1, 3, 50, 700):
        for share in (0, 0.01, 0.5, 1):
            bitmap = (rng.random((side, side)) < share).astype(np.uint8)
            bitmap[: side // 2, : side // 3] = 1
            counts = mask_utils.encode(np.asfortranarray(bitmap))['counts']
            runs = count_runs(counts)
            values = np.arange(len(runs)) % 2
            np.testing.assert_array_equal(
                np.repeat(values, runs), bitmap.T.ravel()
            )
            np.testing.assert_array_equal(count_runs(counts.decode()), runs)


def test_polygons_that_are_read():
    assert read_polygons([]) == []
    kept = read_polygons([[1, 2], [1, 2, 3, 4, 5, 6], [0] * 7])
    assert [p.tolist() for p in kept] == [[1, 2, 3, 4, 5, 6]]
