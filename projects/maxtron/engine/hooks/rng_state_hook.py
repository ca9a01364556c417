# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Hook that makes resumed training reproduce uninterrupted training."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop
from torch.utils.data import BatchSampler, DataLoader, get_worker_info

_MODEL, _DATA = range(2)  # independent streams of random numbers


def _set_rng_state(*key: int) -> None:
    """Seed the generators of Python, NumPy and PyTorch from a key.

    Args:
        *key: Non-negative integers. ``SeedSequence`` mixes them, so that
            neighbouring keys give independent states.
    """
    state = np.random.SeedSequence(key).generate_state(2)
    random.seed(int(state[0]))
    np.random.seed(int(state[0]))
    torch.manual_seed(int(state[0]) << 32 | int(state[1]))


class _SeededFetch:
    """Loading of batches with random numbers that depend only on the position.

    PyTorch's fetcher calls ``dataset.__getitems__``, if it exists, with the
    indices of a batch, in the process that loads the batch. No other hook runs
    in a worker before a batch is loaded, so the method is set on the dataset.
    Batch ``k`` of an epoch goes to worker ``k % num_workers``, so a worker can
    count the position of its batches itself.

    Args:
        dataset: The dataset that the batches are read from.
        sampler: Sampler of the dataset. Its ``epoch``, if it has one, is part
            of the seed. None if positions continue from epoch to epoch.
        seed (int): Seed of the run.
        rank (int): Rank of this process.
        epoch_length (int, optional): Number of batches of an epoch, after
            which worker 0 begins again. Defaults to None: an endless epoch.
    """

    def __init__(
        self,
        dataset: Any,
        sampler: Any,
        seed: int,
        rank: int,
        epoch_length: int | None = None,
    ) -> None:
        self.dataset = dataset
        self.sampler = sampler
        self.epoch_length = epoch_length
        self.key = (seed, rank, _DATA)
        self.read_batch = getattr(dataset, '__getitems__', None)
        self.start = 0  # position of the first batch of an iterator
        self.count = 0  # batches loaded by this worker

    def __call__(self, indices: Sequence[int]) -> list[Any]:
        """Load the samples of one batch."""
        worker = get_worker_info()
        position = self.start
        if worker is not None:
            position += self._position_in_worker(worker)
            self.count += 1
        _set_rng_state(*self.key, getattr(self.sampler, 'epoch', 0), position)
        if self.read_batch is not None:
            return self.read_batch(indices)
        return [self.dataset[index] for index in indices]

    def _position_in_worker(self, worker: Any) -> int:
        """Count the previous batches since the start of the worker."""
        if self.epoch_length is None:
            return worker.id + self.count * worker.num_workers
        share = len(range(worker.id, self.epoch_length, worker.num_workers))
        epoch, count = divmod(self.count, share)
        position = worker.id + count * worker.num_workers
        return epoch * self.epoch_length + position


@HOOKS.register_module()
class RNGStateHook(Hook):
    """Random number generators that depend on seed, rank and iteration.

    The generators are seeded at every training iteration by the seed of the
    run, the rank and the number of the iteration. Every batch is loaded with
    generators that are seeded by its position. An iteration therefore does not
    depend on earlier iterations, on a validation, or on a restart of the data
    loader's workers: a run that is killed and resumed has the losses of an
    uninterrupted run. No state is stored. The seed, which MMEngine keeps in
    the checkpoint, is sufficient.

    Saving the states of the generators would not suffice: MMEngine draws from
    them between saving and the next iteration
    (validation, new data iterators), and has no access to the generators of
    the workers.

    Two limits remain. MMEngine does not save gradients between two optimizer
    steps, so the checkpoint interval should be a multiple of
    ``accumulative_counts``. A transform with its own generator is not
    controlled.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._built_with_seed: int | None = None
        self._fetch: _SeededFetch | None = None
        self._replays = False

    def before_run(self, runner) -> None:
        """Remember the seed of the data loader."""
        self._built_with_seed = runner.seed

    def before_train(self, runner) -> None:
        """Use the seed of the resumed run, and control the loading of data."""
        loader = runner.train_loop.dataloader
        samplers = [loader.sampler]
        if isinstance(loader.batch_sampler, BatchSampler):
            samplers.append(loader.batch_sampler.sampler)
        for sampler in samplers:
            # Without a seed in the config, the loader was built with a random
            # seed before the seed of the run was read from the checkpoint.
            if getattr(sampler, 'seed', None) == self._built_with_seed:
                sampler.seed = runner.seed
        if loader.batch_size is None and loader.batch_sampler is None:
            print_log(
                'RNGStateHook cannot follow a data loader without batches: '
                'after a resume, the augmentations will be other ones.',
                logger='current',
            )
            return
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        self._replays = (
            loader.num_workers > 0 and not by_epoch and not _can_skip(loader)
        )
        self._fetch = _SeededFetch(
            loader.dataset,
            None if by_epoch else samplers[-1],
            runner.seed,
            get_rank(),
            len(loader) if by_epoch else None,
        )
        loader.dataset.__getitems__ = self._fetch

    def before_train_epoch(self, runner) -> None:
        """Set the first position for the workers, which start afterwards."""
        if self._fetch is not None and not self._replays:
            self._fetch.start = runner.iter

    def before_train_iter(
        self, runner, batch_idx: int, data_batch: Any | None = None
    ) -> None:
        """Set the state of the generators for the model and the losses."""
        _set_rng_state(runner.seed, get_rank(), _MODEL, runner.iter)

    def after_train_iter(
        self,
        runner,
        batch_idx: int,
        data_batch: Any | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Set the position of the next batch if there are no workers."""
        if self._fetch is not None and not self._replays:
            self._fetch.start = runner.iter + 1


def _can_skip(loader: DataLoader) -> bool:
    """Return whether a resumed MMEngine skips batches without loading.

    MMEngine skips batches of samplers with a method ``skip``. Otherwise, a
    loop over iterations loads all batches again, and positions count from 0.
    """
    batch_sampler = loader.batch_sampler
    return hasattr(loader.sampler, 'skip') or (
        type(batch_sampler) is BatchSampler
        and hasattr(batch_sampler.sampler, 'skip')
    )
