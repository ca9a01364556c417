# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = (
    './maxtron-offline_tube-link_tiny_1xb2-200_synthetic-association-vis.py'
)

# Everything is trained, the segmenter by its own losses of each clip as well.
model = dict(freeze_segmenter=False, head=dict(clip_loss_weight=1.0))
