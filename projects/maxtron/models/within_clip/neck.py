# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Sequence

from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import ModuleList, xavier_init
from torch import Tensor, nn

from .pixel_decoder import AxialTrajectoryPixelDecoder


@MODELS.register_module()
class AxialTrajectoryNeck(AxialTrajectoryPixelDecoder):
    """Within-clip tracking module between a backbone and any segmenter.

    The module runs the encoder of :class:`AxialTrajectoryPixelDecoder` on the
    coarse levels and projects its maps back to the channels of the backbone.
    Its output replaces the backbone's features.

    The encoder has ``num_blocks`` blocks (N_w in the paper). Each block has
    ``num_spatial_layers`` MSDeformAttn layers, followed by
    ``temporal_cfg.num_layers`` axial-trajectory layers. With one block all
    MSDeformAttn layers precede all axial-trajectory layers: the paper's
    sequential stacking.

    Args:
        in_channels (Sequence[int]): Number of channels of each level of the
            backbone, from high to low resolution.
        num_blocks (int): Number of blocks. Defaults to 2.
        num_spatial_layers (int): Number of MSDeformAttn layers in a block; 0
            leaves them out. Defaults to 1.
        temporal_cfg (dict, optional): ``num_layers`` (int): number of
            temporal layers in a block; ``num_levels`` (int): number of levels
            that they are applied to, counted from the coarsest (default 2);
            ``skip_connect`` (default False), and the arguments of
            :class:`AxialTrajectoryLayer`, such as ``attn_type`` and ``drop``.
            None, or 0 layers or levels: no temporal layers, as for images.
            Defaults to dict(num_layers=2), as in the paper.
        num_levels (int): Number of levels that the module changes, counted
            from the coarsest. Defaults to 3.
        feat_channels (int): Number of channels inside. Defaults to 256.
        num_heads (int): Number of heads of all attentions. Defaults to 8.
        num_points (int): Points that MSDeformAttn samples per head and
            level. Defaults to 4.
        feedforward_channels (int): Hidden channels of the FFN of the
            MSDeformAttn layers. Defaults to 1024.
        with_cp (bool): Whether to save memory in training by computing the
            layers a second time in the backward pass. Defaults to False.
        implementation (str, optional): Implementation of MSDeformAttn, see
            :class:`AxialTrajectoryDeformableEncoder`. Defaults to None.
        strides (Sequence[int]): Stride of each level. Defaults to
            (4, 8, 16, 32).
        norm_cfg (dict): Config of the norms after the projections. Defaults
            to dict(type='GN', num_groups=32).
        init_cfg (dict or list[dict], optional): Initialization config.
            Defaults to None.

    Raises:
        InputError: If a block has no layer.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_blocks: int = 2,
        num_spatial_layers: int = 1,
        temporal_cfg: dict | None = dict(num_layers=2),
        num_levels: int = 3,
        feat_channels: int = 256,
        num_heads: int = 8,
        num_points: int = 4,
        feedforward_channels: int = 1024,
        with_cp: bool = False,
        implementation: str | None = None,
        strides: Sequence[int] = (4, 8, 16, 32),
        norm_cfg: dict = dict(type='GN', num_groups=32),
        init_cfg: dict | None = None,
    ) -> None:
        positions = dict(num_feats=feat_channels // 2, normalize=True)
        super().__init__(
            in_channels=in_channels[-num_levels:],
            strides=strides[-num_levels:],
            feat_channels=feat_channels,
            num_outs=num_levels,
            norm_cfg=norm_cfg,
            temporal_cfg=_complete_temporal_cfg(temporal_cfg),
            positional_encoding=positions,
            encoder=dict(
                num_layers=num_blocks,
                num_spatial_layers=num_spatial_layers,
                num_cp=num_blocks if with_cp else -1,
                implementation=implementation,
                layer_cfg=dict(
                    self_attn_cfg=dict(
                        embed_dims=feat_channels,
                        num_heads=num_heads,
                        num_levels=num_levels,
                        num_points=num_points,
                        dropout=0.0,
                    ),
                    ffn_cfg=dict(
                        embed_dims=feat_channels,
                        feedforward_channels=feedforward_channels,
                    ),
                ),
            ),
            init_cfg=init_cfg,
        )
        self.mask_feature = nn.Identity()  # masks are the segmenter's part
        # DDP requires gradients, and only MSDeformAttn reads this parameter.
        self.level_encoding.requires_grad_(num_spatial_layers > 0)
        # from low to high resolution, as the parent's input_convs
        self.output_projs = ModuleList(
            ConvModule(
                feat_channels,
                channels,
                kernel_size=1,
                norm_cfg=norm_cfg,
                act_cfg=None,
                bias=True,
            )
            for channels in in_channels[: -num_levels - 1 : -1]
        )

    def init_weights(self) -> None:
        """Initialize weights."""
        super().init_weights()
        # The reference uses this initialization in its neck, but a normal
        # one in its pixel decoder.
        self._init_encoder(nn.init.xavier_uniform_)
        for projection in self.output_projs:
            xavier_init(projection.conv, bias=0, distribution='uniform')

    def forward(
        self, feats: Sequence[Tensor], num_frames: int
    ) -> tuple[Tensor, ...]:
        """Track within the clips on the coarse levels.

        Args:
            feats (Sequence[Tensor]): Feature maps of each level from high to
                low resolution, each with shape (B * T, c, h, w). The frames
                of a clip are consecutive.
            num_frames (int): Number of frames T of a clip.

        Returns:
            tuple[Tensor]: Feature maps with the shapes of ``feats``. Levels
            of higher resolution than those of the encoder are unchanged.
        """
        num_levels = self.num_encoder_levels
        _, encoded = super().forward(list(feats[-num_levels:]), num_frames)
        projected = [
            project(x) for project, x in zip(self.output_projs, encoded)
        ]
        return (*feats[:-num_levels], *reversed(projected))


def _complete_temporal_cfg(temporal_cfg: dict | None) -> dict | None:
    """Add the neck's defaults; None if there are no temporal layers."""
    if temporal_cfg is None or temporal_cfg.get('num_layers') == 0:
        return None
    return dict(position='after', **{'skip_connect': False, **temporal_cfg})
