# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './tube-link_swin-l.py'

model = dict(
    head=dict(
        segmenter=dict(
            pixel_decoder=dict(
                type='AxialTrajectoryPixelDecoder',
                temporal_cfg=dict(num_levels=2, drop=0.1)))))
