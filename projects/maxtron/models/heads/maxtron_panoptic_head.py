# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Iterator

from mmdet.registry import MODELS
from mmdet.utils import ConfigType
from torch import Tensor

from ...errors import ConfigKeyError, InputError
from ...structures import ClipPrediction, ClipShapes, PanopticMap, thing_id
from ..association import SegmentLinker
from ..postprocess import (
    MaskFormerMerger,
    PanopticMerger,
    SigmoidPanopticMerger,
)
from .base_maxtron_head import BaseMaXTronHead
from .modes import (
    MERGE_RULES,
    SEGMENT_DECISIONS,
    check_choice,
    check_thing_labels,
)
from .video_state import OfflineState, VideoState


@MODELS.register_module()
class MaXTronPanopticHead(BaseMaXTronHead):
    """Head that turns clip predictions into the panoptic maps of a video.

    :class:`MaXTronHead` shows what the head contains. The segments are
    determined in one of three ways:

    - near_online, per_video - any model - results come at the end: Hungarian
      matching of the embeddings links the queries of neighbouring clips. Class
      logits are averaged over the clips. All queries are merged once.
    - near_online, per_clip - any model - results come clip by clip: each clip
      is merged by itself. Its things are linked, class by class, to those
      seen before.
    - offline - models with a tracker - results come at the end: as per_video,
      with queries that the cross-clip tracker has refined.

    Each frame is kept as a compressed map of some kilobytes.

    Args:
        segmenter (ConfigDict or dict): :class:`ClipSegmenter`.
        test_cfg (ConfigDict or dict): Keys of
            :class:`BaseMaXTronHead`, and

            - ``clip_len`` (int): Defaults to 2.
            - ``segment_decision`` (str): 'per_video' or 'per_clip' in mode
              'near_online', see above. Defaults to 'per_video'.
            - ``thing_labels`` (Sequence[int]): Labels that are things.
            - ``pixel_thr``, ``thing_thr``, ``stuff_thr``, ``overlap_thr``
              (float): Thresholds of :class:`PanopticMerger`. They default to
              0.3, 0.2, 0.3 and 0.8.
            - ``merge_rule`` (str): 'video_kmax', the rule of
              :class:`PanopticMerger`, or 'maskformer', the rule of
              :class:`MaskFormerMerger`. The latter requires a segmenter with
              ``mask_activation`` 'sigmoid', and the decision 'per_clip' in
              mode 'near_online'. Defaults to 'video_kmax'.
            - ``link_cost`` (float): Things of two clips are linked below this
              cost (1 - cosine) / 2 if the decision is 'per_clip'. Defaults to
              0.5.
        kwargs: See :class:`BaseMaXTronHead`.

    Raises:
        InputError: If a label is unknown to the segmenter, or the merge rule
            does not fit the segmenter or the mode.
    """

    result_field = 'pred_panoptic_map'
    test_cfg_defaults = dict(
        BaseMaXTronHead.test_cfg_defaults,
        clip_len=2,
        segment_decision='per_video',
        thing_labels=None,
        pixel_thr=0.3,
        thing_thr=0.2,
        stuff_thr=0.3,
        overlap_thr=0.8,
        merge_rule='video_kmax',
        link_cost=0.5,
    )

    def __init__(
        self, segmenter: ConfigType, test_cfg: ConfigType, **kwargs
    ) -> None:
        super().__init__(segmenter, test_cfg, **kwargs)
        cfg = self.test_cfg
        check_choice(
            'segment_decision', cfg['segment_decision'], SEGMENT_DECISIONS
        )
        if cfg['thing_labels'] is None:
            raise ConfigKeyError(
                'model.head.test_cfg.thing_labels is missing: list the labels '
                'that are things.'
            )
        check_thing_labels(cfg['thing_labels'], self.num_classes)
        self.segment_decision = cfg['segment_decision']
        self._check_merge_rule()
        self.merge_cfg = dict(
            thing_labels=tuple(cfg['thing_labels']),
            num_classes=self.num_classes,
            pixel_thr=cfg['pixel_thr'],
            thing_thr=cfg['thing_thr'],
            stuff_thr=cfg['stuff_thr'],
            overlap_thr=cfg['overlap_thr'],
            align_corners=self.segmenter.align_corners,
        )
        self.link_cost = cfg['link_cost']

    def _check_merge_rule(self) -> None:
        """Refuse a rule that does not fit the segmenter or the mode."""
        rule = self.test_cfg['merge_rule']
        check_choice('merge_rule', rule, MERGE_RULES)
        if rule == 'video_kmax':
            return
        if self.segmenter.mask_activation != 'sigmoid':
            raise InputError(
                "model.head.test_cfg.merge_rule is 'maskformer', but masks of "
                f'{type(self.segmenter).__name__} compete in a softmax; set '
                "it to 'video_kmax'."
            )
        if self.mode == 'near_online' and self.segment_decision != 'per_clip':
            raise InputError(
                "model.head.test_cfg.merge_rule is 'maskformer', which needs "
                'the class scores before the masks, but those of a video are '
                "known at its end; set segment_decision to 'per_clip', or "
                "merge_rule to 'video_kmax'."
            )

    def make_merger(self) -> PanopticMerger:
        """Make a merger for the masks of a video or of a clip."""
        if self.test_cfg['merge_rule'] == 'maskformer':
            return MaskFormerMerger(**self.merge_cfg)
        if self.segmenter.mask_activation == 'softmax':
            return PanopticMerger(**self.merge_cfg)
        return SigmoidPanopticMerger(**self.merge_cfg)

    def start_video(self, whole_video: bool = False) -> VideoState:
        """Start a video, see :class:`BaseMaXTronHead`.

        Args:
            whole_video (bool): Whether results come at the end of the video if
                ``segment_decision`` is 'per_video'. Otherwise the decision is
                made clip by clip. Defaults to False.

        Returns:
            VideoState: State whose results are one PanopticMap
                per frame.
        """
        if self.mode == 'offline':
            return OfflineSegments(self)
        if whole_video and self.segment_decision == 'per_video':
            return VideoSegments(self)
        return ClipSegments(self)


class VideoSegments(VideoState):
    """Near-online segments, with one decision per video.

    Args:
        head (MaXTronPanopticHead): The head.
    """

    def __init__(self, head: MaXTronPanopticHead) -> None:
        self.head = head
        self._association = head.association.start_video()
        self._merger = head.make_merger()
        self._num_frames = 0

    def update(
        self, clip: ClipPrediction, shapes: ClipShapes
    ) -> list[PanopticMap]:
        """Add the masks of the next clip, see :class:`VideoState`."""
        num_shared = self.head.num_shared(clip.mask_logits.shape[2], shapes)
        clip = self._association.update(clip, num_shared)
        # As in the reference, repeated frames of the last clip count in the
        # decision.
        _add_masks(self._merger, clip.mask_logits[0, :, num_shared:], shapes)
        self._num_frames += shapes.num_new
        return []

    def finish(self) -> Iterator[list[PanopticMap]]:
        """Determine the segments of the video, see :class:`VideoState`."""
        maps, _ = self._merger.merge(self._association.cls_logits)
        yield maps[: self._num_frames]


class ClipSegments(VideoState):
    """Near-online segments, with one decision per clip.

    A thing keeps its id while it is found in every clip.

    Args:
        head (MaXTronPanopticHead): The head.
    """

    def __init__(self, head: MaXTronPanopticHead) -> None:
        self.head = head
        self._association = head.association.start_video()
        self._linker = SegmentLinker(head.link_cost, self._association)

    def update(
        self, clip: ClipPrediction, shapes: ClipShapes
    ) -> list[PanopticMap]:
        """Segment the next clip and link its things, see the base class."""
        num_shared = self.head.num_shared(clip.mask_logits.shape[2], shapes)
        merger = self.head.make_merger()
        merger.set_classes(clip.cls_logits[0])
        _add_masks(merger, clip.mask_logits[0, :, num_shared:], shapes)
        maps, segments = merger.merge(clip.cls_logits[0])
        things = [s for s in segments if s.isthing]
        cues = self._association.read(clip, num_shared).clip(0).cpu()
        indices = self._linker.update(
            [s.label for s in things], cues.select([s.query for s in things])
        )
        ids = {
            s.id: thing_id(s.label, index) for s, index in zip(things, indices)
        }
        return [
            panoptic_map.relabel(ids)
            for panoptic_map in maps[: shapes.num_new]
        ]

    def finish(self) -> Iterator[list[PanopticMap]]:
        """End the video; all results were returned before."""
        return iter(())


class OfflineSegments(OfflineState):
    """Segments of refined queries, with one decision per video.

    Args:
        head (MaXTronPanopticHead): The head.
    """

    def __init__(self, head: MaXTronPanopticHead) -> None:
        super().__init__(head.refine, head.feature_cache, head.association)
        self.head = head
        self._merger = head.make_merger()

    def refine(self) -> Tensor:
        """Refine the queries, see :class:`OfflineState`."""
        self._cls_logits = super().refine()
        self._merger.set_classes(self._cls_logits)
        return self._cls_logits

    def segment(
        self, mask_feats: Tensor, shapes: ClipShapes
    ) -> list[PanopticMap]:
        """Add the masks of the next clip, see :class:`OfflineState`."""
        masks = self.head.segment(self.next_embeds(), mask_feats, shapes)
        _add_masks(self._merger, masks, shapes)
        return []

    def finish(self) -> Iterator[list[PanopticMap]]:
        """Determine the segments of the video, see :class:`OfflineState`."""
        yield from super().finish()
        yield self._merger.merge(self._cls_logits).maps


def _add_masks(
    merger: PanopticMerger, mask_logits: Tensor, shapes: ClipShapes
) -> None:
    """Add mask logits (Q, T, h, w) of a clip to a merger."""
    merger.update(
        mask_logits, shapes.input_shape, shapes.img_shape, shapes.ori_shape
    )
