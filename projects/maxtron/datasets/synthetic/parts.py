# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Parts of a scene.

World coordinates are pixels of the frame as seen by a camera at rest; the
camera maps them to the image.
"""

from dataclasses import dataclass, field

import numpy as np

from .appearance import Appearance

HARMONICS = np.array([2, 3, 5])  # of a deforming outline
SQUASH = 0.08


@dataclass(eq=False)
class Thing:
    """A thing over T frames, in world coordinates.

    Attributes:
        appearance (Appearance): Class and surface.
        radius (float): Size in pixels; see ``appearance.outline_radius``.
        path (np.ndarray): (T, 2), centre (x, y).
        angle (np.ndarray): (T,), rotation in radians.
        swell (np.ndarray): (3,), amplitudes of the outline's harmonics.
        phase (np.ndarray): (T, 4), phases of the harmonics and the squash.
        depth (float): Larger values are nearer to the camera. The strip is at
            0.
    """

    appearance: Appearance
    radius: float
    path: np.ndarray
    angle: np.ndarray
    swell: np.ndarray
    phase: np.ndarray
    depth: float


@dataclass
class Region:
    """A stuff region over T frames.

    Attributes:
        family (int): Index into ``SYNTHETIC_STUFF_CLASSES``.
        drift (np.ndarray): (T, 2), offset of the texture in pixels.
        kind (str): 'base' (everywhere), 'below' a wavy line or 'strip'
            (between two wavy vertical lines, in front of things).
        edge (np.ndarray): (T,), height of the line, or the strip's centre.
        width (float): Width of the strip.
        waves (list[tuple]): (amplitude, wave number, phases (T,)) of edges.
    """

    family: int
    drift: np.ndarray
    kind: str = 'base'
    edge: np.ndarray | None = None
    width: float = 0.0
    waves: list[tuple] = field(default_factory=list)


@dataclass
class Scene:
    """The content of a video, as input of a renderer.

    Attributes:
        things (list[Thing]): In order of their numbers.
        regions (list[Region]): Back to front; a strip, if any, is the last.
        camera (np.ndarray): (T, 2, 3), affine map from world to image.
        light (np.ndarray): (T, 3), gain of the blue, green, red channel.
        slope (np.ndarray): (T, 2), relative change of light from the centre
            of the image to its right and lower border.
        color_by_class (bool): Whether each class has a hue of its own.
    """

    things: list[Thing]
    regions: list[Region]
    camera: np.ndarray
    light: np.ndarray
    slope: np.ndarray
    color_by_class: bool = False
