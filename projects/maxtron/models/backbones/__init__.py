# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Backbones that MMDetection does not have."""

from .convnext import ConvNeXt
from .simple_feature_pyramid import SimpleFeaturePyramid
from .transformers_backbone import TransformersBackbone

__all__ = ['ConvNeXt', 'SimpleFeaturePyramid', 'TransformersBackbone']
