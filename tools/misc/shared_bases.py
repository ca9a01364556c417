# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Quick reading of many configs."""

import copy
import os.path as osp
from functools import cache
from pathlib import Path

from mmengine.config import Config


def share_bases(folder: Path) -> None:
    """Read every config below a folder only once in this process.

    MMEngine reads the bases of a config anew for each config, ten files of a
    leaf, which takes most of the time of a program that reads many configs.

    Args:
        folder (Path): Folder whose files do not change.
    """
    read = Config._file2dict
    prefix = osp.join(osp.abspath(folder), '')
    read_once = cache(read)

    def read_file(filename: str, *args, **kwargs) -> tuple[dict, str, dict]:
        path = osp.abspath(filename)
        if not path.startswith(prefix):
            return read(filename, *args, **kwargs)
        return copy.deepcopy(read_once(path, *args, **kwargs))

    Config._file2dict = staticmethod(read_file)
