# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tracks of files in YouTube-VIS format, one video at a time."""

from collections.abc import Callable

from ..datasets.track_file import TrackFile, name_videos
from ..errors import InputError
from ..json_file import ID, LIST, NUMBER, TEXT, WHOLE, Entry, load_json
from ..structures import restore_order, to_rle
from .tracks import Track

Choose = Callable[[dict[str, str], str], str]


def read_submission(
    content: list,
    path: str,
    size: tuple[int, int],
    choose: Choose,
    classes: dict[str, str],
) -> list[Track]:
    """Read the tracks of a video from a submission.

    Args:
        content (list): Content of the file.
        path (str): The file, for messages.
        size (tuple[int, int]): Height and width of the video.
        choose (Callable): Function of the ids and names of the videos and the
            file; it returns an id.
        classes (dict[str, str]): Class by the text of its id, if known.

    Returns:
        list[Track]: The tracks.

    Raises:
        InputError: If a field is missing or wrong, or masks do not fit the
            video.
    """
    entries = []
    for position, item in enumerate(content):
        where = f'{path}: item {position}'
        if not isinstance(item, dict):
            raise InputError(f'{where} is not an object, but must be a track.')
        entries.append(Entry(item, where))
    ids = [str(entry.require('video_id', ID)) for entry in entries]
    chosen = choose({key: key for key in ids}, path) if ids else ''
    tracks = []
    for key, entry in zip(ids, entries):
        if key == chosen:
            number = len(tracks) + 1
            tracks.append(_read_track(entry, size, classes, number))
    _renumber(tracks)
    return tracks


def _read_track(
    entry: Entry, size: tuple[int, int], classes: dict[str, str], number: int
) -> Track:
    """Read a predicted track."""
    category_id = str(entry.require('category_id', ID))
    name = classes.get(category_id, f'class {category_id}')
    masks = []
    for t, mask in enumerate(entry.require('segmentations', LIST)):
        try:
            masks.append(mask and to_rle(mask, size))
        except ValueError as error:
            raise entry.error(f'the mask of frame {t} {error}.') from error
    scores = entry.optional('scores', LIST, [])
    if scores and len(scores) != len(masks):
        raise entry.error(
            f'it has {len(scores)} scores, but {len(masks)} segmentations.'
        )
    return Track(
        entry.optional('instance_id', WHOLE, number),
        entry.optional('category', TEXT, name),
        masks,
        float(entry.require('score', NUMBER)),
        scores,
    )


def _renumber(tracks: list[Track]) -> None:
    """Number tracks by their order if their numbers are not unique."""
    if len({track.number for track in tracks}) < len(tracks):
        for number, track in enumerate(tracks, 1):
            track.number = number


def read_annotations(
    path: str, size: tuple[int, int], choose: Choose
) -> tuple[list[Track], list[int], str, dict[str, str]]:
    """Read the annotated tracks of a video.

    Args:
        path (str): Annotation file.
        size (tuple[int, int]): Height and width of the video.
        choose (Callable): See :func:`read_submission`.

    Returns:
        tuple: The tracks; positions of the frames in temporal order; id of
        the video; class by the text of its id.

    Raises:
        FileNotFoundError: If the file does not exist.
        InputError: If a field is missing or wrong, or the video has another
            size.
    """
    file = TrackFile(load_json(path), with_tracks=True)
    ids = [str(video.id) for video in file.videos]
    folders = name_videos(ids, [video.file_names[0] for video in file.videos])
    names = {key: name.split('/')[-1] for key, name in zip(ids, folders)}
    chosen = choose(names, path)
    video = file.videos[ids.index(chosen)]
    if (video.height, video.width) != tuple(size):
        raise InputError(
            f'{video.where} is {video.width}x{video.height} pixels, but the '
            f'video {size[1]}x{size[0]}: they do not belong together.'
        )
    classes = {
        key: entry.require('name', TEXT)
        for key, entry in file.categories.items()
    }
    tracks = [
        Track(
            number,
            classes[str(entry.values['category_id'])],
            [x and to_rle(x.segmentation, size) for x in instances],
        )
        for number, (entry, instances) in enumerate(file.tracks(video), 1)
    ]
    return tracks, restore_order(video.file_names), chosen, classes
