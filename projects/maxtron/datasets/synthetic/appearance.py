# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Appearances and silhouettes of the things of the synthetic benchmark.

The class of a thing determines its silhouette only: colours and surface
patterns ("skins") are drawn independently of the class.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from .classes import SYNTHETIC_THING_CLASSES

SKINS = ('stripes', 'dots', 'checker', 'marble', 'halves')

_POINTS = 120  # contour points of one outline


@dataclass(frozen=True)
class Appearance:
    """The appearance of a thing, apart from its pose.

    Attributes:
        label (int): Index into ``SYNTHETIC_THING_CLASSES``.
        skin (str): Surface pattern, one of ``SKINS``.
        hue (float): Hue of the first tone, in [0, 1).
        hue_step (float): Hue distance of the second tone.
        values (tuple[float]): Brightness of the two tones, in [0, 1].
        seed (int): Seed of the details of the pattern.
        group (int): Things of one video with the same group are twins: same
            class, same skin, nearly the same colours.
    """

    label: int
    skin: str
    hue: float
    hue_step: float
    values: tuple
    seed: int
    group: int


def draw_appearance(
    rng: np.random.Generator, group: int, labels: Sequence[int] | None = None
) -> Appearance:
    """Draw an appearance at random.

    Args:
        rng (np.random.Generator): Source of randomness.
        group (int): Group of the thing.
        labels (Sequence[int], optional): Classes to choose from. Defaults to
            all.

    Returns:
        Appearance: The appearance.
    """
    labels = range(len(SYNTHETIC_THING_CLASSES)) if labels is None else labels
    values = (rng.uniform(0.85, 1.0), rng.uniform(0.5, 0.75))
    return Appearance(
        label=int(rng.choice(list(labels))),
        skin=str(rng.choice(SKINS)),
        hue=rng.uniform(),
        hue_step=rng.uniform(-0.18, 0.18),
        values=values if rng.uniform() < 0.5 else values[::-1],
        seed=int(rng.integers(2**31)),
        group=group,
    )


def draw_twin(rng: np.random.Generator, appearance: Appearance) -> Appearance:
    """Draw an appearance that is easily confused with another one.

    Only the details of the pattern and a small shift of the hue (4 to 11
    degrees) distinguish the two.

    Args:
        rng (np.random.Generator): Source of randomness.
        appearance (Appearance): The appearance to resemble.

    Returns:
        Appearance: The twin, of the same group.
    """
    shift = rng.uniform(0.012, 0.03) * rng.choice([-1, 1])
    return replace(
        appearance,
        hue=(appearance.hue + shift) % 1.0,
        seed=int(rng.integers(2**31)),
    )


def color_by_class(appearance: Appearance, first: Appearance) -> Appearance:
    """Change the hue of an appearance to that of its class.

    Args:
        appearance (Appearance): The appearance.
        first (Appearance): The first appearance of the group. Hues of a group
            keep their distances to its hue.

    Returns:
        Appearance: The changed appearance.
    """
    hue = (appearance.label + 0.1) / len(SYNTHETIC_THING_CLASSES)
    return replace(
        appearance,
        hue=(hue + appearance.hue - first.hue) % 1.0,
        hue_step=0.25 * appearance.hue_step,
    )


def _polygon(corners: np.ndarray | list) -> np.ndarray:
    """Sample a closed polygon densely. (n, 2) -> (_POINTS, 2)."""
    corners = np.asarray(corners, dtype=np.float64)
    edges = np.roll(corners, -1, axis=0) - corners
    share = np.cumsum(np.hypot(*edges.T))
    spots = np.arange(_POINTS) / _POINTS * share[-1]
    edge = np.searchsorted(share, spots, side='right')
    start = np.concatenate([[0.0], share[:-1]])
    part = (spots - start[edge]) / np.diff(share, prepend=0.0)[edge]
    return corners[edge] + part[:, None] * edges[edge]


def _polar(radii: np.ndarray | list | float, turns: np.ndarray) -> np.ndarray:
    angle = 2 * np.pi * np.asarray(turns)
    return np.stack([np.cos(angle), np.sin(angle)], 1) * np.reshape(
        radii, (-1, 1)
    )


@cache
def _outlines() -> dict[str, list[np.ndarray]]:
    """Make the outlines of all classes around the origin, of radius 1."""
    circle = np.arange(_POINTS) / _POINTS
    arm, end = 0.36, 1.0
    cross = [
        (end, arm),
        (arm, arm),
        (arm, end),
        (-arm, end),
        (-arm, arm),
        (-end, arm),
        (-end, -arm),
        (-arm, -arm),
        (-arm, -end),
        (arm, -end),
        (arm, -arm),
        (end, -arm),
    ]
    return dict(
        disk=[_polar(0.95, circle)],
        square=[_polygon(_polar(1.15, (np.arange(4) + 0.5) / 4))],
        triangle=[_polygon(_polar(1.25, np.arange(3) / 3))],
        star=[_polygon(_polar([1.28, 0.58] * 5, np.arange(10) / 10))],
        cross=[_polygon(cross)],
        ring=[_polar(1.02, circle), _polar(0.5, circle)],
    )


def outlines_of(label: int) -> list[np.ndarray]:
    """Return the closed outlines of a class, of radius 1.

    Args:
        label (int): Index into ``SYNTHETIC_THING_CLASSES``.

    Returns:
        list[np.ndarray]: Points (n, 2); a ring has two outlines, filled by
        the even-odd rule.
    """
    return _outlines()[SYNTHETIC_THING_CLASSES[label]]


def outline_radius(label: int) -> float:
    """Return the radius of the circle around the undeformed outline."""
    return max(np.hypot(*o.T).max() for o in outlines_of(label))


def hiding_radius(label: int) -> float:
    """Return the radius of the largest disk in the undeformed outline."""
    if SYNTHETIC_THING_CLASSES[label] == 'ring':
        return 0.0
    return np.hypot(*outlines_of(label)[0].T).min()
