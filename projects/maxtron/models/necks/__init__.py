# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Necks: backbone features to features that know of the other frames."""
from .axial_trajectory_neck import AxialTrajectoryNeck

__all__ = ['AxialTrajectoryNeck']
