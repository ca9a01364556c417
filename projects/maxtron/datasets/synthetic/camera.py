# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""How a synthetic video is filmed: the camera and the light."""

import numpy as np


def camera_maps(stage, strong):
    """Path of a camera.

    Args:
        stage (Stage): Where a video of T frames takes place.
        strong (bool): Whether the camera moves, or is only held by hand.

    Returns:
        np.ndarray: Affine maps from the world to the frames, (T, 2, 3).
    """
    rng, num_frames = stage.rng, stage.num_frames
    pan = rng.uniform(0.28, 0.4) if strong else rng.uniform(0, 0.03)
    pan = pan * min(1, num_frames / 20)  # short videos: not too fast
    shift = (
        pan
        * stage.width
        * np.stack([stage.wander(0.3, 0.7), 0.4 * stage.wander(0.3, 0.7)], 1)
    )
    shake = stage.height * (rng.uniform(0.004, 0.014) if strong else 0.001)
    shift = shift + rng.normal(scale=shake, size=(num_frames, 2))
    zoom = np.exp((0.22 if strong else 0.02) * stage.wander())
    roll = (0.12 if strong else 0.01) * stage.wander()
    linear = zoom[:, None, None] * np.stack(
        [
            np.stack([np.cos(roll), -np.sin(roll)], 1),
            np.stack([np.sin(roll), np.cos(roll)], 1),
        ],
        1,
    )
    middle = stage.size / 2
    offset = middle - (linear @ (middle + shift)[:, :, None])[:, :, 0]
    return np.concatenate([linear, offset[:, :, None]], axis=2)


def light_changes(stage):
    """A light that changes.

    Args:
        stage (Stage): Where a video of T frames takes place.

    Returns:
        tuple[np.ndarray, np.ndarray]: Gains (T, 3) of the blue, green and red
        channel, and relative change (T, 2) from the centre to the right and
        the lower border.
    """
    rng = stage.rng
    depth = (
        rng.uniform(0.03, 0.1)
        if rng.uniform() < 0.6
        else rng.uniform(0.1, 0.2)
    )
    gain = 1 + depth * stage.wander()[:, None]
    tint = 0.05 * np.stack([stage.wander() for _ in range(3)], 1)
    slope = 0.12 * np.stack([stage.wander(), stage.wander()], 1)
    return gain + tint, slope
