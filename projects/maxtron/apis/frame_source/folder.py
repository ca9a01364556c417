# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Frames of a folder of images."""

import os
import os.path as osp
import warnings
from collections.abc import Iterator

import mmcv
import numpy as np
from mmdet.utils.misc import IMG_EXTENSIONS
from PIL import Image, UnidentifiedImageError

from ...utils import distinct_stems, is_foreign_file, natural_key
from .base import FrameSource, VideoError, size_error


class FolderSource(FrameSource):
    """Images of a folder in natural order (2.jpg comes before 10.jpg).

    If the folder has no images but exactly one of its sub-folders has some,
    such as ``SEQ/img1``, the sub-folder is read. Other files and hidden files
    are skipped with a note. The headers of all images are read at the start,
    so that a bad frame is found before the work begins.

    Args:
        path (str): The folder.

    Raises:
        VideoError: If the folder has no image or several sub-folders of
            images, or an image is unreadable or differs in size.
    """

    def __init__(self, path: str) -> None:
        self.path, self.files = _find_images(path)
        self.name = osp.basename(osp.abspath(path))
        self._names = distinct_stems(self.files)
        self.num_frames = len(self.files)
        self.size = self._read(self.files[0]).shape[:2]
        for file in self.files:
            size = _stored_size(osp.join(self.path, file))
            # A photo may be stored rotated. Decoding rotates it back.
            if size not in (self.size, self.size[::-1]):
                raise size_error(
                    osp.join(self.path, file), size, self.files[0], self.size
                )

    def _read(self, file: str) -> np.ndarray:
        path = osp.join(self.path, file)
        frame = mmcv.imread(path)
        if frame is None:
            raise _unreadable_image(path)
        return frame

    def __iter__(self) -> Iterator[np.ndarray]:
        for file in self.files:
            yield self._checked(
                self._read(file), f'The frame {osp.join(self.path, file)}'
            )

    def frame_name(self, index: int) -> str:
        """Return the name of the image file of a frame.

        The name has no suffix, unless two files differ only in the suffix.
        """
        return self._names[index]


def _find_images(path: str) -> tuple[str, list[str]]:
    """Find the folder of the frames, and their names in order."""
    found = _image_folders(path)
    if not found:
        raise VideoError(
            f'The folder {path} has no image file (looked for '
            f'{", ".join(IMG_EXTENSIONS)}). Give the folder that holds '
            'the frames of one video.'
        )
    if len(found) > 1:
        names = ', '.join(osp.relpath(folder, path) for folder in found[:3])
        raise VideoError(
            f'The folder {path} has images in {len(found)} sub-folders '
            f'({names}{", ..." * (len(found) > 3)}), which cannot be one '
            'video. Give the folder of one video.'
        )
    (folder,) = found
    names = [entry.name for entry in os.scandir(folder) if entry.is_file()]
    images = list(filter(_is_image, names))
    left_out = sorted(set(names) - set(images))
    if left_out:
        warnings.warn(
            f'{folder}: {len(left_out)} of {len(names)} files are left out, '
            f'as they are no frames: {", ".join(left_out[:3])}'
            f'{", ..." * (len(left_out) > 3)}'
        )
    return folder, sorted(images, key=natural_key)


def _image_folders(path: str) -> list[str]:
    """List the topmost folders with images, at or below this folder."""
    entries = list(os.scandir(path))
    if any(entry.is_file() and _is_image(entry.name) for entry in entries):
        return [path]
    folders = [
        entry.path
        for entry in entries
        if entry.is_dir(follow_symlinks=False)
        and not is_foreign_file(entry.name)
    ]
    return [
        found
        for folder in sorted(folders, key=natural_key)
        for found in _image_folders(folder)
    ]


def _is_image(name: str) -> bool:
    return not is_foreign_file(name) and name.lower().endswith(IMG_EXTENSIONS)


def _stored_size(path: str) -> tuple[int, int]:
    """Read the height and width from the header of an image."""
    try:
        with Image.open(path) as image:
            return image.size[::-1]
    except (UnidentifiedImageError, OSError) as error:
        raise _unreadable_image(path) from error


def _unreadable_image(path: str) -> VideoError:
    return VideoError(
        f'The frame {path} cannot be read as an image: the '
        'file is damaged or no image. Replace or remove it.'
    )
