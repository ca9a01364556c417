# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from mmengine.model import BaseModel
from torch import Tensor

from ..structures import ClipPrediction, ClipShapes


class ClipReader:
    """The clips of a video, read and segmented while they are iterated over.

    One clip is held at a time, and the frames of the next.

    Args:
        model (:obj:`MaXTron`): The model.
        frames (Tensor | Iterable[Tensor]): Preprocessed frames, shape
            (T, 3, H, W), or frames of shape (3, h, w) in the range 0 to 255,
            not preprocessed.
        ori_shape (tuple[int, int]): Height and width of the results.
        num_frames (int, optional): Number of frames where it is known.
        img_shape (tuple[int, int], optional): Height and width of
            preprocessed frames before padding.

    Attributes:
        rereadable (bool): Whether the clips can be iterated over again.
    """

    def __init__(
        self,
        model: BaseModel,
        frames: Iterable[Tensor],
        ori_shape: tuple[int, int],
        num_frames: int | None = None,
        img_shape: tuple[int, int] | None = None,
    ) -> None:
        self.model = model
        self.frames = frames
        self.ori_shape = ori_shape
        self.num_frames = num_frames
        self.img_shape = img_shape
        # An iterator is its own iterator.
        self.rereadable = iter(frames) is not frames

    def __iter__(self) -> Iterator[tuple[ClipPrediction, ClipShapes]]:
        """Segment clip by clip."""
        for inputs, shapes in self._read():
            yield self.model.forward_clips(inputs), shapes

    def mask_feats(self) -> Iterator[tuple[Tensor, ClipShapes]]:
        """Pixel embeddings clip by clip, without segmenting."""
        segmenter = self.model.head.segmenter
        for inputs, shapes in self._read():
            yield (
                segmenter.mask_features(
                    self.model.extract_feat(inputs), inputs.shape[1]
                ),
                shapes,
            )

    def _read(self) -> Iterator[tuple[Tensor, ClipShapes]]:
        """Preprocessed clips, one read ahead in a thread."""
        frames = self.frames
        if not hasattr(frames, '__iter__'):  # but a length, as VideoFrames
            frames = map(frames.__getitem__, range(len(frames)))
        clips = self.model.head.split(frames, self.num_frames)
        with ThreadPoolExecutor(max_workers=1) as reader:
            pending = reader.submit(next, clips, None)
            while (clip := pending.result()) is not None:
                pending = reader.submit(next, clips, None)
                images, num_new = clip
                if isinstance(self.frames, Tensor):
                    inputs = torch.stack(images)[None]
                    img_shape = self.img_shape
                else:
                    preprocess = self.model.data_preprocessor
                    inputs = preprocess.preprocess_clip(images)
                    img_shape = preprocess.img_shape(images[0].shape[-2:])
                yield (
                    inputs,
                    ClipShapes(
                        inputs.shape[-2:], img_shape, self.ori_shape, num_new
                    ),
                )
