# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Additions to MMEngine's runner: hooks, and checks of users' input."""

from ..weights import CheckpointError, get_weights, read_checkpoint
from .checkpoint import load_checkpoint_checked
from .config import load_config, merge_cfg_options
from .config_sections import check_sections
from .frozen_parameters import report_frozen_parameters
from .hooks import (
    BroadcastBuffersHook,
    InitialWeightsHook,
    MasterLoggerHook,
    RNGStateHook,
    ThingLabelsHook,
    VideoStatsHook,
)
from .inference import (
    add_inference_options,
    chosen_options,
    optimize_inference,
)
from .launch import prepare_cpu_launch
from .optimizers import SeparateMultOptimWrapperConstructor
from .option_action import OptionAction
from .schedulers import WarmupPolyLR
from .start_checkpoints import check_start_checkpoints, explain_other_optimizer
from .training_options import (
    BFloat16OptimWrapper,
    amp_options,
    set_training_options,
)
from .unknown_arguments import explain_unknown_arguments

__all__ = [
    'BFloat16OptimWrapper',
    'BroadcastBuffersHook',
    'CheckpointError',
    'InitialWeightsHook',
    'OptionAction',
    'MasterLoggerHook',
    'RNGStateHook',
    'SeparateMultOptimWrapperConstructor',
    'ThingLabelsHook',
    'VideoStatsHook',
    'WarmupPolyLR',
    'add_inference_options',
    'amp_options',
    'check_sections',
    'check_start_checkpoints',
    'chosen_options',
    'explain_other_optimizer',
    'explain_unknown_arguments',
    'get_weights',
    'load_checkpoint_checked',
    'load_config',
    'merge_cfg_options',
    'optimize_inference',
    'prepare_cpu_launch',
    'read_checkpoint',
    'report_frozen_parameters',
    'set_training_options',
]
