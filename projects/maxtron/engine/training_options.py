# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Mixed precision, and settings of PyTorch that make training faster."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmdet.registry import OPTIM_WRAPPERS
from mmengine.config import Config
from mmengine.device import is_cuda_available
from mmengine.optim import OptimWrapper
from mmengine.utils import digit_version
from torch import nn

from ..errors import InputError


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Training with mixed precision in bfloat16, on GPUs and CPUs.

    MMEngine's ``AmpOptimWrapper`` requires a GPU. A bfloat16 has the range of
    a float32, so the losses are not scaled.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Make the context of the forward pass.

        Args:
            model (nn.Module): The model.
        """
        device = next(model.parameters()).device.type
        with (
            super().optim_context(model),
            torch.autocast(device, torch.bfloat16),
        ):
            yield


def amp_options(dtype: str | None = None) -> dict[str, str]:
    """Choose the options of a config for mixed precision.

    Args:
        dtype (str, optional): 'fp16' or 'bf16'. Defaults to None: fp16 on a
            GPU, bf16 on a CPU.

    Returns:
        dict[str, str]: Values by dotted key.

    Raises:
        InputError: If it is fp16 and there is no GPU.
    """
    on_gpu = is_cuda_available()
    if (dtype or ('fp16' if on_gpu else 'bf16')) == 'bf16':
        return {'optim_wrapper.type': 'BFloat16OptimWrapper'}
    if not on_gpu:
        raise InputError(
            '--amp-dtype fp16 needs a CUDA device, and PyTorch finds none; '
            'bf16 works without.'
        )
    return {
        'optim_wrapper.type': 'AmpOptimWrapper',
        'optim_wrapper.loss_scale': 'dynamic',
    }


def set_training_options(cfg: Config) -> None:
    """Set what makes training faster, unless the config says otherwise.

    On GPUs the loader pins the memory of batches, and products of float32
    matrices are computed in TF32, if ``allow_tf32`` of the config is not
    False. Versions of PyTorch without fused optimizers for CPUs use plain
    ones there.

    Args:
        cfg (Config): Config of the run, changed in place.
    """
    if is_cuda_available():
        allow_tf32 = cfg.get('allow_tf32', True)
        torch.backends.cuda.matmul.allow_tf32 = allow_tf32
        cfg.train_dataloader.setdefault('pin_memory', True)
    elif digit_version(torch.__version__) < digit_version('2.4'):
        # There the fused optimizers are for GPUs only.
        cfg.optim_wrapper.optimizer.pop('fused', None)
