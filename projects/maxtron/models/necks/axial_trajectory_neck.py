# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from typing import Sequence, Tuple

from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import ModuleList, xavier_init
from torch import Tensor, nn

from ..pixel_decoders import AxialTrajectoryPixelDecoder


@MODELS.register_module()
class AxialTrajectoryNeck(AxialTrajectoryPixelDecoder):
    """Within-clip tracking module between a backbone and any segmenter.

    The encoder of :class:`AxialTrajectoryPixelDecoder` on the coarse levels,
    whose maps are then brought back to their number of channels: what comes
    out takes the place of the backbone's features. In the terms of the paper,
    ``encoder.num_layers`` is N_w and each layer is one MSDeformAttn layer
    followed by ``temporal_cfg.num_layers`` axial-trajectory layers.

    Args:
        in_channels (Sequence[int]): Number of channels of each level of the
            backbone, from high to low resolution.
        encoder (dict): Config of the encoder. Its ``num_levels`` says how
            many levels, from the coarsest, go through it.
        strides (Sequence[int]): Stride of each level. Defaults to
            (4, 8, 16, 32).
        feat_channels (int): Number of channels inside. Defaults to 256.
        norm_cfg (dict): Config of the norms after the projections. Defaults
            to dict(type='GN', num_groups=32).
        **kwargs: ``temporal_cfg`` and ``positional_encoding`` of
            :class:`AxialTrajectoryPixelDecoder`.
    """

    def __init__(
            self,
            in_channels: Sequence[int],
            encoder: dict,
            strides: Sequence[int] = (4, 8, 16, 32),
            feat_channels: int = 256,
            norm_cfg: dict = dict(type='GN', num_groups=32),
            **kwargs) -> None:
        num_levels = encoder['layer_cfg']['self_attn_cfg']['num_levels']
        super().__init__(
            in_channels=in_channels[-num_levels:],
            strides=strides[-num_levels:],
            feat_channels=feat_channels,
            num_outs=num_levels,
            encoder=encoder,
            norm_cfg=norm_cfg,
            **kwargs)
        self.mask_feature = nn.Identity()  # masks are the segmenter's part
        # from low to high resolution, as the parent's input_convs
        self.output_projs = ModuleList(
            ConvModule(
                feat_channels,
                channels,
                kernel_size=1,
                norm_cfg=norm_cfg,
                act_cfg=None,
                bias=True) for channels in in_channels[:-num_levels - 1:-1])

    def init_weights(self) -> None:
        """Initialize weights."""
        super().init_weights()
        for projection in self.output_projs:
            xavier_init(projection.conv, bias=0, distribution='uniform')

    def forward(self, feats: Sequence[Tensor],
                num_frames: int) -> Tuple[Tensor, ...]:
        """Forward function.

        Args:
            feats (Sequence[Tensor]): Feature maps of each level from high to
                low resolution, each with shape (B * T, c, h, w), the frames
                of a clip one after the other.
            num_frames (int): Number of frames T of a clip.

        Returns:
            tuple[Tensor]: Feature maps with the shapes of ``feats``. Levels
            of higher resolution than those of the encoder are unchanged.
        """
        num_levels = self.num_encoder_levels
        _, encoded = super().forward(feats[-num_levels:], num_frames)
        projected = [
            project(x) for project, x in zip(self.output_projs, encoded)
        ]
        return (*feats[:-num_levels], *reversed(projected))
