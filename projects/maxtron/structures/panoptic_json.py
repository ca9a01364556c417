# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Reading and checking of panoptic JSON files in VIPSeg's format.

Datasets, converters and evaluation use these functions, so that every error
names the file, the entry and the field.
"""

from ..json_file import FLAG, ID, NUMBER, TEXT, Entry, Kind, index_by_id
from .categories import index_categories
from .video_names import frame_name, video_folder

MAX_ID = 1 << 24  # ids are colours

_COLOR = Kind(
    'three whole numbers from 0 to 255',
    lambda v: (
        isinstance(v, list)
        and len(v) == 3
        and all(type(c) is int and 0 <= c < 256 for c in v)
    ),
)
_AREA = Kind(
    'a number of pixels or null', lambda v: v is None or NUMBER.accepts(v)
)


def read_categories(top: Entry, needs_color: bool = False) -> list[dict]:
    """Read the list of categories.

    Args:
        top (Entry): Object with the field ``categories``.
        needs_color (bool): Whether every category must have a ``color``.
            Defaults to False.

    Returns:
        list[dict]: The categories with at least ``id``, ``name`` and
        ``isthing`` (0 or 1), in the order of the file.

    Raises:
        InputError: If a field is missing or wrong, or an id or a name is not
            unique.
    """
    categories = []
    for entry in index_categories(top).values():
        category = dict(
            entry.values,
            id=entry.require('id', ID),
            name=entry.require('name', TEXT),
            isthing=int(entry.require('isthing', FLAG)),
        )
        if needs_color or 'color' in entry:
            category['color'] = entry.require('color', _COLOR)
        categories.append(category)
    return categories


def label_by_id(categories: list[dict]) -> dict[str, int]:
    """Map the text of every category's id to its position.

    Args:
        categories (list[dict]): See :func:`read_categories`.

    Returns:
        dict[str, int]: Positions from 0.
    """
    return {str(c['id']): label for label, c in enumerate(categories)}


def read_videos(top: Entry, field: str) -> dict[str, Entry]:
    """Read a list of videos: ``videos`` or ``annotations``.

    Args:
        top (Entry): The top level of the file.
        field (str): Name of the list.

    Returns:
        dict[str, Entry]: Videos by the text of their ``video_id``.

    Raises:
        InputError: If an id is missing, repeated or not a valid folder name,
            or two videos have the same folder.
    """
    noun = 'annotated video' if field == 'annotations' else 'video'
    videos = index_by_id(
        top.entries(field, 'video', 'video_id'), noun, 'video_id'
    )
    owners: dict[str, str] = {}
    for video_id, video in videos.items():
        try:
            folder = video_folder(video_id)
        except ValueError as error:
            raise video.error(str(error)) from error
        if folder in owners:
            raise video.error(
                f'video {owners[folder]} has the same folder {folder}. Give '
                'every video its own.'
            )
        owners[folder] = video_id
    return videos


def read_frames(video: Entry, field: str, video_id: str) -> dict[str, Entry]:
    """Read the frames of a video: its ``images`` or ``annotations``.

    Args:
        video (Entry): The video.
        field (str): Name of the list.
        video_id (str): Id of the video.

    Returns:
        dict[str, Entry]: Frames by name, see :func:`frame_name`, in
        the order of the file.

    Raises:
        InputError: If a ``file_name`` is missing, or two differ only in their
            suffix.
    """
    frames: dict[str, Entry] = {}
    for frame in video.entries(field, 'frame', 'file_name'):
        name = frame_name(frame.require('file_name', TEXT), video_id)
        if name in frames:
            raise frame.error(
                'another frame of the video has the same file_name. Keep one '
                'of them.'
            )
        frames[name] = frame
    return frames


def read_segments(frame: Entry, labels: dict[str, int]) -> list[dict]:
    """Read the segments of a frame.

    As in the reference, a segment may be listed in parts. Their areas are
    added.

    Args:
        frame (Entry): The frame with ``segments_info``.
        labels (dict[str, int]): Label by the text of a category's id.

    Returns:
        list[dict]: ``id``, ``category`` (the label), ``iscrowd`` (0 unless
        stated) and ``area``, None unless it is a whole number of pixels.

    Raises:
        InputError: If a field is missing or wrong, or a segment has two
            categories.
    """
    segments: dict[int, dict] = {}
    for info in frame.entries('segments_info', 'segment'):
        segment_id = _read_id(info)
        category_id = info.require('category_id', ID)
        label = labels.get(str(category_id))
        if label is None:
            known = ', '.join(list(labels)[:10])
            more = ', ...' if len(labels) > 10 else ''
            raise info.error(
                f'the segment has the unknown category {category_id} in the '
                "field 'category_id'. The categories of the file are "
                f'{known}{more}.'
            )
        area = info.optional('area', _AREA)
        area = area if isinstance(area, int) and area >= 0 else None
        segment = segments.get(segment_id)
        if segment is None:
            segments[segment_id] = dict(
                id=segment_id,
                category=label,
                iscrowd=int(info.optional('iscrowd', FLAG, 0)),
                area=area,
            )
            continue
        if segment['category'] != label:
            raise info.error(
                'the segment is listed with two categories. Keep one of them.'
            )
        is_known = area is not None and segment['area'] is not None
        segment['area'] = segment['area'] + area if is_known else None
    return list(segments.values())


def _read_id(info: Entry) -> int:
    """Read the id of a segment: a number, or a number as text."""
    value = info.require('id', ID)
    if not str(value).isdecimal() or not 0 < int(value) < MAX_ID:
        raise info.error(
            f"the field 'id' is {value}, which is no id of a segment. Ids are "
            'R + 256 G + 65536 B of a colour other than black.'
        )
    return int(value)
