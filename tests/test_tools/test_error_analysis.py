# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""What errors cost, of files that tests wrote."""

import json

import pytest

from tests.test_evaluation.instance_samples import (
    EXPECTED,
    GT,
    PARITY,
    RESULTS,
)
from tests.test_evaluation.user_panoptic import NAMES, run_test, write
from tools.analysis_tools import error_analysis


def analyse(results, truth, folder, *options):
    out = folder / 'analysis.json'
    error_analysis.main([str(results), str(truth), f'--out={out}', *options])
    return json.loads(out.read_text())


def test_panoptic_results(tmp_path, capsys):
    write(tmp_path)
    values = run_test(tmp_path, NAMES)
    found = analyse(
        tmp_path / 'sub',
        tmp_path / 'gt.json',
        tmp_path,
        f'--plot={tmp_path}/x.png',
    )
    first = found['alone']['as it is']
    assert first['VPQ'] == pytest.approx(values['vps/VPQ'])
    assert first['STQ'] == pytest.approx(100 * values['vps/STQ'])
    assert found['added']['+ true masks'] == pytest.approx(
        dict.fromkeys(first, 100)
    )
    assert found['classes']['true masks']['square'] > 99
    assert found['lengths']['0 to 10']['tracks'] == 1
    text = capsys.readouterr().out
    assert '| true association | ' in text and '| VPQ of class | ' in text
    assert (tmp_path / 'x.png').stat().st_size > 1000


def test_instance_results(tmp_path):
    found = analyse(
        PARITY / 'metric_results.json', PARITY / 'metric_gt.json', tmp_path
    )
    first = found['alone']['as it is']
    assert first['AP'] == pytest.approx(100 * EXPECTED['stats']['AP'])
    assert found['added']['+ true masks']['AP'] == pytest.approx(100)
    assert list(found['classes']['as it is']) == [
        c['name'] for c in GT['categories']
    ]


@pytest.mark.parametrize(
    'change, words',
    [
        (dict(video_id=99), 'item 0: video_id is 99, but .*no such id'),
        (dict(category_id=99), 'item 0: category_id is 99, but .*no such id'),
        (dict(score='high'), 'item 0: the field \'score\' is "high"'),
        (dict(segmentations=[]), 'it has 0 segmentations, but video'),
        (None, 'is not a list of tracks'),
    ],
)
def test_bad_results(tmp_path, change, words):
    path = tmp_path / 'results.json'
    content = {} if change is None else [RESULTS[0] | change]
    path.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match=words):
        analyse(path, PARITY / 'metric_gt.json', tmp_path)


def test_options_of_panoptic_results():
    for option in ('--masks=maps', '--sparse', '--windows=2'):
        name = option.partition('=')[0]
        with pytest.raises(SystemExit, match=f'{name} is for panoptic resul'):
            error_analysis.main(['results.json', 'truth.json', option])


def test_truth_without_annotations(tmp_path):
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(GT | dict(annotations=[])))
    with pytest.raises(SystemExit, match='no annotations with a mask'):
        analyse(PARITY / 'metric_results.json', path, tmp_path)
