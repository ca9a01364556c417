# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Training, resuming and evaluation of three configs in two processes.

One of them runs by a shell script and ``torchrun``. The number of evaluated
videos or images is odd, so that one process has none in the last step.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from tests.models import ROOT
from tests.scripts import command, run_ranks, run_script
from tests.shrinking import shrink
from tests.test_datasets.tiny_coco import TRUTH, write_coco

pytestmark = pytest.mark.slow

SYNTHETIC = ROOT / 'configs/maxtron/synthetic'
SPLITS = ('train', 'val', 'test')
THRESHOLDS = dict(pixel=0.1, thing=0.0, stuff=0.0, overlap=0.0)


class Setting(NamedTuple):
    """A config, and settings for a run of seconds."""

    config: Path
    lr: float
    base_batch: int  # that the learning rate is for
    num_iters: int
    metrics: str  # none of them is 0 after these
    options: list[str]
    # is started by a script, killed and resumed; or resumes from a checkpoint
    # of another run
    is_killed: bool = False


def vps_nearonline(data, folder):
    return Setting(
        next(SYNTHETIC.glob('*-nearonline_*_synthetic-vps.py')),
        2e-4,
        8,
        4,
        'vps/VPQ vps/VPQ_Th vps/VPQ_St vps/STQ',
        [
            f'load_from={ROOT}/demo/maxtron_tiny_panoptic.pth',
            'param_scheduler.0.warmup_iters=2',
            *(
                f'{split}_dataloader.dataset.data_root='
                f'{data}/vipseg/VIPSeg_720P/'
                for split in SPLITS
            ),
        ],
        is_killed=True,
    )


def vis_offline(data, folder):
    return Setting(
        next(SYNTHETIC.glob('*-offline_*_synthetic-vis.py')),
        5e-4,
        2,
        4,
        'youtube_vis/segm_mAP',
        [
            f'load_from={ROOT}/demo/maxtron_tiny.pth',
            'train_dataloader.dataset.clip_len=6',
            *(
                f'{split}_dataloader.dataset.data_root={data}/youtube-vis/'
                for split in SPLITS
            ),
        ],
    )


def coco_pretraining(data, folder):
    pytest.importorskip('panopticapi', reason='CocoPanopticMetric needs it')
    # with sky instead of grass, so that few iterations find something
    write_coco(folder / 'coco', [truth.replace('g', 's') for truth in TRUTH])
    name = 'kmax_r50_8xb8-150k_coco-panoptic.py'
    shrink(f'configs/kmax/coco/{name}', folder, folder).dump(folder / name)
    return Setting(
        folder / name,
        0.16,
        64,
        8,
        'coco_panoptic/PQ',
        [
            'log_level=INFO',
            *(
                f'model.head.test_cfg.{name}_thr={value}'
                for name, value in THRESHOLDS.items()
            ),
        ],
    )


@pytest.fixture(
    scope='module', params=(vps_nearonline, vis_offline, coco_pretraining)
)
def setting(request, synthetic, tmp_path_factory):
    # In a new folder: another worker may take over tests in between, and the
    # setting is then made twice in this process.
    setting = request.param(synthetic, tmp_path_factory.mktemp('setting'))
    return setting._replace(
        options=[
            '--cfg-options',
            'randomness.seed=3',
            'train_dataloader.batch_size=2',
            'train_dataloader.num_workers=1',
            *(
                f'{split}_dataloader.{option}'
                for split in SPLITS[1:]
                for option in ('num_workers=0', 'persistent_workers=False')
            ),
            f'train_cfg.max_iters={setting.num_iters}',
            f'train_cfg.val_interval={setting.num_iters}',
            f'default_hooks.checkpoint.interval={setting.num_iters - 2}',
            f'optim_wrapper.optimizer.lr={setting.lr}',
            'default_hooks.logger.interval=1',
            'log_processor.window_size=1',
            *setting.options,
        ]
    )


def training(setting, work_dir, *args):
    """Command line of a training after the config."""
    return ('--work-dir', work_dir, '--auto-scale-lr', *args, *setting.options)


def rows(work_dir):
    """Logs of the runs in a work folder."""
    return [
        json.loads(line)
        for path in sorted(work_dir.rglob('20*.json'))
        for line in path.read_text().splitlines()
    ]


def losses(work_dir):
    """All losses, by iteration."""
    return {
        row['iter']: {k: v for k, v in row.items() if 'loss' in k}
        for row in rows(work_dir)
        if 'loss' in row
    }


def scores(work_dir):
    """Results of the last evaluation, by name."""
    return {k: v for k, v in rows(work_dir)[-1].items() if '/' in k}


def load(work_dir, iteration):
    return torch.load(work_dir / f'iter_{iteration}.pth', weights_only=False)


@pytest.fixture(scope='module')
def whole(setting, tmp_path_factory):
    """Folder of an uninterrupted training."""
    work_dir = tmp_path_factory.mktemp('whole')
    run_ranks('tools/train.py', setting.config, *training(setting, work_dir))
    return work_dir


def test_trains_at_the_scaled_rate(setting, whole):
    assert sorted(losses(whole)) == list(range(1, setting.num_iters + 1))
    ratio = 4 / setting.base_batch  # 2 processes x 2 samples
    log = next(whole.glob('*/*.log')).read_text()
    assert (
        f'Batch size 4: 2 process(es) x 2 sample(s) x 1 accumulated '
        f'step(s). Learning rate {setting.lr:g}, meant for a batch size '
        f'of {setting.base_batch}. Scaled by {ratio:g} to '
    ) in log
    optimizer = load(whole, setting.num_iters)['optimizer']
    rates = [group['initial_lr'] for group in optimizer['param_groups']]
    assert pytest.approx(ratio * setting.lr) in rates


def test_resumes_as_if_nothing_had_happened(setting, whole, tmp_path):
    """Losses, weights and results are equal to the last digit."""
    if setting.is_killed:
        script = ('tools/dist_train.sh', tmp_path, setting.config, 2)
        kill_one_process(
            command(*script, *training(setting, tmp_path)),
            tmp_path / 'last_checkpoint',
        )
        assert not (tmp_path / f'iter_{setting.num_iters}.pth').exists()
        resume = ['--resume']
    else:
        resume = ['--resume', whole / f'iter_{setting.num_iters - 2}.pth']
    run_ranks(
        'tools/train.py', setting.config, *training(setting, tmp_path, *resume)
    )
    before, after = losses(whole), losses(tmp_path)
    first = 1 if setting.is_killed else setting.num_iters - 1
    assert after == {i: before[i] for i in range(first, setting.num_iters + 1)}
    assert scores(tmp_path) == scores(whole)
    expected, resumed = (
        load(folder, setting.num_iters)['state_dict']
        for folder in (whole, tmp_path)
    )
    assert all(value.equal(resumed[key]) for key, value in expected.items())


def kill_one_process(arguments, file):
    """Kill a process of a run when a file is written; wait until all end."""
    with subprocess.Popen(
        **arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as launcher:
        # MMEngine first makes the file and then writes it.
        while not file.exists() or not file.stat().st_size:
            assert launcher.poll() is None
            time.sleep(0.02)
        tasks = Path(f'/proc/{launcher.pid}/task')
        workers = [
            int(worker)
            for path in tasks.glob('*/children')
            for worker in path.read_text().split()
        ]
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
    assert launcher.returncode != 0


def test_measures_as_one_process_does(setting, whole, tmp_path):
    checkpoint = whole / f'iter_{setting.num_iters}.pth'
    one, two = tmp_path / 'one', tmp_path / 'two'
    test = ('tools/test.py', setting.config, checkpoint, '--work-dir')
    run_ranks(*test, two, *setting.options)
    run_script(*test, one, *setting.options)
    assert scores(one) == scores(two) == scores(whole)
    assert all(scores(one)[name] > 0 for name in setting.metrics.split())


def test_published_model_is_the_trained_one(setting, whole, tmp_path):
    out = tmp_path / 'model.pth'
    run_script(
        'tools/model_converters/publish_model.py',
        whole / f'iter_{setting.num_iters}.pth',
        out,
        '--half',
    )
    published = torch.load(out, weights_only=True)
    trained = load(whole, setting.num_iters)
    assert published['meta']['dataset_meta'] == trained['meta']['dataset_meta']
    assert published.keys() == {'meta', 'state_dict'}
    for key, value in trained['state_dict'].items():
        torch.testing.assert_close(
            published['state_dict'][key].to(value.dtype),
            value,
            rtol=1e-3,
            atol=1e-7,
        )
