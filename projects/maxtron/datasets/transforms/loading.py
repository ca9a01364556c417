# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Loading of single frames."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmdet.registry import TRANSFORMS

from ...errors import InputError


@TRANSFORMS.register_module()
class LoadVideoFrame(LoadImageFromFile):
    """Load a frame of a video; errors name the video and the frame.

    Required Keys:

    - img_path
    - video_id, frame_id (optional, for messages)
    - height, width (optional, compared with the image)

    Modified Keys:

    - img (float32: the reference interpolates floats, not rounded pixels)
    - img_shape
    - ori_shape

    Args:
        to_float32 (bool): See :class:`mmcv.transforms.LoadImageFromFile`.
            Defaults to True.
        **kwargs: Arguments of :class:`mmcv.transforms.LoadImageFromFile`.
    """

    def __init__(self, to_float32: bool = True, **kwargs) -> None:
        super().__init__(to_float32=to_float32, **kwargs)

    def transform(self, results: dict) -> dict:
        """Load one frame.

        Args:
            results (dict): The frame with the required keys.

        Returns:
            dict: ``results`` with the image, shape (height, width, 3), BGR.

        Raises:
            FileNotFoundError: If the file does not exist.
            InputError: If the file is not an image, or the size of the image
                differs from ``height`` and ``width``.
        """
        where = (
            f'Frame {results.get("frame_id")} of video '
            f'{results.get("video_id")}, {results["img_path"]},'
        )
        try:
            results = super().transform(results)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'{where} does not exist. Check data_root and '
                'data_prefix=dict(img_path=...) of the dataset.'
            ) from error
        except (AssertionError, cv2.error) as error:
            raise InputError(
                f'{where} cannot be read as an image. Is the file complete?'
            ) from error
        height, width = results['ori_shape']
        stated = (results.get('height', height), results.get('width', width))
        if stated != (height, width):
            raise InputError(
                f'{where} is {height} x {width} (height x width), but the '
                f'annotation file says {stated[0]} x {stated[1]}: masks '
                'would not fit. Correct one of the two.'
            )
        return results


@TRANSFORMS.register_module()
class TracksToPanopticMap(BaseTransform):
    """Merge the masks of instances into one map, for panoptic pipelines.

    Instance datasets can then train segmenters with disjoint masks, such as
    :class:`VideoKMaXHead`. If masks overlap, the smaller one is on top. Pixels
    without an instance are void.

    Required Keys:

    - gt_masks (BitmapMasks), gt_bboxes_labels, gt_instances_ids
    - gt_ignore_flags (ignored instances become crowd)

    Added Keys:

    - gt_seg_map (np.ndarray): Shape (h, w), 1 + the position of the instance
      in ``segments_info``, 0 for void.
    - segments_info (list[dict]): ``id`` (1 + that of the instance),
      ``category``, ``is_thing`` and ``iscrowd``.

    Removed Keys: the required ones, and gt_bboxes.
    """

    def transform(self, results: dict) -> dict:
        """Make the map of one frame.

        Args:
            results (dict): The frame with its annotations.

        Returns:
            dict: ``results`` with the map instead of the annotations.
        """
        masks = results.pop('gt_masks').masks.astype(bool)  # (n, h, w)
        index = np.zeros(results['img'].shape[:2], np.int32)
        areas = masks.sum((1, 2))
        for i in (-areas).argsort(kind='stable'):
            index[masks[i]] = i + 1
        results['gt_seg_map'] = index
        results['segments_info'] = [
            dict(
                id=int(track) + 1,
                category=int(label),
                is_thing=True,
                iscrowd=int(crowd),
            )
            for track, label, crowd in zip(
                results.pop('gt_instances_ids'),
                results.pop('gt_bboxes_labels'),
                results.pop('gt_ignore_flags'),
            )
        ]
        results.pop('gt_bboxes', None)
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}()'
