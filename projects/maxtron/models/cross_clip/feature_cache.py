# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor

from ...errors import InputError


class FeatureCache:
    """Cache of the pixel embeddings of clips until their queries are refined.

    The cache is first in, first out. An entry is removed when it is read.

    Args:
        mode (str): Place of the embeddings: 'device' (their device), 'cpu', or
            'cpu_fp16' (the CPU, in half precision).

    Raises:
        InputError: If the mode is unknown.
    """

    MODES = ('device', 'cpu', 'cpu_fp16')

    def __init__(self, mode: str) -> None:
        if mode not in self.MODES:
            raise InputError(
                f'There is no feature cache {mode!r}, only '
                f'{", ".join(map(repr, self.MODES))}.'
            )
        self.mode = mode
        self._clips = deque()

    def append(self, mask_feats: Tensor) -> None:
        """Keep the embeddings of the next clip.

        Args:
            mask_feats (Tensor): Pixel embeddings of any shape.
        """
        kept = mask_feats
        if self.mode != 'device':
            dtype = torch.float16 if self.mode == 'cpu_fp16' else None
            kept = mask_feats.to('cpu', dtype)
        self._clips.append((kept, mask_feats.device, mask_feats.dtype))

    def __iter__(self) -> Iterator[Tensor]:
        """Remove and return the embeddings clip by clip, in order."""
        while self._clips:
            kept, device, dtype = self._clips.popleft()
            yield kept.to(device, dtype)
