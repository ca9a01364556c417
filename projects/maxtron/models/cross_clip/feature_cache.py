# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError


class FeatureCache:
    """Cache of the pixel embeddings of clips until their queries are refined.

    The cache is first in, first out. An entry is removed when it is read.

    Args:
        mode (str): Place of the embeddings: 'device' (their device), 'cpu',
            'cpu_fp16' (the CPU, in half precision), or 'disk' (a temporary
            file, which the system removes with the cache, also after a
            crash).

    Raises:
        InputError: If the mode is unknown.
    """

    MODES = ('device', 'cpu', 'cpu_fp16', 'disk')

    def __init__(self, mode: str) -> None:
        if mode not in self.MODES:
            raise InputError(
                f'There is no feature cache {mode!r}, only '
                f'{", ".join(map(repr, self.MODES))}.'
            )
        self.mode = mode
        self._clips: deque[Callable[[], Tensor]] = deque()
        self._file: Any = TensorFile() if mode == 'disk' else None

    def append(self, mask_feats: Tensor) -> None:
        """Keep the embeddings of the next clip.

        Args:
            mask_feats (Tensor): Pixel embeddings of any shape.

        Raises:
            InputError: If the disk is full.
        """
        device, dtype = mask_feats.device, mask_feats.dtype
        if self._file is not None:
            self._file.append(mask_feats.cpu())
            self._clips.append(lambda: self._file.read_next().to(device))
            return
        kept = mask_feats
        if self.mode != 'device':
            kept_dtype = torch.float16 if self.mode == 'cpu_fp16' else None
            kept = mask_feats.to('cpu', kept_dtype)
        self._clips.append(partial(kept.to, device, dtype))

    def __iter__(self) -> Iterator[Tensor]:
        """Remove and return the embeddings clip by clip, in order."""
        while self._clips:
            yield self._clips.popleft()()


class TensorFile:
    """Queue of tensors in a temporary file without a name.

    The folder is that of :mod:`tempfile`, which ``TMPDIR`` sets. The file is
    gone when the queue or the process ends. Reading does not keep pages in
    the memory of the process.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()
        self._tensors: deque[tuple[int, torch.dtype, torch.Size]] = deque()
        self._size = 0

    def append(self, tensor: Tensor) -> None:
        """Append a tensor of the CPU.

        Args:
            tensor (Tensor): Tensor of any shape.

        Raises:
            InputError: If the disk is full.
        """
        content = tensor.contiguous().flatten().view(torch.uint8).numpy()
        self._tensors.append((self._size, tensor.dtype, tensor.shape))
        try:
            self._file.seek(self._size)
            self._file.write(content)
            self._file.flush()
        except OSError as error:
            raise InputError(
                f'The feature cache cannot be written to '
                f'{tempfile.gettempdir()} after {self._size / 2**20:.0f} MiB: '
                f'{error.strerror}. Set the environment variable TMPDIR to a '
                "folder with more space, or feature_cache to 'none'."
            ) from error
        self._size += len(content)

    def read_next(self) -> Tensor:
        """Read the next tensor.

        Returns:
            Tensor: The tensor, on the CPU.
        """
        begin, dtype, shape = self._tensors.popleft()
        tensor = torch.empty(shape, dtype=dtype)
        self._file.seek(begin)
        self._file.readinto(tensor.flatten().view(torch.uint8).numpy())
        return tensor
