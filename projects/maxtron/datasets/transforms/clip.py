# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Transforms of a whole clip: sampling, cropping, rejecting."""

import numpy as np
from mmcv.transforms import BaseTransform, TransformBroadcaster
from mmdet.datasets.transforms import BaseFrameSample, RandomCrop
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ClipSampler(BaseFrameSample):
    """Take the clip that starts at the key frame.

    Without options these are ``clip_len`` consecutive frames in forward
    order, as the reference takes them. Where fewer are left in the video, the
    sample is rejected and the dataset draws another one.

    Required Keys:

    - images, video_id, video_length
    - clip_len (set by the dataset)
    - key_frame_id (optional; else drawn from key_frames)

    Added Keys: those of a frame, each a list over frames, and

    - key_frame_flags

    Args:
        stride (int): Distance of the frames in the video. Defaults to 1.
        reverse_prob (float): Probability to play the clip backwards.
            Defaults to 0.
        shuffle (bool): Whether to shuffle the frames. Defaults to False.
        **kwargs: See :class:`mmdet.datasets.BaseFrameSample`.

    Raises:
        ValueError: If ``stride`` is below 1 or ``reverse_prob`` is no
            probability.
    """

    def __init__(
        self,
        stride: int = 1,
        reverse_prob: float = 0.0,
        shuffle: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if stride < 1:
            raise ValueError(
                f'stride of ClipSampler is {stride}; it must be at least 1.'
            )
        if not 0 <= reverse_prob <= 1:
            raise ValueError(
                f'reverse_prob of ClipSampler is {reverse_prob};'
                ' it must be between 0 and 1.'
            )
        self.stride = stride
        self.reverse_prob = reverse_prob
        self.shuffle = shuffle

    def transform(self, video_infos: dict) -> dict[str, list] | None:
        """Sample a clip.

        Args:
            video_infos (dict): The whole video.

        Returns:
            dict[str, list] | None: The frames of the clip; None if the video
            ends before.
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
        if self.reverse_prob and np.random.rand() < self.reverse_prob:
            frames.reverse()
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


def count_boxes(results: dict) -> list[int]:
    """Count the boxes of each frame that are not to be ignored.

    Args:
        results (dict[str, list]): A clip with loaded annotations.

    Returns:
        list[int]: Number of boxes, for each frame.
    """
    return [int((~flags).sum()) for flags in results['gt_ignore_flags']]


@TRANSFORMS.register_module()
class ClipCrop(BaseTransform):
    """Crop all frames of a clip at the same place.

    Boxes are clipped and those outside are dropped with their labels, masks
    and ids. The sample is rejected if any of its frames has no box left. A
    frame smaller than the crop is kept as it is.

    Required Keys: those of :class:`mmdet.datasets.transforms.RandomCrop`,
    each a list over frames.

    Args:
        crop_size (tuple[int, int]): Width and height in pixels, as in
            MMDetection.
    """

    def __init__(self, crop_size: tuple[int, int]) -> None:
        self.crop_size = tuple(crop_size)
        # rejection of single frames is not known to the broadcaster
        crop = RandomCrop(self.crop_size, allow_negative_crop=True)
        self.crop = TransformBroadcaster([crop], share_random_params=True)

    def transform(self, results: dict) -> dict | None:
        """Crop a clip.

        Args:
            results (dict[str, list]): The clip.

        Returns:
            dict[str, list] | None: The cropped clip; None if it is rejected.
        """
        results = self.crop(results)
        return results if min(count_boxes(results)) else None

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(crop_size={self.crop_size})'


@TRANSFORMS.register_module()
class RejectEmpty(BaseTransform):
    """Reject the clip if its key frame has no box; other frames may.

    Required Keys:

    - gt_ignore_flags
    - key_frame_flags
    """

    def transform(self, results: dict) -> dict | None:
        """Check a clip.

        Args:
            results (dict[str, list]): The clip with loaded annotations.

        Returns:
            dict[str, list] | None: The same, or None.
        """
        key = results['key_frame_flags'].index(True)
        return results if count_boxes(results)[key] else None

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}()'
