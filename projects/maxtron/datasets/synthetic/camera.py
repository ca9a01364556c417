# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Camera paths and light changes of synthetic videos."""

import numpy as np

from .bounds import SceneBounds


def camera_maps(bounds: SceneBounds, strong: bool) -> np.ndarray:
    """Draw the path of a camera.

    Args:
        bounds (SceneBounds): Size of a video of T frames.
        strong (bool): Whether the camera pans and zooms. If False, it only
            shakes as if held by hand.

    Returns:
        np.ndarray: Affine maps from the world to the frames, (T, 2, 3).
    """
    rng, num_frames = bounds.rng, bounds.num_frames
    pan = rng.uniform(0.28, 0.4) if strong else rng.uniform(0, 0.03)
    pan = pan * min(1, num_frames / 20)  # slower in short videos
    shift = (
        pan
        * bounds.width
        * np.stack(
            [bounds.random_walk(0.3, 0.7), 0.4 * bounds.random_walk(0.3, 0.7)],
            1,
        )
    )
    shake = bounds.height * (rng.uniform(0.004, 0.014) if strong else 0.001)
    shift = shift + rng.normal(scale=shake, size=(num_frames, 2))
    zoom = np.exp((0.22 if strong else 0.02) * bounds.random_walk())
    roll = (0.12 if strong else 0.01) * bounds.random_walk()
    linear = zoom[:, None, None] * np.stack(
        [
            np.stack([np.cos(roll), -np.sin(roll)], 1),
            np.stack([np.sin(roll), np.cos(roll)], 1),
        ],
        1,
    )
    middle = bounds.size / 2
    offset = middle - (linear @ (middle + shift)[:, :, None])[:, :, 0]
    return np.concatenate([linear, offset[:, :, None]], axis=2)


def light_changes(bounds: SceneBounds) -> tuple[np.ndarray, np.ndarray]:
    """Draw gradual changes of the light.

    Args:
        bounds (SceneBounds): Size of a video of T frames.

    Returns:
        tuple[np.ndarray, np.ndarray]: Gains (T, 3) of the blue, green and red
        channel, and relative change (T, 2) from the centre to the right and
        the lower border.
    """
    rng = bounds.rng
    depth = (
        rng.uniform(0.03, 0.1)
        if rng.uniform() < 0.6
        else rng.uniform(0.1, 0.2)
    )
    gain = 1 + depth * bounds.random_walk()[:, None]
    tint = 0.05 * np.stack([bounds.random_walk() for _ in range(3)], 1)
    slope = 0.12 * np.stack([bounds.random_walk(), bounds.random_walk()], 1)
    return gain + tint, slope
