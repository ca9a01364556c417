# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import argparse

from tools.benchmarks.benchmark_instances import Case, Workload


def test_both_forms_are_equal():
    case = Case('', (96, 160), (384, 640), (360, 640))
    args = argparse.Namespace(num_queries=3, num_segments=2, device='cpu')
    row = Workload(case, args).difference()
    assert row['different'] == 0 and 0 < row['masks'] < 3
