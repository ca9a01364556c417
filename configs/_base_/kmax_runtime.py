# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './default_runtime.py'

sync_bn = 'torch'  # of all GPUs; without effect on a single one
default_hooks = dict(checkpoint=dict(interval=10000))
