# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""What OpenMMLab's last releases lack for today's PyTorch and NumPy.

OneDL's releases have it, and are left alone. Not in this file: the compiled
operators that mmcv-lite lacks, of both, which ``_mmcv_lite.py`` tells.
"""

import logging
from functools import cached_property
from pickle import UnpicklingError
from types import ModuleType
from typing import Any

import mmdet
import torch
from mmdet.evaluation.functional import ytviseval
from mmengine.logging import print_log
from mmengine.runner import checkpoint, loops
from mmengine.utils import digit_version


def _load(file: Any, map_location: Any = None) -> Any:
    """Load a file as before PyTorch 2.6, which refuses training states.

    ``TORCH_FORCE_WEIGHTS_ONLY_LOAD=1`` in the environment still does.
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
    """Starts the workers of a data loader when the first batch is due.

    Begun with the training loop, they would miss what hooks do before the
    training, as :class:`RNGStateHook` does for its continuation.
    """

    def __init__(self, dataloader: torch.utils.data.DataLoader) -> None:
        self._dataloader = dataloader
        self._epoch = 0

    @cached_property
    def _iterator(self) -> Any:
        return iter(self._dataloader)


def _give(module: ModuleType, name: str, **changes: Any) -> None:
    """Give one module, and no other, a library with changes."""
    library = getattr(module, name)
    own = ModuleType(library.__name__, library.__doc__)
    vars(own).update(vars(library), **changes)
    setattr(module, name, own)


def mend_openmmlab() -> None:
    """Mend MMEngine and MMDetection where they are those of OpenMMLab.

    Does nothing on OneDL's, and when called again.
    """
    # Only OneDL's MMEngine can continue a training without loading again
    # what it was trained on.
    if (
        not hasattr(loops._InfiniteDataloaderIterator, 'skip_iter')
        and loops._InfiniteDataloaderIterator is not _LazyIterator
    ):
        loops._InfiniteDataloaderIterator = _LazyIterator
        _give(checkpoint, 'torch', load=_load)
    if digit_version(mmdet.__version__) <= digit_version('3.3.0'):
        _give(ytviseval, 'np', float=float)  # NumPy 1.24 has no np.float
