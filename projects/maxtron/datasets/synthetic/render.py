# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Renderer of a scene: frames and their exact masks.

Silhouettes are filled on a four times finer grid and then averaged, so that
edges are smooth in the frame. A pixel belongs to the nearest thing or strip
that covers at least half of it. The id map therefore has hard edges and one
owner per pixel.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .appearance import outlines_of
from .parts import HARMONICS, SQUASH, Scene, Thing
from .textures import SKIN_SPAN, SKIN_TILE, TILE, skin_tile, stuff_tile

_FINE = 4  # finer grid of the silhouettes
_SHIFT = 4  # fractional bits of the corners given to cv2
_NOISE = 2.0  # standard deviation of the camera's noise, in grey values


@dataclass
class Patch:
    """A thing in one frame: a window of the image and its coverage.

    Attributes:
        rows (slice): Rows of the window.
        cols (slice): Columns of the window.
        cover (np.ndarray): Covered share of each pixel, float32 in [0, 1].
        pose (np.ndarray): (2, 3), affine map from the thing to the image.
        scale (float): Radius of the thing in pixels of the image.
    """

    rows: slice
    cols: slice
    cover: np.ndarray
    pose: np.ndarray
    scale: float

    @property
    def inside(self) -> np.ndarray:
        """Return which pixels of the window are in the silhouette, bool."""
        return self.cover >= 0.5


def _deform(outline: np.ndarray, thing: Thing, time: int) -> np.ndarray:
    angle = np.arctan2(outline[:, 1], outline[:, 0])
    waves = np.sin(HARMONICS * angle[:, None] + thing.phase[time, :3])
    outline = outline * (1 + waves @ thing.swell)[:, None]
    squash = 1 + SQUASH * np.sin(thing.phase[time, 3])
    return outline * [squash, 1 / squash]


def _pose(thing: Thing, camera: np.ndarray, time: int) -> np.ndarray:
    """Return the affine map (2, 3) from a thing's unit circle to the image."""
    cos, sin = np.cos(thing.angle[time]), np.sin(thing.angle[time])
    local = thing.radius * np.array([[cos, -sin], [sin, cos]])
    linear = camera[:, :2] @ local
    return np.column_stack(
        [linear, camera[:, :2] @ thing.path[time] + camera[:, 2]]
    )


def thing_patch(
    thing: Thing, camera: np.ndarray, time: int, shape: tuple[int, int]
) -> Patch | None:
    """Draw the silhouette of a thing in one frame.

    Args:
        thing (Thing): The thing.
        camera (np.ndarray): (2, 3), affine map from world to image.
        time (int): Number of the frame.
        shape (tuple[int]): Height and width of the frame.

    Returns:
        Patch | None: None if the thing is outside the frame.
    """
    pose = _pose(thing, camera, time)
    corners = [
        _deform(outline, thing, time) @ pose[:, :2].T + pose[:, 2]
        for outline in outlines_of(thing.appearance.label)
    ]
    pad = 2 + int(0.05 * shape[0])  # room for the shadow
    low = np.floor(corners[0].min(axis=0)).astype(int) - pad
    high = np.ceil(corners[0].max(axis=0)).astype(int) + pad
    low, high = np.maximum(low, 0), np.minimum(high, shape[::-1])
    if (high <= low).any():
        return None
    fine = np.zeros((high - low)[::-1] * _FINE, dtype=np.uint8)
    grid = [(_FINE * (c - low) - 0.5) * (1 << _SHIFT) for c in corners]
    cv2.fillPoly(
        fine, [np.rint(g).astype(np.int32) for g in grid], 255, shift=_SHIFT
    )
    cover = cv2.resize(
        fine, tuple(int(s) for s in high - low), interpolation=cv2.INTER_AREA
    )
    scale = float(np.sqrt(np.linalg.det(pose[:, :2])))
    return Patch(
        slice(low[1], high[1]),
        slice(low[0], high[0]),
        cover.astype(np.float32) / 255,
        pose,
        scale,
    )


class SceneRenderer:
    """Renderer of the frames of one scene, in order.

    Args:
        scene (Scene): The scene.
        rng (np.random.Generator): Source of the textures and of the noise.
        num_stuff (int): Number of stuff classes. Owners 1 to ``num_stuff`` are
            stuff classes, and the following ones are things.
        shape (tuple[int]): Height and width of the frames.
    """

    def __init__(
        self,
        scene: Scene,
        rng: np.random.Generator,
        num_stuff: int,
        shape: tuple[int, int],
    ) -> None:
        self.scene = scene
        self.rng = rng
        self.num_stuff = num_stuff
        self.shape = shape
        self.unit = shape[0] / 96
        self.tiles = [
            stuff_tile(rng, r.family, scene.color_by_class)
            for r in scene.regions
        ]
        self.skins = [skin_tile(thing.appearance) for thing in scene.things]
        self.order = np.argsort([thing.depth for thing in scene.things])
        rows, cols = np.mgrid[: shape[0], : shape[1]].astype(np.float32) + 0.5
        self.grid = np.stack([cols, rows], -1)  # (H, W, 2)

    def render(
        self, time: int
    ) -> tuple[np.ndarray, np.ndarray, list[Patch | None]]:
        """Draw one frame.

        Args:
            time (int): Number of the frame.

        Returns:
            tuple: The frame (H, W, 3), uint8 BGR; the owners (H, W), uint8;
            and one Patch or None per thing.
        """
        scene, camera = self.scene, self.scene.camera[time]
        inverse = cv2.invertAffineTransform(camera).astype(np.float32)
        world = self.grid @ inverse[:, :2].T + inverse[:, 2]  # (H, W, 2)
        canvas = np.empty(self.shape + (3,), np.float32)
        owner = np.empty(self.shape, np.uint8)
        patches = [
            thing_patch(thing, camera, time, self.shape)
            for thing in scene.things
        ]
        front = [i for i, r in enumerate(scene.regions) if r.kind == 'strip']
        for number in range(len(scene.regions) - len(front)):
            self._draw_region(canvas, owner, number, time, world, inverse)
        for number in self.order:
            if front and scene.things[number].depth > 0:
                self._draw_region(
                    canvas, owner, front.pop(), time, world, inverse
                )
            self._draw_thing(canvas, owner, number, patches[number])
        for number in front:
            self._draw_region(canvas, owner, number, time, world, inverse)
        return self._tone_map(canvas, time), owner, patches

    def _draw_region(
        self,
        canvas: np.ndarray,
        owner: np.ndarray,
        number: int,
        time: int,
        world: np.ndarray,
        inverse: np.ndarray,
    ) -> None:
        region = self.scene.regions[number]
        sample = inverse / self.unit
        sample[:, 2] -= region.drift[time] / self.unit
        # BORDER_WRAP needs a start near the tile to keep its precision
        sample[:, 2] %= TILE
        texture = cv2.warpAffine(
            self.tiles[number],
            sample,
            self.shape[::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_WRAP,
        )
        if region.kind == 'base':
            canvas[:], owner[:] = texture, region.family + 1
            return
        assert region.edge is not None  # only the base region has none
        along, across = (0, 1) if region.kind == 'below' else (1, 0)
        place = world[..., along]
        bend = sum(
            np.float32(height)
            * np.sin(np.float32(wave) * place + np.float32(phase[time]))
            for height, wave, phase in region.waves
        )
        inside = world[..., across] - np.float32(region.edge[time]) - bend
        if region.kind == 'strip':
            inside = np.float32(region.width / 2) - np.abs(inside)
        cover = np.clip(inside + 0.5, 0, 1)[..., None]
        canvas += (texture - canvas) * cover
        owner[cover[..., 0] >= 0.5] = region.family + 1

    def _draw_thing(
        self,
        canvas: np.ndarray,
        owner: np.ndarray,
        number: int,
        patch: Patch | None,
    ) -> None:
        if patch is None:
            return
        view = canvas[patch.rows, patch.cols]
        size = view.shape[1::-1]
        # soft shadow, to the lower right
        soft = 1.2 * self.unit
        move = np.float32([[1, 0, 1.2 * soft], [0, 1, 1.6 * soft]])
        shadow = cv2.warpAffine(
            cv2.GaussianBlur(patch.cover, (0, 0), soft), move, size
        )
        view *= 1 - 0.4 * shadow[..., None]
        # skin: tile -> unit circle -> image window
        step = 2 * SKIN_SPAN / (SKIN_TILE - 1)
        place = patch.pose.copy()
        place[:, 2] -= [patch.cols.start, patch.rows.start]
        place[:, 2] -= place[:, :2] @ [SKIN_SPAN, SKIN_SPAN]
        place[:, :2] *= step
        skin = cv2.warpAffine(
            self.skins[number], place, size, borderMode=cv2.BORDER_REFLECT
        )
        # darker towards the rim, lit from the upper left
        depth = cv2.distanceTransform(
            patch.inside.astype(np.uint8), cv2.DIST_L2, 3
        )
        shade = 0.5 + 0.5 * np.clip(depth / max(0.22 * patch.scale, 1.5), 0, 1)
        ray = self.grid[patch.rows, patch.cols] - patch.pose[:, 2]
        lit = 1 - 0.16 * ray.sum(-1) / patch.scale
        skin *= (shade * lit)[..., None].astype(np.float32)
        view += (skin - view) * patch.cover[..., None]
        owner[patch.rows, patch.cols][patch.inside] = (
            self.num_stuff + 1 + number
        )

    def _tone_map(self, canvas: np.ndarray, time: int) -> np.ndarray:
        middle = np.array(self.shape[::-1], np.float32) / 2
        slope = np.float32(self.scene.slope[time])
        slope = (self.grid / middle - 1) @ slope  # (H, W)
        canvas *= (1 + slope)[..., None] * np.float32(self.scene.light[time])
        canvas += _NOISE * self.rng.standard_normal(
            canvas.shape, dtype=np.float32
        )
        return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)
