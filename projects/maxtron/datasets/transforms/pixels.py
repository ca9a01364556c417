# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Operations on images that OpenCV does much faster than NumPy."""

from collections.abc import Sequence

import cv2
import numpy as np


def contiguous(img: np.ndarray) -> np.ndarray:
    """Copy an image that was flipped or cropped, as OpenCV requires.

    Args:
        img (np.ndarray): Shape (h, w, 3).

    Returns:
        np.ndarray: The same image; itself if it is contiguous.
    """
    if img.strides[1] < 0:
        return cv2.flip(np.ascontiguousarray(img[:, ::-1]), 1)
    return np.ascontiguousarray(img)


def map_channel(img: np.ndarray, channel: int, table: np.ndarray) -> None:
    """Replace the bytes of one channel, in place.

    Args:
        img (np.ndarray): Shape (h, w, 3), uint8, contiguous.
        channel (int): Index of the channel.
        table (np.ndarray): New value of each byte, uint8, shape (256, ).
    """
    values = cv2.LUT(cv2.extractChannel(img, channel), table)
    cv2.insertChannel(values, img, channel)


def look_up(table: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Look up the entry of each pixel.

    Args:
        table (np.ndarray): Shape (n, ), bool.
        index (np.ndarray): Shape (h, w), integers below n.

    Returns:
        np.ndarray: ``table[index]``, bool.
    """
    if index.dtype != np.uint8:
        return table.take(index)
    padded = np.zeros(256, np.uint8)
    padded[: len(table)] = table
    return cv2.LUT(index, padded).view(bool)


def overwrite(
    target: np.ndarray, source: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Copy the pixels of a mask from one image to another.

    Args:
        target (np.ndarray): Shape (h, w) or (h, w, 3), contiguous; changed in
            place.
        source (np.ndarray): Image of the same shape and type.
        mask (np.ndarray): Shape (h, w), bool.

    Returns:
        np.ndarray: The target.
    """
    return cv2.copyTo(source, mask.view(np.uint8), target)


def stack_images(imgs: Sequence[np.ndarray]) -> np.ndarray:
    """Stack the images of a clip, channels first.

    Args:
        imgs (Sequence[np.ndarray]): T images of shape (h, w, C).

    Returns:
        np.ndarray: Shape (T, C, h, w), same type.
    """
    height, width, channels = imgs[0].shape
    clip = np.empty((len(imgs), channels, height, width), imgs[0].dtype)
    for img, planes in zip(imgs, clip):
        cv2.split(contiguous(img), list(planes))
    return clip
