# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './mask2former_r50.py'

model = dict(backbone=dict(depth=101))
