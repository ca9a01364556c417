# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Videos of a folder or of a list."""

import os
import os.path as osp
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mmdet.utils.misc import IMG_EXTENSIONS

from ...errors import InputError
from ...utils import is_foreign_file, natural_key, relative_name

VIDEO_SUFFIXES = tuple(
    '.3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts '
    '.webm .wmv'.split()
)


class Video(NamedTuple):
    """A video of a batch.

    Attributes:
        name (str): Path below the folder, with its suffix and '/': the name
            of the results. It does not depend on other videos.
        path (str): Absolute path of a file or of a folder of frames.
    """

    name: str
    path: str


def find_videos(path: str, out: str) -> list[Video]:
    """Find the videos of a batch.

    Args:
        path (str): A folder, whose video files and folders of frames are
            taken, also in sub-folders; or a text file with a path per line,
            relative to its own folder. Empty lines and lines after ``#`` are
            skipped.
        out (str): Folder of the results, which is not searched.

    Returns:
        list[Video]: The videos in natural order.

    Raises:
        FileNotFoundError: If there is nothing at the path.
        InputError: If there is no video, or two would have the same results.
    """
    if osp.isdir(path):
        root, paths = path, list(_walk(path, osp.realpath(out)))
    elif osp.exists(path):
        root = osp.dirname(osp.abspath(path))
        paths = [osp.join(root, line) for line in _read_list(path)]
    else:
        raise FileNotFoundError(
            f'There is no file or folder {path}. Give a folder of videos, or '
            'a text file with a path per line.'
        )
    if not paths:
        raise InputError(
            f'{path} has no video: a folder needs files that end in '
            f'{", ".join(VIDEO_SUFFIXES)} or folders of images, a list a path '
            'per line.'
        )
    videos: dict[str, Video] = {}
    for found in sorted(set(map(osp.abspath, paths)), key=natural_key):
        name = relative_name(found, osp.abspath(root))
        other = videos.setdefault(name, Video(name, found))
        if other.path != found:
            raise InputError(
                f'{found} and {other.path} would have the same results '
                f'{name}: rename one.'
            )
    return list(videos.values())


def _walk(folder: str, out: str) -> Iterator[str]:
    """List the videos below a folder; a folder of images only is a video."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not is_foreign_file(name)
            and osp.realpath(osp.join(parent, name)) != out
        ]
        names = [name for name in names if not is_foreign_file(name)]
        films = [n for n in names if n.lower().endswith(VIDEO_SUFFIXES)]
        has_images = any(n.lower().endswith(IMG_EXTENSIONS) for n in names)
        if has_images and not films and parent != folder:
            folders.clear()
            yield parent
        yield from (osp.join(parent, name) for name in films)


def _read_list(path: str) -> list[str]:
    """Read the paths of a list."""
    try:
        lines = Path(path).read_text('utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise InputError(
            f'{path} is no list of videos, which is a text file with a path '
            'per line. For a single video use "maxtron predict".'
        ) from error
    lines = [line.strip() for line in lines]
    return [line for line in lines if line and not line.startswith('#')]
