# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from itertools import chain
from typing import Iterable, Iterator, List, Optional, Sequence, Tuple

from mmdet.registry import MODELS

from ..clip_prediction import ClipPrediction
from ..postprocess import PanopticMap, PanopticMerger, thing_id
from ..trackers import QueryAssociation, SegmentLinker, iter_clips
from .maxtron_head import ClipShapes, MaXTronHead

Clips = Iterable[Tuple[ClipPrediction, ClipShapes]]


@MODELS.register_module()
class MaXTronPanopticHead(MaXTronHead):
    """Clip predictions to the panoptic segmentation of a video, near-online.

    In mode 'video' the queries of the clips are linked by Hungarian matching
    of their embeddings, each clip with the one before, class logits are
    averaged over the clips and all queries are merged to segments once, over
    the whole video. In mode 'clip' each clip is merged by itself and its
    things are linked, class by class, to those seen before: results come
    while the video is running. Neither keeps more of a clip than a compressed
    map a frame, some kilobytes.

    Args:
        segmenter (:obj:`ConfigDict` or dict): Clip segmenter, which fills
            :obj:`ClipPrediction`.
        test_cfg (:obj:`ConfigDict` or dict): ``thing_labels``, the labels
            that are things; ``clip_len``, frames of a clip (default 2), of
            which the last one of a video is filled up with its last frame;
            ``mode``, 'video' (default) or 'clip'; ``pixel_thr``,
            ``thing_thr``, ``stuff_thr``, ``overlap_thr``: see
            :class:`PanopticMerger` (defaults 0.3, 0.2, 0.3, 0.8);
            ``link_cost`` the largest cost (1 - cosine) / 2 that links two
            things in mode 'clip' (default 0.5).
        init_cfg (:obj:`ConfigDict` or dict or list, optional): Initialization
            config. Defaults to None.

    Raises:
        ValueError: If ``clip_len`` is below 2, or ``mode`` is unknown, or
            there is a label that the segmenter does not have.
    """
    result_field = 'pred_panoptic_map'

    def _read_test_cfg(self,
                       thing_labels: Sequence[int],
                       clip_len: int = 2,
                       mode: str = 'video',
                       pixel_thr: float = 0.3,
                       thing_thr: float = 0.2,
                       stuff_thr: float = 0.3,
                       overlap_thr: float = 0.8,
                       link_cost: float = 0.5) -> None:
        self._set_clip_len(clip_len)
        if mode not in ('video', 'clip'):
            raise ValueError(f'model.head.test_cfg.mode is {mode!r}; choose '
                             "'video' or 'clip'.")
        if not all(0 <= label < self.num_classes for label in thing_labels):
            raise ValueError(
                'model.head.test_cfg.thing_labels has labels outside of 0 to '
                f'{self.num_classes - 1}, the classes of the segmenter.')
        self.mode = mode
        self.merge_cfg = dict(
            thing_labels=tuple(thing_labels),
            num_classes=self.num_classes,
            pixel_thr=pixel_thr,
            thing_thr=thing_thr,
            stuff_thr=stuff_thr,
            overlap_thr=overlap_thr)
        self.link_cost = link_cost

    def split(self,
              frames: Iterable,
              num_frames: Optional[int] = None) -> Iterator[Tuple[list, int]]:
        """Cut a stream of frames into clips of one length.

        Args:
            frames (Iterable): The frames.
            num_frames (int, optional): Not used.

        Returns:
            Iterator[tuple[list, int]]: See :func:`iter_clips`.
        """
        return iter_clips(frames, self.clip_len, repeat_last=True)

    def predict(self, clips: Clips) -> List[PanopticMap]:
        """Segment a whole video.

        Args:
            clips (Iterable[tuple[:obj:`ClipPrediction`, :obj:`ClipShapes`]]):
                Clips of the video in order; consumed one at a time.

        Returns:
            list[:obj:`PanopticMap`]: One per frame.
        """
        if self.mode == 'clip':
            return list(chain.from_iterable(self.predict_stream(clips)))
        association, num_frames = QueryAssociation(), 0
        merger = PanopticMerger(**self.merge_cfg)
        for clip, shapes in clips:
            clip = association.update(clip)
            # As in the reference, repeated frames count in the decision.
            merger.update(clip.mask_logits[0], *shapes[:3])
            num_frames += shapes.num_new
            del clip  # before the next one is made
        maps, _ = merger.merge(association.cls_logits)
        return maps[:num_frames]

    def predict_stream(self, clips: Clips) -> Iterator[List[PanopticMap]]:
        """Segment clip by clip, before the rest of the video is seen.

        Args:
            clips (Iterable[tuple[:obj:`ClipPrediction`, :obj:`ClipShapes`]]):
                Clips of the video in order; consumed one at a time.

        Yields:
            list[:obj:`PanopticMap`]: The new frames of a clip. A thing keeps
            its id as long as it is found again in every clip.
        """
        linker = SegmentLinker(self.link_cost)
        for clip, shapes in clips:
            merger = PanopticMerger(**self.merge_cfg)
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
                for panoptic_map in maps[:shapes.num_new]
            ]
