# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Networks as graphs for other runtimes (docs/deployment.md)."""

from .graphs import ClipGraph, TrackerGraph, export_graph
from .onnx_export import export_onnx
from .onnx_model import OnnxNetwork, tracker_path
from .onnx_session import PROVIDERS, OnnxSession

__all__ = [
    'PROVIDERS',
    'ClipGraph',
    'OnnxNetwork',
    'OnnxSession',
    'TrackerGraph',
    'export_graph',
    'export_onnx',
    'tracker_path',
]
