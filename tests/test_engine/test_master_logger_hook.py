# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""One process alone writes the results of a test."""

import json
import logging
from types import SimpleNamespace

from projects.maxtron.engine import MasterLoggerHook

import pytest
from mmengine.hooks import LoggerHook

from tests.processes import run_ranks


def end_test(rank, folder):
    """End a test; each process has a file of its own here."""
    runner = SimpleNamespace(
        timestamp=f'{rank}',
        work_dir=str(folder),
        log_dir=str(folder),
        test_dataloader=[],
        logger=logging.getLogger('test'),
        log_processor=SimpleNamespace(
            get_log_after_epoch=lambda *args, **kwargs: (dict(AP=0.5), '')
        ),
    )
    for name, hook in (('ours', MasterLoggerHook()), ('all', LoggerHook())):
        hook.before_run(runner)
        hook.json_log_path = f'{name}{rank}.json'
        hook.after_test_epoch(runner)


@pytest.mark.slow
def test_results_are_written_once(tmp_path):
    run_ranks(end_test, tmp_path)
    names = {path.name for path in tmp_path.glob('*.json')}
    assert names == {'ours0.json', 'all0.json', 'all1.json'}
    assert json.loads((tmp_path / 'ours0.json').read_text()) == dict(AP=0.5)
