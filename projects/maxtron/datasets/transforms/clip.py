# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Transforms that crop or reject a whole clip."""

from mmcv.transforms import BaseTransform, TransformBroadcaster
from mmdet.datasets.transforms import RandomCrop
from mmdet.registry import TRANSFORMS


def count_boxes(results: dict) -> list[int]:
    """Count the boxes of each frame without ignore flag.

    Args:
        results (dict[str, list]): A clip with loaded annotations.

    Returns:
        list[int]: Number of boxes, for each frame.
    """
    return [int((~flags).sum()) for flags in results['gt_ignore_flags']]


@TRANSFORMS.register_module()
class ClipCrop(BaseTransform):
    """Crop all frames of a clip at the same place.

    Boxes are clipped. Boxes outside of the crop are removed with their labels,
    masks and ids. The sample is rejected if any of its frames has no box left.
    A frame smaller than the crop is not changed.

    Required Keys: the keys of :class:`mmdet.datasets.transforms.RandomCrop`,
    each a list over frames.

    Args:
        crop_size (tuple[int, int]): Width and height in pixels, as in
            MMDetection.
    """

    def __init__(self, crop_size: tuple[int, int]) -> None:
        self.crop_size = tuple(crop_size)
        # The broadcaster cannot reject single frames.
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
    """Reject the clip if its key frame has no box.

    Other frames may be without a box.

    Required Keys:

    - gt_ignore_flags
    - key_frame_flags
    """

    def transform(self, results: dict) -> dict | None:
        """Check a clip.

        Args:
            results (dict[str, list]): The clip with loaded annotations.

        Returns:
            dict[str, list] | None: The clip, or None if it is rejected.
        """
        key = results['key_frame_flags'].index(True)
        return results if count_boxes(results)[key] else None

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}()'
