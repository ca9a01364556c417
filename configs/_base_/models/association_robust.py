# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Association by embedding, class, mask overlap with motion, and colour, with a
# memory (docs/association.md). A config lists this file in _base_ and switches
# it on by one line:
# model = dict(head=dict(association=_base_.association))
association = dict(
    type='QueryAssociation',
    embed_weight=1.0,
    class_weight=1.0,
    overlap_weight=1.0,
    color_weight=1.0,
    motion=True,
    memory=dict(momentum=0.8),
)
