# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The helper that follows pages."""

from tests.fresh_start import set_clock
from tests.test_docs.pages import MAX_ITERS, ROOT, Block, follow, workplace

TOY = ROOT / 'tests/test_tools'


def test_runs_that_begin_in_one_second_keep_their_output(
    tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(str(TOY))
    set_clock(monkeypatch, step=0)
    config = tmp_path / 'toy.py'
    config.write_text(
        f"_base_ = '{TOY}/toy_config.py'\n"
        f'default_hooks = dict(checkpoint=dict(interval={MAX_ITERS}))\n'
    )
    train = 'python tools/train.py toy.py'
    tests = [
        f'python tools/test.py toy.py work_dirs/toy/iter_{MAX_ITERS}.pth '
        f'--work-dir {name}'
        for name in ('first', 'second')
    ]
    outputs = follow(
        [Block('', 'shell', '\n'.join([train, *tests]))], workplace(tmp_path)
    )
    assert f'Iter(train) [{MAX_ITERS}/{MAX_ITERS}]' in outputs[train]
    for command in tests:
        assert outputs[command].count('toy/mean') == 1
