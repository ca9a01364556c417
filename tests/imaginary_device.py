# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Count of the times that code would wait for a GPU, found on the CPU."""

from collections import Counter

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

# Operators whose result, or its shape, is needed on the CPU.
_WAITING = {
    '_local_scalar_dense',
    '_unique2',
    'bincount',
    'equal',
    'is_nonzero',
    'masked_select',
    'nonzero',
    'unique_consecutive',
    'unique_dim',
}
_COPIES = {'cpu', 'numpy', 'tolist'}
# Functions that copy numbers of Python to the device.
_FACTORIES = {'as_tensor', 'new_tensor', 'tensor'}
_INDEXING = {'__getitem__', '__setitem__'}


def _is_on_cpu(x: Tensor) -> bool:
    return getattr(x, 'on_cpu', False)


def _waits_for_index(x: Tensor, index) -> bool:
    """Whether an index would be copied to the device of a tensor."""
    return any(
        isinstance(i, list) or (isinstance(i, Tensor) and _is_on_cpu(i))
        for i in (index if isinstance(index, tuple) else (index,))
    )


class _WaitingOperators(TorchDispatchMode):
    """Whether an operator of PyTorch waited."""

    waited = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.__name__.split('.')[0]
        if name in ('index', 'index_put', 'index_put_'):
            is_mask = [
                i is not None and i.dtype == torch.bool for i in args[1]
            ]
            # A scalar is filled in without a list of the pixels.
            is_fill = name != 'index' and args[2].numel() == 1
            self.waited |= any(is_mask) and not is_fill
        self.waited |= name in _WAITING
        return func(*args, **(kwargs or {}))


class ImaginaryDevice(TorchFunctionMode):
    """Mode in which tensors count as those of a GPU.

    Tensors that the code copies to the CPU, and those it computes from them,
    count as tensors on the CPU. A copy in either direction waits unless it is
    ``non_blocking``.

    Attributes:
        waits (Counter): Number of waits by the name of the called function.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter = Counter()
        self._from_numpy = torch.from_numpy  # not overridable by modes

    def __enter__(self):
        torch.from_numpy = lambda x: self._mark(self._from_numpy(x), True)
        return super().__enter__()

    def __exit__(self, *args):
        torch.from_numpy = self._from_numpy
        return super().__exit__(*args)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.__name__
        tensors = [
            x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)
        ]
        on_cpu = all(_is_on_cpu(x) for x in tensors)
        with _WaitingOperators() as operators:
            result = func(*args, **kwargs)
        is_copy = name in _COPIES or (name == 'to' and args[1] == 'cpu')
        to_device = 'device' in kwargs or (
            name == 'to' and isinstance(args[1], torch.device)
        )
        if on_cpu:
            waits = to_device and name in ('to', *_FACTORIES)
        else:
            waits = is_copy or operators.waited or name in _FACTORIES
            if name in _INDEXING and not _is_on_cpu(args[0]):
                waits |= _waits_for_index(*args[:2])
        if waits and not kwargs.get('non_blocking'):
            self.waits[name] += 1
        if name == '__iter__':
            return iter([self._mark(x, on_cpu) for x in result])
        return self._mark(result, is_copy or (on_cpu and not to_device))

    @staticmethod
    def _mark(result, on_cpu: bool):
        """Return results with a mark of their place."""

        def mark(x: Tensor) -> Tensor:
            if _is_on_cpu(x) != on_cpu:
                x = x.detach()  # another view of the same values
                x.on_cpu = on_cpu
            return x

        if type(result).__module__ == 'torch.return_types':
            return type(result)(map(mark, result))
        return tree_map_only(Tensor, mark, result)
