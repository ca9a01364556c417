# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Oracles, which correct one kind of error of a prediction."""

from .instances import INSTANCE_ORACLES, InstanceVideo, apply_instance_oracles
from .outcome import InstanceOutcome, Outcome, PanopticOutcome, Track
from .panoptic import ORACLES, apply_oracles

__all__ = [
    'INSTANCE_ORACLES',
    'ORACLES',
    'InstanceOutcome',
    'InstanceVideo',
    'PanopticOutcome',
    'Outcome',
    'Track',
    'apply_instance_oracles',
    'apply_oracles',
]
