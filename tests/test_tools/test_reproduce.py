# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""tools/misc/reproduce.py, on the weights in the repository."""

import json
from pathlib import Path

from projects.maxtron.weights import find_weights, read_registry

import pytest

from tests.scripts import run_script
from tools.misc.reproduce import MEASURED, format_table, make_row

SCRIPT = 'tools/misc/reproduce.py'
NAME = 'maxtron-nearonline_video-kmax_tiny_synthetic-vps'


@pytest.mark.slow
def test_row_of_a_test(synthetic, tmp_path):
    data_root = synthetic / 'vipseg/VIPSeg_720P/'
    options = f'test_dataloader.dataset.data_root={data_root}/'
    output = run_script(
        SCRIPT, NAME, '--work-dir', tmp_path, '--cfg-options', options
    )
    row = json.loads((tmp_path / 'reproduced.json').read_text())
    assert row['name'] == NAME and row['file'] == 'maxtron_tiny_panoptic.pth'
    (log,) = tmp_path.glob('*/*.json')
    scores = json.loads(log.read_text().splitlines()[-1])
    vpq = row['metrics']['VPQ']
    assert vpq['published'] == 83.1
    assert 0 < vpq['measured'] == pytest.approx(scores['vps/VPQ'], abs=1e-3)
    cells = [
        [cell.strip() for cell in line.split('|')[1:-1]]
        for line in output.splitlines()
        if line.startswith('| VPQ  ')
    ]
    measured = vpq['measured']
    assert cells == [
        ['VPQ', '83.1', f'{measured:.2f}', f'{measured - 83.1:+.2f}']
    ]
    assert 'No errors' not in output and 'frames' in output  # of the check


def test_faulty_data_ends_before_the_test(synthetic, tmp_path):
    options = f'test_dataloader.dataset.data_root={tmp_path}/'
    with pytest.raises(SystemExit):
        run_script(
            SCRIPT, NAME, '--work-dir', tmp_path, '--cfg-options', options
        )
    assert not (tmp_path / 'reproduced.json').exists()


def test_split_without_public_annotations():
    entry = find_weights('maxtron-offline_tube-link_r50_ovis')
    row = make_row(entry, {}, Path('file.pth'))
    assert row['metrics'] == dict(AP=dict(published=28.3, measured=None))
    row['metrics']['AP'].update(measured=28.0)
    assert '28.3' in format_table(row) and '-0.30' in format_table(row)
    values = {'youtube_vis/segm_mAP': 0.2834}
    row = make_row(entry, values, Path('file.pth'))
    assert row['metrics']['AP']['measured'] == 28.34


def test_every_published_metric_is_measured():
    names = {
        name
        for entry in read_registry()
        if entry.config
        for name in entry.metrics
    }
    assert names == MEASURED.keys() - {'STQ'}
    entry = find_weights('mask2former_r50_coco')
    row = make_row(entry, {'coco/segm_mAP': 0.429}, Path('file.pth'))
    assert row['metrics']['mask AP'] == dict(published=42.9, measured=42.9)


def test_backbone_has_no_value():
    with pytest.raises(SystemExit, match='is the name of a backbone'):
        run_script(SCRIPT, 'detectron2_r50')
