# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: as the offline model, but everything is trained, the
# segmenter by its own losses of each clip as well.
_base_ = './maxtron-offline_tube-link_r50_8xb1-10k_ovis.py'

model = dict(freeze_segmenter=False, head=dict(clip_loss_weight=1.0))
