# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Trainings of the demo's models: averages of the weights are evaluated.
_base_ = './default_runtime.py'

default_hooks = dict(checkpoint=dict(interval=500))
custom_hooks = [
    *_base_.custom_hooks,
    dict(
        type='EMAHook',
        ema_type='ExpMomentumEMA',
        momentum=0.004,
        gamma=250,
        interval=4,
        update_buffers=True,
    ),
]
