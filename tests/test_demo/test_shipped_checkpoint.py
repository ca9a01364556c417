# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The shipped checkpoints have the scores of docs/synthetic.md."""

import json
import re
from typing import NamedTuple

import pytest
import torch
from mmengine.config import Config

from tests.models import ROOT, build
from tests.scripts import run_script

pytestmark = pytest.mark.slow


class Shipped(NamedTuple):
    """A checkpoint, its test, and its rows in docs/synthetic.md."""

    name: str
    segmenter: str
    data: tuple[str, str]  # format, folder
    metrics: tuple[str, ...]
    rows: tuple[str, str]  # of the checkpoint, of random weights
    tolerance: float  # a pixel or a match may flip on another processor

    @property
    def config(self):
        folder = ROOT / 'configs/maxtron/synthetic'
        (path,) = folder.glob(
            f'maxtron-nearonline_{self.segmenter}_tiny_*-8k_synthetic-association-v?s.py'
        )
        return path

    @property
    def checkpoint(self):
        return ROOT / 'demo' / self.name

    def stated(self, row):
        """Read a row of the tables of docs/synthetic.md."""
        line = re.search(
            rf'^\| {row} \|(.*)\|$',
            (ROOT / 'docs/synthetic.md').read_text(),
            re.MULTILINE,
        )
        return [float(value) for value in line[1].split('|')]

    def evaluate(self, checkpoint, data_root, work_dir, *options):
        """Compute the metrics by the command of docs/synthetic.md."""
        root = f'{data_root}/{self.data[1]}'
        run_script(
            'tools/test.py',
            self.config,
            checkpoint,
            '--work-dir',
            work_dir,
            '--cfg-options',
            f'test_dataloader.dataset.data_root={root}',
            *options,
        )
        (result,) = work_dir.glob('*/*.json')
        result = json.loads(result.read_text())
        return [result[name] for name in self.metrics]


INSTANCES = Shipped(
    'maxtron_tiny.pth',
    'tube-link',
    ('youtube-vis', 'youtube-vis/'),
    tuple(
        f'youtube_vis/segm_{name}'
        for name in ('mAP', 'mAP_50', 'mAP_75', 'AR@1', 'AR@10')
    ),
    ('shipped', 'random'),
    0.01,
)
PANOPTIC = Shipped(
    'maxtron_tiny_panoptic.pth',
    'video-kmax',
    ('vipseg', 'vipseg/VIPSeg_720P/'),
    tuple(f'vps/{name}' for name in ('VPQ', 'VPQ_Th', 'VPQ_St')),
    ('panoptic shipped', 'panoptic random'),
    1.0,
)  # of 100


# Random weights score nothing on any video, and trained ones much on these.
FEW = 'test_dataloader.dataset.indices=[0,1]'


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('synthetic')
    run_script(
        'tools/dataset_converters/make_synthetic.py',
        folder,
        *('--size', 'association', '--splits', 'val'),
        *('--formats', INSTANCES.data[0], PANOPTIC.data[0]),
    )
    return folder


@pytest.mark.parametrize('shipped', [INSTANCES, PANOPTIC])
def test_shipped_checkpoint_does_as_stated(shipped, data_root, tmp_path):
    assert shipped.checkpoint.stat().st_size < 8e6
    result = shipped.evaluate(shipped.checkpoint, data_root, tmp_path)
    assert result == pytest.approx(
        shipped.stated(shipped.rows[0]), abs=shipped.tolerance
    )


@pytest.mark.parametrize('shipped', [INSTANCES, PANOPTIC])
def test_random_weights_do_not(shipped, data_root, tmp_path):
    torch.manual_seed(0)
    model = build(Config.fromfile(shipped.config).model)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'random.pth')
    result = shipped.evaluate(
        tmp_path / 'random.pth', data_root, tmp_path / 'test', FEW
    )
    assert result == pytest.approx(
        shipped.stated(shipped.rows[1]), abs=0.2 * shipped.tolerance
    )
    assert result[0] < 0.1 * shipped.stated(shipped.rows[0])[0]
