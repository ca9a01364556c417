# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# The second stage: backbone and segmenter are frozen, except cls_embed and
# mask_embed, which the tracker shares.
_base_ = ['./maxtron-nearonline_tube-link_r50.py', './cross-clip_tube-link.py']

model = dict(head=dict(tracker=_base_.tracker))
