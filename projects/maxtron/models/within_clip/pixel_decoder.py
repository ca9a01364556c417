# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Pixel decoder of Tube-Link with within-clip tracking."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from mmcv.ops import MultiScaleDeformableAttention
from mmdet.models.layers import (
    MSDeformAttnPixelDecoder,
    SinePositionalEncoding3D,
)
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.model import normal_init
from torch import Tensor, nn

from ...errors import InputError
from .deformable_encoder import AxialTrajectoryDeformableEncoder
from .trajectory_attention import SelfAttention, TrajectoryAttention


@MODELS.register_module()
class AxialTrajectoryPixelDecoder(MSDeformAttnPixelDecoder):
    """MSDeformAttn pixel decoder with axial-trajectory attention.

    In every encoder layer the frames of a clip exchange information on the
    coarsest levels, see :class:`AxialTrajectoryDeformableEncoderLayer`.
    Without ``temporal_cfg`` it is MMDetection's pixel decoder.

    Args:
        temporal_cfg (dict, optional): ``num_levels`` (int): number of levels
            with tracking, counted from the coarsest (default 2: strides 32 and
            16), and the arguments of the temporal layers: ``position``
            ('inside' or 'after'), ``skip_connect``, ``num_layers``,
            ``feedforward_channels``, ``drop``, ``attn_type``. Defaults to
            None.
        encoder (dict): Arguments of
            :class:`AxialTrajectoryDeformableEncoder`.
        positional_encoding (dict): Config of both sine encodings, 2D and 3D.
        **kwargs: Arguments of :class:`MSDeformAttnPixelDecoder`.

    Raises:
        InputError: If there are fewer encoder levels than temporal levels.
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
            # replaced below
            encoder=ConfigDict(num_layers=1, layer_cfg=encoder.layer_cfg),
            positional_encoding=positional_encoding,
            **kwargs,
        )
        temporal_cfg = dict(temporal_cfg or dict(num_levels=0))
        num_levels = temporal_cfg.pop('num_levels', 2)
        self.num_temporal_levels = num_levels
        if not 0 <= num_levels <= self.num_encoder_levels:
            raise InputError(
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

    @property
    def tracks_within_clip(self) -> bool:
        """bool: Whether there are temporal layers."""
        return self.num_temporal_levels > 0

    def init_weights(self) -> None:
        """Initialize weights.

        The parent initializes the matrices of the encoder by a Xavier-normal
        distribution, and the deformable attentions as MMCV does: the offsets
        point around the reference point. (By an oversight, the reference
        initializes the offsets of the attention in temporal layers by
        Xavier-normal. A pre-trained checkpoint hides it.)
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
            # The fused weights consist of several matrices.
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
                resolution, each with shape (B * T, c, h, w). The frames of a
                clip are consecutive.
            num_frames (int): Number of frames T of a clip. It may vary.

        Returns:
            tuple: Mask features with shape (B * T, C, h, w) at the highest
            resolution, and the multi-scale features, a list of tensors with
            shape (B * T, C, h_i, w_i) from low to high resolution.

        Raises:
            ValueError: If the batch is not a whole number of clips.
        """
        batch_size = len(feats[0])
        if num_frames < 1 or batch_size % num_frames != 0:
            raise ValueError(
                f'A batch of {batch_size} frames cannot be divided into clips '
                f'of num_frames={num_frames}.'
            )
        levels = feats[::-1]  # from low to high resolution
        memory = self.encoder(
            **self._encoder_inputs(levels),
            temporal_pos=self._temporal_positions(levels, num_frames),
        )  # (B * T, N, C)
        return self._fuse(memory, levels)

    def _encoder_inputs(self, levels: Sequence[Tensor]) -> dict[str, Tensor]:
        """Make the tokens of the encoder levels and their positions.

        Args:
            levels (Sequence[Tensor]): Feature maps from low to high
                resolution, each with shape (B * T, c, h, w).

        Returns:
            dict[str, Tensor]: Arguments of the encoder, with N the sum of
            h * w over its L levels: ``query`` (B * T, N, C), ``query_pos``
            (1, N, C), ``reference_points`` (B * T, N, L, 2) as (x, y) between
            0 and 1, ``spatial_shapes`` (L, 2) and ``level_start_index``
            (L, ).
        """
        tokens, positions, points, shapes = [], [], [], []
        for i, project in enumerate(self.input_convs):
            feat = levels[i]
            height, width = feat.shape[-2:]
            no_padding = feat.new_zeros((1, height, width), dtype=torch.bool)
            # MMDetection misspells the name of this module.
            position = self.postional_encoding(no_padding)  # (1, C, h, w)
            position = position + self.level_encoding.weight[i][:, None, None]
            index = self.num_input_levels - 1 - i
            centers = self.point_generator.single_level_grid_priors(
                (height, width), index, device=feat.device
            )  # (h * w, 2), in pixels of the input
            size = torch.tensor((width, height), device=feat.device)
            points.append(centers / (size * self.strides[index]))
            tokens.append(project(feat).flatten(2).transpose(1, 2))
            positions.append(position.flatten(2).transpose(1, 2))
            shapes.append((height, width))
        query = torch.cat(tokens, 1)
        spatial_shapes = torch.tensor(shapes, device=query.device)
        ends = spatial_shapes.prod(1).cumsum(0)
        return dict(
            query=query,
            query_pos=torch.cat(positions, 1),
            reference_points=torch.cat(points)[None, :, None].expand(
                len(query), -1, len(shapes), -1
            ),
            spatial_shapes=spatial_shapes,
            level_start_index=F.pad(ends[:-1], (1, 0)),
            key_padding_mask=None,
            valid_ratios=None,
        )

    def _temporal_positions(
        self, levels: Sequence[Tensor], num_frames: int
    ) -> list[Tensor]:
        """Encode positions and temporal levels, each (1, T, h, w, C)."""
        positions = []
        for i in range(self.num_temporal_levels):
            no_padding = torch.zeros(
                (1, num_frames, *levels[i].shape[-2:]),
                dtype=torch.bool,
                device=levels[i].device,
            )
            sine = self.positional_encoding_3d(no_padding)  # (1, T, C, h, w)
            positions.append(
                sine.permute(0, 1, 3, 4, 2) + self.level_3d_encoding.weight[i]
            )
        return positions

    def _fuse(
        self, memory: Tensor, levels: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Convert tokens to feature maps and add finer levels by an FPN.

        Args:
            memory (Tensor): Output of the encoder, shape (B * T, N, C).
            levels (Sequence[Tensor]): See :meth:`_encoder_inputs`.

        Returns:
            tuple: See :meth:`forward`.
        """
        sizes = [feat.shape[-2:] for feat in levels[: self.num_encoder_levels]]
        parts = memory.transpose(1, 2).split([h * w for h, w in sizes], -1)
        # contiguous for the convolutions that follow
        outs = [
            part.reshape(*part.shape[:2], *size)
            for part, size in zip(parts, sizes)
        ]  # each (B * T, C, h, w)
        for lateral, output, feat in zip(
            self.lateral_convs,
            self.output_convs,
            levels[self.num_encoder_levels :],
        ):
            skip = lateral(feat)
            upsampled = F.interpolate(
                outs[-1], skip.shape[-2:], mode='bilinear', align_corners=False
            )
            outs.append(output(skip + upsampled))
        return self.mask_feature(outs[-1]), outs[: self.num_outs]
