# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Iterable, Iterator

import torch
from mmdet.registry import MODELS
from mmdet.utils import ConfigType
from mmengine.structures import InstanceData
from torch import Tensor

from ...structures import ClipPrediction, ClipShapes, copy_to_cpu
from ..association import iter_clips
from ..postprocess import (
    FrameMasks,
    encode_clip,
    select_instances,
    softmax_to_sigmoid_logits,
    top_pairs,
)
from .base_maxtron_head import BaseMaXTronHead
from .modes import check_thing_labels
from .video_state import OfflineState, VideoState


@MODELS.register_module()
class MaXTronHead(BaseMaXTronHead):
    """Head that turns clip predictions into instance tracks of a video.

    A *head* of MMDetection may contain other heads. This one contains::

        MaXTronHead                  clips -> tracks of a video
        |- segmenter                 one clip -> ClipPrediction; MMDetection
        |  |- pixel_decoder          calls it panoptic_head or track_head
        |  |- transformer_decoder
        |  `- losses and matcher
        `- tracker, tracker_heads    refined queries (offline models only)

    Near-online, the class score of a track is the softmax of its mean class
    logits over the clips, and each mask is that of the clip that first shows
    the frame. Offline, both come from the refined queries. If the segmenter's
    ``mask_activation`` is 'softmax', a pixel belongs to the mask whose
    probability exceeds 0.5.

    Args:
        segmenter (ConfigDict or dict): :class:`ClipSegmenter`.
        test_cfg (ConfigDict or dict): Keys of
            :class:`BaseMaXTronHead`, and

            - ``max_per_video`` (int): (query, class) pairs kept for a video.
              Defaults to 100.
            - ``max_per_frame`` (int): Instances kept in a frame. Defaults to
              30 as in the reference (whose comment says 10).
            - ``thing_labels`` (Sequence[int], optional): Classes of a
              panoptic model that are instances, in the order of the classes
              of the dataset. Defaults to None: all.
        kwargs: See :class:`BaseMaXTronHead`.
    """

    result_field = 'pred_track_instances'
    test_cfg_defaults = dict(
        BaseMaXTronHead.test_cfg_defaults,
        max_per_video=100,
        max_per_frame=30,
        thing_labels=None,
    )

    def __init__(
        self, segmenter: ConfigType, test_cfg: ConfigType, **kwargs
    ) -> None:
        super().__init__(segmenter, test_cfg, **kwargs)
        self.max_per_video = self.test_cfg['max_per_video']
        self.max_per_frame = self.test_cfg['max_per_frame']
        self.thing_labels = self.test_cfg['thing_labels']
        if self.thing_labels is not None:
            check_thing_labels(self.thing_labels, self.num_classes)

    @property
    def pad_last_clip(self) -> bool:
        """bool: Whether all clips have one length, see :func:`iter_clips`."""
        return self.mode == 'offline' or self.segmenter.pad_last_clip

    def split(
        self, frames: Iterable, num_frames: int | None = None
    ) -> Iterator[tuple[list, int]]:
        """Cut a stream of frames into clips, see :class:`BaseMaXTronHead`.

        Near-online clips may overlap and differ in length.
        """
        if self.pad_last_clip:
            return super().split(frames, num_frames)
        return iter_clips(frames, self.clip_len, num_frames, self.overlap)

    def start_video(self, whole_video: bool = False) -> VideoState:
        """Start a video, see :class:`BaseMaXTronHead`.

        Returns:
            VideoState: State whose results are InstanceData with
            the fields of :func:`frame_instances`.
        """
        if self.mode == 'offline':
            return OfflineInstances(self)
        return WholeVideoInstances(self) if whole_video else Instances(self)

    def encode(
        self, mask_logits: Tensor, shapes: ClipShapes
    ) -> list[FrameMasks]:
        """Encode the masks of the new frames of a clip.

        Args:
            mask_logits (Tensor): Mask logits of n queries whose sigmoid are
                probabilities, shape (n, T, h, w).
            shapes (ClipShapes): Sizes of the frames.

        Returns:
            list[FrameMasks]: One per new frame.
        """
        start = self.num_shared(mask_logits.shape[1], shapes)
        return encode_clip(
            mask_logits[:, start : start + shapes.num_new],
            shapes.input_shape,
            shapes.img_shape,
            shapes.ori_shape,
            self.segmenter.align_corners,
        )

    def only_things(self, cls_logits: Tensor) -> Tensor:
        """Let all classes but ``thing_labels`` count as "no object".

        Args:
            cls_logits (Tensor): Class logits, shape (Q, C + 1).

        Returns:
            Tensor: Logits with the same probabilities, shape (Q, n + 1).
        """
        if self.thing_labels is None:
            return cls_logits
        labels = list(self.thing_labels)
        others = sorted({*range(cls_logits.shape[-1])} - {*labels})
        rest = cls_logits[:, others].logsumexp(-1, keepdim=True)
        return torch.cat([cls_logits[:, labels], rest], -1)

    def to_sigmoid(self, mask_logits: Tensor) -> Tensor:
        """Convert mask logits (Q, ...) to logits of a sigmoid."""
        if self.segmenter.mask_activation == 'softmax':
            return softmax_to_sigmoid_logits(mask_logits)
        return mask_logits


class Instances(VideoState):
    """Near-online instances, clip by clip.

    Scores use the class logits of the clips up to the current one. A query has
    one label, the best at that time, and the id ``query + 1``.

    Args:
        head (MaXTronHead): The head.
    """

    def __init__(self, head: MaXTronHead) -> None:
        self.head = head
        self._association = head.association.start_video()

    def update(
        self, clip: ClipPrediction, shapes: ClipShapes
    ) -> list[InstanceData]:
        """Track the instances into the next clip, see :class:`VideoState`."""
        num_shared = self.head.num_shared(clip.mask_logits.shape[2], shapes)
        clip = self._association.update(clip, num_shared)
        logits = self.head.only_things(self._association.cls_logits)
        probs = logits.softmax(-1)[:, :-1]  # (Q, C)
        scores, labels = probs.max(-1)
        number = min(self.head.max_per_frame, len(scores))
        scores, queries = scores.topk(number)
        masks = self.head.to_sigmoid(clip.mask_logits[0])[queries]
        frames = self.head.encode(masks, shapes)
        scores, labels, ids = copy_to_cpu(scores, labels[queries], queries + 1)
        rows = torch.arange(number)
        return select_instances(frames, scores, rows, labels, ids, number)

    def finish(self) -> Iterator[list[InstanceData]]:
        """End the video; all results were returned before."""
        return iter(())


class WholeVideoInstances(VideoState):
    """Near-online instances with scores of the whole video.

    This is the rule of the YouTube-VIS evaluation. A query may carry several
    classes; each (query, class) pair is a track of its own with the id
    ``query * num_classes + class + 1``.

    Args:
        head (MaXTronHead): The head.
    """

    def __init__(self, head: MaXTronHead) -> None:
        self.head = head
        self._association = head.association.start_video()
        self._frames: list[FrameMasks] = []

    def update(
        self, clip: ClipPrediction, shapes: ClipShapes
    ) -> list[InstanceData]:
        """Encode the masks of the next clip, see :class:`VideoState`."""
        num_shared = self.head.num_shared(clip.mask_logits.shape[2], shapes)
        clip = self._association.update(clip, num_shared)
        masks = self.head.to_sigmoid(clip.mask_logits[0])
        self._frames += self.head.encode(masks, shapes)
        return []

    def finish(self) -> Iterator[list[InstanceData]]:
        """Select the tracks of the video, see :class:`VideoState`."""
        pairs = _top_pairs(self.head, self._association.cls_logits)
        yield select_instances(self._frames, *pairs, self.head.max_per_frame)


class OfflineInstances(OfflineState):
    """Instances of refined queries, with ids as :class:`WholeVideoInstances`.

    Args:
        head (MaXTronHead): The head.
    """

    def __init__(self, head: MaXTronHead) -> None:
        super().__init__(head.refine, head.feature_cache, head.association)
        self.head = head

    def refine(self) -> Tensor:
        """Refine the queries and select the tracks of the video."""
        cls_logits = super().refine()
        scores, queries, labels, ids = _top_pairs(self.head, cls_logits)
        # Only the selected queries get masks, one row each.
        self._queries_kept, rows = queries.unique(return_inverse=True)
        self._pairs = (scores, rows, labels, ids)
        return cls_logits

    def segment(
        self, mask_feats: Tensor, shapes: ClipShapes
    ) -> list[InstanceData]:
        """Make the masks of the next clip, see :class:`OfflineState`."""
        head, embeds, kept = self.head, self.next_embeds(), self._queries_kept
        if head.segmenter.mask_activation == 'softmax':
            masks = head.segment(embeds, mask_feats, shapes)
            masks = head.to_sigmoid(masks)[kept]  # (n, num_new, h, w)
        else:
            masks = head.segment(embeds[kept], mask_feats, shapes)
        frames = head.encode(masks, shapes)
        return select_instances(frames, *self._pairs, head.max_per_frame)


def _top_pairs(
    head: MaXTronHead, cls_logits: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Find scores, queries, labels and ids of the best pairs of a video.

    Args:
        head (MaXTronHead): The head.
        cls_logits (Tensor): Class logits, shape (Q, C + 1).

    Returns:
        tuple[Tensor, Tensor, Tensor, Tensor]: Each of shape (n, ), on the CPU.
    """
    scores, queries, labels = copy_to_cpu(
        *top_pairs(head.only_things(cls_logits), head.max_per_video)
    )
    return scores, queries, labels, queries * head.num_classes + labels + 1
