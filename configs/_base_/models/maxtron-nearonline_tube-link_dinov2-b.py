# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = ['./tube-link_dinov2-b.py', './within-clip_tube-link.py']

model = dict(head=dict(segmenter=dict(pixel_decoder=_base_.pixel_decoder)))
