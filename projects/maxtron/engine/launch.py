# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Distributed runs on machines without accelerators."""

import atexit
import logging

import torch.distributed
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import print_log

from ..errors import InputError


def prepare_cpu_launch(cfg: Config) -> bool:
    """Prepare MMEngine's runner for several CPU processes.

    MMEngine selects a CUDA device before it opens the process group, for any
    backend, and ties the model to that device. Without an accelerator, this
    function opens the group with gloo first, so that the runner finds it
    open, and wraps the model without a device. Otherwise it does nothing, so
    the same config works on both.

    Args:
        cfg (Config): Config of the run with its ``launcher``; changed in
            place.

    Returns:
        bool: Whether the run is distributed over CPU processes.

    Raises:
        InputError: If the launcher cannot start CPU processes.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher == 'none' or get_device() != 'cpu':
        return False
    if launcher != 'pytorch':
        raise InputError(
            f'The launcher "{launcher}" needs accelerators, and this machine '
            'shows none. On CPUs use tools/dist_train.sh or '
            'tools/dist_test.sh.'
        )
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
        # Without this, gloo's threads sometimes abort the process at the end
        # of the interpreter.
        atexit.register(_close_process_group)
    wrapper = dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    wrapper.update(cfg.get('model_wrapper_cfg') or {}, device_ids=None)
    cfg.model_wrapper_cfg = wrapper
    if cfg.get('sync_bn'):
        cfg.sync_bn = None  # PyTorch supports SyncBN on accelerators only.
        print_log(
            'Batch norms use the statistics of their own process: there is no '
            'SyncBN on CPUs.',
            logger='current',
            level=logging.WARNING,
        )
    return True


def _close_process_group() -> None:
    """Close the process group if it is open."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
