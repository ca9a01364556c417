# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Lists of videos and folders of frames in the raw layout."""

import os.path as osp

from mmengine.fileio import get, list_dir_or_file

from ...structures import video_folder
from ...utils import is_foreign_file, natural_key


def read_video_names(path: str, backend_args: dict | None = None) -> list[str]:
    """Read a list of videos: one name per line, which may have spaces.

    Args:
        path (str): Text file in UTF-8, with or without a byte order mark.
        backend_args (dict, optional): See :func:`mmengine.fileio.get`.

    Returns:
        list[str]: Names without the space around them.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no text, lists no video, lists one twice,
            or has a name that is no name of a folder.
    """
    try:
        text = get(path, backend_args=backend_args).decode('utf-8-sig')
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{path}, the list of videos, does not exist. Set data_root and '
            'ann_file of the dataset.'
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path} is not a text file in UTF-8 ({error}). Save it as UTF-8.'
        ) from error
    names: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            name = video_folder(line.strip())
        except ValueError as error:
            raise ValueError(f'{path}, line {number}: {error}') from error
        if name in names:
            raise ValueError(
                f'{path}, line {number}: video {name} is listed before, in '
                f'line {names[name]}. Keep one of them.'
            )
        names[name] = number
    if not names:
        raise ValueError(f'{path} lists no videos: the dataset is empty.')
    return list(names)


def list_frames(
    folder: str, suffix: str, backend_args: dict | None = None
) -> list[str]:
    """List the frames of a video in temporal order.

    Sub-folders count only if the folder itself has no frames. Files that an
    operating system put there, such as ``._0.jpg``, are ignored.

    Args:
        folder (str): Folder of the video; may be absent.
        suffix (str): Suffix of its frames, such as '.jpg'.
        backend_args (dict, optional): See :func:`mmengine.fileio.get`.

    Returns:
        list[str]: Paths below the folder without suffix.
    """
    for recursive in (False, True):
        try:
            files = [
                path
                for path in list_dir_or_file(
                    folder,
                    list_dir=False,
                    suffix=suffix,
                    recursive=recursive,
                    backend_args=backend_args,
                )
                if not is_foreign_file(osp.basename(path))
            ]
        except FileNotFoundError:
            return []
        if files:
            break
    return sorted((osp.splitext(path)[0] for path in files), key=natural_key)
