# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Random scenes of synthetic videos."""

import numpy as np

from .appearance import color_by_class, draw_appearance, draw_twin
from .bounds import SceneBounds
from .camera import camera_maps, light_changes
from .classes import SYNTHETIC_STUFF_CLASSES
from .parts import Region, Scene, Thing
from .scenarios import PLANNERS

MIN_FRAMES = 12  # shorter videos leave no room for an occlusion
_GAIN = 1.3  # factor of the size of things in the association benchmark
_MORE_TWINS = 0.7  # share of twins among its roaming things


def plan_scene(
    rng: np.random.Generator,
    scenario: str,
    num_frames: int,
    height: int,
    width: int,
    association: bool = False,
) -> Scene:
    """Draw the scene of a video.

    Args:
        rng (np.random.Generator): Source of all randomness.
        scenario (str): One of ``SCENARIOS``.
        num_frames (int): Length T of the video.
        height (int): Height in pixels.
        width (int): Width in pixels.
        association (bool): Make segmentation easy and association hard, see
            ``SyntheticSpec``.

    Returns:
        Scene: 1 to 4 things over 2 or 3 stuff regions, and a strip of a
        further stuff class in front in some of the occlusion videos.
    """
    bounds = SceneBounds(
        rng, num_frames, height, width, _GAIN if association else 1.0
    )
    things, strip = PLANNERS[scenario](bounds)
    for number in range(rng.integers(0, 3)):
        appearance = draw_appearance(rng, group=2 + number)
        if association and rng.uniform() < _MORE_TWINS:
            appearance = draw_twin(rng, things[0].appearance)
        things.append(bounds.roaming(appearance))
    if association:
        _color_by_class(things)
    families = rng.permutation(len(SYNTHETIC_STUFF_CLASSES))
    regions = _backdrop(bounds, families[: rng.integers(2, 4)])
    if strip is not None:
        strip.family = int(families[3])
        regions.append(strip)
    light, slope = light_changes(bounds)
    camera = camera_maps(bounds, scenario == 'camera')
    return Scene(things, regions, camera, light, slope, association)


def _drift(bounds: SceneBounds) -> np.ndarray:
    speed = bounds.rng.uniform(-0.9, 0.9, size=2) * bounds.height / 96
    return np.arange(bounds.num_frames)[:, None] * speed


def _backdrop(bounds: SceneBounds, families: np.ndarray) -> list[Region]:
    """Draw a background region and one or two regions below wavy lines."""
    rng, height = bounds.rng, bounds.height
    regions = [Region(int(families[0]), _drift(bounds))]
    levels = sorted(rng.uniform(0.3, 0.85, size=len(families) - 1))
    for family, level in zip(families[1:], levels):
        waves = []
        for amplitude, cycles in (
            (0.1, rng.uniform(0.5, 1.3)),
            (0.03, rng.uniform(2, 4)),
        ):
            speed = rng.uniform(-0.15, 0.15)
            phases = rng.uniform(0, 6) + speed * np.arange(bounds.num_frames)
            waves.append(
                (
                    amplitude * height * rng.uniform(0.4, 1),
                    2 * np.pi * cycles / bounds.width,
                    phases,
                )
            )
        edge = height * (level + 0.04 * bounds.random_walk())
        regions.append(
            Region(family, _drift(bounds), 'below', edge, waves=waves)
        )
    return regions


def _color_by_class(things: list[Thing]) -> None:
    first = {}
    for thing in things:
        start = first.setdefault(thing.appearance.group, thing.appearance)
        thing.appearance = color_by_class(thing.appearance, start)
