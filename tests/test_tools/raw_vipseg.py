# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Helpers of the tests of ``vipseg_to_720p.py``."""

import json

import numpy as np

# what makes 20 of 30 rows; images are judged, so let them be good
OPTIONS = ['--nproc=1', '--height=20', '--quality=95']


def draw(size, values):
    """Mask with a column of each value."""
    bounds = np.linspace(0, size[1], len(values) + 1).astype(int)
    return np.repeat(np.uint16(values), np.diff(bounds))[None].repeat(
        size[0], 0
    )


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


def load(out, split='train'):
    return json.loads((out / f'panoptic_gt_VIPSeg_{split}.json').read_text())
