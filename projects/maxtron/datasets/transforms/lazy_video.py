# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Videos whose frames are loaded on access."""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform, Compose
from mmdet.registry import TRANSFORMS
from mmdet.structures import DetDataSample, TrackDataSample
from torch import Tensor


class VideoFrames:
    """Frames of a video, loaded on access.

    Frames are not kept, so the memory does not grow with the length of the
    video. The class is not a ``Sequence``, because MMEngine's collate and cast
    functions would then load all frames to copy them.

    Args:
        frames (list[dict]): Keys that the transforms require, for each frame.
        transforms (callable): Function that loads and transforms a frame; it
            sets ``img``, (h, w, 3).
    """

    def __init__(self, frames: list[dict], transforms: Compose) -> None:
        self.frames = frames
        self.transforms = transforms

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.frames)

    def __getitem__(self, t: int) -> Tensor:
        """Load frame ``t``.

        Args:
            t (int): Position in the video.

        Returns:
            Tensor: The image, (3, h, w), BGR.
        """
        img = self.transforms(dict(self.frames[t]))['img']
        return torch.from_numpy(np.ascontiguousarray(img.transpose(2, 0, 1)))


@TRANSFORMS.register_module()
class PackLazyVideo(BaseTransform):
    """Pack a whole video for testing without loading its frames.

    Required Keys, each a list over frames:

    - img_path, height, width
    - those of ``meta_keys``

    Args:
        transforms (list[dict]): Pipeline of one frame: loading and resizing.
        meta_keys (Sequence[str]): Keys that become the metainfo of the
            frame's :class:`DetDataSample`, next to ``ori_shape``.
    """

    def __init__(
        self,
        transforms: list[dict],
        meta_keys: Sequence[str] = (
            'img_id',
            'img_path',
            'frame_id',
            'file_frame_id',
            'video_id',
            'video_name',
            'video_length',
            'ori_video_length',
            'instances',
        ),
    ) -> None:
        self.transforms = Compose([TRANSFORMS.build(t) for t in transforms])
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict[str, list]) -> dict:
        """Pack a video.

        Args:
            results (dict[str, list]): All frames of the video.

        Returns:
            dict: ``inputs`` (:class:`VideoFrames`) and ``data_samples``
            (:class:`TrackDataSample`, one :class:`DetDataSample` per frame).
        """
        frames = [
            dict(zip(results, values)) for values in zip(*results.values())
        ]
        sample = TrackDataSample()
        sample.video_data_samples = [
            DetDataSample(
                metainfo=dict(
                    {k: frame[k] for k in self.meta_keys if k in frame},
                    ori_shape=(frame['height'], frame['width']),
                )
            )
            for frame in frames
        ]
        # The model does not need annotations, and a worker would copy them
        # twice.
        for frame in frames:
            frame.pop('instances', None)
        return dict(
            inputs=VideoFrames(frames, self.transforms), data_samples=sample
        )

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(transforms={self.transforms}, '
            f'meta_keys={self.meta_keys})'
        )
