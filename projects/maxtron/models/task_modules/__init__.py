# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .gumbel_pixel_sampler import GumbelPixelSampler
from .similarity_matcher import SimilarityMatcher

__all__ = ['GumbelPixelSampler', 'SimilarityMatcher']
