# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from tests.models import ROOT
from tests.scripts import run_script


def test_tables_are_those_of_the_results(tmp_path):
    out = run_script(
        'tools/misc/compare_stages.py',
        f'--work-dir={ROOT}/docs/results/stages',
        '--table-only',
        '--associations',
        'paper',
        'robust',
        f'--curves={tmp_path}/stages.png',
    )
    assert out.count('| offline, aligned |') == 2
    assert out.strip() in (ROOT / 'docs/synthetic.md').read_text()
    assert (tmp_path / 'stages.png').stat().st_size > 10_000
