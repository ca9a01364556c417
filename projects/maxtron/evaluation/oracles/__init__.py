# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Oracles, which correct one kind of error of a prediction."""

from .instances import INSTANCE_ORACLES, InstanceVideo, apply_instance_oracles
from .panoptic import ORACLES, apply_oracles
from .results import InstanceResults, PanopticResults, Results, Track

__all__ = [
    'INSTANCE_ORACLES',
    'ORACLES',
    'InstanceResults',
    'InstanceVideo',
    'PanopticResults',
    'Results',
    'Track',
    'apply_instance_oracles',
    'apply_oracles',
]
