# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Clips of a video as inputs of the model, read one clip ahead."""

from collections.abc import Callable, Iterable, Iterator
from itertools import starmap
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..pipeline import run_ahead
from ..structures import ClipShapes
from .data_preprocessor import ClipDataPreprocessor

Split = Callable[[Iterable, int | None], Iterator[tuple[list, int]]]


class ClipInputs(NamedTuple):
    """Frames of a clip, ready for the backbone.

    Attributes:
        inputs (Tensor): Preprocessed frames, shape (1, T, 3, H, W).
        shapes (ClipShapes): Sizes of the frames.
    """

    inputs: Tensor
    shapes: ClipShapes


class ClipReader:
    """Reader of a video, clip by clip, with one clip read ahead.

    A thread reads and preprocesses the next clip. The reader holds that clip.

    Args:
        frames (Tensor | Iterable[Tensor]): Preprocessed frames, shape
            (T, 3, H, W), or frames of shape (3, h, w) in the range 0 to 255,
            not preprocessed.
        split (Callable): Cuts frames into clips, given their number if it is
            known; see :func:`iter_clips`.
        preprocessor (ClipDataPreprocessor): Preprocesses clips.
        ori_shape (tuple[int, int]): Height and width of the results.
        num_frames (int, optional): Number of frames, if known.
        img_shape (tuple[int, int], optional): Height and width of
            preprocessed frames before padding.

    Attributes:
        rereadable (bool): Whether the clips can be iterated over again.
    """

    def __init__(
        self,
        frames: Iterable[Tensor],
        split: Split,
        preprocessor: ClipDataPreprocessor,
        ori_shape: tuple[int, int],
        num_frames: int | None = None,
        img_shape: tuple[int, int] | None = None,
    ) -> None:
        self.frames = frames
        self.split = split
        self.preprocessor = preprocessor
        self.ori_shape = ori_shape
        self.num_frames = num_frames
        self.img_shape = img_shape
        # iter() returns an iterator itself, which can be read only once.
        self.rereadable = iter(frames) is not frames

    def __iter__(self) -> Iterator[ClipInputs]:
        frames: Any = self.frames
        if not hasattr(frames, '__iter__'):  # a sequence such as VideoFrames
            frames = map(frames.__getitem__, range(len(frames)))
        clips = self.split(frames, self.num_frames)
        yield from run_ahead(starmap(self._prepare, clips))

    def _prepare(self, images: list[Tensor], num_new: int) -> ClipInputs:
        """Preprocess a clip with ``num_new`` new frames."""
        if isinstance(self.frames, Tensor):
            inputs = torch.stack(images)[None]
            img_shape = self.img_shape
        else:
            inputs = self.preprocessor.preprocess_clip(images)
            img_shape = self.preprocessor.img_shape(images[0].shape[-2:])
        return ClipInputs(
            inputs,
            ClipShapes(
                inputs.shape[-2:],
                img_shape or inputs.shape[-2:],
                self.ori_shape,
                num_new,
            ),
        )
