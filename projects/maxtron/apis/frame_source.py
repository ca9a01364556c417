# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Videos as iterators of frames: a file, a folder, a camera, an array.

Every source decodes one frame at a time and keeps none, so a video of any
length takes the memory of one frame.
"""

import math
import os
import os.path as osp
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import chain

import cv2
import mmcv
import numpy as np
from mmdet.utils.misc import IMG_EXTENSIONS
from PIL import Image, UnidentifiedImageError

from ..utils import is_foreign_file, natural_key

# Streams without an index make OpenCV report counts like 1e16.
_MAX_PLAUSIBLE_COUNT = 1e8


class VideoError(ValueError):
    """A video cannot be used as input; the message says why."""


class FrameSource(ABC):
    """A video: its facts, and an iterator of BGR uint8 frames.

    Attributes:
        name (str): What to call the video in messages and file names.
        size (tuple[int]): Height and width of every frame, in pixels.
        fps (float, optional): Frames a second, None where nobody says.
        num_frames (int, optional): Number of frames, None if unknown. Of a
            file it is what the container says, which is wrong at times: only
            iterating tells how many frames there are.
        rereadable (bool): Whether it can be iterated over more than once.
        endless (bool): Whether nothing but the caller may end it.
    """

    name: str
    size: tuple[int, int]
    fps: float | None = None
    num_frames: int | None = None
    rereadable: bool = True
    endless: bool = False

    @abstractmethod
    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield frames (H, W, 3), BGR, uint8.

        Raises:
            VideoError: If a frame differs in size from the first one.
        """

    def frame_name(self, index: int) -> str:
        """Name of a frame without suffix, such as ``'000007'``."""
        return f'{index:06d}'

    def _checked(self, frame: np.ndarray, where: str) -> np.ndarray:
        """Return the frame if its size is that of the video."""
        if frame.shape[:2] != self.size:
            raise VideoError(
                f'{where} is {_wh(frame.shape[:2])} pixels but the frames '
                f'before it are {_wh(self.size)}: all frames of a video must '
                'have one size. Resize or remove it.'
            )
        return frame


class VideoFileSource(FrameSource):
    """Frames of a video file, decoded by OpenCV.

    Args:
        path (str): A file of any format that OpenCV's FFmpeg reads.

    Raises:
        VideoError: If the file is no readable video or has no frame.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = osp.splitext(osp.basename(path))[0]
        capture = self._open()
        ok, frame = capture.read()
        if not ok:
            raise VideoError(
                f'The video {path} has no frame that can be decoded. '
                'Check that it plays, or encode it again (H.264 in mp4).'
            )
        self.size = frame.shape[:2]
        self.fps = _positive_or_none(capture.get(cv2.CAP_PROP_FPS))
        count = _positive_or_none(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if count and count < _MAX_PLAUSIBLE_COUNT:
            self.num_frames = int(count)
        capture.release()

    def _open(self) -> cv2.VideoCapture:
        if osp.getsize(self.path) == 0:
            raise VideoError(
                f'The video {self.path} is an empty file '
                '(0 bytes). Copy or download it again.'
            )
        capture = cv2.VideoCapture(self.path, _file_backend())
        if not capture.isOpened():
            raise VideoError(
                f'The file {self.path} cannot be read as a video: it holds '
                'none, is damaged, or of a format or codec that OpenCV does '
                'not know. Check that it plays, or encode it again (H.264 in '
                'mp4).'
            )
        return capture

    def __iter__(self) -> Iterator[np.ndarray]:
        capture = self._open()
        try:
            count = 0
            for frame in _read_all(capture):
                yield self._checked(frame, f'Frame {count} of {self.path}')
                count += 1
        finally:
            capture.release()
        if self.num_frames and count < self.num_frames:
            warnings.warn(
                f'{self.path} announces {self.num_frames} frames but '
                f'only {count} could be decoded; the result has {count}.'
            )


class CameraSource(FrameSource):
    """Frames of a camera, until it stops or the caller does.

    Args:
        index (int): Number of the camera, 0 for the first.

    Raises:
        VideoError: If the camera cannot be opened or delivers no frame.
    """

    rereadable = False
    endless = True

    def __init__(self, index: int) -> None:
        self.name = f'camera{index}'
        self._capture = cv2.VideoCapture(index)
        ok, self._first = (
            self._capture.read() if self._capture.isOpened() else (False, None)
        )
        if not ok:
            self._capture.release()
            raise VideoError(
                f'Camera {index} cannot be opened. Check that it is plugged '
                'in, that no other program uses it, and that you may read it '
                f'(on Linux: ls -l /dev/video{index}).'
            )
        self.size = self._first.shape[:2]
        self.fps = _positive_or_none(self._capture.get(cv2.CAP_PROP_FPS))

    def __iter__(self) -> Iterator[np.ndarray]:
        try:
            frames = chain([self._first], _read_all(self._capture))
            for count, frame in enumerate(frames):
                yield self._checked(frame, f'Frame {count} of {self.name}')
        finally:
            self._capture.release()


class FolderSource(FrameSource):
    """Images of a folder in natural order (2.jpg comes before 10.jpg).

    The headers of all files are read at the start, so that a bad frame is
    found before any of the work is done.

    Args:
        path (str): The folder. Files that are no images, hidden files and
            sub-folders are left out.

    Raises:
        VideoError: If the folder has no image, or one is unreadable or of
            another size than the first.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = osp.basename(osp.abspath(path))
        self.files = _image_files(path)
        if not self.files:
            raise VideoError(
                f'The folder {path} has no image file (looked for '
                f'{", ".join(IMG_EXTENSIONS)}). Give the folder that holds '
                'the frames of one video.'
            )
        self.num_frames = len(self.files)
        self.size = self._read(self.files[0]).shape[:2]
        for file in self.files:
            size = _stored_size(osp.join(path, file))
            # a photo may be stored turned, what decoding undoes
            if size not in (self.size, self.size[::-1]):
                raise VideoError(
                    f'The frames in {path} differ in size: {self.files[0]} '
                    f'is {_wh(self.size)}, {file} is {_wh(size)} pixels. '
                    'All frames of a video must have one size.'
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
        """Name of the image file of a frame, without suffix."""
        return osp.splitext(self.files[index])[0]


class ArraySource(FrameSource):
    """Frames that are in memory, or that a generator makes.

    Args:
        frames (Iterable[np.ndarray]): Frames (H, W, 3), BGR, uint8: an array
            (T, H, W, 3), a list, or any iterable (then it can be read once,
            and its length is not known).
        fps (float, optional): Frames a second. Defaults to None.

    Raises:
        VideoError: If there is no frame.
        TypeError: If a frame is no uint8 array of three channels.
    """

    def __init__(
        self, frames: Iterable[np.ndarray], fps: float | None = None
    ) -> None:
        self.name = 'frames'
        self.fps = fps
        self._frames = frames
        if hasattr(frames, '__len__'):
            self.num_frames = len(frames)
        iterator = iter(frames)
        first = next(iterator, None)
        if first is None:
            raise VideoError(
                'The video has no frame: the array, list or '
                'iterator of frames is empty.'
            )
        if iterator is frames:  # a generator: give the first one back
            self._frames = chain([first], iterator)
            self.rereadable = False
        self.size = self._as_frame(first, 0).shape[:2]

    @staticmethod
    def _as_frame(frame: np.ndarray, index: int) -> np.ndarray:
        if (
            not isinstance(frame, np.ndarray)
            or frame.dtype != np.uint8
            or frame.ndim != 3
            or frame.shape[2] != 3
        ):
            found = (
                f'{frame.dtype} {frame.shape}'
                if isinstance(frame, np.ndarray)
                else type(frame).__name__
            )
            raise TypeError(
                f'Frame {index} must be a uint8 array (H, W, 3) '
                f'in BGR order, got {found}.'
            )
        return frame

    def __iter__(self) -> Iterator[np.ndarray]:
        for index, frame in enumerate(self._frames):
            yield self._checked(self._as_frame(frame, index), f'Frame {index}')


def open_frame_source(
    inputs: str | os.PathLike | int | Iterable[np.ndarray] | FrameSource,
) -> FrameSource:
    """Open whatever a user may call a video.

    Args:
        inputs (str | PathLike | int | Iterable[np.ndarray] | FrameSource):
            Path of a video file or of a folder of frames; number of a camera
            (as int or as string of digits); frames in memory.

    Returns:
        FrameSource: The opened source; its size is known.

    Raises:
        FileNotFoundError: If there is nothing at the path.
        VideoError: If the source has no usable frames, see the classes.
        TypeError: If the input is none of the above.
    """
    if isinstance(inputs, FrameSource):
        return inputs
    if isinstance(inputs, (str, os.PathLike)):
        path = os.fspath(inputs)
        if osp.isdir(path):
            return FolderSource(path)
        if osp.exists(path):
            return VideoFileSource(path)
        if not path.isdecimal():
            raise FileNotFoundError(
                f'There is no file or folder {path}. Give a video file, a '
                'folder of frames, or the number of a camera.'
            )
        return CameraSource(int(path))
    if isinstance(inputs, int):
        return CameraSource(inputs)
    if isinstance(inputs, Iterable):
        return ArraySource(inputs)
    raise TypeError(
        'A video is a path, a camera number or frames, got '
        f'{type(inputs).__name__}.'
    )


def _read_all(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    """Yield frames until the capture has no more."""
    while True:
        ok, frame = capture.read()
        if not ok:
            return
        yield frame


def _file_backend() -> int:
    """Backend for files: FFmpeg where OpenCV has it."""
    # other backends take a numbered file name as the pattern of a sequence
    has_ffmpeg = cv2.CAP_FFMPEG in cv2.videoio_registry.getBackends()
    return cv2.CAP_FFMPEG if has_ffmpeg else cv2.CAP_ANY


def _image_files(folder: str) -> list[str]:
    """Names of the images of a folder, sorted with numbers as numbers."""
    names = (entry.name for entry in os.scandir(folder) if entry.is_file())
    images = (
        name
        for name in names
        if not is_foreign_file(name) and name.lower().endswith(IMG_EXTENSIONS)
    )
    return sorted(images, key=natural_key)


def _stored_size(path: str) -> tuple[int, int]:
    """Height and width that the header of an image states."""
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


def _positive_or_none(value: float) -> float | None:
    """OpenCV says 0, -1 or nan for what it does not know."""
    return value if math.isfinite(value) and value > 0 else None


def _wh(size: tuple[int, int]) -> str:
    return f'{size[1]}x{size[0]}'
