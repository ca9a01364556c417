# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Sampling of clips from videos."""

import numpy as np
from mmdet.datasets.transforms import BaseFrameSample
from mmdet.registry import TRANSFORMS

from ...errors import InputError


class ReversibleSampler(BaseFrameSample):
    """Base class of samplers that may reverse a clip.

    Args:
        reverse_prob (float): Probability of reversing the clip. Defaults to 0.
        **kwargs: See :class:`mmdet.datasets.BaseFrameSample`.

    Raises:
        InputError: If ``reverse_prob`` is no probability.
    """

    def __init__(self, reverse_prob: float = 0.0, **kwargs) -> None:
        super().__init__(**kwargs)
        if not 0 <= reverse_prob <= 1:
            raise InputError(
                f'reverse_prob of {type(self).__name__} is {reverse_prob}; '
                'it must be between 0 and 1.'
            )
        self.reverse_prob = reverse_prob

    def maybe_reverse(self, frames: list[int]) -> list[int]:
        """Reverse a clip with the probability ``reverse_prob``."""
        if self.reverse_prob and np.random.rand() < self.reverse_prob:
            return frames[::-1]
        return frames


@TRANSFORMS.register_module()
class ClipSampler(ReversibleSampler):
    """Take the clip that starts at the key frame.

    As in the reference, a clip has ``clip_len`` consecutive frames in forward
    order by default. If the video is too short, the sample is rejected and the
    dataset draws another one.

    Required Keys:

    - images, video_id, video_length
    - clip_len (set by the dataset)
    - key_frame_id (optional; by default drawn from key_frames)

    Added Keys: those of a frame, each a list over frames, and

    - key_frame_flags

    Args:
        stride (int): Distance of the frames in the video. Defaults to 1.
        shuffle (bool): Whether to shuffle the frames. Defaults to False.
        **kwargs: See :class:`ReversibleSampler`.

    Raises:
        InputError: If ``stride`` is below 1 or ``reverse_prob`` is no
            probability.
    """

    def __init__(
        self, stride: int = 1, shuffle: bool = False, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        if stride < 1:
            raise InputError(
                f'stride of ClipSampler is {stride}; it must be at least 1.'
            )
        self.stride = stride
        self.shuffle = shuffle

    def transform(self, video_infos: dict) -> dict[str, list] | None:
        """Sample a clip.

        Args:
            video_infos (dict): The whole video.

        Returns:
            dict[str, list] | None: The frames of the clip; None if the video
            is too short.
        """
        clip_len = video_infos['clip_len']
        key = video_infos.get('key_frame_id')
        if key is None:
            key = int(np.random.choice(video_infos['key_frames']))
        frames = list(range(key, video_infos['video_length'], self.stride))[
            :clip_len
        ]
        if len(frames) < clip_len:
            return None
        if self.shuffle:
            frames = np.random.permutation(frames).tolist()
        frames = self.maybe_reverse(frames)
        results = self.prepare_data(video_infos, frames)
        results['key_frame_flags'] = [frame == key for frame in frames]
        return results

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(stride={self.stride}, '
            f'reverse_prob={self.reverse_prob}, '
            f'shuffle={self.shuffle}, '
            f'collect_video_keys={self.collect_video_keys})'
        )


@TRANSFORMS.register_module()
class RandomClipSampler(ReversibleSampler):
    """Draw consecutive frames anywhere in the video.

    The reference draws the first frame from 0 to L - clip_len - 1 in a video
    of L frames, so it never draws the last window. The published results use
    this rule, which is the default. A video that is not longer than the clip
    is used as a whole, and its last frame is repeated.

    Required Keys:

    - images, video_id, video_length
    - clip_len (set by the dataset)

    Added Keys: those of a frame, each a list over frames.

    Args:
        include_last (bool): Whether the last window can be drawn. Defaults to
            False.
        **kwargs: See :class:`ReversibleSampler`.

    Raises:
        InputError: If ``reverse_prob`` is no probability.
    """

    def __init__(self, include_last: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        self.include_last = include_last

    def transform(self, video_infos: dict) -> dict[str, list]:
        """Sample a clip.

        Args:
            video_infos (dict): The whole video.

        Returns:
            dict[str, list]: The frames of the clip.
        """
        clip_len = video_infos['clip_len']
        length = video_infos['video_length']
        start = 0
        if length > clip_len:
            start = np.random.randint(length - clip_len + self.include_last)
        frames = [min(start + i, length - 1) for i in range(clip_len)]
        return self.prepare_data(video_infos, self.maybe_reverse(frames))

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}('
            f'include_last={self.include_last}, '
            f'reverse_prob={self.reverse_prob}, '
            f'collect_video_keys={self.collect_video_keys})'
        )
