# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Random batches for training steps."""

import argparse

import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.structures import InstanceData, PixelData

from ..models.track_sample import make_track_sample


def make_sample(
    size: tuple[int, int], frames: int, segments: int, num_classes: int
) -> TrackDataSample:
    """Make ground truth of a clip whose tubes are the cells of a moving grid.

    Args:
        size (tuple[int, int]): Height and width of the canvas.
        frames (int): Number of frames.
        segments (int): Number of tubes.
        num_classes (int): Number of classes.

    Returns:
        TrackDataSample: Sample in the format of ``PackPanopticClip``.
    """
    rows = torch.arange(size[0])[::4, None]
    columns = torch.arange(size[1])[None, ::4]
    samples = []
    for t in range(frames):
        cells = rows // 160 * 9 + (columns + 8 * t) // 160
        ids = cells % segments + 1
        sample = DetDataSample()
        sample.gt_panoptic_seg = PixelData(sem_seg=ids[None].int())
        sample.gt_sem_seg = PixelData(sem_seg=(ids[None] % num_classes))
        sample.valid_pixels = PixelData(
            sem_seg=torch.ones(1, *size, dtype=torch.bool)
        )
        present = ids.unique()
        sample.gt_instances = InstanceData(
            instances_ids=present, labels=present % num_classes
        )
        samples.append(sample)
    return make_track_sample(samples)


def make_batch(cfg: Config, args: argparse.Namespace) -> dict:
    """Make a batch of random clips in the format of the dataloader."""
    size = frame_size(cfg)
    num_classes = cfg.model.head.segmenter.num_classes
    clips = torch.randint(
        0, 256, (args.batch_size, args.frames, 3, *size), dtype=torch.uint8
    )
    return dict(
        inputs=list(clips),
        data_samples=[
            make_sample(size, args.frames, args.segments, num_classes)
            for _ in clips
        ],
    )


def frame_size(cfg: Config) -> tuple[int, int]:
    """Find the largest size of frames that the test pipeline keeps.

    Args:
        cfg (Config): Config of a model.

    Returns:
        tuple[int, int]: Height and width.
    """
    if 'input_size' in cfg.model.data_preprocessor:
        return tuple(cfg.model.data_preprocessor.input_size)
    steps = get_test_pipeline_cfg(cfg)
    steps = [
        *steps,
        *(s for step in steps for s in step.get('transforms', ())),
    ]
    scale = next(step.scale for step in steps if step.type == 'Resize')
    return tuple(scale[::-1])
