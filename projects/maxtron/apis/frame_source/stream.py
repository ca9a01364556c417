# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Frames of a network stream, decoded by FFmpeg (PyAV)."""

import warnings
from collections.abc import Iterator
from itertools import chain
from urllib.parse import urlsplit

import av
import numpy as np

from .base import FrameSource, VideoError, plausible_rate
from .video_file import upright


class StreamSource(FrameSource):
    """Frames of a network stream, until the server or the caller stops.

    Damaged frames are skipped. If the connection ends, the video ends with a
    warning.

    Args:
        url (str): Address that FFmpeg reads, such as ``rtsp://host/stream``.
        options (dict[str, str], optional): Options of FFmpeg for the
            protocol. Defaults to None: RTSP by TCP, because UDP loses
            packets.
        timeout (float): Seconds to wait for an answer and for each frame.
            Defaults to 10.

    Raises:
        VideoError: If there is no stream at the address or it has no video.
    """

    rereadable = False
    endless = True

    def __init__(
        self,
        url: str,
        options: dict[str, str] | None = None,
        timeout: float = 10.0,
    ) -> None:
        parts = urlsplit(url)
        # Neither messages nor files show the password of a camera.
        self.name = (
            f'{parts.hostname or ""}{parts.path}'.strip('/') or 'stream'
        )
        if options is None and parts.scheme.startswith('rtsp'):
            options = dict(rtsp_transport='tcp')
        try:
            self._container = av.open(
                url, options=options or {}, timeout=timeout
            )
        except (av.FFmpegError, OSError) as error:
            raise VideoError(
                f'The stream {self.name} cannot be opened '
                f'({error.strerror or error}). Check the address, user and '
                'password, and that another player shows it.'
            ) from error
        if not self._container.streams.video:
            raise self._without_frames()
        self._stream = self._container.streams.video[0]
        self._frames = self._decode()
        first = next(self._frames, None)
        if first is None:
            raise self._without_frames()
        self._first = first
        self.size = first.shape[:2]
        self.fps = plausible_rate(self._stream.average_rate)

    def _without_frames(self) -> VideoError:
        """Close the stream and describe what it lacks."""
        self._container.close()
        return VideoError(
            f'The stream {self.name} has no frame that can be decoded: check '
            'that it is a video.'
        )

    def __iter__(self) -> Iterator[np.ndarray]:
        with self._container:
            frames = chain([self._first], self._frames)
            for count, frame in enumerate(frames):
                yield self._checked(frame, f'Frame {count} of {self.name}')

    def _decode(self) -> Iterator[np.ndarray]:
        """Decode frames until the connection ends; skip damaged ones."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                warnings.warn(
                    f'The stream {self.name} ended: {error.strerror}.'
                )
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue  # The stream was entered between two key frames.
            yield from map(upright, frames)
