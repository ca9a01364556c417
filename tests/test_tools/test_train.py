# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The tiny configs train, resume and are tested through the tools."""
import json
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import List, NamedTuple, Sequence

import pytest
import torch

ROOT = Path(__file__).parents[2]
ENV = dict(os.environ, OMP_NUM_THREADS='1', PYTHON=sys.executable)


class Task(NamedTuple):
    """A config, and the options that make its run a matter of seconds."""
    config: Path
    data_root: str
    batch_size: int
    metrics: List[str]
    options: List[str]
    not_zero: Sequence[str] = ()  # even of what was hardly trained


CONFIGS = ROOT / 'configs/maxtron/synthetic'
TASKS = dict(
    vis=Task(
        config=next(CONFIGS.glob('*nearonline*_synthetic-vis.py')),
        data_root='youtube-vis/',
        batch_size=3,
        metrics=[
            f'youtube_vis/segm_{name}'
            for name in ('mAP', 'mAP_50', 'mAP_75', 'AR@1', 'AR@10')
        ],
        options=[]),
    vps=Task(
        config=next(CONFIGS.glob('*nearonline*_synthetic-vps.py')),
        data_root='vipseg/VIPSeg_720P/',
        batch_size=2,
        metrics=[
            f'vps/{name}' for name in ('VPQ', 'VPQ_Th', 'VPQ_2', 'STQ', 'IoU')
        ],
        options=[
            'param_scheduler.0.warmup_iters=2',
            # so that what was hardly learnt has results other than void
            'model.head.test_cfg.pixel_thr=0.045',  # of 24 queries
            *(f'model.head.test_cfg.{name}_thr=0.0'
              for name in ('thing', 'stuff', 'overlap'))
        ],
        not_zero=('vps/STQ', 'vps/IoU')))


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """The synthetic benchmark, of three videos for a test."""
    folder = tmp_path_factory.mktemp('synthetic')
    subprocess.run([
        sys.executable, ROOT / 'tools/dataset_converters/make_synthetic.py',
        folder, '--size', 'small', '--formats', 'youtube-vis', 'vipseg',
        '--num-train', '4', '--num-val', '3', '--frames', '12', '12',
        '--nproc', '2'
    ], env=ENV, check=True)  # yapf: disable
    return folder


@pytest.fixture(scope='module', params=TASKS)
def task(request, data):
    """A task with the options of its runs."""
    task = TASKS[request.param]
    return task._replace(options=[
        '--cfg-options', 'randomness.seed=3', 'train_cfg.max_iters=4',
        'train_cfg.val_interval=4', 'train_dataloader.num_workers=1',
        f'train_dataloader.batch_size={task.batch_size}',
        'default_hooks.logger.interval=1',
        'default_hooks.checkpoint.interval=2', 'log_processor.window_size=1',
        *(f'{split}_dataloader.dataset.data_root={data}/{task.data_root}'
          for split in ('train', 'val', 'test')), *task.options
    ])


def train_command(work_dir, task, *args, processes=1):
    command = ([sys.executable, ROOT / 'tools/train.py', task.config]
               if processes == 1 else
               ['bash', ROOT / 'tools/dist_train.sh', task.config, processes])
    return [
        *map(str, command), '--work-dir',
        str(work_dir), *args, *task.options
    ]


def run(command, **env):
    """Run a command; return what it printed."""
    result = subprocess.run(
        command, env=dict(ENV, **env), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def scores(log, task):
    """Values of the metrics, by name, as the log has them."""
    return {
        name: re.search(fr' {re.escape(name)}: (\S+)', log)[1]
        for name in task.metrics
    }


def losses(work_dir):
    """All losses that were logged, by iteration."""
    rows = [
        json.loads(line)
        for path in sorted(work_dir.glob('*/vis_data/scalars.json'))
        for line in path.read_text().splitlines()
    ]
    return {
        row['iter']: {k: v
                      for k, v in row.items() if 'loss' in k}
        for row in rows if 'loss' in row
    }


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory, task):
    work_dir = tmp_path_factory.mktemp('unbroken')
    return work_dir, run(train_command(work_dir, task))


def test_trains_from_scratch_and_validates(unbroken, task):
    work_dir, log = unbroken
    assert sorted(losses(work_dir)) == [1, 2, 3, 4]
    assert (work_dir / 'iter_4.pth').exists()
    assert all(0 <= float(value) for value in scores(log, task).values())


def test_killed_run_resumes_with_the_same_losses(unbroken, tmp_path, task):
    process = subprocess.Popen(
        train_command(tmp_path, task),
        env=ENV,
        stdout=subprocess.DEVNULL,
        start_new_session=True)
    deadline = time.time() + 300
    while not (tmp_path / 'last_checkpoint').exists():
        assert time.time() < deadline and process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / 'iter_4.pth').exists()

    log = run(train_command(tmp_path, task, '--resume'))
    expected, actual = losses(unbroken[0]), losses(tmp_path)
    assert actual == expected  # to the last digit
    whole, resumed = (
        torch.load(folder / 'iter_4.pth', weights_only=False)['state_dict']
        for folder in (unbroken[0], tmp_path))
    assert all(value.equal(resumed[key]) for key, value in whole.items())
    assert scores(log, task) == scores(unbroken[1], task)


def test_two_processes_train_and_measure_as_one_does(tmp_path, task):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    log = run(train_command(tmp_path, task, processes=2), PORT=str(port))
    assert sorted(losses(tmp_path)) == [1, 2, 3, 4]
    size = task.batch_size
    assert f'Batch size {2 * size}: 2 process(es) x {size} sample(s)' in log
    two = scores(log, task)
    assert all(float(two[name]) > 0 for name in task.not_zero)
    log = run([
        sys.executable, ROOT / 'tools/test.py', task.config,
        tmp_path / 'iter_4.pth', '--work-dir', tmp_path / 'one', *task.options
    ])
    assert scores(log, task) == two


def test_published_model_is_the_trained_one(unbroken, tmp_path, monkeypatch):
    out = tmp_path / 'model.pth'
    script = str(ROOT / 'tools/model_converters/publish_model.py')
    source = str(unbroken[0] / 'iter_4.pth')
    monkeypatch.setattr(sys, 'argv', [script, source, str(out), '--half'])
    runpy.run_path(script, run_name='__main__')
    published = torch.load(out, weights_only=True)
    trained = torch.load(unbroken[0] / 'iter_4.pth', weights_only=False)
    assert published['meta']['dataset_meta'] == trained['meta']['dataset_meta']
    assert published.keys() == {'meta', 'state_dict'}
    for key, value in trained['state_dict'].items():
        torch.testing.assert_close(
            published['state_dict'][key].to(value.dtype),
            value,
            rtol=1e-3,
            atol=1e-7)
