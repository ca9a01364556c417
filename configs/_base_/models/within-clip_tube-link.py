# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# What turns Tube-Link into MaXTron, near-online. Two levels: strides 32 and
# 16. drop is that of the released configs, though the released checkpoints'
# names say 0.0; it plays no part at test time.
pixel_decoder = dict(
    type='AxialTrajectoryPixelDecoder',
    temporal_cfg=dict(num_levels=2, drop=0.1),
)
