# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
tracker = dict(
    type='CrossClipTracker',
    embed_dims=64,
    # With one layer, the batch norms of the heads, which all layers share, see
    # one distribution: a short training needs that.
    num_layers=1,
    num_heads=4,
    aspp=dict(rates=(1, 2, 3)),
)
video_criterion = dict(
    type='KMaXCriterion',
    loss_cls=dict(type='PQClassLoss', loss_weight=4.0),
    # does not wait for good classes, see video-kmax_tiny.py
    loss_mask=dict(type='TubeCrossEntropyLoss', loss_weight=1.0),
    loss_dice=dict(type='TubeDiceLoss', loss_weight=4.0),
)
