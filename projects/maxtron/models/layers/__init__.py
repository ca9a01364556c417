# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Building blocks: plain modules without registry or config."""
from .axial_trajectory_deformable_encoder import (
    AxialTrajectoryDeformableAttention,
    AxialTrajectoryDeformableEncoder,
    AxialTrajectoryDeformableEncoderLayer,
)
from .axial_trajectory_encoder import (
    AxialTrajectoryEncoder,
    AxialTrajectoryLayer,
)
from .trajectory_attention import SelfAttention, TrajectoryAttention

__all__ = [
    'AxialTrajectoryDeformableAttention', 'AxialTrajectoryDeformableEncoder',
    'AxialTrajectoryDeformableEncoderLayer', 'AxialTrajectoryEncoder',
    'AxialTrajectoryLayer', 'SelfAttention', 'TrajectoryAttention'
]
