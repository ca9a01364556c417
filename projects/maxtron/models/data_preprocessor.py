# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from typing import List

import torch
from mmdet.models.data_preprocessors import TrackDataPreprocessor
from mmdet.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class ClipDataPreprocessor(TrackDataPreprocessor):
    """Normalises and pads clips; leaves lazily read videos to the model.

    Args:
        kwargs: As for :class:`mmdet.models.TrackDataPreprocessor`.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Preprocess a batch.

        Args:
            data (dict): ``inputs``, tensors of shape (T, 3, h, w) or
                :obj:`VideoFrames`, and ``data_samples``.
            training (bool): Whether ground truth is padded, too.

        Returns:
            dict: ``inputs`` of shape (N, T, 3, H, W), or the videos as they
            are: their frames are read and preprocessed clip by clip.
        """
        if isinstance(data['inputs'][0], Tensor):
            return super().forward(data, training)
        return data

    def preprocess_clip(self, frames: List[Tensor]) -> Tensor:
        """Preprocess the frames of one clip.

        Args:
            frames (list[Tensor]): T frames of shape (3, h, w), uint8 or
                float in the range 0 to 255.

        Returns:
            Tensor: Shape (1, T, 3, H, W) on the model's device.

        Raises:
            ValueError: If the frames differ in size.
        """
        sizes = sorted({tuple(frame.shape[-2:]) for frame in frames})
        if len(sizes) > 1:
            raise ValueError(
                'The frames of a video must be of one size, but one clip has '
                'frames of (height, width) '
                f'{" and ".join(map(str, sizes))}; resize the video first.')
        data = dict(inputs=[torch.stack(frames)], data_samples=None)
        return super().forward(data)['inputs']
