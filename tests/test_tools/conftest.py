# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from pathlib import Path

import projects.maxtron  # noqa: F401, before MMDetection

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from tests.fresh_start import set_clock
from tests.scripts import run_script
from tools.dataset_converters import make_synthetic

ENDS = (SystemExit, TypeError, ValueError, FileNotFoundError)


@pytest.fixture
def run_here(monkeypatch, tmp_path, capsys):
    """Run a tool in this process; return its error and its output."""
    monkeypatch.chdir(tmp_path)

    def start(tool, *arguments):
        with pytest.raises(ENDS) as end:
            run_script(f'tools/{tool}', *arguments)
        return end.value, capsys.readouterr().out

    return start


@pytest.fixture(scope='session')
def synthetic(tmp_path_factory):
    """Folder of a synthetic benchmark of 4 and 3 videos of 13 frames.

    Two processes evaluate an odd number of videos, and the last clip of a
    video is incomplete.
    """
    folder = tmp_path_factory.mktemp('synthetic')
    make_synthetic.main(
        f'{folder} --size small --formats youtube-vis vipseg --num-train 4 '
        '--num-val 3 --frames 13 13 --nproc 1'.split()
    )
    return folder


@pytest.fixture(scope='session')
def toy_runs(tmp_path_factory):
    """Work folders of two trainings with evaluations.

    The first was resumed, and tested. The second has another learning rate,
    its seed was drawn, and it logs evaluations without their iteration.
    """
    folder = tmp_path_factory.mktemp('runs')
    config = folder / 'toy.py'
    config.write_text(f"""
_base_ = '{Path(__file__).with_name('toy_config.py')}'
val_dataloader = _base_.test_dataloader
val_evaluator = _base_.test_evaluator
val_cfg = dict()
train_cfg = dict(val_interval=3)
default_hooks = dict(logger=dict(log_metric_by_epoch=False))
unread = 1
""")

    def run(name, number, **options):
        cfg = Config.fromfile(config)
        cfg.merge_from_dict(
            {
                'work_dir': str(folder / name),
                'experiment_name': f'{name}{number}_{folder}',
                **options,
            }
        )
        return Runner.from_cfg(cfg)

    with pytest.MonkeyPatch.context() as patch:
        set_clock(patch, step=60)  # folders are named by the second
        patch.syspath_prepend(str(Path(__file__).parent))
        run('first', 0).train()
        run(
            'first',
            1,
            resume=True,
            load_from=str(folder / 'first/iter_3.pth'),
            **{'train_cfg.max_iters': 9},
        ).train()
        run('first', 2, load_from=str(folder / 'first/iter_9.pth')).test()
        run(
            'second',
            0,
            **{
                'optim_wrapper.optimizer.lr': 0.1,
                'randomness.seed': None,
                'default_hooks.logger.log_metric_by_epoch': True,
            },
        ).train()
    return folder / 'first', folder / 'second'
