# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Loading of single frames."""

import cv2
from mmcv.transforms import LoadImageFromFile
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadVideoFrame(LoadImageFromFile):
    """Load a frame of a video, and say which one if that is impossible.

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
        **kwargs: As of :class:`mmcv.transforms.LoadImageFromFile`.
    """

    def __init__(self, to_float32: bool = True, **kwargs) -> None:
        super().__init__(to_float32=to_float32, **kwargs)

    def transform(self, results: dict) -> dict:
        """Load one frame.

        Args:
            results (dict): What is known of the frame.

        Returns:
            dict: The same with the image, of shape (height, width, 3), BGR.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is no image, or of another size than stated.
        """
        where = (f'Frame {results.get("frame_id")} of video '
                 f'{results.get("video_id")}, {results["img_path"]},')
        try:
            results = super().transform(results)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'{where} does not exist. Check data_root and '
                'data_prefix=dict(img_path=...) of the dataset.') from error
        except (AssertionError, cv2.error) as error:
            raise ValueError(f'{where} cannot be read as an image. Is the '
                             'file complete?') from error
        height, width = results['ori_shape']
        stated = (results.get('height', height), results.get('width', width))
        if stated != (height, width):
            raise ValueError(
                f'{where} is {height} x {width} (height x width), but the '
                f'annotation file says {stated[0]} x {stated[1]}: masks '
                'would not fit. Correct one of the two.')
        return results
