# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './tube-link_tiny.py'

model = dict(
    head=dict(
        segmenter=dict(
            pixel_decoder=dict(
                type='AxialTrajectoryPixelDecoder',
                temporal_cfg=dict(
                    num_levels=2, feedforward_channels=128, drop=0.0
                ),
            )
        )
    )
)
