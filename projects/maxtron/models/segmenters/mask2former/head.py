# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from dataclasses import replace

import torch
from mmdet.models.layers import SinePositionalEncoding3D
from mmdet.registry import MODELS
from torch import Tensor

from ....structures import ClipPrediction
from ...layers import sine_positions
from ..tube_link import TubeLinkHead


@MODELS.register_module()
class Mask2FormerClipHead(TubeLinkHead):
    """MMDetection's Mask2Former as a segmenter of frames or clips.

    With the weights of :class:`mmdet.models.Mask2Former` the head segments
    single frames (``clip_len=1``), and with those of
    :class:`mmdet.models.Mask2FormerVideo` it segments clips. The predictions
    are those of MMDetection. As in `MinVIS
    <https://arxiv.org/abs/2208.02245>`_, the queries of neighbouring frames
    are compared after the last norm of the decoder.

    Args:
        args, kwargs: As for :class:`TubeLinkHead`. ``positional_encoding`` is
            'SinePositionalEncoding' for weights of images, which encodes the
            positions in each frame, or 'SinePositionalEncoding3D'.
    """

    def _encode_positions(
        self, shape: tuple[int, int, int], device: torch.device
    ) -> Tensor:
        """Encode the positions in each frame, or in the clip."""
        encoding = self.decoder_positional_encoding
        if isinstance(encoding, SinePositionalEncoding3D):
            return super()._encode_positions(shape, device)
        num_frames, *size = shape
        positions = sine_positions(encoding, size, device)  # (h, w, C)
        return positions.expand(num_frames, -1, -1, -1)

    def forward(self, x: tuple[Tensor], num_frames: int) -> ClipPrediction:
        """Predict the tubes of a batch of clips, see :class:`TubeLinkHead`."""
        pred = super().forward(x, num_frames)
        embeds = self.transformer_decoder.post_norm(pred.queries)
        return replace(pred, embeds=embeds)
