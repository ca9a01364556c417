# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    './maxtron-nearonline_tube-link_dinov2-b.py',
    './cross-clip_tube-link.py',
]

model = dict(head=dict(tracker=_base_.tracker))
