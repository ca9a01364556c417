# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json

import pytest

from tests.scripts import run_script
from tools.analysis_tools.plot_results import collect_series, name_rows

ROWS = [
    dict(name='small', frames=2, ours_ms=1.5, naive_ms=4.0, size=[1, 2]),
    dict(name='large', frames=8, ours_ms=2.5, size=[1, 2]),
]
PARTS = [
    dict(mode='a', seconds=dict(backbone=1.0, head=2.0)),
    dict(mode='b', seconds=dict(backbone=1.5, head=2.0, tracker=0.5)),
]


def test_rows_are_named_and_collected():
    keys = ['ours_ms', 'naive_ms']
    assert name_rows(ROWS, keys) == ['small, frames 2', 'large, frames 8']
    assert collect_series(ROWS, keys) == (
        dict(ours_ms=[1.5, 2.5], naive_ms=[4.0, None]),
        False,
    )
    assert collect_series(PARTS, ['seconds']) == (
        dict(backbone=[1.0, 1.5], head=[2.0, 2.0], tracker=[None, 0.5]),
        True,
    )


@pytest.mark.parametrize(
    'rows, keys', [(ROWS, ['ours_ms', 'naive_ms']), (PARTS, ['seconds'])]
)
def test_plot_has_all_names(tmp_path, rows, keys):
    path = tmp_path / 'rows.json'
    path.write_text(json.dumps(dict(rows=rows)))
    out = tmp_path / 'new/plot.svg'
    arguments = [path, '--keys', *keys, '--out', out]
    script = 'tools/analysis_tools/plot_results.py'
    assert run_script(script, *arguments) == f'Wrote {out}\n'
    drawing = out.read_text()
    series, _ = collect_series(rows, keys)
    for name in (*series, *name_rows(rows, keys)):
        assert f'<!-- {name} -->' in drawing


@pytest.mark.parametrize(
    'keys, message',
    [
        (['speed'], 'no key speed. The rows have name, frames, ours_ms'),
        (['size'], 'The values of size are no numbers'),
    ],
)
def test_keys_that_cannot_be_drawn(keys, message):
    with pytest.raises(ValueError, match=message):
        collect_series(ROWS, keys)
    with pytest.raises(ValueError, match='give this key alone'):
        collect_series(PARTS, ['seconds', 'mode'])
