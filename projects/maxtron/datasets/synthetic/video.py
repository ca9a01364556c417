# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Videos of the synthetic benchmark.

The benchmark makes association hard. Textured, deforming things move over
moving stuff. Twins cross, things are fully hidden for longer than a clip,
things leave the frame and return, and the camera pans, zooms and shakes. A
video depends only on the seed, its split, its number and the size of the
frames, not on other videos or on the number of processes.

This module makes videos in memory. The module ``writer`` writes them to disk.
``tools/dataset_converters/make_synthetic.py`` is the command line.
"""

from dataclasses import dataclass, replace

import numpy as np

from ...errors import InputError
from .classes import (
    SYNTHETIC_STUFF_CLASSES,
    SYNTHETIC_STUFF_PALETTE,
    SYNTHETIC_THING_CLASSES,
    SYNTHETIC_THING_PALETTE,
)
from .recording import MIN_AREA, Recording, SyntheticVideo
from .scenarios import SCENARIOS
from .scene import MIN_FRAMES, plan_scene

__all__ = [
    'MIN_AREA',
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

# 'demo': single held-out videos; 'dev': videos to choose settings on. A video
# depends on the position of its split, so new splits come last.
SPLITS = ('train', 'val', 'demo', 'dev')
_ATTEMPTS = 60


@dataclass(frozen=True)
class SyntheticSpec:
    """Settings of a set of videos.

    Args:
        height (int): Height of the frames, at least 64.
        width (int): Width of the frames, at least ``height``.
        num_videos (dict[str, int]): Number of videos of each split.
        num_frames (dict[str, tuple[int]]): Shortest and longest video of
            each split.
        seed (int): Seed, not negative.
        association (bool): Whether to make segmentation easy, so that a model
            segments well after minutes of training, and association hard. Each
            class then has its own hue, things are larger, and most roaming
            things are twins. Defaults to False.

    Raises:
        InputError: If a value is out of its range.
    """

    height: int
    width: int
    num_videos: dict[str, int]
    num_frames: dict[str, tuple[int, int]]
    seed: int = 0
    association: bool = False

    def __post_init__(self) -> None:
        if self.height < 64 or self.width < self.height:
            raise InputError(
                'Synthetic frames must be at least 64 pixels high and not '
                f'higher than wide, got {self.height}x{self.width} '
                '(height x width).'
            )
        if self.seed < 0:
            raise InputError(f'The seed must not be negative: {self.seed}.')
        for split, count in self.num_videos.items():
            if count < 1:
                raise InputError(
                    f'The split "{split}" needs at least one '
                    f'video, got {count}.'
                )
        for split, (low, high) in self.num_frames.items():
            if not MIN_FRAMES <= low <= high:
                raise InputError(
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
        dict(train=400, val=24, dev=48),
        dict(train=(20, 28), val=(20, 28), dev=(20, 28)),
        association=True,
    ),
    'standard': SyntheticSpec(
        180, 320, dict(train=240, val=40), dict(train=(24, 40), val=(24, 40))
    ),
}
# The same videos, and ten times more of them to train on.
PRESETS['bench'] = replace(
    PRESETS['association'], num_videos=dict(train=4000, val=24, dev=48)
)


def make_video(
    spec: SyntheticSpec,
    split: str,
    index: int,
    scenario: str | None = None,
    num_frames: int | None = None,
) -> SyntheticVideo:
    """Make one video.

    Args:
        spec (SyntheticSpec): Size and seed.
        split (str): One of ``SPLITS``.
        index (int): Number of the video in its split.
        scenario (str, optional): Defaults to each scenario in turn.
        num_frames (int, optional): Defaults to a random number from the range
            of ``spec``.

    Returns:
        SyntheticVideo: The video. It shows the scenario.

    Raises:
        InputError: If ``num_frames`` leaves no room for the scenario.
        RuntimeError: If no drawn scene shows the scenario.
    """
    scenario = scenario or SCENARIOS[index % len(SCENARIOS)]
    if num_frames is not None and num_frames < MIN_FRAMES:
        raise InputError(
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
        recording = Recording(scene, rng, length, (spec.height, spec.width))
        if recording.shows(scenario):
            return recording.video(f'{split}_{index:04d}', scenario)
    raise RuntimeError(
        f'No scene of {_ATTEMPTS} shows "{scenario}" in video {index} of '
        f'split "{split}" ({length} frames of {spec.height}x{spec.width}); '
        'use more frames or another seed.'
    )
