# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Rendered scene and the visibility of its things."""

from dataclasses import dataclass, field

import numpy as np

from .classes import SYNTHETIC_STUFF_CLASSES, SYNTHETIC_THING_CLASSES
from .parts import Scene
from .render import Patch, SceneRenderer
from .scenarios import MIN_HIDDEN

MIN_AREA = 16  # pixels; a smaller visible part counts as absent


@dataclass
class SyntheticVideo:
    """One video and its exact ground truth.

    Attributes:
        name (str): Name, unique in the set.
        scenario (str): One of ``SCENARIOS``.
        frames (np.ndarray): (T, H, W, 3), uint8, BGR.
        ids (np.ndarray): (T, H, W), uint16, VIPSeg's raw values: 0 nothing,
            1 + class for stuff, (1 + class) * 100 + number for things, where
            the classes are counted stuff first. Visible parts of less than
            ``MIN_AREA`` pixels are 0.
        instances (list[dict]): Things that are visible at some time, each with
            ``raw_id``, ``label``, ``group`` (twins share it) and ``gaps``
            (list of dict(start, length, cause)).
        crossings (list[dict]): Meetings of twins, each with ``instances`` (two
            raw ids) and, of the frame in which they overlap most, ``frame``
            and ``overlap`` (share of the smaller silhouette).
    """

    name: str
    scenario: str
    frames: np.ndarray
    ids: np.ndarray
    instances: list[dict] = field(default_factory=list)
    crossings: list[dict] = field(default_factory=list)


class Recording:
    """Rendered scene, with the visibility of its things in each frame.

    Args:
        scene (Scene): The scene.
        rng (np.random.Generator): Source of textures and noise.
        num_frames (int): Length T of the video.
        shape (tuple[int, int]): Height and width of the frames.
    """

    def __init__(
        self,
        scene: Scene,
        rng: np.random.Generator,
        num_frames: int,
        shape: tuple[int, int],
    ) -> None:
        self.scene = scene
        num_stuff, num_things = len(SYNTHETIC_STUFF_CLASSES), len(scene.things)
        renderer = SceneRenderer(scene, rng, num_stuff, shape)
        self.frames = np.empty((num_frames, *shape, 3), np.uint8)
        self.owners = np.empty((num_frames, *shape), np.uint8)
        # pixels: visible, and of the silhouette within the frame
        self.visible = np.zeros((num_frames, num_things), int)
        self.extent = np.zeros((num_frames, num_things), int)
        groups = [thing.appearance.group for thing in scene.things]
        self.twins = [
            (i, j)
            for j in range(num_things)
            for i in range(j)
            if groups[i] == groups[j]
        ]
        self.overlap = np.zeros((num_frames, len(self.twins)))
        for time in range(num_frames):
            frame, owner, patches = renderer.render(time)
            self.frames[time], self.owners[time] = frame, owner
            counts = np.bincount(
                owner.ravel(), minlength=num_stuff + 1 + num_things
            )
            self.visible[time] = counts[num_stuff + 1 :]
            masks = [_silhouette(patch, shape) for patch in patches]
            self.extent[time] = [mask.sum() for mask in masks]
            self.overlap[time] = [
                (masks[i] & masks[j]).sum()
                / max(min(self.extent[time, i], self.extent[time, j]), 1)
                for i, j in self.twins
            ]

    @property
    def present(self) -> np.ndarray:
        """Return whether each thing is annotated in each frame, (T, N)."""
        return self.visible >= MIN_AREA

    def gaps(self, number: int) -> list[dict]:
        """List the absences of a thing between frames that show it."""
        seen = np.flatnonzero(self.present[:, number])
        gaps = []
        for before, after in zip(seen[:-1], seen[1:]):
            if after - before == 1:
                continue
            span = slice(before + 1, after)
            inside = (self.extent[span, number] >= MIN_AREA).mean() >= 0.5
            gaps.append(
                dict(
                    start=int(before + 1),
                    length=int(after - before - 1),
                    hidden=int((self.visible[span, number] == 0).sum()),
                    cause='occluded' if inside else 'outside',
                )
            )
        return gaps

    def shows(self, scenario: str) -> bool:
        """Return whether the video shows its scenario."""
        enough = self.visible >= 0.5 * np.maximum(self.extent, MIN_AREA)
        if not self.present.any(axis=1).mean() >= 0.6:
            return False
        if scenario == 'crossing':
            return any(
                _around(self.overlap[:, k] >= 0.5, enough[:, i] & enough[:, j])
                for k, (i, j) in enumerate(self.twins)
            )
        if scenario == 'camera':
            moves = self.scene.camera[:, :, 2]
            return np.ptp(moves[:, 0]) >= 0.2 * self.frames.shape[2]
        wanted, minimum = dict(occlusion=('occluded', MIN_HIDDEN)).get(
            scenario, ('outside', 3)
        )
        return any(
            gap['cause'] == wanted
            and gap['hidden'] >= minimum
            and enough[: gap['start'], number].sum() >= 2
            and enough[gap['start'] + gap['length'] :, number].sum() >= 2
            for number in range(len(self.scene.things))
            for gap in self.gaps(number)
        )

    def video(self, name: str, scenario: str) -> SyntheticVideo:
        """Convert to a SyntheticVideo with VIPSeg's raw values."""
        num_stuff = len(SYNTHETIC_STUFF_CLASSES)
        table = np.arange(num_stuff + 1 + len(self.scene.things))
        numbers, instances = np.zeros(len(SYNTHETIC_THING_CLASSES), int), []
        for number, thing in enumerate(self.scene.things):
            label = thing.appearance.label
            raw_id = (num_stuff + label + 1) * 100 + numbers[label]
            table[num_stuff + 1 + number] = raw_id
            if not self.present[:, number].any():
                continue
            numbers[label] += 1
            instances.append(
                dict(
                    raw_id=int(raw_id),
                    label=label,
                    group=thing.appearance.group,
                    gaps=self.gaps(number),
                )
            )
        ids = table.astype(np.uint16)[self.owners]
        for frame, owner in zip(ids, self.owners):
            small = np.bincount(owner.ravel(), minlength=len(table)) < MIN_AREA
            frame[small[owner]] = 0
        crossings = [
            dict(
                instances=[int(table[num_stuff + 1 + i]) for i in pair],
                frame=frame,
                overlap=round(float(self.overlap[frame, k]), 3),
            )
            for k, pair in enumerate(self.twins)
            for frame in _peaks(self.overlap[:, k])
        ]
        return SyntheticVideo(
            name, scenario, self.frames, ids, instances, crossings
        )


def _silhouette(patch: Patch | None, shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    if patch is not None:
        mask[patch.rows, patch.cols] = patch.inside
    return mask


def _around(event: np.ndarray, clear: np.ndarray) -> bool:
    """Return whether two clear frames lie before and after an event."""
    return any(
        clear[:t].sum() >= 2 and clear[t:].sum() >= 2
        for t in np.flatnonzero(event)
    )


def _peaks(overlap: np.ndarray, minimum: float = 0.5) -> list[int]:
    """Find the frame of largest overlap in each run of ``minimum`` or more."""
    runs = np.flatnonzero(
        np.diff(np.concatenate([[0], overlap >= minimum, [0]]).astype(int))
    )
    return [
        int(start + overlap[start:stop].argmax())
        for start, stop in zip(runs[::2], runs[1::2])
    ]
