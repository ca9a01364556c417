# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tiny models with a cross-clip tracker, and videos to run them on."""

from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence

from projects.maxtron.structures import ClipPrediction, ClipShapes
from projects.maxtron.testing import make_batch

import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config, ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor, nn

from tests.models import build, model_cfg

KINDS = dict(vis='tube-link', vps='video-kmax')
CLIP_LEN = dict(vis=3, vps=2)  # as configured
ORI_SHAPE = (40, 56)
SIZES = dict(vis=(45, 60), vps=(65, 97))


def offline_cfg(kind: str, stage: str = 'offline', **test_cfg) -> ConfigDict:
    """Make the config of a model with a tracker of two layers.

    Args:
        kind (str): Key of ``KINDS``.
        stage (str): 'nearonline', 'offline' or 'e2e' (end to end, with losses
            of the clips). Defaults to 'offline'.
        test_cfg (dict): Changes to ``head.test_cfg``.

    Returns:
        ConfigDict: The config.
    """
    file = 'offline' if stage == 'e2e' and kind == 'vis' else stage
    name = f'maxtron-{file}_{KINDS[kind]}_tiny'
    if kind == 'vis':
        cfg = model_cfg(name)
    else:
        cfg = Config.fromfile(f'configs/_base_/models/{name}.py').model
        cfg.data_preprocessor.input_size = SIZES[kind]
        # thresholds with which random weights produce segments
        cfg.head.test_cfg.update(
            pixel_thr=0.05, thing_thr=0.0, stuff_thr=0.0, overlap_thr=0.0
        )
    if stage != 'nearonline':
        cfg.head.tracker.num_layers = 2
    if stage == 'e2e':
        cfg.freeze_segmenter = False
        cfg.head.clip_loss_weight = 1.0
    cfg.head.test_cfg.update(test_cfg)
    return cfg


def offline_model(kind: str, stage: str = 'offline', **test_cfg) -> nn.Module:
    """Build a model with random weights and without inactive branches."""
    torch.manual_seed(0)
    model = build(offline_cfg(kind, stage, **test_cfg))
    for name, parameter in model.named_parameters():
        if name.endswith('sampling_offsets.weight'):
            nn.init.normal_(parameter, std=0.01)
        elif name.endswith('weight') and not parameter.any():
            nn.init.constant_(parameter, 0.5)
        elif 'gamma' in name or 'mask_norm.weight' in name:
            nn.init.constant_(parameter, 1.0)
    return model


def training_batch(
    kind: str, num_frames: int, num_videos: int = 2, seed: int = 0
) -> dict:
    """Make a batch of random frames with moving tubes."""
    torch.manual_seed(seed)
    if kind == 'vps':
        cfg = ConfigDict(model=offline_cfg(kind))
        return make_batch(
            cfg,
            Namespace(batch_size=num_videos, frames=num_frames, segments=9),
        )
    batch = dict(inputs=[], data_samples=[])
    for v in range(num_videos):
        track = TrackDataSample()
        track.video_data_samples = [DetDataSample() for _ in range(num_frames)]
        for t, frame in enumerate(track):
            masks = torch.zeros(2, *SIZES[kind], dtype=torch.uint8)
            masks[0, 5:20, 5 + t : 20 + t] = masks[
                1, 20 + v : 40, 30 - t : 50
            ] = 1
            frame.gt_instances = InstanceData(
                instances_ids=torch.tensor([4, 2]),
                labels=torch.tensor([v, 3]),
                masks=BitmapMasks(masks.numpy(), *SIZES[kind]),
            )
        batch['inputs'].append(make_video(kind, num_frames, seed + v))
        batch['data_samples'].append(track)
    return batch


def make_video(kind: str, num_frames: int, seed: int = 0) -> Tensor:
    """Make frames of a scene that moves to the right, (T, 3, h, w), uint8."""
    height, width = SIZES[kind]
    generator = torch.manual_seed(seed)
    scene = torch.randint(
        0, 256, (3, height, 4 * width), generator=generator
    ).byte()
    return torch.stack(
        [scene[..., 2 * t : 2 * t + width] for t in range(num_frames)]
    )


def read_clips(
    model: nn.Module, frames: Iterable[Tensor], ori_shape: tuple = ORI_SHAPE
) -> Iterator[tuple[ClipPrediction, ClipShapes]]:
    """Segment a video clip by clip, without linking the clips."""
    for inputs, shapes in model.read_clips(frames, ori_shape):
        with torch.no_grad():
            yield model.forward_clips(inputs), shapes


def predict_clips(
    head: nn.Module, clips: Iterable[tuple[ClipPrediction, ClipShapes]]
) -> Iterator[list]:
    """Compute the results of a head on segmented clips, clip by clip."""
    video = head.start_video()
    for clip, shapes in clips:
        yield video.update(clip, shapes)
    yield from video.finish()


def refine_clips(
    head: nn.Module, clips: Iterable[tuple[ClipPrediction, ClipShapes]]
) -> tuple[Tensor, Tensor]:
    """Compute class logits (Q, C + 1), masks (Q, T, h, w) by the tracker."""
    video, mask_feats = head.start_video(), []
    for clip, shapes in clips:
        video.update(clip, shapes)
        mask_feats.append((clip.mask_feats, shapes))
    cls_logits = video.refine()
    masks = [
        head.segment(video.next_embeds(), feats, shapes)
        for feats, shapes in mask_feats
    ]
    return cls_logits, torch.cat(masks, 1)


def predict(model: nn.Module, *videos: Sequence[Tensor]) -> list[list]:
    """Predict whole videos and return results in a comparable form."""
    samples = []
    for video in videos:
        sample = TrackDataSample()
        meta = dict(ori_shape=ORI_SHAPE, img_shape=video[0].shape[-2:])
        sample.video_data_samples = [
            DetDataSample(metainfo=meta) for _ in video
        ]
        samples.append(sample)
    results = model.predict([list(video) for video in videos], samples)
    return [[comparable(frame) for frame in sample] for sample in results]


def comparable(frame: DetDataSample) -> tuple:
    """Convert all predictions of a frame to a comparable form."""
    if 'pred_panoptic_map' in frame:
        return frame.pred_panoptic_map.decode().tolist()
    result = frame.pred_track_instances
    return (
        result.instances_id.tolist(),
        result.labels.tolist(),
        result.scores.tolist(),
        [m['counts'] for m in result.masks],
    )
