# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Division of a video into clips."""

from collections.abc import Iterable, Iterator
from itertools import chain, count

from ...errors import InputError


def split_video(num_frames: int, clip_len: int, overlap: int = 0) -> list[int]:
    """Cut a video into clips of nearly equal length (rule of Tube-Link).

    Clip i covers the frames ``[ends[i - 1] - overlap, ends[i])``. If the
    video is not a multiple of the clip length, the last clips lose one frame
    each; if this does not suffice, only the last clip is shortened.

    Args:
        num_frames (int): Length of the video, at least 1.
        clip_len (int): Frames of a clip, more than ``overlap``.
        overlap (int): Frames that a clip shares with the previous clip.
            Defaults to 0.

    Returns:
        list[int]: Ends of the clips; the last one is ``num_frames``.

    Raises:
        InputError: If the video has no frame or the clips do not advance.
    """
    if num_frames < 1:
        raise InputError(
            f'A video of {num_frames} frames cannot be cut into clips; give '
            'at least one frame.'
        )
    if clip_len <= overlap or overlap < 0:
        raise InputError(
            f'clip_len={clip_len} must exceed overlap={overlap} >= 0, or the '
            'clips would not advance through the video.'
        )
    if num_frames <= clip_len:
        return [num_frames]
    total, size = num_frames - overlap, clip_len - overlap
    num_clips = -(-total // size)
    ends = [size * (i + 1) for i in range(num_clips)]
    surplus = ends[-1] - total
    if surplus < num_clips:
        for i in range(surplus):
            ends[-1 - i] -= surplus - i
    else:
        ends[-1] = total
    return [end + overlap for end in ends]


def iter_clips(
    frames: Iterable,
    clip_len: int,
    num_frames: int | None = None,
    overlap: int = 0,
    pad_last_clip: bool = False,
) -> Iterator[tuple[list, int]]:
    """Group a stream of frames into clips; hold one clip at a time.

    Args:
        frames (Iterable): The frames, of any type.
        clip_len (int): Frames of a clip.
        num_frames (int, optional): Length of the stream, if known. The clips
            are then cut as by :func:`split_video`; otherwise all clips except
            the last have ``clip_len`` frames. If the actual length differs,
            all frames are still returned.
        overlap (int): Frames shared by neighbouring clips. Defaults to 0.
        pad_last_clip (bool): Whether to repeat the last frame of the video so
            that all clips have one length (rule of Video-kMaX). With an
            overlap, the last clip instead begins earlier, and only a video
            shorter than a clip is padded, by its first frame. ``num_frames``
            is ignored. Defaults to False.

    Yields:
        tuple[list, int]: Frames of a clip, and the number of new frames among
        them. New frames are the last ones of the clip, or the first ones with
        ``pad_last_clip`` and no overlap.

    Raises:
        InputError: If there is no frame at all.
    """
    ends = []
    if num_frames and not pad_last_clip:
        ends = split_video(num_frames, clip_len, overlap)
    start = ends[-1] if ends else overlap
    step = clip_len - overlap
    clip, new, index = [], 0, 0
    earlier: list = []  # frames of the clip before that are not in this one
    ends = chain(ends, count(start + step, step))
    end = next(ends)
    for index, frame in enumerate(frames, 1):
        clip.append(frame)
        new += 1
        if index == end:
            yield clip, new
            earlier, clip = (
                clip[: -overlap or None],
                clip[len(clip) - overlap :],
            )
            new = 0
            end = next(ends)
    if new:
        missing = clip_len - len(clip) if pad_last_clip else 0
        if missing and overlap:
            earlier = earlier or clip[:1] * missing
            yield earlier[-missing:] + clip, new
        else:
            yield clip + clip[-1:] * missing, new
    if index == 0:
        raise InputError('The video has no frames: there is nothing to track.')
