# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Long trainings that may be interrupted at any time.
_base_ = './default_runtime.py'

default_hooks = dict(checkpoint=dict(interval=250, max_keep_ckpts=1))
# Averages of the weights, and of the running statistics of small batches.
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='EMAHook', momentum=0.002, update_buffers=True),
]
