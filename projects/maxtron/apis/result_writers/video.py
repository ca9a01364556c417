# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Writer of a video file, encoded by FFmpeg (PyAV)."""

import os.path as osp
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from ...errors import InputError
from ...utils import finishing, part_path, writing

# Ticks per second. A frame of the usual rates (24, 25, 30, 29.97, 50, 60, ...)
# lasts a whole number of ticks. MPEG-4 allows no more than 65535.
_TICKS = 60000
_RATES = 0.01, 1000


class _Encoder(NamedTuple):
    """An encoder of FFmpeg.

    Attributes:
        name (str): Name in FFmpeg.
        suffixes (tuple[str]): Suffixes of files that may contain its streams.
        takes_odd (bool): Whether width and height may be odd.
        max_side (int): Largest width and height.
        options (dict[str, str]): Options for good quality. No frame refers to
            a later one, so that packets come in the order of the frames.
    """

    name: str
    suffixes: tuple[str, ...]
    takes_odd: bool
    max_side: int
    options: dict[str, str]


# The first available encoder that fits is used. All browsers play the first
# two, and few builds of FFmpeg lack them.
_ENCODERS = (
    _Encoder(
        'libx264',
        ('.mp4', '.m4v', '.mov', '.mkv'),
        False,
        16384,
        dict(preset='veryfast', crf='20', bf='0'),
    ),
    _Encoder(
        'libvpx-vp9',
        ('.mp4', '.mkv', '.webm'),
        True,
        65535,
        {
            'deadline': 'realtime',
            'cpu-used': '8',
            'crf': '24',
            'b': '0',
            'lag-in-frames': '0',
        },
    ),
    _Encoder(
        'mpeg4',
        ('.mp4', '.m4v', '.mov', '.mkv'),
        True,
        8191,
        dict(qmin='2', qmax='5', bf='0'),
    ),
)
VIDEO_SUFFIXES = ('.mp4', '.m4v', '.mov', '.mkv', '.webm')


class VideoWriter:
    """Writer of a video file that browsers can play.

    The video is H.264 (yuv420p). H.264 supports even sizes only. With an odd
    width or height the video is VP9 (MPEG-4 in .m4v and .mov), so that the
    size is preserved.

    Args:
        path (str): Name of the file, for instance ``out.mp4``.
        fps (float): Frames per second of frames without times.
        size (tuple[int, int]): Height and width of the frames.

    Raises:
        InputError: If the suffix or the rate is invalid, or FFmpeg has no
            encoder for it.
        WriteError: If the file cannot be written.
    """

    def __init__(self, path: str, fps: float, size: tuple[int, int]) -> None:
        check_video_path(path)
        if not _RATES[0] <= fps <= _RATES[1]:
            raise InputError(
                f'A video of {fps:g} frames per second cannot be written: '
                f'give a rate from {_RATES[0]} to {_RATES[1]}.'
            )
        self.path = path
        self.fps = fps
        self.num_frames = 0
        self._last = -1  # time of the previous frame, in ticks
        self._durations: dict[int, int] = {}
        encoder = _find_encoder(path, size)
        with writing(path):
            open(part_path(path), 'wb').close()  # PyAV opens the file later
            self._container = av.open(
                f'file:{part_path(path)}',
                'w',
                container_options=dict(movflags='+faststart'),
            )
            self._stream = self._container.add_stream(
                encoder.name, Fraction(fps).limit_denominator(1001)
            )
            self._stream.height, self._stream.width = size
            self._stream.pix_fmt = 'yuv420p'
            self._stream.options = encoder.options
            codec = self._stream.codec_context
            codec.time_base = Fraction(1, _TICKS)
            # the default conversion of swscale; players would guess otherwise
            codec.colorspace = Colorspace.ITU601
            codec.color_range = ColorRange.MPEG

    def __enter__(self) -> 'VideoWriter':
        return self

    def write(
        self, frame: np.ndarray, times: tuple[float, float] | None = None
    ) -> None:
        """Append a frame.

        Args:
            frame (np.ndarray): BGR, uint8, shape (H, W, 3).
            times (tuple[float, float], optional): Start and end in seconds.
                Defaults to None: times follow from the frame rate.

        Raises:
            WriteError: If the disk is full.
        """
        n = self.num_frames
        start, end = times or (n / self.fps, (n + 1) / self.fps)
        picture = av.VideoFrame.from_ndarray(frame, format='bgr24')
        # A frame at the time of the previous one would replace it.
        picture.pts = self._last = max(round(start * _TICKS), self._last + 1)
        picture.time_base = Fraction(1, _TICKS)
        self._durations[picture.pts] = max(round((end - start) * _TICKS), 1)
        with writing(self.path):
            self._mux(self._stream.encode(picture))
        self.num_frames += 1

    def _mux(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts)
            self._container.mux(packet)

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        with finishing(self.path, exc_type, self.num_frames == 0):
            if self.num_frames:
                self._mux(self._stream.encode())
            self._container.close()


def check_video_path(path: str) -> None:
    """Check the suffix of a video file to write.

    Raises:
        InputError: If no video format has this suffix.
    """
    if osp.splitext(path)[1].lower() not in VIDEO_SUFFIXES:
        raise InputError(
            f'{path} is not a valid name of a video: use a name that ends '
            f'in {", ".join(VIDEO_SUFFIXES)}.'
        )


def _find_encoder(path: str, size: tuple[int, int]) -> _Encoder:
    """Choose the encoder for a file.

    Raises:
        InputError: If no encoder takes the size, or none is available.
    """
    is_odd = any(length % 2 for length in size)
    suffix = osp.splitext(path)[1].lower()
    fitting = [
        encoder
        for encoder in _ENCODERS
        if suffix in encoder.suffixes
        and (encoder.takes_odd or not is_odd)
        and max(size) <= encoder.max_side
    ]
    if not fitting:
        raise InputError(
            f'{path} cannot have frames of {size[1]}x{size[0]} pixels: use a '
            'name that ends in .mp4, or smaller frames.'
        )
    for encoder in fitting:
        if encoder.name in av.codecs_available:
            return encoder
    names = ' or '.join(encoder.name for encoder in fitting)
    raise InputError(
        f'{path} needs the encoder {names}, which this FFmpeg lacks: '
        'install the wheel of PyAV (pip install --force-reinstall '
        '--only-binary=av av).'
    )
