# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from concurrent.futures import ThreadPoolExecutor
from typing import Dict, Iterable, Iterator, List, Optional, Tuple

import torch
from mmdet.models.mot import BaseMOTModel
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, TrackSampleList
from mmdet.utils import ConfigType, OptConfigType, OptMultiConfig
from torch import Tensor

from .clip_prediction import ClipPrediction
from .heads import ClipShapes


@MODELS.register_module()
class MaXTron(BaseMOTModel):
    """Mask transformer with trajectory attention for video segmentation.

    `MaXTron <https://arxiv.org/abs/2311.18537>`_. A video of any length is
    processed clip by clip; one clip of features is held at a time.

    Args:
        backbone (:obj:`ConfigDict` or dict): Backbone of single frames.
        head (:obj:`ConfigDict` or dict): :class:`MaXTronHead`.
        neck (:obj:`ConfigDict` or dict, optional): Module between backbone
            and head, called with the features and the number of frames of a
            clip. Defaults to None.
        data_preprocessor (:obj:`ConfigDict` or dict, optional):
            :class:`ClipDataPreprocessor`. Defaults to None.
        init_cfg (:obj:`ConfigDict` or dict or list, optional): Initialization
            config. Defaults to None.
    """

    def __init__(self,
                 backbone: ConfigType,
                 head: ConfigType,
                 neck: OptConfigType = None,
                 data_preprocessor: OptConfigType = None,
                 init_cfg: OptMultiConfig = None) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck) if neck is not None else None
        self.head = MODELS.build(head)

    def _load_from_state_dict(self, state_dict: Dict[str, Tensor],
                              prefix: str, *args, **kwargs) -> None:
        """Accept the head of MMDetection's Mask2Former checkpoints."""
        for key in list(state_dict):
            for name in ('panoptic_head.', 'track_head.'):
                if key.startswith(prefix + name):
                    new = f'{prefix}head.segmenter.{key[len(prefix + name):]}'
                    state_dict[new] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def extract_feat(self, inputs: Tensor) -> Tuple[Tensor]:
        """Features of a batch of clips.

        Args:
            inputs (Tensor): Preprocessed clips, shape (N, T, 3, H, W).

        Returns:
            tuple[Tensor]: Features, each of shape (N * T, C_i, h_i, w_i).
        """
        x = self.backbone(inputs.flatten(0, 1))
        return x if self.neck is None else self.neck(x, inputs.shape[1])

    def loss(self, inputs: Tensor,
             data_samples: TrackSampleList) -> Dict[str, Tensor]:
        """Losses of a batch of clips.

        Args:
            inputs (Tensor): Preprocessed clips, shape (N, T, 3, H, W).
            data_samples (list[:obj:`TrackDataSample`]): One per clip, with
                ``gt_instances`` in every frame.

        Returns:
            dict[str, Tensor]: Losses.
        """
        return self.head.loss(self.extract_feat(inputs), data_samples)

    def _forward(self,
                 inputs: Tensor,
                 data_samples: Optional[TrackSampleList] = None
                 ) -> ClipPrediction:
        """Predict clips without post-processing, inputs (N, T, 3, H, W)."""
        return self.head(self.extract_feat(inputs), inputs.shape[1])

    @torch.no_grad()
    def predict(self, inputs: Iterable,
                data_samples: TrackSampleList) -> TrackSampleList:
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
            ori_shape = sample[0].ori_shape[:2]
            if isinstance(video, Tensor):
                clips = self._split_tensor(video, sample[0].img_shape[:2],
                                           ori_shape)
            else:
                frames = (video[t] for t in range(len(video)))
                clips = self._read_clips(frames, ori_shape, len(video))
            for frame, result in zip(sample, self.head.predict(clips)):
                frame.set_field(result, self.head.result_field)
        return data_samples

    @torch.no_grad()
    def predict_stream(self,
                       frames: Iterable[Tensor],
                       ori_shape: Tuple[int, int],
                       num_frames: Optional[int] = None
                       ) -> Iterator[List[DetDataSample]]:
        """Track and segment a stream of frames, clip by clip.

        Args:
            frames (Iterable[Tensor]): Frames of shape (3, h, w), BGR, in the
                range 0 to 255, already resized for the model.
            ori_shape (tuple[int, int]): Height and width that the masks are
                wanted in.
            num_frames (int, optional): Number of frames where it is known;
                the last clips are then of nearly equal length.

        Yields:
            list[:obj:`DetDataSample`]: The frames of a clip, in order, each
            with ``frame_id`` and the result as in :meth:`predict`, but with
            ids that stay as they are when more of the video is seen; see
            ``predict_stream`` of the head.
        """
        clips = self._read_clips(frames, ori_shape, num_frames)
        frame_id = 0
        for results in self.head.predict_stream(clips):
            samples = []
            for result in results:
                sample = DetDataSample(
                    metainfo=dict(frame_id=frame_id, ori_shape=ori_shape))
                sample.set_field(result, self.head.result_field)
                samples.append(sample)
                frame_id += 1
            yield samples

    def _read_clips(
        self,
        frames: Iterable[Tensor],
        ori_shape: Tuple[int, int],
        num_frames: Optional[int] = None
    ) -> Iterator[Tuple[ClipPrediction, ClipShapes]]:
        """Predict clip by clip; read one clip ahead in a thread."""
        clips = self.head.split(frames, num_frames)
        with ThreadPoolExecutor(max_workers=1) as reader:
            pending = reader.submit(next, clips, None)
            while (clip := pending.result()) is not None:
                pending = reader.submit(next, clips, None)
                frames, num_new = clip
                preprocess = self.data_preprocessor
                inputs = preprocess.preprocess_clip(frames)
                img_shape = preprocess.img_shape(frames[0].shape[-2:])
                yield self._forward(inputs), ClipShapes(
                    inputs.shape[-2:], img_shape, ori_shape, num_new)

    def _split_tensor(
        self, frames: Tensor, img_shape: Tuple[int, int],
        ori_shape: Tuple[int, int]
    ) -> Iterator[Tuple[ClipPrediction, ClipShapes]]:
        """Predict the clips of preprocessed frames, shape (T, 3, H, W)."""
        for clip, num_new in self.head.split(frames, len(frames)):
            yield self._forward(torch.stack(clip)[None]), ClipShapes(
                frames.shape[-2:], img_shape, ori_shape, num_new)
