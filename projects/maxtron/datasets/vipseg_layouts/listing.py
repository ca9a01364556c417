# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Lists of videos and folders of frames in the raw layout."""

import os.path as osp
from collections.abc import Sequence

from mmengine.fileio import exists, get, list_dir_or_file

from ...errors import InputError
from ...json_file import Entry, parse_json
from ...structures import video_folder
from ...structures.panoptic_json import read_categories
from ...utils import is_foreign_file, natural_key


def read_video_names(path: str, backend_args: dict | None = None) -> list[str]:
    """Read a list of videos: one name per line, spaces allowed.

    Args:
        path (str): Text file in UTF-8, with or without a byte order mark.
        backend_args (dict, optional): See :func:`mmengine.fileio.get`.

    Returns:
        list[str]: Names without surrounding spaces.

    Raises:
        FileNotFoundError: If the file does not exist.
        InputError: If the file is not a text file, lists no video, lists a
            video twice, or has a name that is not a valid folder name.
    """
    try:
        text = get(path, backend_args=backend_args).decode('utf-8-sig')
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{path}, the list of videos, does not exist. Set data_root and '
            'ann_file of the dataset.'
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f'{path} is not a text file in UTF-8 ({error}). Save it as UTF-8.'
        ) from error
    names: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            name = video_folder(line.strip())
        except ValueError as error:
            raise InputError(f'{path}, line {number}: {error}') from error
        if name in names:
            raise InputError(
                f'{path}, line {number}: video {name} is listed before, in '
                f'line {names[name]}. Keep one of them.'
            )
        names[name] = number
    if not names:
        raise InputError(f'{path} lists no videos: the dataset is empty.')
    return list(names)


def read_category_ids(
    path: str, classes: Sequence[str], backend_args: dict | None = None
) -> tuple[int | str, ...] | None:
    """Read the ids of the classes from categories.json, if it exists.

    Args:
        path (str): JSON file with a list of categories, in the order of the
            values of raw maps.
        classes (Sequence[str]): Names of the classes, by label.
        backend_args (dict, optional): See :func:`mmengine.fileio.get`.

    Returns:
        tuple[int | str, ...] | None: One id per label; None if the file does
        not exist or lists other classes.

    Raises:
        InputError: If a field is missing or wrong, or the order of the classes
            differs from that of the values of the maps.
    """
    if not exists(path, backend_args=backend_args):
        return None
    content = parse_json(path, backend_args)
    top = content if isinstance(content, dict) else dict(categories=content)
    categories = read_categories(Entry(top, path))
    names = [c['name'] for c in categories]
    if set(names) != set(classes):
        return None
    if names != list(classes):
        raise InputError(
            f'{path} lists the classes in another order than metainfo of the '
            f'dataset: {", ".join(names[:10])}. In raw maps the order makes '
            'the values: use the order of the file in metainfo.classes.'
        )
    return tuple(c['id'] for c in categories)


def list_frames(
    folder: str, suffix: str, backend_args: dict | None = None
) -> list[str]:
    """List the frames of a video in temporal order.

    Sub-folders are read only if the folder itself has no frames. Files of the
    operating system, such as ``._0.jpg``, are ignored.

    Args:
        folder (str): Folder of the video; it need not exist.
        suffix (str): Suffix of the frames, such as '.jpg'.
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
