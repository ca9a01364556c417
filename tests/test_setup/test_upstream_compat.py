# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from pickle import UnpicklingError

from projects.maxtron import compat

import mmdet
import numpy
import pytest
import torch
from mmdet.evaluation.functional import ytviseval
from mmengine.logging import HistoryBuffer
from mmengine.runner import checkpoint, loops
from torch.utils.data import DataLoader

IS_ONEDL = hasattr(loops._InfiniteDataloaderIterator, 'skip_iter')


@pytest.fixture
def openmmlab(monkeypatch):
    """The modules as they are after mending, whichever stack this is."""
    for module, name in (
        (loops, '_InfiniteDataloaderIterator'),
        (checkpoint, 'torch'),
        (ytviseval, 'np'),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setattr(mmdet, '__version__', '3.3.0')
    if IS_ONEDL:
        monkeypatch.delattr(loops._InfiniteDataloaderIterator, 'skip_iter')
    compat.patch_openmmlab()
    compat.patch_openmmlab()


@pytest.mark.skipif(not IS_ONEDL, reason="this is OpenMMLab's stack")
def test_onedl_is_left_alone():
    compat.patch_openmmlab()
    assert loops._InfiniteDataloaderIterator is not compat._LazyIterator
    assert checkpoint.torch is torch and ytviseval.np is numpy


def test_training_state_is_loaded(openmmlab, tmp_path):
    path = str(tmp_path / 'state.pth')
    weight = torch.arange(3.0)
    torch.save(dict(w=weight, log=HistoryBuffer([1.0, 2.0], [1, 1])), path)
    state = checkpoint.torch.load(path, map_location='cpu')
    assert state['w'].equal(weight) and state['log'].mean() == 1.5


def test_safe_mode_can_be_forced(openmmlab, tmp_path, monkeypatch):
    path = str(tmp_path / 'state.pth')
    torch.save(HistoryBuffer([1.0], [1]), path)
    monkeypatch.setenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    with pytest.raises(UnpicklingError):
        checkpoint.torch.load(path, map_location='cpu')


def test_old_names_of_numpy_are_known_where_needed(openmmlab):
    assert ytviseval.np.float is float
    assert ytviseval.np.cumsum is numpy.cumsum
    assert not hasattr(numpy, 'float')


def test_workers_start_with_the_first_batch(openmmlab):
    data = [torch.tensor(0)]
    loader = DataLoader(data, num_workers=1)
    batches = loops._InfiniteDataloaderIterator(loader)
    data[0] = torch.tensor(1)  # as a hook may do before the training
    assert next(batches).item() == 1


def test_the_data_begins_anew_at_its_end(openmmlab, monkeypatch):
    monkeypatch.setattr(loops.time, 'sleep', lambda seconds: None)
    batches = loops._InfiniteDataloaderIterator(DataLoader([1, 2]))
    assert [next(batches).item() for _ in range(5)] == [1, 2, 1, 2, 1]
