# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './kmax_runtime.py'

default_hooks = dict(checkpoint=dict(interval=5000))
