# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Modes of inference, and their names in version 0.1."""

import logging
from collections.abc import Sequence

from mmengine.logging import print_log

from ...errors import InputError

MODES = ('near_online', 'offline')
SEGMENT_DECISIONS = ('per_clip', 'per_video')
MERGE_RULES = ('video_kmax', 'maskformer')
_OLD_MODES = {
    'video': ('near_online', 'per_video'),
    'clip': ('near_online', 'per_clip'),
}


def translate_mode(
    mode: str | None, segment_decision: str | None, is_panoptic: bool
) -> tuple[str | None, str | None]:
    """Replace the old names of the modes and log a note.

    Args:
        mode (str, optional): Value of ``test_cfg.mode``; 'video' and 'clip'
            are the old names.
        segment_decision (str, optional): Value of
            ``test_cfg.segment_decision``; an old mode overrides it.
        is_panoptic (bool): Whether the model decides on panoptic segments.

    Returns:
        tuple[str | None, str | None]: ``mode`` and ``segment_decision`` in
        the new names.
    """
    if mode not in _OLD_MODES or (mode == 'clip' and not is_panoptic):
        return mode, segment_decision
    new_mode, new_decision = _OLD_MODES[mode]
    note = f"model.head.test_cfg.mode={mode!r} is now mode='{new_mode}'"
    if is_panoptic:
        segment_decision = new_decision
        note += f" with segment_decision='{segment_decision}'"
    print_log(f'{note}.', logger='current', level=logging.WARNING)
    return new_mode, segment_decision


def check_clip_len(clip_len: int, tracks: bool) -> None:
    """Refuse clips that are too short.

    Args:
        clip_len (int): Frames of a clip.
        tracks (bool): Whether the model tracks within or across clips.

    Raises:
        InputError: If clips are shorter than 2 frames, or than 1 frame if the
            model does not track.
    """
    least = 2 if tracks else 1
    if clip_len < least:
        frames = '2 frames to be tracked through' if tracks else '1 frame'
        raise InputError(
            f'model.head.test_cfg.clip_len is {clip_len}, but a clip needs at '
            f'least {frames}; set it to {least} or more.'
        )


def check_choice(key: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse an unknown value of ``model.head.test_cfg``.

    Args:
        key (str): Name of the key.
        value (str): Its value.
        choices (tuple[str]): The known values.

    Raises:
        InputError: If the value is unknown.
    """
    if value not in choices:
        raise InputError(
            f'model.head.test_cfg.{key} is {value!r}; choose '
            f'{", ".join(map(repr, choices[:-1]))} or {choices[-1]!r}.'
        )


def check_thing_labels(labels: Sequence[int], num_classes: int) -> None:
    """Check ``model.head.test_cfg.thing_labels``.

    Args:
        labels (Sequence[int]): Labels of the things.
        num_classes (int): Number of classes of the segmenter.

    Raises:
        InputError: If a label is no class.
    """
    if not all(0 <= label < num_classes for label in labels):
        raise InputError(
            'model.head.test_cfg.thing_labels has labels outside of 0 to '
            f'{num_classes - 1}, the classes of the segmenter.'
        )
