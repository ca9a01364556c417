# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A small real training run, which a test can kill and resume.

Its data and its model draw from all generators, and validations in between
draw from them too. Every loss is appended to ``losses_<rank>.txt``.
"""

import os
import random

import projects.maxtron  # noqa: F401

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

from tests.fresh_start import end_workers

ON_CPU = dict(type='MMDistributedDataParallel', device_ids=None)


class NoisyDataset(Dataset):
    """Numbers with noise of three generators, as augmentations would add."""

    def __len__(self):
        return 14

    def __getitem__(self, index):
        noise = random.random() + np.random.rand() + torch.rand(()).item()
        return dict(inputs=torch.full((4,), index / 14 + noise))


class NoisyModel(BaseModel):
    """A regression with dropout."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.Dropout(), torch.nn.Linear(8, 1)
        )

    def forward(self, inputs, mode='loss'):
        output = self.layers(torch.stack(inputs))
        if mode == 'predict':
            return [dict(score=score) for score in output]
        return dict(loss=(output - 1).square().mean())


class Recorder(Hook):
    """Recorder of the losses, which can kill the process at an iteration.

    The process ends as by kill -9: nothing is cleaned up.
    """

    def __init__(self, path, kill_at):
        self.path, self.kill_at = path, kill_at

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        with open(self.path, 'a') as file:
            file.write(f'{runner.iter} {outputs["loss"].item()!r}\n')
        if runner.iter + 1 == self.kill_at:
            os._exit(9)


def loaders(work_dir, sampler, workers, persistent):
    """Arguments of the runner for training data, validation and its results."""
    loader = dict(batch_size=2, num_workers=workers, dataset=NoisyDataset())
    return dict(
        train_dataloader=dict(
            sampler=dict(type=sampler, shuffle=True),
            persistent_workers=persistent,
            **loader,
        ),
        val_dataloader=dict(
            sampler=dict(type='DefaultSampler', shuffle=False), **loader
        ),
        val_cfg=dict(),
        val_evaluator=dict(
            type='DumpResults', out_file_path=str(work_dir / 'val.pkl')
        ),
    )


def run(
    work_dir,
    sampler='InfiniteSampler',
    workers=0,
    seed=None,
    kill_at=None,
    load_from=None,
    launcher='none',
    hook=True,
    by_epoch=False,
    persistent=False,
):
    """Train 20 iterations, validating every 5th, saving the 10th.

    Or three epochs of 7 iterations, validating and saving after each.

    Args:
        work_dir (Path): Folder of checkpoints and losses.
        sampler (str): Type of the sampler of the training data.
        workers (int): Processes that load data.
        seed (int, optional): Seed in the config.
        kill_at (int, optional): Iterations after which the process dies.
        load_from (str, optional): Checkpoint to resume from.
        launcher (str): "none" or "pytorch".
        hook (bool): Whether the hook under test takes part.
        by_epoch (bool): Whether to train epochs.
        persistent (bool): Whether the workers live longer than an epoch.
    """
    rank = get_rank()
    work_dir.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)  # the model below is built before the runner
    Runner(
        model=NoisyModel(),
        work_dir=str(work_dir),
        **loaders(work_dir, sampler, workers, persistent),
        train_cfg=dict(by_epoch=True, max_epochs=3)
        if by_epoch
        else dict(by_epoch=False, max_iters=20, val_interval=5),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.01)),
        default_hooks=dict(
            checkpoint=dict(
                type='CheckpointHook',
                by_epoch=by_epoch,
                interval=1 if by_epoch else 10,
            )
        ),
        custom_hooks=[dict(type='RNGStateHook')] * hook
        + [Recorder(work_dir / f'losses_{rank}.txt', kill_at)],
        launcher=launcher,
        cfg=dict(model_wrapper_cfg=ON_CPU),
        randomness=dict(seed=seed),
        load_from=load_from,
        resume=load_from is not None,
        default_scope='mmdet',
        experiment_name=work_dir.name,
        log_level='ERROR',
    ).train()
    end_workers()


def run_and_resume(rank, work_dir):
    """Train on one of several ranks, and once more from the 10th iteration."""
    run(work_dir / 'whole', seed=3, launcher='pytorch')
    run(
        work_dir / 'resumed',
        seed=3,
        load_from=str(work_dir / 'whole/iter_10.pth'),
        launcher='pytorch',
    )
