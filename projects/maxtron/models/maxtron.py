# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from mmdet.models.mot import BaseMOTModel
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, TrackDataSample, TrackSampleList
from mmdet.utils import ConfigType, OptConfigType, OptMultiConfig
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..structures import ClipPrediction
from .association import check_finite
from .clip_reader import ClipReader


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
        freeze_segmenter (bool): With a tracker: whether only it is trained,
            with the heads that it shares with the segmenter, and all before
            it stays as loaded, in evaluation mode. False trains everything
            end to end: of a clip only its frames, queries and pixel
            embeddings are held, and it is computed a second time for its
            gradients, so that the activations are those of one clip. Masks
            of the whole video are held for each layer of the tracker in
            either case. Defaults to True.
        init_cfg (:obj:`ConfigDict` or dict or list, optional): Initialization
            config. Defaults to None.

    Raises:
        ValueError: If the segmenter is frozen, but the head weighs losses of
            its clips, or the other way round and the tracker has heads of its
            own, so that those of the segmenter would not be trained.
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
        """See to what is trained together with the tracker."""
        if self.head.tracker_heads and not self.head.clip_loss_weight:
            raise ValueError(
                'model.freeze_segmenter=False trains this segmenter by the '
                'losses of its clips as well: its own heads, which link the '
                'clips, get no gradient from the tracker, which has others. '
                'Set model.head.clip_loss_weight, and the criterion of '
                'model.head.segmenter as in the near-online config.'
            )
        # Whole clips are computed twice, so there is no use in computing
        # parts of the backbone a third time.
        for module in self.backbone.modules():
            if getattr(module, 'with_cp', False):
                module.with_cp = False

    @property
    def frozen_parts(self) -> tuple[str, ...]:
        """tuple[str]: Sub-modules that stay in evaluation mode, as loaded.

        Only what the segmenter shares with the tracker is trained of them.
        """
        if not self.freeze_segmenter:
            return ()
        neck = () if self.neck is None else ('neck',)
        return ('backbone', *neck, 'head.segmenter')

    @property
    def unused_parts(self) -> tuple[str, ...]:
        """tuple[str]: Sub-modules that a prediction does without."""
        if self.head.tracker is None or self.head.mode == 'offline':
            return ()
        return ('head.tracker', 'head.tracker_heads')

    def train(self, mode: bool = True) -> 'MaXTron':
        """Set the training mode, but not of what is frozen.

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
        """Features of a batch of clips.

        Args:
            inputs (Tensor): Preprocessed clips, shape (N, T, 3, H, W).

        Returns:
            tuple[Tensor]: Features, each of shape (N * T, C_i, h_i, w_i).
        """
        x = self.backbone(inputs.flatten(0, 1))
        return x if self.neck is None else self.neck(x, inputs.shape[1])

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
        *clips, clip_losses = zip(
            *(
                self._train_clip(
                    k,
                    inputs[:, k * clip_len : (k + 1) * clip_len],
                    [
                        _cut(sample, k * clip_len, clip_len)
                        for sample in data_samples
                    ],
                )
                for k in range(num_frames // clip_len)
            )
        )
        losses = self.head.video_loss(*clips, data_samples)
        weight = self.head.clip_loss_weight / len(clip_losses)
        for name in clip_losses[0]:
            losses[f'clip.{name}'] = weight * sum(x[name] for x in clip_losses)
        return losses

    def _train_clip(self, *args) -> tuple:
        """:meth:`_segment_clip`, keeping what the backward pass needs."""
        if not self.freeze_segmenter:
            return checkpoint(
                self._segment_clip,
                *args,
                use_reentrant=False,
                context_fn=lambda: (nullcontext(), _buffers_kept(self)),
            )
        with torch.no_grad():
            outputs = self._segment_clip(*args)
        # AMP would go on with its copies of weights that the tracker shares,
        # which were made here and have no gradient.
        torch.clear_autocast_cache()
        return outputs

    def _segment_clip(
        self, clip: int, inputs: Tensor, data_samples: TrackSampleList
    ) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
        """One clip of each video, in the training of a tracker.

        Args:
            clip (int): Which clip it is, from 0, for an error message.
            inputs (Tensor): Preprocessed clips, shape (N, T, 3, H, W).
            data_samples (list[:obj:`TrackDataSample`]): One per clip.

        Returns:
            tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]: ``queries``,
            ``embeds`` and ``mask_feats`` of the :obj:`ClipPrediction`, and
            the losses of the segmenter, if they are wanted.
        """
        x = self.extract_feat(inputs)
        pred = self.head(x, inputs.shape[1])
        losses = {}
        if self.head.clip_loss_weight:
            check_finite(pred.queries, clip)
            losses = self.head.segmenter.loss_by_pred(pred, data_samples, x)
        return pred.queries, pred.embeds, pred.mask_feats, losses

    def _forward(
        self, inputs: Tensor, data_samples: TrackSampleList | None = None
    ) -> ClipPrediction:
        """Predict clips without post-processing, inputs (N, T, 3, H, W)."""
        return self.forward_clips(inputs)

    def forward_clips(self, inputs: Tensor) -> ClipPrediction:
        """Segment a batch of clips.

        Args:
            inputs (Tensor): Preprocessed clips, shape (N, T, 3, H, W).

        Returns:
            :obj:`ClipPrediction`: Prediction of the segmenter.
        """
        return self.head(self.extract_feat(inputs), inputs.shape[1])

    @torch.no_grad()
    def predict(
        self, inputs: Iterable, data_samples: TrackSampleList
    ) -> TrackSampleList:
        """Track and segment whole videos.

        Args:
            inputs (Iterable): Per video either preprocessed frames with shape
                (T, 3, H, W) or :obj:`VideoFrames` or another sequence of
                frames (3, h, w) in the range 0 to 255.
            data_samples (list[:obj:`TrackDataSample`]): One per video, with
                ``ori_shape`` in every frame.

        Returns:
            list[:obj:`TrackDataSample`]: The samples, each frame with what
            the head predicts, at ``ori_shape``: ``pred_track_instances``
            (:class:`MaXTronHead`) or ``pred_panoptic_map``
            (:class:`MaXTronPanopticHead`).
        """
        for video, sample in zip(inputs, data_samples):
            clips = ClipReader(
                self,
                video,
                sample[0].ori_shape[:2],
                len(video),
                sample[0].get('img_shape'),
            )
            results = self.head.predict(clips)
            for frame, result in zip(sample, results, strict=True):
                frame.set_field(result, self.head.result_field)
        return data_samples

    @torch.no_grad()
    def predict_stream(
        self,
        frames: Iterable[Tensor],
        ori_shape: tuple[int, int],
        num_frames: int | None = None,
        as_a_whole: bool = False,
    ) -> Iterator[list[DetDataSample]]:
        """Track and segment a stream of frames, clip by clip.

        Args:
            frames (Iterable[Tensor]): Frames of shape (3, h, w), BGR, in the
                range 0 to 255, already resized for the model. They are read a
                second time in mode 'offline' with ``feature_cache`` 'none'.
            ori_shape (tuple[int, int]): Height and width that the masks are
                wanted in.
            num_frames (int, optional): Number of frames where it is known;
                the last clips are then of nearly equal length.
            as_a_whole (bool): Whether to give the results of :meth:`predict`,
                as one clip at the end. Defaults to False.

        Yields:
            list[:obj:`DetDataSample`]: The frames of a clip, in order, each
            with ``frame_id`` and the result as in :meth:`predict`, but with
            ids that stay as they are when more of the video is seen; see
            ``predict_stream`` of the head.
        """
        clips = ClipReader(self, frames, ori_shape, num_frames)
        frame_id = 0
        for results in (
            [self.head.predict(clips)]
            if as_a_whole
            else self.head.predict_stream(clips)
        ):
            samples = []
            for result in results:
                sample = DetDataSample(
                    metainfo=dict(frame_id=frame_id, ori_shape=ori_shape)
                )
                sample.set_field(result, self.head.result_field)
                samples.append(sample)
                frame_id += 1
            yield samples


def _cut(sample: TrackDataSample, start: int, length: int) -> TrackDataSample:
    """A clip of a video."""
    clip = TrackDataSample(metainfo=sample.metainfo)
    clip.video_data_samples = sample.video_data_samples[start : start + length]
    return clip


@contextmanager
def _buffers_kept(model: nn.Module) -> Iterator[None]:
    """Keep batch norms from counting what they see a second time."""
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
