# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.datasets.transforms import pixels

import numpy as np


def test_operations_on_pixels():
    """Equal to plain NumPy, of flipped and cropped views, too."""
    random = np.random.default_rng(0)
    whole = random.integers(0, 256, (9, 14, 3)).astype(np.uint8)
    table = random.permutation(256).astype(np.uint8)
    mask = random.random((7, 11)) < 0.5
    for img in (whole[1:8, 2:13], whole[1:8, 12:1:-1]):
        assert pixels.contiguous(img).flags.c_contiguous
        np.testing.assert_array_equal(pixels.contiguous(img), img)
        mapped = img.copy()
        pixels.map_channel(mapped, 1, table)
        np.testing.assert_array_equal(mapped[..., 1], table[img[..., 1]])
        np.testing.assert_array_equal(mapped[..., ::2], img[..., ::2])
        for a, b in ((img, mapped), (img[..., 0].astype(np.int32), mask * 7)):
            b = b.astype(a.dtype)
            shape = (*mask.shape, *[1] * (a.ndim - 2))
            expected = np.where(mask.reshape(shape), b, a)
            actual = pixels.overwrite(a.copy(), b, mask)
            np.testing.assert_array_equal(actual, expected)
        for index in (img[..., 0].copy(), img[..., 0].astype(np.int32)):
            chosen = table < 99
            actual = pixels.look_up(chosen, index)
            np.testing.assert_array_equal(actual, chosen[index])
        stacked = pixels.stack_images([img, mapped])
        np.testing.assert_array_equal(stacked[1], mapped.transpose(2, 0, 1))
