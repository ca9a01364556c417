# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Training of a cross-clip tracker on the clips of longer videos."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import NamedTuple

import torch
from mmdet.structures import TrackSampleList
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..errors import InputError
from .association import ClipCues, check_finite
from .heads import BaseMaXTronHead
from .layers import keep_buffers
from .track_sample import make_track_sample


class ClipOutputs(NamedTuple):
    """Outputs of the segmenter for N clips in the training of a tracker.

    Attributes:
        queries (Tensor): Shape (N, Q, D).
        cues (ClipCues): Cues of association, of N clips.
        mask_feats (Tensor): Shape (N, F, T, h, w).
        losses (dict[str, Tensor]): Losses of the segmenter; may be empty.
    """

    queries: Tensor
    cues: ClipCues
    mask_feats: Tensor
    losses: dict[str, Tensor]


def prepare_training(
    head: BaseMaXTronHead, backbone: nn.Module, frozen: Sequence[nn.Module]
) -> None:
    """Freeze the segmenter, or prepare to train it with the tracker.

    Args:
        head (BaseMaXTronHead): Head with a tracker.
        backbone (nn.Module): Backbone of the model.
        frozen (Sequence[nn.Module]): Modules to freeze, except for those that
            the segmenter shares with the tracker. If there are none, all
            modules are trained.

    Raises:
        InputError: If modules are frozen but there is a weight for the losses
            of the clips, or the tracker truncates gradients. Or if all
            modules are trained and the tracker has separate heads, but there
            is no such weight.
    """
    if frozen:
        if head.clip_loss_weight:
            raise InputError(
                'model.head.clip_loss_weight is for a segmenter that is '
                'trained: set model.freeze_segmenter=False, or leave the '
                'weight out.'
            )
        if getattr(head.tracker, 'truncate', None):
            raise InputError(
                'model.head.tracker.truncate cuts the gradients of a '
                'segmenter that is trained: set model.freeze_segmenter=False, '
                'or leave it out.'
            )
        for module in frozen:
            module.requires_grad_(False)
        for name in head.segmenter.shared_with_tracker:
            head.segmenter.get_submodule(name).requires_grad_(True)
        return
    if head.tracker_heads and not head.clip_loss_weight:
        raise InputError(
            'model.freeze_segmenter=False needs losses of the clips for '
            'this segmenter: its own heads, which link the clips, get no '
            'gradient from the tracker, which has heads of its own. '
            'Set model.head.clip_loss_weight, and the criterion of '
            'model.head.segmenter as in the near-online config.'
        )
    # Whole clips are checkpointed, so checkpoints in the backbone would
    # compute its parts a third time.
    for part in backbone.modules():
        if getattr(part, 'with_cp', False):
            part.with_cp = False


def cut_videos(
    inputs: Tensor, data_samples: TrackSampleList, clip_len: int
) -> Iterator[tuple[Tensor, TrackSampleList]]:
    """Cut a batch of videos into clips.

    Args:
        inputs (Tensor): Preprocessed videos, shape (N, K * T, 3, H, W).
        data_samples (list[TrackDataSample]): One per video.
        clip_len (int): Frames per clip T.

    Yields:
        tuple[Tensor, list[TrackDataSample]]: One of the K clips of
        each video, shape (N, T, 3, H, W), and its samples.

    Raises:
        InputError: If the number of frames is no multiple of ``clip_len``.
    """
    num_frames = inputs.shape[1]
    if num_frames % clip_len != 0:
        raise InputError(
            f'A training sample has {num_frames} frames, which are no '
            f'multiple of model.head.test_cfg.clip_len={clip_len}; change '
            'clip_len of train_dataloader.dataset or that of the model.'
        )
    for start in range(0, num_frames, clip_len):
        end = start + clip_len
        samples = []
        for video in data_samples:
            frames = video.video_data_samples[start:end]
            samples.append(make_track_sample(frames, video.metainfo))
        yield inputs[:, start:end], samples


def segment_clip(
    extract_feat: Callable[[Tensor], tuple[Tensor, ...]],
    head: BaseMaXTronHead,
    index: int,
    inputs: Tensor,
    data_samples: TrackSampleList,
) -> ClipOutputs:
    """Segment one clip of each video for the training of a tracker.

    Args:
        extract_feat (Callable): Maps clips to the features for the head.
        head (BaseMaXTronHead): The head.
        index (int): Index of the clip in its video, from 0, for messages.
        inputs (Tensor): Preprocessed clips, shape (N, T, 3, H, W).
        data_samples (list[TrackDataSample]): One per clip.

    Returns:
        ClipOutputs: Outputs, with losses if ``clip_loss_weight`` is
            set.
    """
    x = extract_feat(inputs)
    pred = head(x, inputs.shape[1])
    pred.frames = inputs
    losses: dict[str, Tensor] = {}
    if head.clip_loss_weight:
        check_finite(pred.queries, index)
        losses = head.segmenter.loss_by_pred(pred, data_samples, x)
    cues = head.association.read(pred)
    return ClipOutputs(pred.queries, cues, pred.mask_feats, losses)


def segment_frozen(*clip) -> ClipOutputs:
    """Segment a clip without gradients.

    Args:
        clip: Arguments of :func:`segment_clip`.

    Returns:
        ClipOutputs: Its outputs.
    """
    with torch.no_grad():
        outputs = segment_clip(*clip)
    # Autocast caches low-precision weight copies made under no_grad; drop
    # them, or shared weights would receive no gradient.
    torch.clear_autocast_cache()
    return outputs


def segment_checkpointed(model: nn.Module, *clip) -> ClipOutputs:
    """Segment a clip, and again in the backward pass.

    Between the passes only the outputs are kept, not the activations.

    Args:
        model (nn.Module): Module whose buffers change only in the first pass.
        clip: Arguments of :func:`segment_clip`.

    Returns:
        ClipOutputs: Its outputs.
    """
    return checkpoint(
        segment_clip,
        *clip,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), keep_buffers(model)),
    )


def tracker_losses(
    head: BaseMaXTronHead,
    clips: Sequence[ClipOutputs],
    data_samples: TrackSampleList,
) -> dict[str, Tensor]:
    """Compute the losses of a batch of videos and of their clips.

    Args:
        head (BaseMaXTronHead): Head with a tracker.
        clips (Sequence[ClipOutputs]): The clips in order.
        data_samples (list[TrackDataSample]): One per video.

    Returns:
        dict[str, Tensor]: Losses after each layer of the tracker and, named
        ``clip.*``, the weighted mean losses of the clips.
    """
    losses = head.video_loss(
        [clip.queries for clip in clips],
        [clip.cues for clip in clips],
        [clip.mask_feats for clip in clips],
        data_samples,
    )
    weight = head.clip_loss_weight / len(clips)
    for name in clips[0].losses:
        total = sum(clip.losses[name] for clip in clips)
        losses[f'clip.{name}'] = weight * total
    return losses
