# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.evaluation.reports import stq_report, vpq_report


def test_vpq_report():
    """Classes of the fullest window; '-' for an empty cell."""
    windows = {
        k: dict(
            All=dict(pq=pq, n=n),
            Things=dict(pq=pq, n=n),
            Stuff=dict(pq=None, n=0),
            per_class=[dict(pq=pq), dict(pq=None)],
        )
        for k, pq, n in ((1, 50.0, 12), (2, None, 3))
    }
    vpq = dict(All=50.0, Things=50.0, Stuff=None, per_class=[50.0, None])
    report = vpq_report(dict(VPQ=vpq, windows=windows), ['cat', 'sky'])
    assert report.splitlines() == [
        '+--------+--------+--------+-------+---------+',
        '|        |    VPQ |  VPQ^1 | VPQ^2 | classes |',
        '+--------+--------+--------+-------+---------+',
        '| All    | 50.000 | 50.000 |     - |      12 |',
        '| Things | 50.000 | 50.000 |     - |      12 |',
        '| Stuff  |      - |      - |     - |       0 |',
        '+--------+--------+--------+-------+---------+',
        '+-------+--------+--------+-------+',
        '| class |    VPQ |  VPQ^1 | VPQ^2 |',
        '+-------+--------+--------+-------+',
        '| cat   | 50.000 | 50.000 |     - |',
        '+-------+--------+--------+-------+',
    ]


def test_stq_report():
    summary = dict(STQ=0.5, AQ=0.25, IoU=1.0, per_class=[1.0, None])
    assert stq_report(summary).splitlines() == [
        '+-----+---------+---------+---------+',
        '|     |     STQ |      AQ |     IoU |',
        '+-----+---------+---------+---------+',
        '| All | 0.50000 | 0.25000 | 1.00000 |',
        '+-----+---------+---------+---------+',
    ]
    assert stq_report(summary, ['cat', 'sky']).splitlines()[5:] == [
        '+-------+---------+',
        '| class |     IoU |',
        '+-------+---------+',
        '| cat   | 1.00000 |',
        '+-------+---------+',
    ]
