# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Names of videos and of their frames: relative paths."""

import os.path as osp
from collections.abc import Iterable, Sequence

from ..errors import InputError
from ..utils import natural_key


def video_folder(video_id: int | str) -> str:
    """Name the folder of a video after its id, which may contain folders.

    Args:
        video_id (int | str): Id of the video, such as ``'day_1/front'``.

    Returns:
        str: Relative path with '/'.

    Raises:
        InputError: If the path would leave the folder of all videos.
    """
    name = osp.normpath(str(video_id)).replace('\\', '/')
    if not str(video_id).strip() or name.split('/')[0] in ('', '.', '..'):
        raise InputError(
            f'The video id {str(video_id)!r} is no name of a folder. Use a '
            "relative path without '..'."
        )
    return name


def frame_name(path: str, video_id: int | str) -> str:
    """Name a frame by its path below the folder of its video.

    Args:
        path (str): Path of an image or a map, with or without folders.
        video_id (int | str): Id of its video.

    Returns:
        str: Path without suffix: ``'img1/000001'`` for
        ``'data/SEQ/img1/000001.jpg'`` of video ``'SEQ'``. If the path does
        not contain the folder of the video, the path itself.
    """
    name = osp.splitext(osp.normpath(path).replace('\\', '/'))[0]
    _, folder, below = f'/{name}'.rpartition(f'/{video_folder(video_id)}/')
    return below if folder else name


def frame_names(paths: Sequence[str], video_id: int | str) -> list[str]:
    """Name the frames of a video uniquely.

    Args:
        paths (Sequence[str]): Different paths of the images.
        video_id (int | str): Id of the video.

    Returns:
        list[str]: See :func:`frame_name`. If some path does not contain the
        folder of the video: the paths below their common folder.
    """
    names = [frame_name(path, video_id) for path in paths]
    plain = [osp.splitext(osp.normpath(path))[0] for path in paths]
    if any(a == b for a, b in zip(names, plain)):
        root = osp.commonpath([osp.dirname(osp.abspath(p)) for p in plain])
        names = [osp.relpath(osp.abspath(p), root) for p in plain]
    return [name.replace('\\', '/') for name in names]


def check_distinct_frames(videos: Iterable[tuple[str, Iterable[str]]]) -> None:
    """Check that frames of different videos have different paths.

    Args:
        videos (Iterable[tuple[str, Iterable[str]]]): Folder of each video and
            names of its frames.

    Raises:
        InputError: If two paths are equal, such as video 'a' with frame 'b/0'
            and video 'a/b' with frame '0'.
    """
    owners: dict[str, str] = {}
    for folder, names in videos:
        for name in names:
            other = owners.setdefault(f'{folder}/{name}', folder)
            if other != folder:
                raise InputError(
                    f'Videos {other} and {folder} both have the frame '
                    f'{folder}/{name}. Keep one of the two videos.'
                )


def restore_order(names: Sequence[str]) -> list[int]:
    """Find the temporal order of listed frames.

    The order is that of the list, with one exception: a list in text order,
    from a program that sorted '10' before '2', is sorted by number.

    Args:
        names (Sequence[str]): Names of the frames in listed order.

    Returns:
        list[int]: Positions in temporal order.
    """
    order = list(range(len(names)))
    # text order of the names, and of the names with a suffix
    sorted_names = sorted(names), sorted(names, key=lambda n: f'{n}.')
    if list(names) in sorted_names:
        order.sort(key=lambda i: natural_key(names[i]))
    return order
