# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""What happens in a synthetic video: who moves where, behind what.

World coordinates are pixels of the frame as seen by a camera at rest; the
camera maps them to the image. All paths are monotone (PCHIP) interpolations
of keyframes, so between two keyframes inside a hiding place a thing stays in
it.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.interpolate import PchipInterpolator

from .appearance import (
    SYNTHETIC_STUFF_CLASSES,
    Look,
    color_by_class,
    draw_look,
    draw_twin,
    hiding_radius_of,
    reach_of,
)
from .camera import camera_maps, light_changes

SCENARIOS = ('crossing', 'occlusion', 'exit-reenter', 'camera')
MIN_HIDDEN = 6  # frames of a full occlusion that an occlusion video has
MIN_FRAMES = 12  # shorter videos leave no room for it
HARMONICS = np.array([2, 3, 5])  # of a deforming outline
SQUASH = 0.08
_GAIN = 1.3  # of the size of things where association is what counts
_MORE_TWINS = 0.7  # share of things that roam there that are twins, too
_HIDING = (0, 1)  # disk and square: large, without notches
_COMPACT = (0, 1, 4, 5)  # classes without long tips


@dataclass(eq=False)
class Thing:
    """One thing over T frames, in world coordinates.

    Attributes:
        look (Look): Class and surface.
        radius (float): Size in pixels; see ``synthetic_looks.reach_of``.
        path (np.ndarray): (T, 2), centre (x, y).
        angle (np.ndarray): (T,), rotation in radians.
        swell (np.ndarray): (3,), amplitudes of the outline's harmonics.
        phase (np.ndarray): (T, 4), phases of the harmonics and the squash.
        depth (float): Larger is nearer to the camera; the strip is at 0.
    """

    look: Look
    radius: float
    path: np.ndarray
    angle: np.ndarray
    swell: np.ndarray
    phase: np.ndarray
    depth: float


@dataclass
class Region:
    """A stuff region; ``family`` indexes ``SYNTHETIC_STUFF_CLASSES``.

    Attributes:
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
    """Everything that a renderer needs to know.

    Attributes:
        things (list[Thing]): In order of their numbers.
        regions (list[Region]): Back to front; a strip, if any, is the last.
        camera (np.ndarray): (T, 2, 3), affine map from world to image.
        light (np.ndarray): (T, 3), gain of the blue, green, red channel.
        slope (np.ndarray): (T, 2), relative change of light from the centre
            of the image to its right and lower border.
        color_by_class (bool): Whether hues tell the classes.
    """

    things: list[Thing]
    regions: list[Region]
    camera: np.ndarray
    light: np.ndarray
    slope: np.ndarray
    color_by_class: bool = False


class Stage:
    """Draws the parts of a scene for one size of video.

    Args:
        rng (np.random.Generator): Source of all randomness.
        num_frames (int): T, at least ``MIN_FRAMES``.
        height (int): Height in pixels.
        width (int): Width in pixels.
        gain (float): Of the size of things.
    """

    def __init__(self, rng, num_frames, height, width, gain=1.0):
        self.rng = rng
        self.num_frames = num_frames
        self.height = height
        self.width = width
        self.gain = gain
        self.size = np.array([width, height], dtype=np.float64)

    def interpolate(self, times, points):
        """Path through keyframes. (n,), (n, ...) -> (T, ...)."""
        return PchipInterpolator(times, np.asarray(points, np.float64))(
            np.arange(self.num_frames)
        )

    def wander(self, low=0.5, high=1.5):
        """A smooth curve in [-1, 1] of ``low`` to ``high`` periods.

        Videos of more than 40 frames have so many more periods.
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

    def radius(self, low=0.24, high=0.4):
        """Radius of a thing; bounds are diameters in frame heights."""
        return 0.5 * self.gain * self.height * self.rng.uniform(low, high)

    def point(self, low=0.2, high=0.8):
        """A point (2,); bounds are shares of the width and the height."""
        return self.size * self.rng.uniform(low, high, size=2)

    def thing(self, look, radius, path, depth, calm=False):
        """A thing that turns and deforms while it follows ``path``."""
        rng, num_frames = self.rng, self.num_frames
        time = np.arange(num_frames)
        swell = rng.uniform(0.3, 1.0, size=3) * [1, 1, 0.4]
        swell = swell * (0.015 if calm else 0.055)
        speed = rng.uniform(0.12, 0.4, size=4) * rng.choice([-1, 1], size=4)
        phase = rng.uniform(0, 2 * np.pi, size=4) + time[:, None] * speed
        turn = rng.uniform(-0.07, 0.07) * time + 0.3 * self.wander()
        return Thing(
            look,
            radius,
            path,
            turn + rng.uniform(0, 2 * np.pi),
            swell,
            phase,
            depth,
        )

    def roaming(self, look, depth=None):
        """A thing that roams about the frame."""
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
            look, self.radius(), self.interpolate(times, points), depth
        )

    def hidden_span(self, at_least, at_most=None):
        """First and last frame of a span that leaves 3 frames around it."""
        longest = max(self.num_frames // 3, at_least)
        length = self.rng.integers(at_least, (at_most or longest) + 1)
        first = self.rng.integers(3, self.num_frames - 3 - length + 1)
        return first, first + length - 1


def largest_reach(look, radius):
    """Bound of a deforming thing's extent around its centre, in pixels."""
    return radius * reach_of(look.label) * 1.15 * (1 + SQUASH)


def _plan_crossing(stage):
    """Two twins meet, overlap, and pass through or bounce back."""
    rng, num_frames = stage.rng, stage.num_frames
    first = draw_look(rng, group=0)
    radius = stage.radius(0.26, 0.38)
    meetings = 1 + max(num_frames - 10, 0) // 12
    centre = [stage.point(0.35, 0.65) for _ in range(meetings + 1)]
    spots = np.linspace(0, num_frames - 1, 2 * meetings + 1)
    angle, side, offsets = rng.uniform(-0.6, 0.6), rng.choice([-1, 1]), []
    for spot in range(len(spots)):
        direction = np.array([np.cos(angle), np.sin(angle)])
        if spot % 2 == 0:  # apart
            offsets.append(side * rng.uniform(1.25, 2.0) * radius * direction)
            angle = rng.uniform(-0.6, 0.6)
        else:  # one on the other; then pass (2 of 3 times) or bounce
            offsets.append(side * rng.uniform(0.0, 0.16) * radius * direction)
            side = -side if rng.uniform() < 0.67 else side
    middle = stage.interpolate(
        np.linspace(0, num_frames - 1, meetings + 1), centre
    )
    offset = stage.interpolate(spots, offsets)
    things = [
        stage.thing(first, radius, middle + offset, rng.uniform(-1, 0)),
        stage.thing(
            draw_twin(rng, first),
            radius * rng.uniform(0.93, 1.07),
            middle - offset,
            rng.uniform(0, 1),
        ),
    ]
    return things, None


def _behind(stage, reach, hiding_radius, span, side):
    """Offset (T,) of a thing from the hiding place it passes behind.

    Args:
        stage (Stage): Draws it.
        reach (float): Bound of the thing's extent around its centre.
        hiding_radius (float): Half of the hiding place's extent.
        span (tuple[int]): First and last frame in which it is hidden.
        side (int): Side on which it starts, -1 or 1; it comes out on the
            other one, or turns round (2 of 5 times).
    """
    rng = stage.rng
    sides = np.array([side, -side if rng.uniform() < 0.6 else side])
    far = (hiding_radius + reach) * rng.uniform(1.1, 1.35, size=2) * sides
    near = max(hiding_radius - reach - 1, 0) * sides
    return stage.interpolate(
        [0, *span, stage.num_frames - 1], [far[0], *near, far[1]]
    )


def _plan_strip(stage):
    """One or two things pass, or turn round, behind a foreground strip."""
    rng, last = stage.rng, stage.num_frames - 1
    look, radius = draw_look(rng, group=0), stage.radius(0.22, 0.28)
    reach = largest_reach(look, radius)
    ripple = 0.02 * stage.height
    width = 2 * (reach + ripple + 2) + rng.uniform(0.02, 0.08) * stage.width
    centre = stage.width * (
        0.5 + rng.uniform(-0.06, 0.06) + 0.04 * stage.wander()
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
                rng.uniform(0.06, 0.12) * 96 / stage.height,
                rng.uniform(0, 6) + 0.1 * np.arange(stage.num_frames),
            )
        ],
    )
    looks, lanes = [look], [rng.uniform(0.25, 0.75)]
    if rng.uniform() < 0.6:
        looks, lanes = [look, draw_twin(rng, look)], [0.3, 0.7]
    swap = rng.uniform() < 0.5  # the twins change lanes behind the strip
    things, side = [], rng.choice([-1, 1])
    for each, lane, end in zip(looks, lanes, lanes[:: -1 if swap else 1]):
        span = stage.hidden_span(MIN_HIDDEN)
        along = _behind(stage, reach, width / 2 - ripple, span, side)
        rows = np.array([lane, (lane + end) / 2, end])
        rows = stage.height * (rows + rng.uniform(-0.08, 0.08, size=3))
        rows = stage.interpolate([0, sum(span) / 2, last], rows)
        path = np.stack([centre + along, rows], 1)
        things.append(stage.thing(each, radius, path, rng.uniform(-1, -0.1)))
        side = -side
    return things, strip


def _plan_cover(stage):
    """A small thing disappears behind a large one and comes out again."""
    rng = stage.rng
    cover_look = draw_look(rng, group=1, labels=_HIDING)
    cover_radius = stage.radius(0.4, 0.43)
    times = [0, stage.num_frames / 2, stage.num_frames - 1]
    path = stage.interpolate(times, [stage.point(0.35, 0.65) for _ in times])
    cover = stage.thing(cover_look, cover_radius, path, 0.5, calm=True)
    look = draw_look(rng, group=0, labels=_COMPACT)
    radius = stage.radius(0.17, 0.19)
    inner = cover_radius * hiding_radius_of(cover_look.label) * (1 - SQUASH)
    along = _behind(
        stage,
        largest_reach(look, radius),
        0.95 * inner,
        stage.hidden_span(MIN_HIDDEN),
        rng.choice([-1, 1]),
    )
    turn = rng.uniform(-0.5, 0.5)
    path = path + along[:, None] * np.array([np.cos(turn), np.sin(turn)])
    return [stage.thing(look, radius, path, -0.5), cover], None


def _plan_occlusion(stage):
    strip = stage.rng.uniform() < 0.6
    return _plan_strip(stage) if strip else _plan_cover(stage)


def _plan_exit(stage):
    """A thing leaves the frame and comes back; a twin may be there too."""
    rng, last = stage.rng, stage.num_frames - 1
    look, radius = draw_look(rng, group=0), stage.radius()
    span = stage.hidden_span(4, max(6, stage.num_frames // 4))
    axis, side = int(rng.uniform() < 0.3), rng.choice([0, 1])
    outside = 1.15 * largest_reach(look, radius) + 0.06 * stage.width
    points = np.stack([stage.point(0.2, 0.8) for _ in range(4)])
    points[1:3, axis] = stage.size[axis] + outside if side else -outside
    path = stage.interpolate([0, *span, last], points)
    things = [stage.thing(look, radius, path, rng.uniform(-1, 1))]
    if rng.uniform() < 0.5:  # inside, near where the other one will be
        points = np.clip(
            points[[3, 3, 0, 0]] + 0.1 * stage.height,
            0.1 * stage.size,
            0.9 * stage.size,
        )
        path = stage.interpolate([0, *span, last], points)
        things.append(
            stage.thing(draw_twin(rng, look), radius, path, rng.uniform(-1, 1))
        )
    return things, None


def _plan_camera(stage):
    """Things roam while the camera pans, zooms and shakes."""
    look = draw_look(stage.rng, group=0)
    looks = [look]
    if stage.rng.uniform() < 0.6:
        looks.append(draw_twin(stage.rng, look))
    return [stage.roaming(each) for each in looks], None


_PLANNERS = {
    'crossing': _plan_crossing,
    'occlusion': _plan_occlusion,
    'exit-reenter': _plan_exit,
    'camera': _plan_camera,
}


def _drift(stage):
    speed = stage.rng.uniform(-0.9, 0.9, size=2) * stage.height / 96
    return np.arange(stage.num_frames)[:, None] * speed


def _backdrop(stage, families):
    """One stuff region everywhere, one or two below wavy lines."""
    rng, height = stage.rng, stage.height
    regions = [Region(families[0], _drift(stage))]
    levels = sorted(rng.uniform(0.3, 0.85, size=len(families) - 1))
    for family, level in zip(families[1:], levels):
        waves = []
        for amplitude, cycles in (
            (0.1, rng.uniform(0.5, 1.3)),
            (0.03, rng.uniform(2, 4)),
        ):
            speed = rng.uniform(-0.15, 0.15)
            phases = rng.uniform(0, 6) + speed * np.arange(stage.num_frames)
            waves.append(
                (
                    amplitude * height * rng.uniform(0.4, 1),
                    2 * np.pi * cycles / stage.width,
                    phases,
                )
            )
        edge = height * (level + 0.04 * stage.wander())
        regions.append(
            Region(family, _drift(stage), 'below', edge, waves=waves)
        )
    return regions


def _color_by_class(things):
    first = {}
    for thing in things:
        start = first.setdefault(thing.look.group, thing.look)
        thing.look = color_by_class(thing.look, start)


def plan_scene(rng, scenario, num_frames, height, width, association=False):
    """Draw what happens in one video.

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
    stage = Stage(
        rng, num_frames, height, width, _GAIN if association else 1.0
    )
    things, strip = _PLANNERS[scenario](stage)
    for number in range(rng.integers(0, 3)):
        look = draw_look(rng, group=2 + number)
        if association and rng.uniform() < _MORE_TWINS:
            look = draw_twin(rng, things[0].look)
        things.append(stage.roaming(look))
    if association:
        _color_by_class(things)
    families = rng.permutation(len(SYNTHETIC_STUFF_CLASSES))
    regions = _backdrop(stage, families[: rng.integers(2, 4)])
    if strip is not None:
        strip.family = int(families[3])
        regions.append(strip)
    light, slope = light_changes(stage)
    camera = camera_maps(stage, scenario == 'camera')
    return Scene(things, regions, camera, light, slope, association)
