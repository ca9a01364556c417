# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The synthetic benchmark: rendered videos with ground truth."""

from .datasets import SyntheticVISDataset, SyntheticVPSDataset

__all__ = ['SyntheticVISDataset', 'SyntheticVPSDataset']
