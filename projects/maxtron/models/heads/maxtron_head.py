# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Iterable, Iterator
from itertools import chain

import torch
from mmdet.registry import MODELS
from mmengine.structures import InstanceData
from torch import Tensor

from ...structures import ClipShapes
from ..association import QueryAssociation, iter_clips
from ..postprocess import (
    binary_logits,
    encode_frame,
    frame_instances,
    top_pairs,
)
from .base_maxtron_head import BaseMaXTronHead, Clips


@MODELS.register_module()
class MaXTronHead(BaseMaXTronHead):
    """Clip predictions to tracks of a video.

    Near-online, the class score of a track is the softmax of the mean of its
    class logits over the clips, and its mask in a frame is that of the clip
    the frame belongs to. Offline, both come from the refined queries. Of a
    segmenter whose masks compete for the pixels, a pixel is of the mask that
    has more than half of it.

    Args:
        test_cfg (:obj:`ConfigDict` or dict): As for :class:`BaseMaXTronHead`,
            and ``overlap``, frames shared by neighbouring clips in
            near-online mode (default 0); ``max_per_video``, (query, class)
            pairs kept for a video (default 100); ``max_per_frame``, instances
            kept in a frame (default 30; the reference, whose comment says
            10).
        kwargs: As for :class:`BaseMaXTronHead`.
    """

    result_field = 'pred_track_instances'

    def _read_test_cfg(
        self,
        overlap: int = 0,
        max_per_video: int = 100,
        max_per_frame: int = 30,
        **kwargs,
    ) -> None:
        super()._read_test_cfg(**kwargs)
        # the last clip with its last frame, see split
        self.fills_up = self.mode == 'offline' or self.segmenter.fixed_clip_len
        if overlap and self.fills_up:
            raise ValueError(
                f'model.head.test_cfg.overlap is {overlap}, but clips of one '
                'length, as this segmenter or the mode offline wants them, do '
                'not overlap; set it to 0.'
            )
        self.overlap = overlap
        self.max_per_video = max_per_video
        self.max_per_frame = max_per_frame

    def split(
        self, frames: Iterable, num_frames: int | None = None
    ) -> Iterator[tuple[list, int]]:
        """Cut a stream of frames into the clips of this head.

        Args:
            frames (Iterable): The frames.
            num_frames (int, optional): Their number where it is known.

        Returns:
            Iterator[tuple[list, int]]: See :func:`iter_clips`.
        """
        if self.fills_up:
            return super().split(frames, num_frames)
        return iter_clips(frames, self.clip_len, num_frames, self.overlap)

    def predict(self, clips: Clips) -> list[InstanceData]:
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
        if self.mode == 'offline':
            return list(chain.from_iterable(self._predict_offline(clips)))
        association, frames = QueryAssociation(), []
        for clip, shapes in clips:
            clip = association.update(clip)
            frames += self._encode_clip(
                self._binary(clip.mask_logits[0]), shapes
            )
            del clip  # before the next one is made
        scores, queries, labels, ids = self._top_pairs(association.cls_logits)
        return [
            InstanceData(
                **frame_instances(
                    frame, scores, queries, labels, ids, self.max_per_frame
                )
            )
            for frame in frames
        ]

    def _top_pairs(self, cls_logits: Tensor) -> tuple[Tensor, ...]:
        """Scores, queries, labels and ids of the best pairs of a video."""
        scores, queries, labels = (
            x.cpu() for x in top_pairs(cls_logits, self.max_per_video)
        )
        return scores, queries, labels, queries * self.num_classes + labels + 1

    def _predict_offline(self, clips: Clips) -> Iterator[list[InstanceData]]:
        """Instances of a video, clip by clip after all clips were seen."""
        cls_logits, clips = self.refine(clips)
        scores, queries, labels, ids = self._top_pairs(cls_logits)
        queries, rows = queries.unique(return_inverse=True)
        for embeds, mask_feats, shapes in clips:
            if self.segmenter.masks_compete:
                masks = self._binary(self.segment(embeds, mask_feats, shapes))
                masks = masks[queries]
            else:
                masks = self.segment(embeds[queries], mask_feats, shapes)
            yield [
                InstanceData(
                    **frame_instances(
                        frame, scores, rows, labels, ids, self.max_per_frame
                    )
                )
                for frame in self._encode_clip(masks, shapes)
            ]

    def predict_stream(self, clips: Clips) -> Iterator[list[InstanceData]]:
        """Instances clip by clip, before the rest of the video is seen.

        Near-online, scores use the class logits of the clips so far; a query
        has one label, the best at the time, and the id ``query + 1``. Offline,
        the results are those of :meth:`predict`, and come after all clips
        were seen once.

        Args:
            clips (Iterable[tuple[:obj:`ClipPrediction`, :obj:`ClipShapes`]]):
                Clips of the video in order; consumed one at a time.

        Yields:
            list[:obj:`InstanceData`]: Instances of the new frames of a clip,
            with the fields of :meth:`predict`.
        """
        if self.mode == 'offline':
            yield from self._predict_offline(clips)
            return
        association = QueryAssociation()
        for clip, shapes in clips:
            clip = association.update(clip)
            scores, labels = association.cls_logits.softmax(-1)[:, :-1].max(-1)
            scores, queries = scores.topk(min(self.max_per_frame, len(scores)))
            masks = self._binary(clip.mask_logits[0])[queries]
            frames = self._encode_clip(masks, shapes)
            del clip  # before the next one is made
            labels, queries = labels[queries].cpu(), queries.cpu()
            rows = torch.arange(len(queries))
            yield [
                InstanceData(
                    **frame_instances(
                        frame,
                        scores.cpu(),
                        rows,
                        labels,
                        queries + 1,
                        len(rows),
                    )
                )
                for frame in frames
            ]

    def _binary(self, mask_logits: Tensor) -> Tensor:
        """Mask logits (Q, ...) whose sigmoid are probabilities."""
        if self.segmenter.masks_compete:
            return binary_logits(mask_logits)
        return mask_logits

    def _encode_clip(self, mask_logits: Tensor, shapes: ClipShapes) -> list:
        """Encode the new frames of mask logits with shape (Q, T, h, w)."""
        start = 0 if self.fills_up else -shapes.num_new
        masks = mask_logits[:, start:][:, : shapes.num_new]
        return [
            encode_frame(frame, *shapes[:3], self.segmenter.align_corners)
            for frame in masks.unbind(1)
        ]
