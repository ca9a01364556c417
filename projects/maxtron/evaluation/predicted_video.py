# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Predicted panoptic videos: checks and names."""

import os.path as osp
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from mmdet.structures import DetDataSample

from ..errors import InputError
from ..structures import frame_names, video_folder
from ..utils import relative_name
from .sample_fields import META_KEYS, require_fields


class PredictedVideo(NamedTuple):
    """Frames of a predicted panoptic video in temporal order.

    Attributes:
        video_id (int | str): Id of the video in the user's file.
        name (str): Name of the video's folder.
        frames (list[DetDataSample]): The frames.
        frame_names (list[str]): Names of the frames: paths below the folder of
            the video, without suffix.
    """

    video_id: int | str
    name: str
    frames: list[DetDataSample]
    frame_names: list[str]

    @property
    def source(self) -> str:
        """str: Path of the first frame, which is unique to the video."""
        return self.frames[0].img_path

    @classmethod
    def read(cls, frames: Sequence[DetDataSample]) -> 'PredictedVideo':
        """Check that a video is complete, and name it and its frames.

        Args:
            frames (Sequence[DetDataSample]): Frames with the prediction
                ``pred_panoptic_map`` and the metainfo ``img_path``,
                ``frame_id`` and, optionally, ``video_length`` and
                ``video_id``. Without ``video_id``, the folder of the frames
                names the video.

        Returns:
            PredictedVideo: The video.

        Raises:
            InputError: If a frame is missing, repeated, of another video,
                not predicted, or lacks a field.
        """
        if not len(frames):
            raise InputError('A video without frames was predicted.')
        for t, frame in enumerate(frames):
            name = f'frame {t} of a predicted video'
            require_fields(frame, ('img_path', 'frame_id'), name, META_KEYS)
        video_id = _video_id(frames[0])
        seen = _number_frames(frames, video_id)
        length = frames[0].get('video_length', len(frames))
        missing = sorted(set(range(length)) - seen.keys())
        if missing or len(seen) != length:
            raise InputError(
                f'video {video_id} has {length} frames, but {len(seen)} are '
                f'predicted; missing are numbers {missing[:5]}. Test whole '
                'videos.'
            )
        ordered = [seen[i] for i in range(length)]
        paths = [frame.img_path for frame in ordered]
        return cls(
            video_id,
            video_folder(video_id),
            ordered,
            frame_names(paths, video_id),
        )

    def has_ground_truth(self, sparse: bool = False) -> bool:
        """Return whether every frame has a mask, or some if sparse.

        Args:
            sparse (bool): Whether frames may lack a mask. Defaults to False.

        Returns:
            bool: False if no frame has one.

        Raises:
            InputError: If only some of the frames have one, and not
                ``sparse``.
        """
        missing = [
            f.img_path for f in self.frames if not f.get('seg_map_path')
        ]
        if not sparse and 0 < len(missing) < len(self.frames):
            raise InputError(
                f'video {self.video_id}: {len(missing)} of '
                f'{len(self.frames)} frames have no seg_map_path, the first '
                f'being {missing[0]}. If that is intended, set sparse=True '
                'in the metric.'
            )
        return len(missing) < len(self.frames)


def _number_frames(
    frames: Sequence[DetDataSample], video_id: int | str
) -> dict[int, DetDataSample]:
    """Index the frames of a video by their numbers.

    Args:
        frames (Sequence[DetDataSample]): The frames.
        video_id (int | str): Id of the video.

    Returns:
        dict[int, DetDataSample]: Frames by ``frame_id``.

    Raises:
        InputError: If a frame is repeated, not predicted, or belongs to
            another video.
    """
    seen: dict[int, DetDataSample] = {}
    for frame in frames:
        where = f'video {video_id}, frame {frame.img_path}'
        if _video_id(frame) != video_id:
            raise InputError(f'{where} belongs to video {_video_id(frame)}.')
        if frame.frame_id in seen:
            raise InputError(
                f'{where}: {seen[frame.frame_id].img_path} has the same '
                f'frame number {frame.frame_id}.'
            )
        if 'pred_panoptic_map' not in frame:
            raise InputError(
                f'{where} has no pred_panoptic_map. Use a model for '
                'panoptic segmentation.'
            )
        seen[frame.frame_id] = frame
    return seen


def _video_id(frame: DetDataSample) -> int | str:
    """Identify the video of a frame.

    Without ``video_id`` the path of its folder is used: the last folders that
    image and mask have in common, or all folders of the image.
    """
    if frame.get('video_id') is not None:
        return frame.video_id
    folder = osp.dirname(frame.img_path)
    shared: list[str] = []
    if frame.get('seg_map_path'):
        pairs = zip(
            *(
                reversed(relative_name(path, '').split('/'))
                for path in (folder, osp.dirname(frame.seg_map_path))
            )
        )
        shared = [a for a, _ in takewhile(lambda p: p[0] == p[1], pairs)]
    return '/'.join(reversed(shared)) or relative_name(folder, '') or 'video'
