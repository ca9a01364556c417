# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Segments of files in VIPSeg's format, one video at a time, as tracks."""

import os.path as osp
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pycocotools import mask as mask_utils

from ..errors import InputError
from ..json_file import ID, TEXT, Entry, load_json, parse_json
from ..structures import read_id_map, video_folder
from ..structures.panoptic_json import (
    label_by_id,
    read_categories,
    read_frames,
    read_segments,
    read_videos,
)
from ..utils import natural_key
from .instance_results import Choose
from .tracks import Track

TABLE = 'segments.json'  # written by the demo beside the masks


class PanopticFrame(NamedTuple):
    """Mask file of a frame.

    Attributes:
        path (Path): The file.
        classes (dict[int, str]): Class by the id of a segment.
    """

    path: Path
    classes: dict[int, str]


def read_panoptic_json(
    path: str, folders: Sequence[Path], choose: Choose
) -> tuple[dict[str, PanopticFrame], str]:
    """Read the list of frames of a video.

    Args:
        path (str): pred.json of a test, the demo or a batch, or the
            annotation file.
        folders (Sequence[Path]): Folders that may have the masks, as
            VIDEO/FRAME.png or FRAME.png; the first that has them is used.
        choose (Callable): Function of the ids and names of the videos and the
            file; it returns an id.

    Returns:
        tuple: Frames by name, and id of the video.

    Raises:
        FileNotFoundError: If a file does not exist.
        InputError: If a field is missing or wrong.
    """
    top = load_json(path)
    if 'categories' not in top:
        raise top.error(
            'the field "categories" is missing, so the names of the classes '
            'are unknown. Copy the list from the annotation file.'
        )
    categories = read_categories(top)
    names = [category['name'] for category in categories]
    labels = label_by_id(categories)
    videos = read_videos(top, 'annotations')
    chosen = choose({key: Path(key).name for key in videos}, path)
    entries = read_frames(videos[chosen], 'annotations', chosen)
    find = _MaskFinder(folders, chosen)
    frames = {
        name: PanopticFrame(
            find(name),
            {
                segment['id']: names[segment['category']]
                for segment in read_segments(entry, labels)
            },
        )
        for name, entry in entries.items()
    }
    return frames, chosen


class _MaskFinder:
    """Finder of the masks of a video in the first folder that has them."""

    def __init__(self, folders: Sequence[Path], video_id: str) -> None:
        below = video_folder(video_id)
        self._folders = [x for y in folders for x in (y / below, y)]

    def __call__(self, name: str) -> Path:
        """Find the mask of a frame.

        Raises:
            FileNotFoundError: If no folder has it.
        """
        for folder in self._folders:
            for stem in (name, osp.basename(name)):
                path = folder / f'{stem}.png'
                if path.is_file():
                    self._folders = [folder]
                    return path
        raise FileNotFoundError(
            f'{self._folders[0] / name}.png does not exist: give the folder '
            'of the masks by --masks (those of the truth by --truth-masks).'
        )


def read_table(folder: Path) -> dict[str, PanopticFrame]:
    """List the masks of a folder of the demo, which has segments.json.

    Args:
        folder (Path): The folder.

    Returns:
        dict[str, PanopticFrame]: Frames by name.

    Raises:
        InputError: If a field of the table is missing or wrong.
    """
    path = folder / TABLE
    content = parse_json(str(path))
    if not isinstance(content, list):
        raise InputError(f'{path} is not a list of segments.')
    table = Entry(dict(segments=content), str(path))
    classes = {
        int(entry.require('id', ID)): entry.require('category', TEXT)
        for entry in table.entries('segments', 'segment')
    }
    files = sorted(folder.rglob('*.png'), key=natural_key)
    return {
        file.relative_to(folder).with_suffix('').as_posix(): PanopticFrame(
            file, classes
        )
        for file in files
    }


def read_segment_tracks(
    frames: Sequence[PanopticFrame | None], size: tuple[int, int]
) -> list[Track]:
    """Read the masks of a video.

    Args:
        frames (Sequence[PanopticFrame | None]): One item per frame of the
            video; None: there is no mask file.
        size (tuple[int, int]): Height and width of the video.

    Returns:
        list[Track]: One track per segment, in the order of appearance.

    Raises:
        InputError: If a mask file is damaged, has another size, or an unknown
            segment.
    """
    tracks: dict[tuple[int, str], Track] = {}
    for t, frame in enumerate(frames):
        if frame is None:
            continue
        ids = read_id_map(str(frame.path), f'frame {t}')
        if ids.shape != tuple(size):
            raise InputError(
                f'{frame.path} is {ids.shape[1]}x{ids.shape[0]} pixels, but '
                f'the video {size[1]}x{size[0]}: they do not belong together.'
            )
        present = [i for i in np.unique(ids).tolist() if i]
        unknown = [i for i in present if i not in frame.classes]
        if unknown:
            raise InputError(
                f'{frame.path} has the segment {unknown[0]}, which the JSON '
                'file does not list for this frame. Both must come from one '
                'run.'
            )
        bitmaps = ids[..., None] == np.array(present, ids.dtype)  # (H, W, n)
        rles = mask_utils.encode(np.asfortranarray(bitmaps, np.uint8))
        for i, rle in zip(present, rles):
            key = i, frame.classes[i]
            if key not in tracks:
                masks: list[dict | None] = [None] * len(frames)
                tracks[key] = Track(len(tracks) + 1, key[1], masks)
            tracks[key].masks[t] = rle
    return list(tracks.values())
