# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Frames of video files, decoded by FFmpeg (PyAV)."""

import os.path as osp
import warnings
from array import array
from collections.abc import Iterator

import av
import numpy as np
from av.stream import Disposition

from .base import FrameSource, VideoError, plausible_rate

# Rate of streams without time stamps, such as raw H.264.
_FALLBACK_RATE = 25.0


class VideoFileSource(FrameSource):
    """Frames of a video file, decoded by FFmpeg.

    Frames are rotated as stated in the file and keep their time stamps (see
    :meth:`frame_times`; they take 8 bytes of memory per frame). Damaged frames
    are skipped with a warning.

    Args:
        path (str): A file of any format that FFmpeg reads.
        options (dict[str, str], optional): Options of FFmpeg for the container
            and its streams. Defaults to None.

    Raises:
        VideoError: If the file is not a readable video or has no frame.
    """

    def __init__(
        self, path: str, options: dict[str, str] | None = None
    ) -> None:
        self.path = path
        self._options = options or {}
        self.name = osp.splitext(osp.basename(path))[0]
        self._times = array('d')
        self._is_damaged = False
        with self._open() as container:
            stream = self._stream(container)
            frame = next(self._decode(container, stream), None)
            if frame is None:
                raise VideoError(
                    f'The video {path} has no frame that can be decoded. '
                    'Check that it plays, or encode it again (H.264 in mp4).'
                )
            self.size = upright(frame).shape[:2]
            self.fps = plausible_rate(stream.average_rate)
            self.num_frames = stream.frames or None

    def _open(self) -> av.container.InputContainer:
        if osp.getsize(self.path) == 0:
            raise VideoError(
                f'The video {self.path} is an empty file '
                '(0 bytes). Copy or download it again.'
            )
        try:
            # Without "file:", the part before a colon would be a protocol.
            return av.open(
                f'file:{self.path}',
                options=self._options,
                metadata_errors='replace',
            )
        except av.FFmpegError as error:
            raise VideoError(
                f'The file {self.path} cannot be read as a video '
                f'({error.strerror}). It is damaged, or has a format that '
                'FFmpeg does not know. Check that it plays, or encode it '
                'again (H.264 in mp4).'
            ) from error

    def _stream(
        self, container: av.container.InputContainer
    ) -> av.VideoStream:
        """Find the first video stream, which is not the cover of a song."""
        for stream in container.streams.video:
            if not stream.disposition & Disposition.attached_pic:
                stream.thread_type = 'AUTO'
                stream.codec_context.options = self._options
                return stream
        kinds = sorted({stream.type for stream in container.streams})
        raise VideoError(
            f'The file {self.path} has no video, only '
            f'{" and ".join(kinds) or "other data"}.'
        )

    def __iter__(self) -> Iterator[np.ndarray]:
        with self._open() as container:
            stream = self._stream(container)
            count = 0
            for frame in self._timed(container, stream):
                yield self._checked(
                    upright(frame), f'Frame {count} of {self.path}'
                )
                count += 1
            self._warn_if_short(container, count)

    def _warn_if_short(
        self, container: av.container.InputContainer, count: int
    ) -> None:
        """Warn if fewer frames were decoded than the file announces."""
        announced = None
        if self.num_frames and count < self.num_frames:
            announced = f'announces {self.num_frames} frames'
        elif self._is_damaged:
            announced = 'is damaged'
        elif container.duration and len(container.streams) == 1:
            # The sound may be longer than the video.
            seconds = container.duration / av.time_base
            if self._times[count] < 0.9 * seconds:
                announced = f'announces {seconds:.1f} s'
        if announced:
            warnings.warn(
                f'{self.path} {announced} but only {count} frames could be '
                f'decoded; the result has {count}.'
            )

    def _timed(
        self, container: av.container.InputContainer, stream: av.VideoStream
    ) -> Iterator[av.VideoFrame]:
        """Yield each frame once its start and end are in ``_times``."""
        gap = 1 / (self.fps or _FALLBACK_RATE)
        waiting, begin, start = None, None, 0.0
        for index, frame in enumerate(self._decode(container, stream)):
            if frame.pts is not None:
                time = float(frame.pts * frame.time_base)
                begin = time if begin is None else begin
                time -= begin
            if frame.pts is None or waiting is not None and time <= start:
                time = start + gap if index else 0.0  # damaged time stamps
            if waiting is not None:
                gap = time - start
                self._note(index, time)
                yield waiting
            else:
                self._note(0, time)
            waiting, start = frame, time
        if waiting is not None:
            if stream.duration and index + 1 == self.num_frames:
                end = (stream.start_time or 0) + stream.duration
                gap = float(end * stream.time_base) - (begin or 0) - start
            elif waiting.duration:
                gap = float(waiting.duration * waiting.time_base)
                # in Matroska a default of the file, which may be wrong
                rest = (container.duration or 0) / av.time_base - start
                gap = min(gap, rest) if rest > 0 else gap
            self._note(index + 1, start + max(gap, 0))
            yield waiting

    def _decode(
        self, container: av.container.InputContainer, stream: av.VideoStream
    ) -> Iterator[av.VideoFrame]:
        """Decode the frames one by one; skip damaged frames."""
        packets = container.demux(stream)
        at_end = False
        while not at_end:
            packet = None  # The empty packet flushes the decoder.
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self._is_damaged = True  # The rest of the file cannot be read.
            at_end = packet is None or packet.size == 0
            try:
                frames = stream.decode(packet)
            except av.EOFError:
                frames = []  # The decoder has nothing to flush.
            except av.FFmpegError:
                self._is_damaged = True
                frames = []
            yield from frames

    def _note(self, index: int, time: float) -> None:
        """Keep the start of a frame, unless an earlier pass kept it."""
        if index == len(self._times):
            self._times.append(time)

    def frame_times(self, index: int) -> tuple[float, float]:
        """Return the start and end of a frame, see the base class."""
        return self._times[index], self._times[index + 1]


def upright(frame: av.VideoFrame) -> np.ndarray:
    """Decode the pixels of a frame, BGR, and apply its rotation."""
    pixels = frame.to_ndarray(format='bgr24')
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels
