# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compatibility patches for OpenMMLab's last releases.

OneDL's forks do not need them. ``_mmcv_lite.py`` handles the compiled
operators that mmcv-lite lacks, in both stacks.
"""

import logging
from functools import cached_property
from pickle import UnpicklingError
from types import ModuleType
from typing import Any

import mmdet
import numpy as np
import torch
from mmdet.evaluation.functional import ytviseval
from mmengine.logging import print_log
from mmengine.runner import checkpoint, loops
from mmengine.utils import digit_version


def _load(file: Any, map_location: Any = None) -> Any:
    """Load a file, including training states, which PyTorch 2.6 refuses.

    ``TORCH_FORCE_WEIGHTS_ONLY_LOAD=1`` in the environment still refuses them.
    """
    try:
        return torch.load(file, map_location, weights_only=True)
    except UnpicklingError:
        print_log(
            f'{file} holds more than weights, as training states do. It is '
            'read by pickle, which runs any code in it.',
            logger='current',
            level=logging.WARNING,
        )
        return torch.load(file, map_location, weights_only=False)


class _LazyIterator(loops._InfiniteDataloaderIterator):
    """Iterator that starts the workers of a data loader at the first batch.

    OpenMMLab's MMEngine starts them with the training loop, before hooks such
    as :class:`RNGStateHook` prepare the dataset.
    """

    def __init__(self, dataloader: torch.utils.data.DataLoader) -> None:
        self._dataloader = dataloader
        self._epoch = 0

    @cached_property
    def _iterator(self) -> Any:
        return iter(self._dataloader)


class _PatchedLibrary:
    """Library with some replaced attributes, for one module only.

    Args:
        library (ModuleType): The library.
        **attributes: Replacements by name.
    """

    def __init__(self, library: ModuleType, **attributes: Any) -> None:
        self._library = library
        vars(self).update(attributes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)


def patch_openmmlab() -> None:
    """Patch MMEngine and MMDetection if they are OpenMMLab's.

    The function does nothing with OneDL's forks or if it is called again.
    """
    # Only OneDL's MMEngine can skip the batches of a resumed training.
    if (
        not hasattr(loops._InfiniteDataloaderIterator, 'skip_iter')
        and loops._InfiniteDataloaderIterator is not _LazyIterator
    ):
        loops._InfiniteDataloaderIterator = _LazyIterator
        checkpoint.torch = _PatchedLibrary(torch, load=_load)
    if digit_version(mmdet.__version__) <= digit_version('3.3.0'):
        # NumPy 1.24 removed np.float
        ytviseval.np = _PatchedLibrary(np, float=float)
