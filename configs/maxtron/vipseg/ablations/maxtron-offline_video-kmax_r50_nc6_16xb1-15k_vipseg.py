# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = '../maxtron-offline_video-kmax_r50_16xb1-15k_vipseg.py'

model = dict(head=dict(tracker=dict(num_layers=6)))
