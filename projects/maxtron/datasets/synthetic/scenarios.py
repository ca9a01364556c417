# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Scenarios: paths of things, and the objects that hide them.

All paths are monotone (PCHIP) interpolations of keyframes. A thing therefore
stays inside a hiding place between two keyframes in it.
"""

from collections.abc import Callable

import numpy as np

from .appearance import draw_appearance, draw_twin, hiding_radius
from .bounds import SceneBounds, largest_reach
from .parts import SQUASH, Region, Thing

MIN_HIDDEN = 6  # frames of a full occlusion that an occlusion video has
_HIDING = (0, 1)  # disk and square: large, without notches
_COMPACT = (0, 1, 4, 5)  # classes without thin, protruding parts

# Things of a scenario, and the foreground strip if there is one.
Plan = tuple[list[Thing], Region | None]


def _plan_crossing(bounds: SceneBounds) -> Plan:
    """Plan two twins that meet, overlap, and pass through or bounce back."""
    rng, num_frames = bounds.rng, bounds.num_frames
    first = draw_appearance(rng, group=0)
    radius = bounds.radius(0.26, 0.38)
    meetings = 1 + max(num_frames - 10, 0) // 12
    centre = [bounds.point(0.35, 0.65) for _ in range(meetings + 1)]
    spots = np.linspace(0, num_frames - 1, 2 * meetings + 1)
    angle, side, offsets = rng.uniform(-0.6, 0.6), rng.choice([-1, 1]), []
    for spot in range(len(spots)):
        direction = np.array([np.cos(angle), np.sin(angle)])
        if spot % 2 == 0:  # apart
            offsets.append(side * rng.uniform(1.25, 2.0) * radius * direction)
            angle = rng.uniform(-0.6, 0.6)
        else:  # on top of each other; then pass (2 of 3 times) or bounce
            offsets.append(side * rng.uniform(0.0, 0.16) * radius * direction)
            side = -side if rng.uniform() < 0.67 else side
    middle = bounds.interpolate(
        np.linspace(0, num_frames - 1, meetings + 1), centre
    )
    offset = bounds.interpolate(spots, offsets)
    things = [
        bounds.thing(first, radius, middle + offset, rng.uniform(-1, 0)),
        bounds.thing(
            draw_twin(rng, first),
            radius * rng.uniform(0.93, 1.07),
            middle - offset,
            rng.uniform(0, 1),
        ),
    ]
    return things, None


def _behind(
    bounds: SceneBounds,
    reach: float,
    hiding_radius: float,
    span: tuple[int, int],
    side: int,
) -> np.ndarray:
    """Draw the offset (T,) of a thing from the place that hides it.

    Args:
        bounds (SceneBounds): Size of the video, and source of randomness.
        reach (float): Bound of the thing's extent around its centre.
        hiding_radius (float): Half of the hiding place's extent.
        span (tuple[int]): First and last frame in which it is hidden.
        side (int): Side on which it starts, -1 or 1. It reappears on the
            other side, or on the same one (2 of 5 times).
    """
    rng = bounds.rng
    sides = np.array([side, -side if rng.uniform() < 0.6 else side])
    far = (hiding_radius + reach) * rng.uniform(1.1, 1.35, size=2) * sides
    near = max(hiding_radius - reach - 1, 0) * sides
    return bounds.interpolate(
        [0, *span, bounds.num_frames - 1], [far[0], *near, far[1]]
    )


def _plan_strip(bounds: SceneBounds) -> Plan:
    """Plan one or two things that pass or turn round behind a strip."""
    rng, last = bounds.rng, bounds.num_frames - 1
    appearance, radius = (
        draw_appearance(rng, group=0),
        bounds.radius(0.22, 0.28),
    )
    reach = largest_reach(appearance, radius)
    ripple = 0.02 * bounds.height
    width = 2 * (reach + ripple + 2) + rng.uniform(0.02, 0.08) * bounds.width
    centre = bounds.width * (
        0.5 + rng.uniform(-0.06, 0.06) + 0.04 * bounds.random_walk()
    )
    strip = Region(
        family=-1,
        drift=np.stack([centre, 0 * centre], 1),
        kind='strip',
        edge=centre,
        width=width,
        waves=[
            (
                ripple,
                rng.uniform(0.06, 0.12) * 96 / bounds.height,
                rng.uniform(0, 6) + 0.1 * np.arange(bounds.num_frames),
            )
        ],
    )
    appearances, lanes = [appearance], [rng.uniform(0.25, 0.75)]
    if rng.uniform() < 0.6:
        appearances, lanes = (
            [appearance, draw_twin(rng, appearance)],
            [0.3, 0.7],
        )
    swap = rng.uniform() < 0.5  # the twins change lanes behind the strip
    things, side = [], rng.choice([-1, 1])
    for each, lane, end in zip(
        appearances, lanes, lanes[:: -1 if swap else 1]
    ):
        span = bounds.hidden_span(MIN_HIDDEN)
        along = _behind(bounds, reach, width / 2 - ripple, span, side)
        rows = np.array([lane, (lane + end) / 2, end])
        rows = bounds.height * (rows + rng.uniform(-0.08, 0.08, size=3))
        rows = bounds.interpolate([0, sum(span) / 2, last], rows)
        path = np.stack([centre + along, rows], 1)
        things.append(bounds.thing(each, radius, path, rng.uniform(-1, -0.1)))
        side = -side
    return things, strip


def _plan_cover(bounds: SceneBounds) -> Plan:
    """Plan a small thing that disappears behind a large one and reappears."""
    rng = bounds.rng
    cover_appearance = draw_appearance(rng, group=1, labels=_HIDING)
    cover_radius = bounds.radius(0.4, 0.43)
    times = [0, bounds.num_frames / 2, bounds.num_frames - 1]
    path = bounds.interpolate(times, [bounds.point(0.35, 0.65) for _ in times])
    cover = bounds.thing(cover_appearance, cover_radius, path, 0.5, calm=True)
    appearance = draw_appearance(rng, group=0, labels=_COMPACT)
    radius = bounds.radius(0.17, 0.19)
    inner = cover_radius * hiding_radius(cover_appearance.label) * (1 - SQUASH)
    along = _behind(
        bounds,
        largest_reach(appearance, radius),
        0.95 * inner,
        bounds.hidden_span(MIN_HIDDEN),
        rng.choice([-1, 1]),
    )
    turn = rng.uniform(-0.5, 0.5)
    path = path + along[:, None] * np.array([np.cos(turn), np.sin(turn)])
    return [bounds.thing(appearance, radius, path, -0.5), cover], None


def _plan_occlusion(bounds: SceneBounds) -> Plan:
    strip = bounds.rng.uniform() < 0.6
    return _plan_strip(bounds) if strip else _plan_cover(bounds)


def _plan_exit(bounds: SceneBounds) -> Plan:
    """Plan a thing that leaves the frame and returns, perhaps with a twin."""
    rng, last = bounds.rng, bounds.num_frames - 1
    appearance, radius = draw_appearance(rng, group=0), bounds.radius()
    span = bounds.hidden_span(4, max(6, bounds.num_frames // 4))
    axis, side = int(rng.uniform() < 0.3), rng.choice([0, 1])
    outside = 1.15 * largest_reach(appearance, radius) + 0.06 * bounds.width
    points = np.stack([bounds.point(0.2, 0.8) for _ in range(4)])
    points[1:3, axis] = bounds.size[axis] + outside if side else -outside
    path = bounds.interpolate([0, *span, last], points)
    things = [bounds.thing(appearance, radius, path, rng.uniform(-1, 1))]
    if rng.uniform() < 0.5:  # inside, near the future place of the other thing
        points = np.clip(
            points[[3, 3, 0, 0]] + 0.1 * bounds.height,
            0.1 * bounds.size,
            0.9 * bounds.size,
        )
        path = bounds.interpolate([0, *span, last], points)
        things.append(
            bounds.thing(
                draw_twin(rng, appearance), radius, path, rng.uniform(-1, 1)
            )
        )
    return things, None


def _plan_camera(bounds: SceneBounds) -> Plan:
    """Plan things that roam while the camera pans, zooms and shakes."""
    appearance = draw_appearance(bounds.rng, group=0)
    appearances = [appearance]
    if bounds.rng.uniform() < 0.6:
        appearances.append(draw_twin(bounds.rng, appearance))
    return [bounds.roaming(each) for each in appearances], None


PLANNERS: dict[str, Callable[[SceneBounds], Plan]] = {
    'crossing': _plan_crossing,
    'occlusion': _plan_occlusion,
    'exit-reenter': _plan_exit,
    'camera': _plan_camera,
}
SCENARIOS = tuple(PLANNERS)
