# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Turns Tube-Link into MaXTron, near-online. Two levels: strides 32 and 16.
# drop is from the released configs, although the names of the released
# checkpoints have 0.0; it has no effect in tests.
pixel_decoder = dict(
    type='AxialTrajectoryPixelDecoder',
    temporal_cfg=dict(num_levels=2, drop=0.1),
)
