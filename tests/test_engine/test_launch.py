# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.engine import prepare_cpu_launch
from projects.maxtron.engine.launch import _close_process_group

import pytest
import torch
from mmengine.config import Config

from tests.processes import free_port

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason='is about machines without CUDA'
)


@pytest.fixture
def one_process(monkeypatch):
    """Environment of the only process of a launch by torchrun."""
    for name, value in dict(
        MASTER_ADDR='127.0.0.1', MASTER_PORT=free_port(), RANK=0, WORLD_SIZE=1
    ).items():
        monkeypatch.setenv(name, str(value))
    yield
    _close_process_group()  # as at the end of the interpreter
    assert not torch.distributed.is_initialized()


def test_cpu_processes_have_no_sync_bn(one_process):
    cfg = Config(dict(launcher='pytorch', sync_bn='torch'))
    assert prepare_cpu_launch(cfg)
    assert cfg.sync_bn is None
    assert cfg.model_wrapper_cfg.device_ids is None
    assert torch.distributed.get_backend() == 'gloo'


def test_other_launchers_are_refused():
    cfg = Config(dict(launcher='slurm', sync_bn='torch'))
    with pytest.raises(ValueError, match='needs accelerators'):
        prepare_cpu_launch(cfg)
    cfg.launcher = 'none'
    assert not prepare_cpu_launch(cfg)
    assert cfg.sync_bn == 'torch'
