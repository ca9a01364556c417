# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""What the MMEngine runner lacks: hooks, and checks of what users give it."""

from .checkpoint import load_checkpoint_checked
from .config import check_options, explain_unknown_arguments, load_config
from .hooks import BroadcastBuffersHook, InitialWeightsHook, RNGStateHook
from .launch import prepare_cpu_launch
from .optimizers import SeparateMultOptimWrapperConstructor
from .schedulers import WarmupPolyLR

__all__ = [
    'BroadcastBuffersHook',
    'InitialWeightsHook',
    'RNGStateHook',
    'SeparateMultOptimWrapperConstructor',
    'WarmupPolyLR',
    'check_options',
    'explain_unknown_arguments',
    'load_checkpoint_checked',
    'load_config',
    'prepare_cpu_launch',
]
