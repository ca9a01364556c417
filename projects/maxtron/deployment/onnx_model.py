# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Models whose networks run in ONNX Runtime."""

import os
from pathlib import Path

from mmengine.config import Config
from torch import Tensor

from ..errors import InputError
from ..models import MaXTron
from ..structures import ClipPrediction
from .onnx_session import OnnxSession


def tracker_path(path: str | os.PathLike) -> Path:
    """Name the file of the tracker that belongs to a clip segmenter's file."""
    path = Path(path)
    return path.with_name(f'{path.stem}.tracker{path.suffix}')


class OnnxNetwork:
    """Network of an ONNX file, in place of that of a model.

    Args:
        path (str | PathLike): File of tools/deployment/export_onnx.py.
        provider (str): See :class:`OnnxSession`. Defaults to 'cpu'.

    Attributes:
        num_frames (int): Frames of a clip T.
        size (tuple[int, int]): Height and width of the preprocessed frames.

    Raises:
        InputError: If the file is of another kind, and see
            :class:`OnnxSession`.
    """

    def __init__(self, path: str | os.PathLike, provider: str = 'cpu') -> None:
        self.path = path
        self.provider = provider
        self.session = OnnxSession(path, provider)
        try:
            height, width, self.num_frames = (
                int(self.session.metadata[key])
                for key in ('height', 'width', 'frames')
            )
        except (KeyError, ValueError) as error:
            raise InputError(
                f'{path} was not written by tools/deployment/export_onnx.py: '
                'it does not state the size of its clips.'
            ) from error
        self.size = (height, width)

    def __call__(self, inputs: Tensor) -> ClipPrediction:
        """Segment a clip.

        Args:
            inputs (Tensor): Preprocessed clip, shape (1, T, 3, H, W).

        Returns:
            ClipPrediction: The prediction.

        Raises:
            InputError: If the clip has another size than the file.
        """
        size = tuple(inputs.shape[-2:])
        if size != self.size:
            raise InputError(
                f'The frames of this video are {size[0]} x {size[1]} (height '
                f'x width) for the network, but {self.path} is for '
                f'{self.size[0]} x {self.size[1]}. Export the model with '
                f'--size {size[0]} {size[1]}.'
            )
        clip = ClipPrediction(*self.session(inputs))
        clip.frames = inputs
        return clip

    def adapt_config(self, config: Config) -> None:
        """Set the length of the clips and the canvas of the frames."""
        config.model.head.test_cfg.clip_len = self.num_frames
        if 'input_size' in config.model.data_preprocessor:
            config.model.data_preprocessor.input_size = self.size

    def attach(self, model: MaXTron) -> None:
        """Let ONNX Runtime compute the networks of a model.

        The tracker of an offline model is replaced as well if its file
        exists.

        Args:
            model (MaXTron): The model, built from the adapted config.
        """
        # All clips have the length of the graph.
        model.head.segmenter.pad_last_clip = True
        # in place of the methods of the class
        model.__dict__.update(
            forward_clips=self,
            mask_features=lambda inputs: self(inputs).mask_feats,
        )
        path = tracker_path(self.path)
        if model.head.mode == 'offline' and path.exists():
            tracker = OnnxSession(path, self.provider)
            model.head.__dict__['refine'] = lambda queries: tuple(
                tracker(queries)
            )
