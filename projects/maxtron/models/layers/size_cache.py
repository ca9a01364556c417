# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Callable, Hashable
from typing import Any

import torch

# PyTorch 2.1, which OpenMMLab's last releases are built for, lacks it.
_is_compiling = getattr(
    getattr(torch, 'compiler', None), 'is_compiling', lambda: False
)


class SizeCache:
    """Cache of constant tensors that depend only on sizes and the device.

    The cache is no part of a checkpoint. While a graph is traced for
    ``torch.compile`` or export, the function is called without the cache:
    stand-ins of tensors must not be kept.

    Args:
        function (Callable): Function of hashable arguments, without gradients.
        max_entries (int): Number of results that are kept; the oldest result
            is dropped first. Defaults to 4.
    """

    def __init__(self, function: Callable, max_entries: int = 4) -> None:
        self.function = function
        self.max_entries = max_entries
        self._results: dict[tuple[Hashable, ...], Any] = {}

    def __call__(self, *args: Hashable) -> Any:
        """Return the result for these arguments."""
        if _is_compiling():
            return self.function(*args)
        if args not in self._results:
            while len(self._results) >= self.max_entries:
                self._results.pop(next(iter(self._results)))
            # Training may use what inference mode has computed.
            with torch.inference_mode(False), torch.no_grad():
                self._results[args] = self.function(*args)
        return self._results[args]
