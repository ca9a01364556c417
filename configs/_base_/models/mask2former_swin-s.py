# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './mask2former_swin-t.py'

model = dict(backbone=dict(depths=[2, 2, 18, 2]))
