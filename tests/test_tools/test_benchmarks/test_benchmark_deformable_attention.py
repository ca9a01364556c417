# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import argparse

import pytest

from tools.benchmarks.benchmark_deformable_attention import (
    CASES,
    Workload,
    forms_on,
    main,
    measure,
)


@pytest.mark.parametrize('with_grad', [False, True])
def test_tasks_of_a_row(with_grad):
    assert forms_on('cpu') == ['torch']
    args = argparse.Namespace(seconds=0, threads=1, device='cpu')
    arguments = args, CASES[-1], 'torch', with_grad
    difference = measure('difference', *arguments)['difference']
    assert 0 < difference < (1e-4 if with_grad else 1e-5)
    assert len(measure('time', *arguments)) == 2
    assert len(Workload(*arguments[1:], 'cpu').ours()) == (
        4 if with_grad else 1
    )


def test_unknown_case():
    with pytest.raises(SystemExit, match='No case contains "Swin"'):
        main(['--cases=Swin'])
