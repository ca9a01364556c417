# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Classes, silhouettes and textures of the synthetic benchmark.

A *thing* class is a silhouette and nothing else: colours and surface
patterns ("skins") are drawn without regard to it. A *stuff* class is a
texture family and nothing else: its colours are drawn as well.
"""

import colorsys
from dataclasses import dataclass, replace

import numpy as np

SYNTHETIC_THING_CLASSES = (
    'disk',
    'square',
    'triangle',
    'star',
    'cross',
    'ring',
)
SYNTHETIC_STUFF_CLASSES = ('stripes', 'checker', 'speckle', 'waves')
SYNTHETIC_THING_PALETTE = (
    (220, 20, 60),
    (0, 110, 230),
    (250, 170, 30),
    (106, 0, 228),
    (0, 170, 90),
    (230, 110, 200),
)
SYNTHETIC_STUFF_PALETTE = (
    (120, 120, 180),
    (180, 165, 180),
    (134, 160, 100),
    (70, 130, 150),
)
SKINS = ('stripes', 'dots', 'checker', 'marble', 'halves')

TILE = 128  # side of a stuff texture, which repeats
SKIN_TILE = 96  # side of a skin, which spans [-SKIN_SPAN, SKIN_SPAN]
SKIN_SPAN = 1.5
_POINTS = 120  # contour points of one outline


@dataclass(frozen=True)
class Look:
    """What a thing looks like, apart from its pose.

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


def draw_look(rng, group, labels=None):
    """Draw a look; ``labels`` restricts the class (indices)."""
    labels = range(len(SYNTHETIC_THING_CLASSES)) if labels is None else labels
    values = (rng.uniform(0.85, 1.0), rng.uniform(0.5, 0.75))
    return Look(
        label=int(rng.choice(list(labels))),
        skin=str(rng.choice(SKINS)),
        hue=rng.uniform(),
        hue_step=rng.uniform(-0.18, 0.18),
        values=values if rng.uniform() < 0.5 else values[::-1],
        seed=int(rng.integers(2**31)),
        group=group,
    )


def draw_twin(rng, look):
    """Draw a look that is easily mistaken for ``look``.

    Only the details of the pattern and a small shift of the hue (4 to 11
    degrees) tell the two apart.
    """
    shift = rng.uniform(0.012, 0.03) * rng.choice([-1, 1])
    return replace(
        look, hue=(look.hue + shift) % 1.0, seed=int(rng.integers(2**31))
    )


def color_by_class(look, first):
    """A look whose hue tells its class, as far from ``first`` as before.

    Args:
        look (Look): A look.
        first (Look): The first look of its group, which gets the very hue.
    """
    hue = (look.label + 0.1) / len(SYNTHETIC_THING_CLASSES)
    return replace(
        look,
        hue=(hue + look.hue - first.hue) % 1.0,
        hue_step=0.25 * look.hue_step,
    )


def _polygon(corners):
    """Sample a closed polygon densely. (n, 2) -> (_POINTS, 2)."""
    corners = np.asarray(corners, dtype=np.float64)
    edges = np.roll(corners, -1, axis=0) - corners
    share = np.cumsum(np.hypot(*edges.T))
    spots = np.arange(_POINTS) / _POINTS * share[-1]
    edge = np.searchsorted(share, spots, side='right')
    start = np.concatenate([[0.0], share[:-1]])
    part = (spots - start[edge]) / np.diff(share, prepend=0.0)[edge]
    return corners[edge] + part[:, None] * edges[edge]


def _polar(radii, turns):
    angle = 2 * np.pi * np.asarray(turns)
    return np.stack([np.cos(angle), np.sin(angle)], 1) * np.reshape(
        radii, (-1, 1)
    )


def _outlines():
    """Outlines of every class around the origin, for a radius of 1."""
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


_OUTLINES = _outlines()


def outlines_of(label):
    """Closed outlines (n, 2) of a class; a ring has two (even-odd fill)."""
    return _OUTLINES[SYNTHETIC_THING_CLASSES[label]]


def reach_of(label):
    """Largest distance of the undeformed outline from the centre."""
    return max(np.hypot(*o.T).max() for o in outlines_of(label))


def hiding_radius_of(label):
    """Radius of the largest centred disk inside the undeformed outline."""
    if SYNTHETIC_THING_CLASSES[label] == 'ring':
        return 0.0
    return np.hypot(*outlines_of(label)[0].T).min()


def _smooth_noise(rng, size, low, high):
    """Tileable noise with ``low`` to ``high`` cycles a tile, in [0, 1]."""
    freq = np.hypot(
        *np.meshgrid(
            np.fft.fftfreq(size, 1 / size), np.fft.fftfreq(size, 1 / size)
        )
    )
    band = (freq >= low) & (freq <= high)
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(size, size))) * band)
    noise = noise.real / noise.real.std()
    return 1 / (1 + np.exp(-2.2 * noise))


def _sharpen(wave, slope=4.0):
    return 0.5 + 0.5 * np.tanh(slope * wave)


def _hsv(hue, saturation, value):
    rgb = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return 255 * np.array(rgb[::-1], dtype=np.float32)  # BGR


def _blend(weight, first, second):
    weight = weight[..., None].astype(np.float32)
    return first * weight + second * (1 - weight)


def stuff_tile(rng, family, color_by_class=False):
    """Texture of a stuff region.

    Args:
        rng (np.random.Generator): Source of randomness.
        family (int): Index into ``SYNTHETIC_STUFF_CLASSES``.
        color_by_class (bool): Whether the hue tells the family.

    Returns:
        np.ndarray: BGR tile of shape (TILE, TILE, 3), float32 in [0, 255],
        which repeats without a seam.
    """
    y, x = np.mgrid[:TILE, :TILE] / TILE * 2 * np.pi
    turn = rng.uniform(0, 2 * np.pi)
    name = SYNTHETIC_STUFF_CLASSES[family]
    if name == 'stripes':
        cycles = rng.uniform(9, 12)
        kx, ky = np.rint(cycles * np.array([np.cos(turn), np.sin(turn)]))
        weight = _sharpen(np.sin(kx * x + ky * y))
    elif name == 'checker':
        k, m = rng.integers(4, 7), rng.integers(0, 3)
        weight = _sharpen(np.sin(k * x + m * y) * np.sin(k * y - m * x), 6.0)
    elif name == 'speckle':
        weight = _smooth_noise(rng, TILE, 14, 26)
    else:
        cycles = rng.uniform(3, 4.5)
        kx, ky = np.rint(cycles * np.array([np.cos(turn), np.sin(turn)]))
        bend = 1.3 * np.sin(x * rng.integers(1, 3) + turn) + np.sin(y + turn)
        weight = ((kx * x + ky * y + bend) / (2 * np.pi)) % 1.0
        weight = np.where(weight < 0.85, weight / 0.85, (1 - weight) / 0.15)
    hue, saturation = rng.uniform(), rng.uniform(0.15, 0.45)
    value = rng.uniform(0.22, 0.42)
    if color_by_class:
        hue = family / len(SYNTHETIC_STUFF_CLASSES)
    return _blend(
        weight,
        _hsv(hue, saturation, value + rng.uniform(0.14, 0.22)),
        _hsv(hue + rng.uniform(-0.08, 0.08), saturation, value),
    )


def skin_tile(look):
    """Surface of a thing: BGR (SKIN_TILE, SKIN_TILE, 3) float32, 0-255."""
    rng = np.random.Generator(np.random.PCG64([look.seed]))
    grid = np.linspace(-SKIN_SPAN, SKIN_SPAN, SKIN_TILE)
    x, y = np.meshgrid(grid, grid)
    p, q, turn = rng.uniform(0, 2 * np.pi, size=3)
    if look.skin == 'stripes':
        weight = _sharpen(np.sin(6.5 * x + 0.6 * np.sin(2 * y + q) + p))
    elif look.skin == 'dots':
        weight = _sharpen(np.sin(6 * x + p) * np.sin(6 * y + q) - 0.25, 7.0)
    elif look.skin == 'checker':
        weight = _sharpen(np.sin(4.5 * x + p) * np.sin(4.5 * y + q), 7.0)
    elif look.skin == 'marble':
        weight = _smooth_noise(rng, SKIN_TILE, 2, 6)
    else:
        weight = _sharpen(
            np.cos(turn) * x + np.sin(turn) * y + 0.2 * np.sin(4 * x + p), 9.0
        )
    first = _hsv(look.hue, 0.85, look.values[0])
    second = _hsv(look.hue + look.hue_step, 0.75, look.values[1])
    return _blend(weight, first, second)
