# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from typing import NamedTuple

import torch
from mmdet.models.mot import BaseMOTModel
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, TrackDataSample, TrackSampleList
from mmdet.utils import ConfigType, OptConfigType, OptMultiConfig
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..structures import ClipPrediction
from .association import check_finite
from .channels import check_in_channels
from .clip_reader import ClipReader


class ClipOutputs(NamedTuple):
    """What the training of a tracker needs of N clips.

    Attributes:
        queries (Tensor): Shape (N, Q, D).
        embeds (Tensor): Shape (N, Q, E).
        mask_feats (Tensor): Shape (N, F, T, h, w).
        losses (dict[str, Tensor]): Losses of the segmenter; may be empty.
    """

    queries: Tensor
    embeds: Tensor
    mask_feats: Tensor
    losses: dict[str, Tensor]


@MODELS.register_module()
class MaXTron(BaseMOTModel):
    """Mask transformer with trajectory attention for video segmentation.

    `MaXTron <https://arxiv.org/abs/2311.18537>`_. A video of any length is
    processed clip by clip. A head without a tracker is trained on clips, one
    with a cross-clip tracker on the clips of longer videos.

    Args:
        backbone (:obj:`ConfigDict` or dict): Backbone of single frames.
        head (:obj:`ConfigDict` or dict): :class:`MaXTronHead` or
            :class:`MaXTronPanopticHead`.
        neck (:obj:`ConfigDict` or dict, optional): Module between backbone
            and head, called with the features and the number of frames of a
            clip. Defaults to None.
        data_preprocessor (:obj:`ConfigDict` or dict, optional):
            :class:`ClipDataPreprocessor`. Defaults to None.
        freeze_segmenter (bool): If True and a tracker is configured, freeze
            the backbone, neck and segmenter (kept in eval mode) and train
            only the tracker and the heads it shares with the segmenter. If
            False, train everything end to end: each clip is checkpointed and
            computed a second time in the backward pass, so that the
            activations of one clip only are held. In both cases the masks of
            the whole video are held for each layer of the tracker. Defaults
            to True.
        init_cfg (:obj:`ConfigDict` or dict or list, optional): Initialization
            config. Defaults to None.

    Raises:
        ValueError: If the segmenter is frozen and the head has a weight for
            the losses of its clips, or if it is trained, the tracker has
            heads of its own, and there is no such weight: the segmenter's
            heads would get no gradient.
    """

    def __init__(
        self,
        backbone: ConfigType,
        head: ConfigType,
        neck: OptConfigType = None,
        data_preprocessor: OptConfigType = None,
        freeze_segmenter: bool = True,
        init_cfg: OptMultiConfig = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self._in_channels = {
            'model.neck.in_channels': (neck or {}).get('in_channels'),
            'model.head.segmenter.in_channels': (
                head.get('segmenter', {}).get('in_channels')
            ),
        }
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck) if neck is not None else None
        self.head = MODELS.build(head)
        self.freeze_segmenter = (
            freeze_segmenter and self.head.tracker is not None
        )
        if self.freeze_segmenter:
            if self.head.clip_loss_weight:
                raise ValueError(
                    'model.head.clip_loss_weight is for a segmenter that is '
                    'trained: set model.freeze_segmenter=False, or leave the '
                    'weight out.'
                )
            for name in self.frozen_parts:
                self.get_submodule(name).requires_grad_(False)
            segmenter = self.head.segmenter
            for name in segmenter.shared_with_tracker:
                segmenter.get_submodule(name).requires_grad_(True)
        elif self.head.tracker is not None:
            self._prepare_end_to_end()

    def _prepare_end_to_end(self) -> None:
        """Prepare the training of all parts together with the tracker."""
        if self.head.tracker_heads and not self.head.clip_loss_weight:
            raise ValueError(
                'model.freeze_segmenter=False needs losses of the clips for '
                'this segmenter: its own heads, which link the clips, get no '
                'gradient from the tracker, which has heads of its own. '
                'Set model.head.clip_loss_weight, and the criterion of '
                'model.head.segmenter as in the near-online config.'
            )
        # Whole clips are checkpointed. Checkpoints inside the backbone would
        # compute its parts a third time.
        for module in self.backbone.modules():
            if getattr(module, 'with_cp', False):
                module.with_cp = False

    @property
    def frozen_parts(self) -> tuple[str, ...]:
        """tuple[str]: Sub-modules that stay in eval mode, as loaded.

        Exception: sub-modules shared with the tracker are trained.
        """
        if not self.freeze_segmenter:
            return ()
        neck = () if self.neck is None else ('neck',)
        return ('backbone', *neck, 'head.segmenter')

    @property
    def unused_parts(self) -> tuple[str, ...]:
        """tuple[str]: Sub-modules that inference does not use."""
        if self.head.tracker is None or self.head.mode == 'offline':
            return ()
        return ('head.tracker', 'head.tracker_heads')

    def train(self, mode: bool = True) -> 'MaXTron':
        """Set the training mode of all parts that are not frozen.

        Args:
            mode (bool): Whether to train. Defaults to True.

        Returns:
            :obj:`MaXTron`: The model.
        """
        super().train(mode)
        for name in self.frozen_parts:
            self.get_submodule(name).eval()
        return self

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *args, **kwargs
    ) -> None:
        """Accept the head of MMDetection's Mask2Former checkpoints."""
        for key in list(state_dict):
            for name in ('panoptic_head.', 'track_head.'):
                if key.startswith(prefix + name):
                    new = f'{prefix}head.segmenter.{key[len(prefix + name) :]}'
                    state_dict[new] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor]:
        """Extract features of a batch of clips.

        Args:
            inputs (Tensor): Preprocessed clips, shape (N, T, 3, H, W).

        Returns:
            tuple[Tensor]: Features, each of shape (N * T, C_i, h_i, w_i).

        Raises:
            ValueError: ``in_channels`` of the neck or the segmenter are not
                those of the features.
        """
        x = self.backbone(inputs.flatten(0, 1))
        if self.neck is not None:
            self._check_in_channels('model.neck.in_channels', x)
            x = self.neck(x, inputs.shape[1])
        self._check_in_channels('model.head.segmenter.in_channels', x)
        return x

    def _check_in_channels(self, key: str, features: Sequence[Tensor]) -> None:
        """Compare the features with the key of the config."""
        check_in_channels(key, self._in_channels[key], features)

    def loss(
        self, inputs: Tensor, data_samples: TrackSampleList
    ) -> dict[str, Tensor]:
        """Losses of a batch of clips or, with a tracker, of videos.

        Args:
            inputs (Tensor): Preprocessed clips or videos, shape
                (N, T, 3, H, W); the frames of a video are clips of the head's
                ``clip_len``, one after the other.
            data_samples (list[:obj:`TrackDataSample`]): One per clip or
                video, with the ground truth of every frame.

        Returns:
            dict[str, Tensor]: Losses.

        Raises:
            ValueError: If a video cannot be cut into clips.
        """
        if self.head.tracker is None:
            return self.head.loss(self.extract_feat(inputs), data_samples)
        num_frames, clip_len = inputs.shape[1], self.head.clip_len
        if num_frames % clip_len != 0:
            raise ValueError(
                f'A training sample has {num_frames} frames, which are no '
                f'multiple of model.head.test_cfg.clip_len={clip_len}; change '
                'clip_len of train_dataloader.dataset or that of the model.'
            )
        clips = []
        for k in range(num_frames // clip_len):
            start, end = k * clip_len, (k + 1) * clip_len
            samples = [_cut(sample, start, end) for sample in data_samples]
            clips.append(self._train_clip(k, inputs[:, start:end], samples))
        losses = self.head.video_loss(
            [clip.queries for clip in clips],
            [clip.embeds for clip in clips],
            [clip.mask_feats for clip in clips],
            data_samples,
        )
        weight = self.head.clip_loss_weight / len(clips)
        for name in clips[0].losses:
            total = sum(clip.losses[name] for clip in clips)
            losses[f'clip.{name}'] = weight * total
        return losses

    def _train_clip(
        self, index: int, inputs: Tensor, data_samples: TrackSampleList
    ) -> ClipOutputs:
        """Segment one clip of each video, keeping what training needs.

        Args and returns are those of :meth:`_segment_clip`.
        """
        if not self.freeze_segmenter:
            return checkpoint(
                self._segment_clip,
                index,
                inputs,
                data_samples,
                use_reentrant=False,
                context_fn=lambda: (nullcontext(), _buffers_kept(self)),
            )
        with torch.no_grad():
            outputs = self._segment_clip(index, inputs, data_samples)
        # Autocast caches low-precision weight copies made under no_grad; drop
        # them, or shared weights would receive no gradient.
        torch.clear_autocast_cache()
        return outputs

    def _segment_clip(
        self, index: int, inputs: Tensor, data_samples: TrackSampleList
    ) -> ClipOutputs:
        """Segment one clip of each video for the training of a tracker.

        Args:
            index (int): Number of the clip in its video, from 0, for an
                error message.
            inputs (Tensor): Preprocessed clips, shape (N, T, 3, H, W).
            data_samples (list[:obj:`TrackDataSample`]): One per clip.

        Returns:
            :obj:`ClipOutputs`: With losses if ``clip_loss_weight`` is set.
        """
        x = self.extract_feat(inputs)
        pred = self.head(x, inputs.shape[1])
        losses = {}
        if self.head.clip_loss_weight:
            check_finite(pred.queries, index)
            losses = self.head.segmenter.loss_by_pred(pred, data_samples, x)
        return ClipOutputs(pred.queries, pred.embeds, pred.mask_feats, losses)

    def _forward(
        self, inputs: Tensor, data_samples: TrackSampleList | None = None
    ) -> ClipPrediction:
        """Segment clips (N, T, 3, H, W) without post-processing."""
        return self.forward_clips(inputs)

    def forward_clips(self, inputs: Tensor) -> ClipPrediction:
        """Segment a batch of clips.

        Args:
            inputs (Tensor): Preprocessed clips, shape (N, T, 3, H, W).

        Returns:
            :obj:`ClipPrediction`: Prediction of the segmenter.
        """
        x = self.extract_feat(inputs)
        return self.head.segmenter(x, inputs.shape[1])

    def mask_features(self, inputs: Tensor) -> Tensor:
        """Compute the pixel embeddings of a batch of clips alone.

        Args:
            inputs (Tensor): Preprocessed clips, shape (N, T, 3, H, W).

        Returns:
            Tensor: Shape (N, E, T, h, w).
        """
        return self.head.segmenter.mask_features(
            self.extract_feat(inputs), inputs.shape[1]
        )

    def read_clips(
        self,
        frames: Iterable[Tensor],
        ori_shape: tuple[int, int],
        num_frames: int | None = None,
        img_shape: tuple[int, int] | None = None,
    ) -> ClipReader:
        """Cut a video into preprocessed clips, see :class:`ClipReader`."""
        return ClipReader(
            frames,
            self.head.split,
            self.data_preprocessor,
            ori_shape,
            num_frames,
            img_shape,
        )

    @torch.no_grad()
    def predict(
        self, inputs: Iterable, data_samples: TrackSampleList
    ) -> TrackSampleList:
        """Track and segment whole videos.

        Args:
            inputs (Iterable): Per video preprocessed frames with shape
                (T, 3, H, W), or :obj:`VideoFrames` or another sequence of
                frames (3, h, w) in the range 0 to 255.
            data_samples (list[:obj:`TrackDataSample`]): One per video, with
                ``ori_shape`` in every frame.

        Returns:
            list[:obj:`TrackDataSample`]: The samples. Each frame has the
            result of the head at ``ori_shape``: ``pred_track_instances``
            (:class:`MaXTronHead`) or ``pred_panoptic_map``
            (:class:`MaXTronPanopticHead`).
        """
        for video, sample in zip(inputs, data_samples):
            clips = self.read_clips(
                video,
                sample[0].ori_shape[:2],
                len(video),
                sample[0].get('img_shape'),
            )
            results = chain.from_iterable(self._track(clips, whole_video=True))
            for frame, result in zip(sample, results, strict=True):
                frame.set_field(result, self.head.result_field)
        return data_samples

    @torch.no_grad()
    def predict_stream(
        self,
        frames: Iterable[Tensor],
        ori_shape: tuple[int, int],
        num_frames: int | None = None,
        whole_video: bool = False,
    ) -> Iterator[list[DetDataSample]]:
        """Track and segment a stream of frames, clip by clip.

        Args:
            frames (Iterable[Tensor]): Frames of shape (3, h, w), BGR, in the
                range 0 to 255, already resized for the model. They are read a
                second time in mode 'offline' with ``feature_cache='none'``.
            ori_shape (tuple[int, int]): Height and width of the masks.
            num_frames (int, optional): Number of frames if it is known; the
                last clips then have nearly equal lengths.
            whole_video (bool): Whether to give the results of
                :meth:`predict`, at the end of the video. Defaults to False.

        Yields:
            list[:obj:`DetDataSample`]: The new frames of a clip in order,
            each with ``frame_id`` and the result as in :meth:`predict`. Ids
            do not change when more of the video is seen.
        """
        clips = self.read_clips(frames, ori_shape, num_frames)
        frame_id = 0
        for results in self._track(clips, whole_video):
            samples = []
            for result in results:
                sample = DetDataSample(
                    metainfo=dict(frame_id=frame_id, ori_shape=ori_shape)
                )
                sample.set_field(result, self.head.result_field)
                samples.append(sample)
                frame_id += 1
            if samples:
                yield samples

    def _track(self, clips: ClipReader, whole_video: bool) -> Iterator[list]:
        """Segment the clips of a video and hand them to the head.

        Args:
            clips (:obj:`ClipReader`): The video.
            whole_video (bool): See :meth:`BaseMaXTronHead.start_video`.

        Yields:
            list: Results that are final, one per frame; may be empty.

        Raises:
            ValueError: If the video must be read twice and cannot be.
        """
        video = self.head.start_video(whole_video)
        if video.reads_twice and not clips.rereadable:
            raise ValueError(
                "feature_cache='none' reads the video twice, but these frames "
                'can be read only once. Give a file, a folder or a list of '
                "frames, or set feature_cache to 'cpu' or 'cpu_fp16'."
            )
        for inputs, shapes in clips:
            yield video.update(self.forward_clips(inputs), shapes)
        if video.reads_twice:
            video.refine()
            for inputs, shapes in clips:
                yield video.segment(self.mask_features(inputs), shapes)
        yield from video.finish()


def _cut(sample: TrackDataSample, start: int, end: int) -> TrackDataSample:
    """Cut the frames ``[start, end)`` out of a video."""
    clip = TrackDataSample(metainfo=sample.metainfo)
    clip.video_data_samples = sample.video_data_samples[start:end]
    return clip


@contextmanager
def _buffers_kept(model: nn.Module) -> Iterator[None]:
    """Restore buffers, so that batch norms count a recomputed clip once."""
    kept = [
        (module, name, buffer)
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    for module, name, buffer in kept:
        setattr(module, name, buffer.clone())
    try:
        yield
    finally:
        for module, name, buffer in kept:
            setattr(module, name, buffer)
