# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Jobs of the web page: a model, an uploaded video, and their results."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock

import av

from ..apis import (
    FrameSource,
    MaXTronInferencer,
    VideoError,
    VideoFileSource,
    open_results,
)
from ..errors import InputError
from .results import open_review
from .review import Review

SCORE_THR = 0.3
JSON, MASKS = 'masks.json', 'masks'
# Containers of one file. FFmpeg would also follow playlists and lists of
# files, which name other files of the server.
_FORMATS = (
    'mov,mp4,m4a,3gp,3g2,mj2',
    'matroska,webm',
    'avi',
    'mpegts',
    'mpeg',
    'flv',
    'asf',
    'ogg',
    'gif',
    'ivf',
)


@dataclass(frozen=True)
class Limits:
    """Limits of a server.

    Attributes:
        megabytes (int): Largest upload. Defaults to 200.
        frames (int): Number of frames of a video that are used. Defaults to
            300.
        megapixels (float): Largest frame. Defaults to 4.
        waiting (int): Number of requests that may wait. Defaults to 16.
        storage (int): Megabytes of all uploads and results together. Defaults
            to 4000.
        minutes (int): Time for which files are kept. Defaults to 60.
    """

    megabytes: int = 200
    frames: int = 300
    megapixels: float = 4
    waiting: int = 16
    storage: int = 4000
    minutes: int = 60


class Models:
    """Models of a server, of which only the last one stays in memory.

    Args:
        models (dict[str, tuple[str, str | None]]): Config or released name,
            and checkpoint, by the name to show.
        device (str, optional): Device. Defaults to None: the first GPU, or
            the CPU.
    """

    def __init__(
        self,
        models: dict[str, tuple[str, str | None]],
        device: str | None = None,
    ) -> None:
        self._models = models
        self._device = device
        self._lock = Lock()
        self._last: tuple[str, MaXTronInferencer] | None = None

    @property
    def names(self) -> list[str]:
        """list[str]: Names of the models."""
        return list(self._models)

    def get(self, name: str) -> MaXTronInferencer:
        """Build a model, unless it is the last one.

        Args:
            name (str): One of ``names``.

        Returns:
            MaXTronInferencer: The model.

        Raises:
            InputError: If there is no such model.
        """
        if name not in self._models:
            raise InputError('There is no such model: choose one of the list.')
        with self._lock:
            if self._last is None or self._last[0] != name:
                self._last = None  # before the next one takes memory
                config, checkpoint = self._models[name]
                self._last = (
                    name,
                    MaXTronInferencer(config, checkpoint, self._device),
                )
            return self._last[1]


def open_upload(path: Path, limits: Limits) -> FrameSource:
    """Open an untrusted video file.

    Args:
        path (Path): The file.
        limits (Limits): Limits of the server.

    Returns:
        FrameSource: The video.

    Raises:
        VideoError: If the file is no video in a known container, or its
            frames are too large. The message does not have the path.
    """
    options = dict(
        format_whitelist=','.join(_FORMATS),
        protocol_whitelist='file',
        max_pixels=str(int(limits.megapixels * 1e6)),
    )
    try:
        with av.open(f'file:{path}', options=options) as container:
            for stream in container.streams.video:
                _check_size(stream.height, stream.width, limits)
        source = VideoFileSource(str(path), options)
    except (VideoError, av.FFmpegError) as error:
        raise VideoError(
            'This file cannot be read as a video: it is damaged, has no '
            'video, or frames above the limit of '
            f'{limits.megapixels:g} megapixels. Upload an mp4, mov, mkv, webm '
            'or avi that plays.'
        ) from error
    _check_size(*source.size, limits)
    return source


def _check_size(height: int, width: int, limits: Limits) -> None:
    if height * width > limits.megapixels * 1e6:
        raise VideoError(
            f'The video is {width}x{height} pixels, above the limit of '
            f'{limits.megapixels:g} megapixels: make it smaller.'
        )


def run_job(
    inferencer: MaXTronInferencer,
    source: FrameSource,
    folder: Path,
    max_frames: int,
) -> Iterator[int]:
    """Segment a video and write its masks.

    Args:
        inferencer (MaXTronInferencer): The model.
        source (FrameSource): The video.
        folder (Path): Empty folder for ``JSON`` and ``MASKS``.
        max_frames (int): Stop after this number of frames.

    Yields:
        int: Number of frames with results.
    """
    results = inferencer.stream(source, max_frames)
    files = open_results(
        inferencer, source, str(folder / MASKS), str(folder / JSON), SCORE_THR
    )
    with closing(results), files:
        for t, (_, sample) in enumerate(islice(results, max_frames)):
            files.write(sample, source.frame_name(t))
            yield t + 1


def read_job(folder: Path, source: FrameSource, max_frames: int) -> Review:
    """Read the results of :func:`run_job` for the page."""
    return open_review(
        folder / JSON, source, masks=folder / MASKS, max_frames=max_frames
    )


def pack_masks(folder: Path) -> Path:
    """Pack the PNG files of a job into a zip file for download."""
    return Path(
        shutil.make_archive(str(folder / MASKS), 'zip', folder / MASKS)
    )
