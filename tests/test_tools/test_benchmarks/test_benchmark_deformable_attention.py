# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import argparse

import pytest

from tools.benchmarks.benchmark_deformable_attention import (
    CASES,
    TABLE,
    Workload,
    benchmark_case,
    forms_on,
    main,
)


def test_difference_and_row():
    assert forms_on('cpu') == ['torch']
    args = argparse.Namespace(seconds=0.01, threads=1, device='cpu')
    row = benchmark_case(args, CASES[-1], 'torch', with_grad=False)
    assert 0 < row['difference'] < 1e-5
    assert TABLE.row(row).startswith('tiny 2x97x161 torch   forward ')
    workload = Workload(CASES[-1], 'torch', True, 'cpu')
    assert len(workload.ours()) == 4
    assert 0 < workload.difference()['difference'] < 1e-4


def test_unknown_case():
    with pytest.raises(SystemExit, match='No case contains "Swin"'):
        main(['--cases=Swin'])
