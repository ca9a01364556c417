# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Video stitching of Video-kMaX: neighbouring clips share a frame, and the IoU
# of the masks in it links them. A config lists this file in _base_ and has
# model = dict(
#     head=dict(association=_base_.association, test_cfg=dict(overlap=1))
# )
association = dict(
    type='QueryAssociation', embed_weight=0.0, overlap_weight=1.0
)
