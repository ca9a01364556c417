# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Random paths, sizes and times for one size of video."""

import numpy as np
from scipy.interpolate import PchipInterpolator

from .appearance import Appearance, outline_radius
from .parts import SQUASH, Thing


class SceneBounds:
    """Size of a video, and random parts of a scene that fit it.

    Args:
        rng (np.random.Generator): Source of all randomness.
        num_frames (int): T, at least ``MIN_FRAMES``.
        height (int): Height in pixels.
        width (int): Width in pixels.
        gain (float): Factor of the size of things. Defaults to 1.0.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        num_frames: int,
        height: int,
        width: int,
        gain: float = 1.0,
    ) -> None:
        self.rng = rng
        self.num_frames = num_frames
        self.height = height
        self.width = width
        self.gain = gain
        self.size = np.array([width, height], dtype=np.float64)

    def interpolate(
        self, times: np.ndarray | list, points: np.ndarray | list
    ) -> np.ndarray:
        """Interpolate a path through keyframes. (n,), (n, ...) -> (T, ...)."""
        return PchipInterpolator(times, np.asarray(points, np.float64))(
            np.arange(self.num_frames)
        )

    def random_walk(self, low: float = 0.5, high: float = 1.5) -> np.ndarray:
        """Draw a smooth curve (T,) in [-1, 1] of ``low`` to ``high`` periods.

        In videos of more than 40 frames it has proportionally more periods.
        """
        time = (
            2
            * np.pi
            * np.linspace(0, max(1, self.num_frames / 40), self.num_frames)
        )
        slow, fast = self.rng.uniform(low, high), self.rng.uniform(low, high)
        start = self.rng.uniform(0, 2 * np.pi, size=2)
        return 0.6 * np.sin(slow * time + start[0]) + 0.4 * np.sin(
            1.7 * fast * time + start[1]
        )

    def radius(self, low: float = 0.24, high: float = 0.4) -> float:
        """Draw a radius; bounds are diameters as shares of the height."""
        return 0.5 * self.gain * self.height * self.rng.uniform(low, high)

    def point(self, low: float = 0.2, high: float = 0.8) -> np.ndarray:
        """Draw a point (2,); bounds are shares of the width and the height."""
        return self.size * self.rng.uniform(low, high, size=2)

    def thing(
        self,
        appearance: Appearance,
        radius: float,
        path: np.ndarray,
        depth: float,
        calm: bool = False,
    ) -> Thing:
        """Make a thing that turns and deforms while it follows a path."""
        rng, num_frames = self.rng, self.num_frames
        time = np.arange(num_frames)
        swell = rng.uniform(0.3, 1.0, size=3) * [1, 1, 0.4]
        swell = swell * (0.015 if calm else 0.055)
        speed = rng.uniform(0.12, 0.4, size=4) * rng.choice([-1, 1], size=4)
        phase = rng.uniform(0, 2 * np.pi, size=4) + time[:, None] * speed
        turn = rng.uniform(-0.07, 0.07) * time + 0.3 * self.random_walk()
        return Thing(
            appearance,
            radius,
            path,
            turn + rng.uniform(0, 2 * np.pi),
            swell,
            phase,
            depth,
        )

    def roaming(
        self, appearance: Appearance, depth: float | None = None
    ) -> Thing:
        """Make a thing that roams about the frame."""
        count = 2 + self.num_frames // 9
        points = [self.point(0.12, 0.88)]
        while len(points) < count:
            angle = self.rng.uniform(0, 2 * np.pi)
            step = self.rng.uniform(0.12, 0.4) * self.width
            target = points[-1] + step * np.array(
                [np.cos(angle), np.sin(angle)]
            )
            points.append(np.clip(target, 0.08 * self.size, 0.92 * self.size))
        times = np.linspace(0, self.num_frames - 1, count)
        if depth is None:
            depth = self.rng.uniform(-1, 1)
        return self.thing(
            appearance, self.radius(), self.interpolate(times, points), depth
        )

    def hidden_span(
        self, at_least: int, at_most: int | None = None
    ) -> tuple[int, int]:
        """Draw the first and last frame of a span.

        Three frames or more remain before and after it.
        """
        longest = max(self.num_frames // 3, at_least)
        length = self.rng.integers(at_least, (at_most or longest) + 1)
        first = self.rng.integers(3, self.num_frames - 3 - length + 1)
        return first, first + length - 1


def largest_reach(appearance: Appearance, radius: float) -> float:
    """Bound the extent of a deforming thing around its centre, in pixels."""
    return radius * outline_radius(appearance.label) * 1.15 * (1 + SQUASH)
