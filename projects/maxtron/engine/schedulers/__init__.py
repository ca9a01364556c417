# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Schedules of the learning rate that MMEngine lacks."""

from .warmup_poly_lr import WarmupPolyLR

__all__ = ['WarmupPolyLR']
