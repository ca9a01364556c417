# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Textures of stuff and of the surfaces of things.

A stuff class determines the family of textures only: colours are random.
"""

import colorsys

import numpy as np

from .appearance import Appearance
from .classes import SYNTHETIC_STUFF_CLASSES

TILE = 128  # side of a stuff texture in pixels; it repeats
SKIN_TILE = 96  # side of a skin in pixels; it spans [-SKIN_SPAN, SKIN_SPAN]
SKIN_SPAN = 1.5


def _smooth_noise(
    rng: np.random.Generator, size: int, low: float, high: float
) -> np.ndarray:
    """Draw tileable noise in [0, 1], ``low`` to ``high`` cycles a tile."""
    freq = np.hypot(
        *np.meshgrid(
            np.fft.fftfreq(size, 1 / size), np.fft.fftfreq(size, 1 / size)
        )
    )
    band = (freq >= low) & (freq <= high)
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(size, size))) * band)
    noise = noise.real / noise.real.std()
    return 1 / (1 + np.exp(-2.2 * noise))


def _sharpen(wave: np.ndarray, slope: float = 4.0) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(slope * wave)


def _hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    rgb = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return 255 * np.array(rgb[::-1], dtype=np.float32)  # BGR


def _blend(
    weight: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    weight = weight[..., None].astype(np.float32)
    return first * weight + second * (1 - weight)


def stuff_tile(
    rng: np.random.Generator, family: int, color_by_class: bool = False
) -> np.ndarray:
    """Draw the texture of a stuff region.

    Args:
        rng (np.random.Generator): Source of randomness.
        family (int): Index into ``SYNTHETIC_STUFF_CLASSES``.
        color_by_class (bool): Whether each family has a hue of its own.
            Defaults to False.

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


def skin_tile(appearance: Appearance) -> np.ndarray:
    """Draw the surface of a thing.

    Args:
        appearance (Appearance): Appearance of the thing.

    Returns:
        np.ndarray: BGR tile of shape (SKIN_TILE, SKIN_TILE, 3), float32 in
        [0, 255].
    """
    rng = np.random.Generator(np.random.PCG64([appearance.seed]))
    grid = np.linspace(-SKIN_SPAN, SKIN_SPAN, SKIN_TILE)
    x, y = np.meshgrid(grid, grid)
    p, q, turn = rng.uniform(0, 2 * np.pi, size=3)
    if appearance.skin == 'stripes':
        weight = _sharpen(np.sin(6.5 * x + 0.6 * np.sin(2 * y + q) + p))
    elif appearance.skin == 'dots':
        weight = _sharpen(np.sin(6 * x + p) * np.sin(6 * y + q) - 0.25, 7.0)
    elif appearance.skin == 'checker':
        weight = _sharpen(np.sin(4.5 * x + p) * np.sin(4.5 * y + q), 7.0)
    elif appearance.skin == 'marble':
        weight = _smooth_noise(rng, SKIN_TILE, 2, 6)
    else:
        weight = _sharpen(
            np.cos(turn) * x + np.sin(turn) * y + 0.2 * np.sin(4 * x + p), 9.0
        )
    first = _hsv(appearance.hue, 0.85, appearance.values[0])
    second = _hsv(
        appearance.hue + appearance.hue_step, 0.75, appearance.values[1]
    )
    return _blend(weight, first, second)
