# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.

from typing import Any

import torch
import torch.nn.functional as F
from mmdet.models.data_preprocessors import TrackDataPreprocessor
from mmdet.registry import MODELS
from mmdet.structures import TrackDataSample
from torch import Tensor, nn

from ..errors import InputError
from ..structures import copy_to_device
from .track_sample import make_track_sample


@MODELS.register_module()
class ClipDataPreprocessor(TrackDataPreprocessor):
    """Normalisation and padding of clips.

    Args:
        non_blocking (bool): Whether batches are copied to a GPU while it
            works. Defaults to True.
        kwargs: Arguments of :class:`mmdet.models.TrackDataPreprocessor`.
    """

    def __init__(self, *, non_blocking: bool = True, **kwargs) -> None:
        super().__init__(non_blocking=non_blocking, **kwargs)
        # MMDetection's way to swap the channels waits for a GPU.
        self._swaps_channels = any(
            kwargs.get(name) for name in ('bgr_to_rgb', 'rgb_to_bgr')
        )
        self._channel_conversion = False

    def forward(self, data: dict, training: bool = False) -> dict:
        """Preprocess a batch.

        Args:
            data (dict): ``inputs``, tensors of shape (T, 3, h, w) or
                VideoFrames or images, and ``data_samples``.
            training (bool): Whether to pad the ground truth, too.

        Returns:
            dict: ``inputs`` of shape (N, T, 3, H, W), or unchanged videos and
            images: the model preprocesses their frames clip by clip.

        Raises:
            InputError: If tensors differ in their number of frames.
        """
        first = data['inputs'][0]
        if not isinstance(first, Tensor) or first.dim() == 3:
            return data
        lengths = [len(video) for video in data['inputs']]
        if training and min(lengths) < max(lengths):
            raise InputError(
                f'The samples of a batch have {lengths} frames, but must have '
                'equally many. Let the dataset give clip_len frames a sample '
                '(RandomClipSampler, ClipSampler), or set batch_size=1.'
            )
        return super().forward(data, training)

    def cast_data(self, data: Any) -> Any:
        """Move a batch to the device of the model, and swap its channels.

        Args:
            data (Any): A batch, or a part of one.

        Returns:
            Any: The same on the device.
        """
        if isinstance(data, TrackDataSample):
            frames = [self.cast_data(frame) for frame in data]
            return make_track_sample(frames, data.metainfo)
        moved = super().cast_data(data)
        if self._swaps_channels and isinstance(data, dict):
            moved['inputs'] = [
                clip.flip(1) if clip.shape[1] == 3 else clip  # (T, 3, H, W)
                for clip in moved['inputs']
            ]
        return moved

    def img_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Compute the size of frames before padding."""
        return shape[0], shape[1]

    def preprocess_clip(self, frames: list[Tensor]) -> Tensor:
        """Preprocess the frames of one clip.

        Args:
            frames (list[Tensor]): T frames of shape (3, h, w), uint8 or
                float in the range 0 to 255.

        Returns:
            Tensor: Shape (1, T, 3, H, W) on the model's device.

        Raises:
            InputError: If the frames differ in size.
        """
        sizes = sorted({tuple(frame.shape[-2:]) for frame in frames})
        if len(sizes) > 1:
            raise InputError(
                'The frames of a video must be of one size, but one clip has '
                'frames of (height, width) '
                f'{" and ".join(map(str, sizes))}; resize the video first.'
            )
        # The copy does not stop the network.
        clip = copy_to_device(torch.stack(frames), self.device)
        return super().forward(dict(inputs=[clip], data_samples=None))[
            'inputs'
        ]


@MODELS.register_module()
class PanopticClipPreprocessor(ClipDataPreprocessor):
    """Brings clips to one canvas, as kMaX-DeepLab requires.

    The pipeline puts training clips on the canvas. Their padding is set to
    zero after the normalisation. At test time frames are
    normalised, made smaller (never larger) to fit the canvas, and padded with
    zeros at the right and the bottom.

    Args:
        input_size (tuple[int, int]): Height and width of the canvas.
        kwargs: As for :class:`ClipDataPreprocessor`.
    """

    def __init__(self, input_size: tuple[int, int], **kwargs) -> None:
        super().__init__(**kwargs)
        self.input_size = tuple(input_size)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Preprocess a batch.

        Args:
            data (dict): ``inputs``, tensors of shape (T, 3, H, W), and
                ``data_samples``, each frame with ``valid_pixels`` of shape
                (1, H, W). At test time videos of any kind, or images.
            training (bool): Whether it is for training.

        Returns:
            dict: ``inputs`` of shape (N, T, 3, H, W) in training; else the
            videos (sequences of frames) as they are: their frames are read
            and preprocessed clip by clip.

        Raises:
            InputError: If training clips are not on the canvas.
        """
        if not training:
            data['inputs'] = [
                list(x) if isinstance(x, Tensor) and x.dim() == 4 else x
                for x in data['inputs']
            ]
            return data
        data = super().forward(data, training)
        if data['inputs'].shape[-2:] != self.input_size:
            raise InputError(
                f'Training clips are {tuple(data["inputs"].shape[-2:])} '
                '(height, width), but model.data_preprocessor.input_size is '
                f'{self.input_size}; give both and the canvas of the '
                'training pipeline (which says width first) one size.'
            )
        valid = torch.stack(
            [
                torch.stack([frame.valid_pixels.sem_seg for frame in sample])
                for sample in data['data_samples']
            ]
        )  # (N, T, 1, H, W)
        if valid.shape[-2:] != data['inputs'].shape[-2:]:
            raise InputError(
                f'Clips of {tuple(data["inputs"].shape[-2:])} (height, width) '
                f'have valid_pixels of {tuple(valid.shape[-2:])}; let '
                'PackPanopticClip make both.'
            )
        data['inputs'].mul_(valid)
        return data

    def img_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Compute the size of frames before padding.

        Args:
            shape (tuple[int, int]): Height and width of a frame.

        Returns:
            tuple[int, int]: The same, or what fits the canvas at the same
            aspect ratio.
        """
        (height, width), (max_height, max_width) = shape, self.input_size
        scale = min(max_height / height, max_width / width)
        if scale >= 1:
            return height, width
        if max_width / width <= max_height / height:
            return max(round(height * scale), 1), max_width
        return max_height, max(round(width * scale), 1)

    def preprocess_clip(self, frames: list[Tensor]) -> Tensor:
        """Preprocess the frames of one clip.

        Args:
            frames (list[Tensor]): T frames of shape (3, h, w), uint8 or
                float in the range 0 to 255.

        Returns:
            Tensor: Shape (1, T, 3, *input_size) on the model's device.

        Raises:
            InputError: If the frames differ in size.
        """
        clip = super().preprocess_clip(frames)[0]  # (T, 3, h, w)
        shape = self.img_shape(clip.shape[-2:])
        if clip.shape[-2:] != shape:
            clip = F.interpolate(
                clip,
                shape,
                mode='bilinear',
                align_corners=bool(self.input_size[1] % 2),
            )
        height, width = self.input_size
        return F.pad(clip, (0, width - shape[1], 0, height - shape[0]))[None]


def pixel_scale(preprocessor: nn.Module) -> tuple[Tensor, Tensor] | None:
    """Return what normalises the pixels.

    Args:
        preprocessor (nn.Module): A data preprocessor.

    Returns:
        tuple[Tensor, Tensor] | None: Mean and standard deviation of the
        channels, shape (3, 1, 1); None if pixels are not normalised.
    """
    if not getattr(preprocessor, '_enable_normalize', False):
        return None
    return preprocessor.mean, preprocessor.std
