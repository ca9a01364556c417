# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Models and clips of the check."""

import copy
import warnings
from pathlib import Path
from typing import Any

from projects.maxtron.apis.building import build_model
from projects.maxtron.engine import load_config
from projects.maxtron.models import MaXTron
from projects.maxtron.testing import frame_size

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor
from torch.utils._pytree import tree_leaves

from tools.deployment.export_onnx import preprocess, read_frames

ROOT = Path(__file__).parents[3]
_CONFIGS = ROOT / 'configs/maxtron'
# Trained models of this repository: config and checkpoint.
TINY = dict(
    panoptic=(
        _CONFIGS / 'synthetic/maxtron-nearonline_video-kmax_tiny_1xb8-450_'
        'synthetic-vps.py',
        ROOT / 'demo/maxtron_tiny_panoptic.pth',
    ),
    instances=(
        _CONFIGS / 'synthetic/maxtron-nearonline_tube-link_tiny_2xb3-5k_'
        'synthetic-vis.py',
        ROOT / 'demo/maxtron_tiny.pth',
    ),
)
OFFLINE_TINY = dict(
    panoptic=_CONFIGS / 'synthetic/maxtron-offline_video-kmax_tiny_1xb2-300_'
    'synthetic-vps.py',
    instances=_CONFIGS / 'synthetic/maxtron-offline_tube-link_tiny_1xb2-1k_'
    'synthetic-vis.py',
)
E2E_TINY = dict(
    panoptic=_CONFIGS / 'synthetic/maxtron-e2e_video-kmax_tiny_1xb2-300_'
    'synthetic-vps.py',
    instances=_CONFIGS / 'synthetic/maxtron-e2e_tube-link_tiny_1xb2-1k_'
    'synthetic-vis.py',
)
# Full sizes, with random weights.
LARGE = {
    'R50 panoptic': _CONFIGS / 'vipseg/maxtron-nearonline_video-kmax_r50_'
    '8xb4-40k_vipseg.py',
    'R50 instances': _CONFIGS / 'ytvis21/maxtron-nearonline_tube-link_r50_'
    '8xb1-15k_youtube-vis-2021.py',
    'ConvNeXt-L panoptic': _CONFIGS / 'vipseg/maxtron-nearonline_video-kmax_'
    'convnext-l_8xb4-30k_vipseg.py',
}
PRECISIONS = dict(fp32=None, fp16=torch.float16, bf16=torch.bfloat16)


def read_config(path: Path) -> Config:
    """Load a config whose model needs no download."""
    init_default_scope('mmdet')
    config = load_config(str(path), {})
    config.model.backbone.init_cfg = None
    return config


def build(
    path: Path, checkpoint: Path | None = None, **test_cfg: Any
) -> MaXTron:
    """Build a model on the CPU, in evaluation mode.

    Args:
        path (Path): Its config.
        checkpoint (Path, optional): Its weights. Defaults to None: random
            weights, the same each time.
        test_cfg (dict): Changes to ``head.test_cfg``.

    Returns:
        MaXTron: The model.
    """
    config = read_config(path)
    config.model.head.test_cfg.update(test_cfg)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of random weights
        return build_model(config, checkpoint, 'cpu')


def load_trained(model: MaXTron, checkpoint: Path) -> None:
    """Load the weights of a near-online model into one with a tracker.

    The tracker keeps its random weights.
    """
    state = torch.load(checkpoint, weights_only=False)['state_dict']
    missing = model.load_state_dict(state, strict=False).missing_keys
    if not all(key.startswith('head.tracker') for key in missing):
        raise ValueError(f'{checkpoint} lacks {missing}.')


def on_device(model: MaXTron, device: str) -> MaXTron:
    """Copy a model to a device."""
    return copy.deepcopy(model).to(device)


def make_clip(model: MaXTron, path: Path, num_clips: int = 1) -> list[Tensor]:
    """Make preprocessed clips of a synthetic video.

    Args:
        model (MaXTron): The model.
        path (Path): Its config, which states the size of frames.
        num_clips (int): Number of clips. Defaults to 1.

    Returns:
        list[Tensor]: Clips with shape (1, T, 3, H, W).
    """
    length = model.head.clip_len
    frames = read_frames(None, num_clips * length)
    size = frame_size(read_config(path))
    return [
        preprocess(model, frames[start : start + length], size)
        for start in range(0, len(frames), length)
    ]


def tensors_of(output: Any) -> list[Tensor]:
    """List the tensors of a prediction or of any output of a module."""
    fields = getattr(output, '__dataclass_fields__', None)
    leaves = tree_leaves(vars(output) if fields else output)
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)]


def autocast(device: str, dtype: torch.dtype | None) -> torch.autocast:
    """Make the context of a precision; None is float32."""
    return torch.autocast(
        torch.device(device).type, dtype, enabled=dtype is not None
    )
