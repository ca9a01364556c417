# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Runs of the video demo and checks of their outputs."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as mask_utils

from tests.footage import read_frames
from tests.models import ROOT

DEMO = str(ROOT / 'demo/video_demo.py')
SIZE = (272, 640)


def outputs(folder):
    return [
        '--out',
        f'{folder}/new/out.mp4',
        '--out-json',
        f'{folder}/out.json',
        '--out-png',
        f'{folder}/ids',
    ]


def check_outputs(kind, folder, num_frames, size, names):
    """Check that all outputs have all frames and agree."""
    written = read_frames(folder / 'new' / 'out.mp4')
    assert {frame.shape for frame in written} == {(*size, 3)}
    assert len(written) == num_frames
    pngs = {path.stem for path in (folder / 'ids').glob('*.png')}
    assert pngs == set(names) and len(names) == num_frames
    assert not list(folder.rglob('*.part*'))
    CHECKS[kind.split()[-1]](folder, size, names)


def check_tracks(folder, size, names):
    """Check that the PNG files of ids match the YouTube-VIS submission."""
    tracks = json.loads((folder / 'out.json').read_text())
    assert tracks and all(
        len(track['segmentations']) == len(names) for track in tracks
    )
    masks = {track['instance_id']: track['segmentations'] for track in tracks}
    seen = set()
    for t in np.linspace(0, len(names) - 1, 5).astype(int):
        ids = np.array(Image.open(folder / 'ids' / f'{names[t]}.png'))
        assert ids.shape == size
        for i in set(np.unique(ids)) - {0}:
            mask = mask_utils.decode(masks[i][t])
            assert mask.shape == size
            assert mask[ids == i].all()  # the rest is under other masks
            seen.add(i)
    assert len(seen) > 1


def check_segments(folder, size, names):
    """Check that the PNG files, their table and the submission agree."""
    table = json.loads((folder / 'ids' / 'segments.json').read_text())
    categories = {entry['id']: entry['category_id'] for entry in table}
    assert len(categories) == len(table)
    assert {entry['isthing'] for entry in table} == {0, 1}
    (video,) = json.loads((folder / 'out.json').read_text())['annotations']
    frames = video['annotations']
    assert [frame['file_name'] for frame in frames] == [
        f'{name}.png' for name in names
    ]
    for t in np.linspace(0, len(names) - 1, 5).astype(int):
        rgb = np.array(Image.open(folder / 'ids' / f'{names[t]}.png'))
        assert rgb.shape == (*size, 3)
        ids, areas = np.unique(rgb @ [1, 256, 65536], return_counts=True)
        found = dict(zip(ids.tolist(), areas.tolist()))
        found.pop(0, None)  # void
        segments = frames[t]['segments_info']
        assert found == {s['id']: s['area'] for s in segments}
        for segment in segments:
            assert segment['category_id'] == categories[segment['id']]


CHECKS = dict(instances=check_tracks, panoptic=check_segments)
KINDS = pytest.mark.parametrize('kind', sorted(CHECKS))
ALL_KINDS = pytest.mark.parametrize(
    'kind', [*sorted(CHECKS), *(f'offline {kind}' for kind in sorted(CHECKS))]
)
