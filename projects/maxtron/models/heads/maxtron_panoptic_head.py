# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Iterator, Sequence
from itertools import chain

from mmdet.registry import MODELS

from ...structures import PanopticMap, thing_id
from ..association import QueryAssociation, SegmentLinker
from ..postprocess import PanopticMerger, SingleMaskMerger
from .base_maxtron_head import BaseMaXTronHead, Clips


@MODELS.register_module()
class MaXTronPanopticHead(BaseMaXTronHead):
    """Clip predictions to the panoptic segmentation of a video.

    In mode 'video' the queries of the clips are linked by Hungarian matching
    of their embeddings, each clip with the one before, class logits are
    averaged over the clips and all queries are merged to segments once, over
    the whole video. In mode 'offline' a cross-clip tracker refines the linked
    queries before. In mode 'clip' each clip is merged by itself and its
    things are linked, class by class, to those seen before: results come
    while the video is running. No mode keeps more of the masks of a clip than
    a compressed map a frame, some kilobytes, or, of a segmenter whose masks do
    not compete for the pixels, their run-length encodings.

    Args:
        test_cfg (:obj:`ConfigDict` or dict): As for :class:`BaseMaXTronHead`,
            with ``clip_len`` 2 by default, and ``thing_labels``, the labels
            that are things; ``pixel_thr``, ``thing_thr``, ``stuff_thr``,
            ``overlap_thr``: see :class:`PanopticMerger` (defaults 0.3, 0.2,
            0.3, 0.8); ``link_cost`` the largest cost (1 - cosine) / 2 that
            links two things in mode 'clip' (default 0.5).
        kwargs: As for :class:`BaseMaXTronHead`.

    Raises:
        ValueError: If there is a label that the segmenter does not have.
    """

    modes = ('video', 'clip', 'offline')
    result_field = 'pred_panoptic_map'

    def _read_test_cfg(
        self,
        thing_labels: Sequence[int],
        clip_len: int = 2,
        pixel_thr: float = 0.3,
        thing_thr: float = 0.2,
        stuff_thr: float = 0.3,
        overlap_thr: float = 0.8,
        link_cost: float = 0.5,
        **kwargs,
    ) -> None:
        super()._read_test_cfg(clip_len=clip_len, **kwargs)
        if not all(0 <= label < self.num_classes for label in thing_labels):
            raise ValueError(
                'model.head.test_cfg.thing_labels has labels outside of 0 to '
                f'{self.num_classes - 1}, the classes of the segmenter.'
            )
        self.merge_cfg = dict(
            thing_labels=tuple(thing_labels),
            num_classes=self.num_classes,
            pixel_thr=pixel_thr,
            thing_thr=thing_thr,
            stuff_thr=stuff_thr,
            overlap_thr=overlap_thr,
            align_corners=self.segmenter.align_corners,
        )
        self.link_cost = link_cost

    def make_merger(self) -> PanopticMerger:
        """Make what merges the masks of a video, or of a clip."""
        merger = (
            PanopticMerger
            if self.segmenter.masks_compete
            else SingleMaskMerger
        )
        return merger(**self.merge_cfg)

    def predict(self, clips: Clips) -> list[PanopticMap]:
        """Segment a whole video.

        Args:
            clips (Iterable[tuple[:obj:`ClipPrediction`, :obj:`ClipShapes`]]):
                Clips of the video in order; consumed one at a time.

        Returns:
            list[:obj:`PanopticMap`]: One per frame.
        """
        if self.mode == 'clip':
            return list(chain.from_iterable(self.predict_stream(clips)))
        merger = self.make_merger()
        if self.mode == 'offline':
            cls_logits, clips = self.refine(clips)
            for embeds, mask_feats, shapes in clips:
                masks = self.segment(embeds, mask_feats, shapes)
                merger.update(masks, *shapes[:3])
            return merger.merge(cls_logits).maps
        association, num_frames = QueryAssociation(), 0
        for clip, shapes in clips:
            clip = association.update(clip)
            # As in the reference, repeated frames count in the decision.
            merger.update(clip.mask_logits[0], *shapes[:3])
            num_frames += shapes.num_new
            del clip  # before the next one is made
        maps, _ = merger.merge(association.cls_logits)
        return maps[:num_frames]

    def predict_stream(self, clips: Clips) -> Iterator[list[PanopticMap]]:
        """Segment clip by clip, before the rest of the video is seen.

        In mode 'offline' the whole video is one clip.

        Args:
            clips (Iterable[tuple[:obj:`ClipPrediction`, :obj:`ClipShapes`]]):
                Clips of the video in order; consumed one at a time.

        Yields:
            list[:obj:`PanopticMap`]: The new frames of a clip. A thing keeps
            its id as long as it is found again in every clip.
        """
        if self.mode == 'offline':
            yield self.predict(clips)
            return
        linker = SegmentLinker(self.link_cost)
        for clip, shapes in clips:
            merger = self.make_merger()
            merger.update(clip.mask_logits[0], *shapes[:3])
            maps, segments = merger.merge(clip.cls_logits[0])
            things = [s for s in segments if s.isthing]
            embeds = clip.embeds[0, [s.query for s in things]]
            del clip  # before the next one is made
            indices = linker.update([s.label for s in things], embeds)
            ids = {
                s.id: thing_id(s.label, index)
                for s, index in zip(things, indices)
            }
            yield [
                panoptic_map.relabel(ids)
                for panoptic_map in maps[: shapes.num_new]
            ]
