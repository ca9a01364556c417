# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .kmax_transformer_decoder import KMaXTransformerDecoder

__all__ = ['KMaXTransformerDecoder']
