# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Pixel decoder of Tube-Link with within-clip tracking."""

from collections.abc import Callable

import torch
from mmcv.ops import MultiScaleDeformableAttention
from mmdet.models.layers import (
    MSDeformAttnPixelDecoder,
    SinePositionalEncoding3D,
)
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.model import normal_init
from torch import Tensor, nn

from .deformable_encoder import AxialTrajectoryDeformableEncoder
from .trajectory_attention import SelfAttention, TrajectoryAttention


@MODELS.register_module()
class AxialTrajectoryPixelDecoder(MSDeformAttnPixelDecoder):
    """MSDeformAttn pixel decoder with axial-trajectory attention.

    In every encoder layer the frames of a clip exchange information on the
    coarsest levels, see :class:`AxialTrajectoryDeformableEncoderLayer`.
    Without ``temporal_cfg`` it is MMDetection's pixel decoder.

    Args:
        temporal_cfg (dict, optional): ``num_levels`` (int): how many levels
            are tracked on, from the coarsest (default 2: strides 32 and 16),
            and the arguments of the temporal layers: ``position`` ('inside'
            or 'after'), ``skip_connect``, ``num_layers``,
            ``feedforward_channels``, ``drop``, ``attn_type``. Defaults to
            None.
        encoder (dict): Arguments of
            :class:`AxialTrajectoryDeformableEncoder`.
        positional_encoding (dict): Config of both sine encodings, 2D and 3D.
        **kwargs: Arguments of :class:`MSDeformAttnPixelDecoder`.

    Raises:
        ValueError: There are fewer encoder levels than temporal ones.
    """

    def __init__(
        self,
        temporal_cfg: dict | None = None,
        encoder: dict | None = None,
        positional_encoding: dict = dict(num_feats=128, normalize=True),
        **kwargs,
    ) -> None:
        encoder = ConfigDict(encoder)
        super().__init__(
            # its encoder gives way to ours
            encoder=ConfigDict(num_layers=1, layer_cfg=encoder.layer_cfg),
            positional_encoding=positional_encoding,
            **kwargs,
        )
        temporal_cfg = dict(temporal_cfg or dict(num_levels=0))
        num_levels = temporal_cfg.pop('num_levels', 2)
        self.num_temporal_levels = num_levels
        if not 0 <= num_levels <= self.num_encoder_levels:
            raise ValueError(
                f'temporal_cfg.num_levels={num_levels} is not between 0 and '
                f'the number of encoder levels, {self.num_encoder_levels}.'
            )
        self.encoder = AxialTrajectoryDeformableEncoder(
            temporal_cfg if num_levels > 0 else None, **encoder
        )
        if num_levels > 0:
            self.positional_encoding_3d = SinePositionalEncoding3D(
                **positional_encoding
            )
            self.level_3d_encoding = nn.Embedding(
                num_levels, self.encoder.embed_dims
            )

    def init_weights(self) -> None:
        """Initialize weights.

        The parent gives every matrix of the encoder a Xavier-normal start and
        the deformable attentions, ours included, MMCV's own: offsets that
        point around the reference point. (The reference leaves the offsets
        of its temporal layers' attention Xavier-normal, by an oversight that
        a pre-trained checkpoint hides.)
        """
        super().init_weights()
        if self.num_temporal_levels > 0:
            normal_init(self.level_3d_encoding, mean=0, std=1)
        self._init_encoder(nn.init.xavier_normal_)

    def _init_encoder(self, init: Callable[[Tensor], Tensor]) -> None:
        """Initialize the encoder, its matrices with ``init``."""
        for weight in (p for p in self.encoder.parameters() if p.dim() > 1):
            init(weight)
        for module in self.encoder.modules():
            # their fused weights are several matrices
            if isinstance(module, (SelfAttention, TrajectoryAttention)):
                module.init_weights(init)
            elif isinstance(module, MultiScaleDeformableAttention):
                module.init_weights()

    def forward(
        self, feats: list[Tensor], num_frames: int
    ) -> tuple[Tensor, list[Tensor]]:
        """Forward function.

        Args:
            feats (list[Tensor]): Feature maps of each level from high to low
                resolution, each with shape (B * T, c, h, w), the frames of a
                clip one after the other.
            num_frames (int): Number of frames T of a clip. It may differ from
                call to call.

        Returns:
            tuple: Mask features with shape (B * T, C, h, w) at the highest
            resolution, and the multi-scale features, a list of tensors with
            shape (B * T, C, h_i, w_i) from low to high resolution.

        Raises:
            ValueError: The batch is not a whole number of clips.
        """
        batch_size = len(feats[0])
        if num_frames < 1 or batch_size % num_frames != 0:
            raise ValueError(
                f'A batch of {batch_size} frames cannot be divided into clips '
                f'of num_frames={num_frames}.'
            )
        if self.num_temporal_levels == 0:
            return super().forward(feats)
        temporal_pos = self._temporal_positions(feats, num_frames)
        # The parent calls its encoder without room for more arguments, but
        # the encoder passes any on to its layers.
        with self.encoder.register_forward_pre_hook(
            lambda _, args, kwargs: (
                args,
                dict(kwargs, temporal_pos=temporal_pos),
            ),
            with_kwargs=True,
        ):
            return super().forward(feats)

    def _temporal_positions(
        self, feats: list[Tensor], num_frames: int
    ) -> list[Tensor]:
        """3D sine plus level encoding, (1, T, h, w, C) per temporal level."""
        positions = []
        for i, level in enumerate(self.level_3d_encoding.weight):
            feat = feats[-1 - i]
            no_padding = torch.zeros(
                (1, num_frames, *feat.shape[-2:]),
                dtype=torch.bool,
                device=feat.device,
            )
            sine = self.positional_encoding_3d(no_padding)  # (1, T, C, h, w)
            positions.append(sine.permute(0, 1, 3, 4, 2) + level)
        return positions
