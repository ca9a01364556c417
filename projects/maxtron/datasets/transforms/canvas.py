# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Transforms that scale, pad and recolour frames for a fixed canvas."""

import functools

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmdet.datasets.transforms import Pad
from mmdet.registry import TRANSFORMS

from ...errors import InputError
from . import pixels
from .resizing import resize_bilinear, resize_nearest


@TRANSFORMS.register_module()
class ScaleJitter(BaseTransform):
    """Resize a frame to a random size relative to a canvas.

    The size that fits the canvas is multiplied by a random number. Images are
    interpolated by Pillow, whose bilinear filter averages over all pixels
    when it shrinks an image. Maps take the nearest pixel under the same
    alignment.

    Required Keys:

    - img (uint8)
    - gt_seg_map (optional)

    Modified Keys:

    - img, img_shape
    - gt_seg_map

    Added Keys:

    - scale_factor (tuple[float, float]): In x and y.

    Args:
        canvas (tuple[int, int]): Width and height in pixels.
        ratio_range (tuple[float, float]): Range of the random number.
        crop (bool): Whether to crop what is larger than the canvas at a random
            place. The result is that of a following ``RandomCrop(canvas,
            allow_negative_crop=True)``, pixel by pixel, but pixels outside are
            not computed. Defaults to False.

    Raises:
        InputError: If a value is not positive, or the range is empty.
    """

    def __init__(
        self,
        canvas: tuple[int, int],
        ratio_range: tuple[float, float],
        crop: bool = False,
    ) -> None:
        if min(canvas) < 1 or not 0 < ratio_range[0] <= ratio_range[1]:
            raise InputError(
                f'ScaleJitter(canvas={canvas}, ratio_range={ratio_range}): '
                'the canvas is (width, height) in pixels, the range (low, '
                'high) of positive factors.'
            )
        self.canvas = tuple(canvas)
        self.ratio_range = tuple(ratio_range)
        self.crop = crop

    @cache_randomness
    def _random_ratio(self) -> float:
        """Draw the factor, once per clip if the clip shares it."""
        return np.random.uniform(*self.ratio_range)

    @cache_randomness
    def _random_offset(self, margins: tuple[int, int]) -> tuple[int, int]:
        """Draw the place of the crop, once per clip if the clip shares it."""
        top, left = (np.random.randint(margin + 1) for margin in margins)
        return top, left

    def transform(self, results: dict) -> dict:
        """Resize one frame.

        Args:
            results (dict): The frame.

        Returns:
            dict: The resized frame.
        """
        height, width = results['img'].shape[:2]
        ratio = self._random_ratio()
        ratio = min(
            self.canvas[0] * ratio / width, self.canvas[1] * ratio / height
        )
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        top, left, (new_width, new_height) = 0, 0, size
        if self.crop:
            new_width, new_height = map(min, size, self.canvas)
            top, left = self._random_offset(
                (size[1] - new_height, size[0] - new_width)
            )
        region = (slice(top, top + new_height), slice(left, left + new_width))
        results['img'] = resize_bilinear(results['img'], size, region)
        if 'gt_seg_map' in results:
            results['gt_seg_map'] = resize_nearest(
                results['gt_seg_map'], size, region
            )
        results['img_shape'] = (new_height, new_width)
        results['scale_factor'] = (size[0] / width, size[1] / height)
        return results

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(canvas={self.canvas}, '
            f'ratio_range={self.ratio_range}, crop={self.crop})'
        )


@TRANSFORMS.register_module()
class PadToCanvas(Pad):
    """Pad a frame with zeros at the right and the bottom.

    Required Keys:

    - img
    - gt_seg_map (optional)

    Modified Keys: the keys of :class:`mmdet.datasets.transforms.Pad`.

    Added Keys:

    - valid_pixels (np.ndarray): Shape (height, width) of the canvas, bool,
      False on the padding.

    Args:
        canvas (tuple[int, int]): Width and height in pixels.
    """

    def __init__(self, canvas: tuple[int, int]) -> None:
        super().__init__(size=tuple(canvas), pad_val=dict(img=0, seg=0))

    def transform(self, results: dict) -> dict:
        """Pad one frame.

        Args:
            results (dict): The frame, not larger than the canvas.

        Returns:
            dict: The frame on the canvas.
        """
        height, width = results['img'].shape[:2]
        results = super().transform(results)
        valid = np.zeros(results['img'].shape[:2], bool)
        valid[:height, :width] = True
        results['valid_pixels'] = valid
        return results


@TRANSFORMS.register_module()
class SSDColorJitter(BaseTransform):
    """Change the colours of a frame like SSD, in bytes.

    Brightness is changed first, then contrast, saturation and hue, or
    saturation, hue and contrast. Each change is skipped with probability 0.5.
    Each result is clipped to the range from 0 to 255 and truncated to bytes.

    MMDetection's ``PhotoMetricDistortion`` differs from the training of the
    reference: it computes in floats beyond this range, shifts the hue by half
    as much (in degrees), and swaps channels.

    Required Keys:

    - img (uint8, BGR)

    Modified Keys:

    - img

    Args:
        brightness_delta (float): Largest change of brightness. Defaults to 32.
        contrast_range (tuple[float, float]): Defaults to (0.5, 1.5).
        saturation_range (tuple[float, float]): Defaults to (0.5, 1.5).
        hue_delta (int): Largest shift, in OpenCV's units of two degrees.
            Defaults to 18.
    """

    def __init__(
        self,
        brightness_delta: float = 32,
        contrast_range: tuple[float, float] = (0.5, 1.5),
        saturation_range: tuple[float, float] = (0.5, 1.5),
        hue_delta: int = 18,
    ) -> None:
        self.brightness_delta = brightness_delta
        self.contrast_range = tuple(contrast_range)
        self.saturation_range = tuple(saturation_range)
        self.hue_delta = hue_delta

    @cache_randomness
    def _random_changes(self) -> dict:
        """Draw all changes; a skipped change is None."""
        changes = dict(
            contrast_first=np.random.rand() < 0.5,
            brightness=np.random.uniform(
                -self.brightness_delta, self.brightness_delta
            ),
            contrast=np.random.uniform(*self.contrast_range),
            saturation=np.random.uniform(*self.saturation_range),
            hue=np.random.randint(-self.hue_delta, self.hue_delta + 1),
        )
        for key in ('brightness', 'contrast', 'saturation', 'hue'):
            if np.random.rand() < 0.5:
                changes[key] = None
        return changes

    def transform(self, results: dict) -> dict:
        """Change the colours of one frame.

        Args:
            results (dict): The frame.

        Returns:
            dict: The frame with changed colours.
        """
        changes = self._random_changes()
        first, last = [], []
        if changes['brightness'] is not None:
            first = [_byte_table(1, changes['brightness'])]
        if changes['contrast'] is not None:
            tables = first if changes['contrast_first'] else last
            tables.append(_byte_table(changes['contrast'], 0))
        img = pixels.contiguous(results['img'])
        img = self._change_hsv(_map_bytes(img, first), changes)
        results['img'] = _map_bytes(img, last)
        return results

    @staticmethod
    def _change_hsv(img: np.ndarray, changes: dict) -> np.ndarray:
        """Change saturation and hue of an image."""
        if changes['saturation'] is not None:
            hsv = cv2.cvtColor(img, cv2.COLOR_BGR2HSV)
            table = _byte_table(changes['saturation'], 0)
            pixels.map_channel(hsv, 1, table)
            img = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
        if changes['hue'] is not None:
            hsv = cv2.cvtColor(img, cv2.COLOR_BGR2HSV)
            table = ((np.arange(256) + changes['hue']) % 180).astype(np.uint8)
            pixels.map_channel(hsv, 0, table)
            img = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
        return img

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}('
            f'brightness_delta={self.brightness_delta}, '
            f'contrast_range={self.contrast_range}, '
            f'saturation_range={self.saturation_range}, '
            f'hue_delta={self.hue_delta})'
        )


def _map_bytes(img: np.ndarray, tables: list[np.ndarray]) -> np.ndarray:
    """Map every byte by some tables, one after the other."""
    if not tables:
        return img
    return cv2.LUT(img, functools.reduce(lambda x, table: table[x], tables))


def _byte_table(factor: float, summand: float) -> np.ndarray:
    """Map every byte to itself times a factor plus a summand, clipped."""
    values = np.arange(256, dtype=np.float32) * factor + summand
    return values.clip(0, 255).astype(np.uint8)
