# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

import torch
from mmdet.registry import MODELS
from mmdet.structures import TrackSampleList
from mmdet.utils import ConfigType, OptMultiConfig
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor

from ..clip_prediction import ClipPrediction
from ..postprocess import encode_frame, frame_instances, top_pairs
from ..trackers import QueryAssociation, iter_clips


class ClipShapes(NamedTuple):
    """Sizes (height, width) of the frames of a clip.

    Attributes:
        input_shape (tuple[int, int]): As the backbone sees them, padded.
        img_shape (tuple[int, int]): Before padding.
        ori_shape (tuple[int, int]): Of the original images.
        num_new (int): How many of the last frames the clips before have not
            covered.
    """
    input_shape: Tuple[int, int]
    img_shape: Tuple[int, int]
    ori_shape: Tuple[int, int]
    num_new: int


@MODELS.register_module()
class MaXTronHead(BaseModule):
    """Clip predictions to tracks of a video, near-online.

    The clips are linked by Hungarian matching of their query embeddings, each
    with the clip before it. The class score of a track is the softmax of the
    mean of its class logits over the clips, and its mask in a frame is that
    of the clip the frame belongs to.

    Args:
        segmenter (:obj:`ConfigDict` or dict): Clip segmenter, which fills
            :obj:`ClipPrediction`.
        test_cfg (:obj:`ConfigDict` or dict): ``clip_len``, frames of a clip,
            at least 2; ``overlap``, frames shared by neighbouring clips
            (default 0); ``max_per_video``, (query, class) pairs kept for a
            video (default 100); ``max_per_frame``, instances kept in a frame
            (default 30; the reference, whose comment says 10).
        init_cfg (:obj:`ConfigDict` or dict or list, optional): Initialization
            config. Defaults to None.

    Raises:
        ValueError: If ``clip_len`` is below 2.
    """
    # Where the result of a frame is put in its DetDataSample.
    result_field = 'pred_track_instances'

    def __init__(self,
                 segmenter: ConfigType,
                 test_cfg: ConfigType,
                 init_cfg: OptMultiConfig = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.segmenter = MODELS.build(segmenter)
        self._read_test_cfg(**test_cfg)

    def _read_test_cfg(self,
                       clip_len: int,
                       overlap: int = 0,
                       max_per_video: int = 100,
                       max_per_frame: int = 30) -> None:
        self._set_clip_len(clip_len)
        self.overlap = overlap
        self.max_per_video = max_per_video
        self.max_per_frame = max_per_frame

    def _set_clip_len(self, clip_len: int) -> None:
        if clip_len < 2:
            raise ValueError(
                f'model.head.test_cfg.clip_len is {clip_len}, but a clip '
                'needs at least 2 frames to be tracked through; set it to 2 '
                'or more.')
        self.clip_len = clip_len

    def split(self,
              frames: Iterable,
              num_frames: Optional[int] = None) -> Iterator[Tuple[list, int]]:
        """Cut a stream of frames into the clips of this head.

        Args:
            frames (Iterable): The frames.
            num_frames (int, optional): Their number where it is known.

        Returns:
            Iterator[tuple[list, int]]: See :func:`iter_clips`.
        """
        return iter_clips(frames, self.clip_len, num_frames, self.overlap)

    @property
    def num_classes(self) -> int:
        """int: Number of classes without "no object"."""
        return self.segmenter.num_classes

    def forward(self, x: Tuple[Tensor], num_frames: int) -> ClipPrediction:
        """Segment a batch of clips.

        Args:
            x (tuple[Tensor]): Features, each of shape (B * T, C_i, h_i, w_i).
            num_frames (int): T.

        Returns:
            :obj:`ClipPrediction`: Prediction of the segmenter.
        """
        return self.segmenter(x, num_frames)

    def loss(self, x: Tuple[Tensor],
             data_samples: TrackSampleList) -> Dict[str, Tensor]:
        """Losses of a batch of clips.

        Args:
            x (tuple[Tensor]): Features, each of shape (B * T, C_i, h_i, w_i).
            data_samples (list[:obj:`TrackDataSample`]): One per clip.

        Returns:
            dict[str, Tensor]: Losses of the segmenter.
        """
        return self.segmenter.loss(x, data_samples)

    def predict(
        self, clips: Iterable[Tuple[ClipPrediction, ClipShapes]]
    ) -> List[InstanceData]:
        """Instances of a whole video, as in the YouTube-VIS evaluation.

        A query may carry several classes; each (query, class) pair is a track
        of its own with the id ``query * num_classes + class + 1``.

        Args:
            clips (Iterable[tuple[:obj:`ClipPrediction`, :obj:`ClipShapes`]]):
                Clips of the video in order; consumed one at a time.

        Returns:
            list[:obj:`InstanceData`]: Per frame ``instances_id``, ``labels``,
            ``scores``, ``bboxes`` and ``masks`` (COCO RLE), best first.
        """
        association, frames = QueryAssociation(), []
        for clip, shapes in clips:
            clip = association.update(clip)
            frames += self._encode_clip(clip.mask_logits[0], shapes)
            del clip  # before the next one is made
        scores, queries, labels = (
            x.cpu()
            for x in top_pairs(association.cls_logits, self.max_per_video))
        ids = queries * self.num_classes + labels + 1
        return [
            InstanceData(**frame_instances(frame, scores, queries, labels, ids,
                                           self.max_per_frame))
            for frame in frames
        ]

    def predict_stream(
        self, clips: Iterable[Tuple[ClipPrediction, ClipShapes]]
    ) -> Iterator[List[InstanceData]]:
        """Instances clip by clip, before the rest of the video is seen.

        Scores use the class logits of the clips so far. A query has one
        label, the best at the time, and the id ``query + 1``.

        Args:
            clips (Iterable[tuple[:obj:`ClipPrediction`, :obj:`ClipShapes`]]):
                Clips of the video in order; consumed one at a time.

        Yields:
            list[:obj:`InstanceData`]: Instances of the new frames of a clip,
            with the fields of :meth:`predict`.
        """
        association = QueryAssociation()
        for clip, shapes in clips:
            clip = association.update(clip)
            scores, labels = association.cls_logits.softmax(-1)[:, :-1].max(-1)
            scores, queries = scores.topk(
                min(self.max_per_frame, len(scores)))
            frames = self._encode_clip(clip.mask_logits[0, queries], shapes)
            del clip  # before the next one is made
            labels, queries = labels[queries].cpu(), queries.cpu()
            rows = torch.arange(len(queries))
            yield [
                InstanceData(**frame_instances(frame, scores.cpu(), rows,
                                               labels, queries + 1, len(rows)))
                for frame in frames
            ]

    @staticmethod
    def _encode_clip(mask_logits: Tensor, shapes: ClipShapes) -> list:
        """Encode the new frames of mask logits with shape (Q, T, h, w)."""
        return [
            encode_frame(frame, *shapes[:3])
            for frame in mask_logits[:, -shapes.num_new:].unbind(1)
        ]
