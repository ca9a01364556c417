# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain, count
from typing import TypeVar

import torch
from mmdet.models.mot import BaseMOTModel
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, TrackSampleList
from mmdet.utils import ConfigType, OptConfigType, OptMultiConfig
from torch import Tensor

from ..errors import InputError
from ..pipeline import run_ahead
from ..structures import ClipPrediction, ClipShapes
from .clip_reader import ClipInputs, ClipReader
from .data_preprocessor import pixel_scale
from .heads import check_clip_len
from .layers import channels_last, use_faster_modules
from .logged_losses import LossLoggingMixin
from .tracker_training import (
    ClipOutputs,
    cut_videos,
    prepare_training,
    segment_checkpointed,
    segment_frozen,
    tracker_losses,
)

Item = TypeVar('Item')


@MODELS.register_module()
class MaXTron(LossLoggingMixin, BaseMOTModel):
    """Mask transformer with trajectory attention for video segmentation.

    `MaXTron <https://arxiv.org/abs/2311.18537>`_. A video of any length is
    processed clip by clip. A head without a cross-clip tracker is trained on
    single clips. A head with a tracker is trained on longer videos of several
    clips.

    Args:
        backbone (ConfigDict or dict): Backbone of single frames.
        head (ConfigDict or dict): :class:`MaXTronHead` or
            :class:`MaXTronPanopticHead`.
        neck (ConfigDict or dict, optional): Module between backbone
            and head, called with the features and the number of frames of a
            clip. Defaults to None.
        data_preprocessor (ConfigDict or dict, optional):
            :class:`ClipDataPreprocessor`. Defaults to None.
        freeze_segmenter (bool): If True and a tracker is configured, freeze
            the backbone, neck and segmenter (kept in eval mode) and train
            only the tracker and the heads it shares with the segmenter. If
            False, train everything, see :func:`segment_checkpointed`. In both
            cases each layer of the tracker holds the masks of the whole
            video. Defaults to True.
        init_cfg (ConfigDict or dict or list, optional): Initialization
            config. Defaults to None.

    Attributes:
        overlap_stages (bool): Whether the stages of inference work at the
            same time, each in a thread: while a clip is post-processed, the
            next one is in the network. False makes times of parts measurable.
        amp (bool): Whether the network of inference computes in half
            precision: float16, on the CPU bfloat16.

    Raises:
        InputError: If clips are too short for the neck, and see
            :func:`prepare_training`.
    """

    overlap_stages = True
    amp = False
    # Set by compile_parts.
    uses_cuda_graphs = False

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
        use_faster_modules(self)
        self.head.association.pixel_scale = pixel_scale(self.data_preprocessor)
        if getattr(self.neck, 'tracks_within_clip', False):
            check_clip_len(self.head.clip_len, tracks=True)
        self.freeze_segmenter = (
            freeze_segmenter and self.head.tracker is not None
        )
        if self.head.tracker is not None:
            frozen = [self.get_submodule(name) for name in self.frozen_parts]
            prepare_training(self.head, self.backbone, frozen)

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
            MaXTron: The model.
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
            InputError: If ``in_channels`` do not fit the features.
        """
        if self.uses_cuda_graphs:
            torch.compiler.cudagraph_mark_step_begin()
        frames = inputs.flatten(0, 1)
        if self.training:
            frames = channels_last(frames)
        x = self.backbone(frames)
        if self.neck is not None:
            self._check_in_channels('model.neck.in_channels', x)
            x = self.neck(x, inputs.shape[1])
        self._check_in_channels('model.head.segmenter.in_channels', x)
        return x

    def _check_in_channels(self, key: str, features: Sequence[Tensor]) -> None:
        """Compare the features with the key of the config, if it is set."""
        expected = self._in_channels[key]
        found = [feature.shape[1] for feature in features]
        if expected is not None and list(expected) != found:
            raise InputError(
                f'{key} is {list(expected)}, but the features that come in '
                f'have {found} channels. Set it to {found}, or change the '
                'module that they come from.'
            )

    def loss(
        self, inputs: Tensor, data_samples: TrackSampleList
    ) -> dict[str, Tensor]:
        """Compute the losses of clips or, with a tracker, of videos.

        Args:
            inputs (Tensor): Preprocessed clips or videos, shape
                (N, T, 3, H, W). A video consists of consecutive clips of the
                head's ``clip_len`` frames.
            data_samples (list[TrackDataSample]): One per clip or
                video, with the ground truth of every frame.

        Returns:
            dict[str, Tensor]: Losses.

        Raises:
            InputError: If a video cannot be cut into clips.
        """
        if self.head.tracker is None:
            return self.head.loss(self.extract_feat(inputs), data_samples)
        videos = cut_videos(inputs, data_samples, self.head.clip_len)
        clips = [self._train_clip(k, *clip) for k, clip in enumerate(videos)]
        return tracker_losses(self.head, clips, data_samples)

    def _train_clip(
        self, index: int, inputs: Tensor, data_samples: TrackSampleList
    ) -> ClipOutputs:
        """Segment clip ``index`` of each video, see :func:`segment_clip`."""
        clip = (self.extract_feat, self.head, index, inputs, data_samples)
        if self.freeze_segmenter:
            return segment_frozen(*clip)
        return segment_checkpointed(self, *clip)

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
            ClipPrediction: Prediction of the segmenter.
        """
        with self._precision(inputs.device.type):
            x = self.extract_feat(inputs)
            clip = self.head.segmenter(x, inputs.shape[1])
        if self.uses_cuda_graphs:
            # The next call overwrites the outputs of a CUDA graph.
            clip = clip.clone()
        clip.frames = inputs
        return clip.float() if self.amp else clip

    def mask_features(self, inputs: Tensor) -> Tensor:
        """Compute only the pixel embeddings of a batch of clips.

        Args:
            inputs (Tensor): Preprocessed clips, shape (N, T, 3, H, W).

        Returns:
            Tensor: Shape (N, E, T, h, w).
        """
        with self._precision(inputs.device.type):
            return self.head.segmenter.mask_features(
                self.extract_feat(inputs), inputs.shape[1]
            )

    def _precision(self, device: str) -> AbstractContextManager:
        """Make the context of the network, see ``amp``."""
        if not self.amp:
            return nullcontext()
        # float16 is nearer to float32, but few CPUs compute in it.
        dtype = torch.bfloat16 if device == 'cpu' else torch.float16
        return torch.autocast(device, dtype)

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
                (T, 3, H, W), or VideoFrames or another sequence of
                frames (3, h, w) in the range 0 to 255.
            data_samples (list[TrackDataSample]): One per video, with
                ``ori_shape`` in every frame.

        Returns:
            list[TrackDataSample]: The samples. Each frame gets the
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
            results = chain.from_iterable(
                self._ahead(self._track(clips, whole_video=True))
            )
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
            num_frames (int, optional): Their number, if known. The last clips
                then have nearly equal lengths.
            whole_video (bool): Whether to yield the results of
                :meth:`predict`, at the end of the video. Defaults to False.

        Yields:
            list[DetDataSample]: The new frames of a clip in order,
            each with ``frame_id`` and the result as in :meth:`predict`. Ids
            do not change when more of the video is seen.
        """
        clips = self.read_clips(frames, ori_shape, num_frames)
        frame_ids = count()
        for results in self._ahead(self._track(clips, whole_video)):
            samples = []
            for result in results:
                metainfo = dict(frame_id=next(frame_ids), ori_shape=ori_shape)
                sample = DetDataSample(metainfo=metainfo)
                sample.set_field(result, self.head.result_field)
                samples.append(sample)
            if samples:
                yield samples

    def _track(self, clips: ClipReader, whole_video: bool) -> Iterator[list]:
        """Segment the clips of a video and pass them to the head.

        Args:
            clips (ClipReader): The video.
            whole_video (bool): See :meth:`BaseMaXTronHead.start_video`.

        Yields:
            list: Results that are final, one per frame; may be empty.

        Raises:
            InputError: If the video must be read twice and cannot be.
        """
        video = self.head.start_video(whole_video)
        if video.reads_twice and not clips.rereadable:
            raise InputError(
                "feature_cache='none' reads the video twice, but these frames "
                'can be read only once. Give a file, a folder or a list of '
                "frames, or set feature_cache to 'cpu', 'cpu_fp16' or 'disk'."
            )
        for clip, shapes in self._ahead(self._segment(clips)):
            results = video.update(clip, shapes)
            del clip  # before the wait for the next one
            yield results
        if video.reads_twice:
            video.refine()
            for feats, shapes in self._ahead(self._mask_features(clips)):
                results = video.segment(feats, shapes)
                del feats
                yield results
        yield from video.finish()

    def _segment(
        self, clips: Iterable[ClipInputs]
    ) -> Iterator[tuple[ClipPrediction, ClipShapes]]:
        """Run the network on the clips of a video."""
        for inputs, shapes in clips:
            yield self.forward_clips(inputs), shapes

    def _mask_features(
        self, clips: Iterable[ClipInputs]
    ) -> Iterator[tuple[Tensor, ClipShapes]]:
        """Compute the pixel embeddings of the clips of a video."""
        for inputs, shapes in clips:
            yield self.mask_features(inputs), shapes

    def _ahead(self, items: Iterator[Item]) -> Iterator[Item]:
        """Let a stage work ahead of the next one."""
        return run_ahead(items) if self.overlap_stages else items
