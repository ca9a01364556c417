# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './adamw_video-kmax.py'

# The reference does not recognise the norms of ConvNeXt V2 as norms.
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            'backbone.downsample_layers.*.weight': dict(decay_mult=1.0),
            'backbone.stages.*.norm.weight': dict(decay_mult=1.0),
        }
    )
)
