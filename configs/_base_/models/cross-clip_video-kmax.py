# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Turns a near-online model with Video-kMaX into an offline model. N_c = 4
# blocks, as in the released models; the appendix of the paper has 6.
tracker = dict(
    type='CrossClipTracker', num_layers=4, aspp=dict(rates=(1, 2, 3))
)
video_criterion = dict(
    type='KMaXCriterion',
    loss_cls=dict(type='PQClassLoss', loss_weight=4.0),
    loss_dice=dict(type='TubeDiceLoss', loss_weight=4.0),
)
