# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The tiny config trains, resumes and is tested through the tools."""
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
CONFIG = next((ROOT / 'configs/maxtron/synthetic').glob('*_tiny_*.py'))
ENV = dict(os.environ, OMP_NUM_THREADS='1', PYTHON=sys.executable)


@pytest.fixture(scope='module')
def options(tmp_path_factory):
    """Options that make a run of the config a matter of seconds."""
    data = tmp_path_factory.mktemp('synthetic')
    subprocess.run([
        sys.executable, ROOT / 'tools/dataset_converters/make_synthetic.py',
        data, '--size', 'small', '--formats', 'youtube-vis', '--nproc', '2'
    ], env=ENV, check=True)  # yapf: disable
    data_root = f'{data}/youtube-vis/'
    return [
        '--cfg-options', 'randomness.seed=3', 'train_cfg.max_iters=4',
        'train_cfg.val_interval=4', 'train_dataloader.num_workers=1',
        'default_hooks.logger.interval=1',
        'default_hooks.checkpoint.interval=2', 'log_processor.window_size=1',
        *(f'{split}_dataloader.dataset.data_root={data_root}'
          for split in ('train', 'val', 'test'))
    ]


def train_command(work_dir, options, *args, processes=1):
    command = ([sys.executable, ROOT / 'tools/train.py', CONFIG]
               if processes == 1 else
               ['bash', ROOT / 'tools/dist_train.sh', CONFIG, processes])
    return [*map(str, command), '--work-dir', str(work_dir), *args, *options]


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
def unbroken(tmp_path_factory, options):
    work_dir = tmp_path_factory.mktemp('unbroken')
    log = subprocess.run(
        train_command(work_dir, options),
        env=ENV,
        check=True,
        capture_output=True,
        text=True).stdout
    return work_dir, log


def test_trains_from_scratch_and_validates(unbroken):
    work_dir, log = unbroken
    assert sorted(losses(work_dir)) == [1, 2, 3, 4]
    assert (work_dir / 'iter_4.pth').exists()
    for item in ('mAP', 'mAP_50', 'mAP_75', 'AR@1', 'AR@10'):
        assert f'youtube_vis/segm_{item}' in log


def test_killed_run_resumes_with_the_same_losses(unbroken, tmp_path, options):
    process = subprocess.Popen(
        train_command(tmp_path, options),
        env=ENV,
        stdout=subprocess.DEVNULL,
        start_new_session=True)
    deadline = time.time() + 120
    while not (tmp_path / 'last_checkpoint').exists():
        assert time.time() < deadline and process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / 'iter_4.pth').exists()

    subprocess.run(
        train_command(tmp_path, options, '--resume'),
        env=ENV,
        check=True,
        stdout=subprocess.DEVNULL)
    expected, actual = losses(unbroken[0]), losses(tmp_path)
    assert actual == expected  # to the last digit
    whole, resumed = (
        torch.load(folder / 'iter_4.pth', weights_only=False)['state_dict']
        for folder in (unbroken[0], tmp_path))
    assert all(value.equal(resumed[key]) for key, value in whole.items())


def test_two_processes_train_on_cpu(tmp_path, options):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    log = subprocess.run(
        train_command(tmp_path, options, processes=2),
        env=dict(ENV, PORT=str(port)),
        check=True,
        capture_output=True,
        text=True).stdout
    assert sorted(losses(tmp_path)) == [1, 2, 3, 4]
    assert 'Batch size 6: 2 process(es) x 3 sample(s)' in log
    assert 'youtube_vis/segm_mAP' in log


def test_published_model_is_the_trained_one(unbroken, tmp_path):
    out = tmp_path / 'model.pth'
    subprocess.run([
        sys.executable, ROOT / 'tools/model_converters/publish_model.py',
        unbroken[0] / 'iter_4.pth', out, '--half'
    ], check=True)  # yapf: disable
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
