# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A killed and resumed run must equal an uninterrupted run."""

import time
from functools import partial
from types import SimpleNamespace

from projects.maxtron.engine.hooks import RNGStateHook

import pytest
from mmengine.dataset import InfiniteSampler
from torch.utils.data import BatchSampler, DataLoader

from tests.processes import exit_code, run_ranks
from tests.test_engine.resume_run import NoisyDataset, run, run_and_resume

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch):
    """MMEngine's loop sleeps 2 s before every epoch of finite samplers."""
    monkeypatch.setattr(time, 'sleep', lambda seconds: None)


def losses(work_dir, rank=0):
    return (work_dir / f'losses_{rank}.txt').read_text().splitlines()


def test_killed_run_resumes_with_the_same_losses(tmp_path):
    run(tmp_path / 'whole', workers=2, seed=3)
    broken = partial(run, workers=2, seed=3, kill_at=13)
    assert exit_code(broken, tmp_path / 'broken') == 9
    before = losses(tmp_path / 'broken')
    assert len(before) == 13
    run(
        tmp_path / 'again',
        workers=2,
        seed=3,
        load_from=str(tmp_path / 'broken/iter_10.pth'),
    )
    whole = losses(tmp_path / 'whole')
    assert before[:10] + losses(tmp_path / 'again') == whole
    assert len(set(line.split()[1] for line in whole)) == 20


@pytest.mark.parametrize(
    'sampler, workers, seed',
    [
        ('InfiniteSampler', 0, None),
        ('InfiniteSampler', 2, None),
        ('DefaultSampler', 0, 3),
        ('DefaultSampler', 2, 3),
    ],
    ids=str,
)
def test_resumed_losses(tmp_path, sampler, workers, seed):
    """Losses are equal for samplers that MMEngine skips or replays."""
    options = dict(sampler=sampler, workers=workers, seed=seed)
    run(tmp_path / 'whole', **options)
    checkpoint = str(tmp_path / 'whole/iter_10.pth')
    run(tmp_path / 'again', load_from=checkpoint, **options)
    assert losses(tmp_path / 'again') == losses(tmp_path / 'whole')[10:]


@pytest.mark.parametrize(
    'workers, persistent', [(0, False), (2, False), (2, True)]
)
def test_resumed_epochs(tmp_path, workers, persistent):
    """Seven batches of an epoch are no multiple of two workers."""
    options = dict(
        sampler='DefaultSampler',
        workers=workers,
        persistent=persistent,
        by_epoch=True,
        seed=3,
    )
    run(tmp_path / 'whole', **options)
    checkpoint = str(tmp_path / 'whole/epoch_1.pth')
    run(tmp_path / 'again', load_from=checkpoint, **options)
    whole = losses(tmp_path / 'whole')
    assert losses(tmp_path / 'again') == whole[7:]
    assert len({line.split()[1] for line in whole}) == 21


def test_without_the_hook_losses_differ(tmp_path):
    """Without the hook, the runs of the tests above differ."""
    run(tmp_path / 'whole', seed=3, hook=False)
    checkpoint = str(tmp_path / 'whole/iter_10.pth')
    run(tmp_path / 'again', seed=3, hook=False, load_from=checkpoint)
    assert losses(tmp_path / 'again') != losses(tmp_path / 'whole')[10:]


def test_two_ranks_resume_and_draw_different_numbers(tmp_path):
    run_ranks(run_and_resume, tmp_path)
    for rank in range(2):
        resumed = losses(tmp_path / 'resumed', rank)
        assert resumed == losses(tmp_path / 'whole', rank)[10:]
    assert losses(tmp_path / 'whole', 0) != losses(tmp_path / 'whole', 1)


@pytest.mark.parametrize('is_list', [False, True])
def test_batch_sampler_of_the_config(is_list):
    """Its sampler takes over the seed, a list of batches has none."""
    sampler = InfiniteSampler(NoisyDataset(), seed=1)
    batches = BatchSampler(sampler, 2, drop_last=False)
    if is_list:
        batches = [[3, 1], [2, 0]]
    loader = DataLoader(NoisyDataset(), batch_sampler=batches)
    runner = SimpleNamespace(
        seed=1, iter=0, train_loop=SimpleNamespace(dataloader=loader)
    )
    hook = RNGStateHook()
    hook.before_run(runner)
    runner.seed = 7  # that of the checkpoint
    hook.before_train(runner)
    assert sampler.seed == (1 if is_list else 7)
    noise = [loader.dataset.__getitems__([3])[0]['inputs'] for _ in range(2)]
    assert noise[0].equal(noise[1])  # of the same position
