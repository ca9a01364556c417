# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A synthetic benchmark on which association is hard.

Textured, deforming things move over moving stuff: twins cross, things are
fully hidden for longer than a clip, leave the frame and come back, and the
camera pans, zooms and shakes. A video depends on the seed, its split, its
number and the size of the frames only, never on other videos or on the number
of processes.

This module makes videos in memory, ``synthetic_writer`` puts them on disk,
``tools/dataset_converters/make_synthetic.py`` is the command.
"""

from dataclasses import dataclass, field

import numpy as np

from .appearance import (
    SYNTHETIC_STUFF_CLASSES,
    SYNTHETIC_STUFF_PALETTE,
    SYNTHETIC_THING_CLASSES,
    SYNTHETIC_THING_PALETTE,
)
from .render import SceneRenderer
from .scene import MIN_FRAMES, MIN_HIDDEN, SCENARIOS, plan_scene

__all__ = [
    'PRESETS',
    'SCENARIOS',
    'SYNTHETIC_STUFF_CLASSES',
    'SYNTHETIC_STUFF_PALETTE',
    'SYNTHETIC_THING_CLASSES',
    'SYNTHETIC_THING_PALETTE',
    'SyntheticSpec',
    'SyntheticVideo',
    'make_video',
]

SPLITS = ('train', 'val', 'demo')  # 'demo' is for single held-out videos
MIN_AREA = 16  # pixels; a smaller visible part counts as absent
_ATTEMPTS = 60


@dataclass(frozen=True)
class SyntheticSpec:
    """What a set of videos is made of.

    Args:
        height (int): Height of the frames, at least 64.
        width (int): Width of the frames, at least ``height``.
        num_videos (dict[str, int]): Number of videos of each split.
        num_frames (dict[str, tuple[int]]): Shortest and longest video of
            each split.
        seed (int): Seed, not negative.
        association (bool): Make segmentation easy, so that a training of
            minutes segments well, and association hard: hues tell the
            classes, things are larger, and most of those that roam about
            are further twins. Defaults to False.

    Raises:
        ValueError: If a value is out of its range.
    """

    height: int
    width: int
    num_videos: dict[str, int]
    num_frames: dict[str, tuple[int, int]]
    seed: int = 0
    association: bool = False

    def __post_init__(self):
        if self.height < 64 or self.width < self.height:
            raise ValueError(
                'Synthetic frames must be at least 64 pixels high and not '
                f'higher than wide, got {self.height}x{self.width} '
                '(height x width).'
            )
        if self.seed < 0:
            raise ValueError(f'The seed must not be negative: {self.seed}.')
        for split, count in self.num_videos.items():
            if count < 1:
                raise ValueError(
                    f'The split "{split}" needs at least one '
                    f'video, got {count}.'
                )
        for split, (low, high) in self.num_frames.items():
            if not MIN_FRAMES <= low <= high:
                raise ValueError(
                    f'Videos of the split "{split}" must have {MIN_FRAMES} or '
                    'more frames (an occlusion longer than a clip needs them)'
                    f', shortest first, got {low} to {high}.'
                )


PRESETS = {
    'small': SyntheticSpec(
        96, 160, dict(train=8, val=4), dict(train=(12, 16), val=(12, 16))
    ),
    'demo': SyntheticSpec(
        96, 160, dict(train=400, val=24), dict(train=(12, 16), val=(20, 28))
    ),
    'association': SyntheticSpec(
        96,
        160,
        dict(train=400, val=24),
        dict(train=(20, 28), val=(20, 28)),
        association=True,
    ),
    'standard': SyntheticSpec(
        180, 320, dict(train=240, val=40), dict(train=(24, 40), val=(24, 40))
    ),
}


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
        instances (list[dict]): ``raw_id``, ``label``, ``group`` (twins share
            it) and ``gaps`` (list of dict(start, length, cause)) of every
            thing that is ever visible.
        crossings (list[dict]): ``instances`` (two raw ids of twins),
            ``frame`` and ``overlap`` (of the smaller one's silhouette) of
            every meeting, at its closest.
    """

    name: str
    scenario: str
    frames: np.ndarray
    ids: np.ndarray
    instances: list[dict] = field(default_factory=list)
    crossings: list[dict] = field(default_factory=list)


def make_video(spec, split, index, scenario=None, num_frames=None):
    """Make one video.

    Args:
        spec (SyntheticSpec): Size and seed.
        split (str): One of ``SPLITS``.
        index (int): Number of the video in its split.
        scenario (str, optional): By default the scenarios take turns.
        num_frames (int, optional): By default drawn from the spec's range.

    Returns:
        SyntheticVideo: The video, in which the scenario really happens.

    Raises:
        ValueError: If ``num_frames`` leaves no room for the scenario.
        RuntimeError: If no drawn scene shows the scenario.
    """
    scenario = scenario or SCENARIOS[index % len(SCENARIOS)]
    if num_frames is not None and num_frames < MIN_FRAMES:
        raise ValueError(
            f'A synthetic video needs {MIN_FRAMES} frames or '
            f'more, got {num_frames}.'
        )
    for attempt in range(_ATTEMPTS):
        rng = np.random.Generator(
            np.random.PCG64([spec.seed, SPLITS.index(split), index, attempt])
        )
        length = num_frames or int(
            rng.integers(*spec.num_frames[split], endpoint=True)
        )
        scene = plan_scene(
            rng, scenario, length, spec.height, spec.width, spec.association
        )
        take = _Take(scene, rng, length, (spec.height, spec.width))
        if take.shows(scenario):
            return take.video(f'{split}_{index:04d}', scenario)
    raise RuntimeError(
        f'No scene of {_ATTEMPTS} shows "{scenario}" in video {index} of '
        f'split "{split}" ({length} frames of {spec.height}x{spec.width}); '
        'use more frames or another seed.'
    )


class _Take:
    """A rendered scene and the measured course of its things."""

    def __init__(self, scene, rng, num_frames, shape):
        self.scene = scene
        num_stuff, num_things = len(SYNTHETIC_STUFF_CLASSES), len(scene.things)
        renderer = SceneRenderer(scene, rng, num_stuff, shape)
        self.frames = np.empty((num_frames, *shape, 3), np.uint8)
        self.owners = np.empty((num_frames, *shape), np.uint8)
        # pixels: visible, and of the silhouette within the frame
        self.visible = np.zeros((num_frames, num_things), int)
        self.extent = np.zeros((num_frames, num_things), int)
        groups = [thing.look.group for thing in scene.things]
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
    def present(self):
        """(T, N), whether a thing is annotated in a frame."""
        return self.visible >= MIN_AREA

    def gaps(self, number):
        """Absences of a thing between two of its appearances."""
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

    def shows(self, scenario):
        """Whether the scenario is really to be seen."""
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
        wanted, least = dict(occlusion=('occluded', MIN_HIDDEN)).get(
            scenario, ('outside', 3)
        )
        return any(
            gap['cause'] == wanted
            and gap['hidden'] >= least
            and enough[: gap['start'], number].sum() >= 2
            and enough[gap['start'] + gap['length'] :, number].sum() >= 2
            for number in range(len(self.scene.things))
            for gap in self.gaps(number)
        )

    def video(self, name, scenario):
        """The take as a SyntheticVideo with VIPSeg's raw values."""
        num_stuff = len(SYNTHETIC_STUFF_CLASSES)
        table = np.arange(num_stuff + 1 + len(self.scene.things))
        numbers, instances = np.zeros(len(SYNTHETIC_THING_CLASSES), int), []
        for number, thing in enumerate(self.scene.things):
            label = thing.look.label
            raw_id = (num_stuff + label + 1) * 100 + numbers[label]
            table[num_stuff + 1 + number] = raw_id
            if not self.present[:, number].any():
                continue
            numbers[label] += 1
            instances.append(
                dict(
                    raw_id=int(raw_id),
                    label=label,
                    group=thing.look.group,
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


def _silhouette(patch, shape):
    mask = np.zeros(shape, bool)
    if patch is not None:
        mask[patch.rows, patch.cols] = patch.inside
    return mask


def _around(event, clear):
    """Whether two or more clear frames lie before and after an event."""
    return any(
        clear[:t].sum() >= 2 and clear[t:].sum() >= 2
        for t in np.flatnonzero(event)
    )


def _peaks(overlap, least=0.5):
    """Frames of the largest overlap in every run of ``least`` or more."""
    runs = np.flatnonzero(
        np.diff(np.concatenate([[0], overlap >= least, [0]]).astype(int))
    )
    return [
        int(start + overlap[start:stop].argmax())
        for start, stop in zip(runs[::2], runs[1::2])
    ]
