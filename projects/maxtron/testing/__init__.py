# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Naive oracles and random inputs, shared by tests and benchmarks."""

from .batches import frame_size, make_batch, make_sample
from .naive_attention import naive_trajectory_attention
from .naive_deformable_attention import naive_deformable_attention
from .naive_merge import find_ties, naive_merge, resize_logits
from .naive_vpq import naive_window
from .true_association import TrueAssociation

__all__ = [
    'TrueAssociation',
    'find_ties',
    'frame_size',
    'make_batch',
    'make_sample',
    'naive_deformable_attention',
    'naive_merge',
    'naive_trajectory_attention',
    'naive_window',
    'resize_logits',
]
