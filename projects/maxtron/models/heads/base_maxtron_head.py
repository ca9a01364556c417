# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from abc import ABCMeta, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from mmdet.registry import MODELS
from mmdet.structures import TrackSampleList
from mmdet.utils import ConfigType, OptConfigType, OptMultiConfig
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...structures import ClipPrediction, ClipShapes
from ..association import (
    QueryAssociation,
    align_queries,
    check_finite,
    iter_clips,
)
from ..cross_clip import FeatureCache

Clips = Iterable[tuple[ClipPrediction, ClipShapes]]


class BaseMaXTronHead(BaseModule, metaclass=ABCMeta):
    """Clips to a video: near-online by itself, offline with a tracker.

    Near-online tracking links each clip to the one before. Offline tracking
    links all clips of the video first, lets a cross-clip tracker refine their
    queries, and then makes one class prediction a query for the video and
    masks clip by clip. Sub-classes turn masks and classes into results.

    Args:
        segmenter (:obj:`ConfigDict` or dict): :class:`ClipSegmenter`.
        test_cfg (:obj:`ConfigDict` or dict): ``clip_len``, frames of a clip,
            at least 2, also in the training of a tracker; ``mode``, one of
            ``modes`` (default: 'offline' with a tracker, else 'video', which
            is near-online); ``feature_cache``, where the pixel embeddings of
            a video wait until its queries are refined: 'device' (default),
            'cpu', 'cpu_fp16' (half precision) or 'none', which computes them
            a second time, clip by clip, so that the memory does not grow
            with the video; and what the sub-class takes.
        tracker (:obj:`ConfigDict` or dict, optional):
            :class:`CrossClipTracker`. Defaults to None.
        criterion (:obj:`ConfigDict` or dict, optional): Losses of what the
            tracker predicts, such as :class:`KMaXCriterion`. Defaults to
            None, those of the segmenter.
        clip_loss_weight (float): Weight of the losses of the segmenter on
            its clips, where it is trained together with a tracker.
            Defaults to 0.
        init_cfg (:obj:`ConfigDict` or dict or list, optional): Initialization
            config. Defaults to None.

    Raises:
        ValueError: If ``clip_len`` is below 2, ``mode`` or ``feature_cache``
            is unknown, or something asks for a tracker and there is none.
    """

    modes = ('video', 'offline')
    # Where the result of a frame is put in its DetDataSample.
    result_field: str

    def __init__(
        self,
        segmenter: ConfigType,
        test_cfg: ConfigType,
        tracker: OptConfigType = None,
        criterion: OptConfigType = None,
        clip_loss_weight: float = 0.0,
        init_cfg: OptMultiConfig = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.segmenter = MODELS.build(segmenter)
        self.tracker = self.tracker_heads = self.criterion = None
        if tracker is not None:
            self.tracker = MODELS.build(tracker)
            self.tracker_heads = self.segmenter.build_tracker_heads()
        elif criterion is not None or clip_loss_weight:
            raise ValueError(
                'model.head.criterion and clip_loss_weight are for the '
                'training of a cross-clip tracker; set model.head.tracker, '
                'or give the criterion to model.head.segmenter.'
            )
        if criterion is not None:
            self.criterion = MODELS.build(
                dict(criterion, num_classes=self.num_classes)
            )
        self.clip_loss_weight = clip_loss_weight
        self._read_test_cfg(**test_cfg)

    def _read_test_cfg(
        self,
        clip_len: int,
        mode: str | None = None,
        feature_cache: str = 'device',
    ) -> None:
        if clip_len < 2:
            raise ValueError(
                f'model.head.test_cfg.clip_len is {clip_len}, but a clip '
                'needs at least 2 frames to be tracked through; set it to 2 '
                'or more.'
            )
        if mode is None:
            mode = 'video' if self.tracker is None else 'offline'
        caches = (*FeatureCache.MODES, 'none')
        for key, value, known in (
            ('mode', mode, self.modes),
            ('feature_cache', feature_cache, caches),
        ):
            if value not in known:
                raise ValueError(
                    f'model.head.test_cfg.{key} is {value!r}; choose '
                    f'{", ".join(map(repr, known[:-1]))} or {known[-1]!r}.'
                )
        if mode == 'offline' and self.tracker is None:
            raise ValueError(
                "model.head.test_cfg.mode is 'offline', but the model has no "
                'cross-clip tracker: take an offline config (maxtron-offline_'
                '*.py), or another mode.'
            )
        self.clip_len = clip_len
        self.mode = mode
        self.feature_cache = feature_cache

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *args, **kwargs
    ) -> None:
        """Let the heads of the tracker begin as those of the segmenter."""
        if self.tracker_heads is not None:
            source = f'{prefix}segmenter.{self.tracker_heads.copied_from}.'
            target = f'{prefix}tracker_heads.'
            missing = [
                name
                for name in self.tracker_heads.state_dict()
                if target + name not in state_dict
                and source + name in state_dict
            ]
            for name in missing:
                state_dict[target + name] = state_dict[source + name].clone()
            if missing and self.mode == 'offline':
                parts = sorted({name.rpartition('.')[0] for name in missing})
                print_log(
                    'The heads of the cross-clip tracker begin as copies of '
                    f'those of the segmenter: {len(missing)} tensors of '
                    f'{", ".join(parts)} from {source}* to {target}*.',
                    logger='current',
                )
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    @property
    def num_classes(self) -> int:
        """int: Number of classes without "no object"."""
        return self.segmenter.num_classes

    def split(
        self, frames: Iterable, num_frames: int | None = None
    ) -> Iterator[tuple[list, int]]:
        """Cut a stream of frames into clips of one length.

        Args:
            frames (Iterable): The frames.
            num_frames (int, optional): Their number where it is known.

        Returns:
            Iterator[tuple[list, int]]: See :func:`iter_clips`.
        """
        return iter_clips(frames, self.clip_len, repeat_last=True)

    def forward(self, x: tuple[Tensor], num_frames: int) -> ClipPrediction:
        """Segment a batch of clips.

        Args:
            x (tuple[Tensor]): Features, each of shape (B * T, C_i, h_i, w_i).
            num_frames (int): T.

        Returns:
            :obj:`ClipPrediction`: Prediction of the segmenter.
        """
        return self.segmenter(x, num_frames)

    def loss(
        self, x: tuple[Tensor], data_samples: TrackSampleList
    ) -> dict[str, Tensor]:
        """Losses of a batch of clips.

        Args:
            x (tuple[Tensor]): Features, each of shape (B * T, C_i, h_i, w_i).
            data_samples (list[:obj:`TrackDataSample`]): One per clip.

        Returns:
            dict[str, Tensor]: Losses of the segmenter.
        """
        return self.segmenter.loss(x, data_samples)

    def video_loss(
        self,
        queries: Sequence[Tensor],
        embeds: Sequence[Tensor],
        mask_feats: Sequence[Tensor],
        data_samples: TrackSampleList,
    ) -> dict[str, Tensor]:
        """Losses of a batch of videos after the cross-clip tracker.

        Args:
            queries (Sequence[Tensor]): Per clip, shape (B, Q, D).
            embeds (Sequence[Tensor]): Per clip, shape (B, Q, E).
            mask_feats (Sequence[Tensor]): Per clip, shape (B, F, T, h, w).
            data_samples (list[:obj:`TrackDataSample`]): One per video, with
                the frames of all clips.

        Returns:
            dict[str, Tensor]: Losses after each layer of the tracker.
        """
        queries = align_queries(queries, embeds)  # (B, K, Q, D)
        mask_feats = torch.stack(list(mask_feats), 1)  # (B, K, F, T, h, w)
        *aux, (cls_logits, mask_logits) = [
            self._predict_video(x, mask_feats) for x in self.tracker(queries)
        ]
        # Of a video there is no query and no embedding but those of clips.
        pred = ClipPrediction(
            cls_logits, mask_logits, queries=None, embeds=None, aux=aux
        )
        if self.criterion is None:
            return self.segmenter.loss_by_pred(pred, data_samples)
        return self.criterion(pred, None, data_samples)

    def _predict_video(
        self, queries: Tensor, mask_feats: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Classes and masks of refined queries.

        Args:
            queries (Tensor): Shape (B, K, Q, D).
            mask_feats (Tensor): Shape (B, K, F, T, h, w).

        Returns:
            tuple[Tensor, Tensor]: Class logits (B, Q, C + 1) and mask logits
            (B, Q, K * T, h, w).
        """
        cls_logits, embeds = self._classify_video(queries)
        masks = self.query_heads.segment(
            embeds.flatten(0, 1), mask_feats.flatten(0, 1)
        )
        masks = masks.unflatten(0, queries.shape[:2])  # (B, K, Q, T, h, w)
        return cls_logits, masks.transpose(1, 2).flatten(2, 3)

    def _classify_video(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (B, Q, C + 1) and mask embeddings (B, K, Q, E)."""
        cls_feats, embeds = (
            x.unflatten(0, queries.shape[:2])
            for x in self.query_heads.project(queries.flatten(0, 1))
        )
        cls_logits = self.query_heads.classify(
            self.tracker.weigh_clips(cls_feats)
        )
        return cls_logits, embeds

    @property
    def query_heads(self) -> nn.Module:
        """nn.Module: What makes classes and masks of refined queries."""
        if self.tracker_heads is not None:
            return self.tracker_heads
        return self.segmenter

    def refine(
        self, clips: Clips
    ) -> tuple[Tensor, Iterator[tuple[Tensor, Tensor, ClipShapes]]]:
        """Track the queries of a video through all its clips.

        Args:
            clips (Iterable[tuple[:obj:`ClipPrediction`, :obj:`ClipShapes`]]):
                Clips of the video in order, consumed one at a time; a
                :class:`ClipReader` if ``feature_cache`` is 'none'.

        Returns:
            tuple[Tensor, Iterator]: Class logits (Q, C + 1) of the video, and
            clip by clip the mask embeddings (Q, E), the pixel embeddings
            (1, E, T, h, w) and the shapes; see :meth:`segment`.

        Raises:
            ValueError: If 'none' is asked for and the frames can be read
                only once, or if queries are not finite.
        """
        cache = None
        if self.feature_cache != 'none':
            cache = FeatureCache(self.feature_cache)
        elif not getattr(clips, 'rereadable', False):
            raise ValueError(
                "feature_cache='none' reads the video twice, but these frames "
                'can be read only once. Give a file, a folder or a list of '
                "frames, or set feature_cache to 'cpu' or 'cpu_fp16'."
            )
        association, queries, shapes = QueryAssociation(), [], []
        for clip, clip_shapes in clips:
            # The masks of queries that are not refined are not wanted.
            clip = association.update(
                replace(clip, mask_logits=clip.mask_logits[:, :, :0])
            )
            check_finite(clip.queries, len(queries))
            queries.append(clip.queries)
            shapes.append(clip_shapes)
            if cache is not None:
                cache.append(clip.mask_feats)
            del clip  # before the next one is made
        queries = self.tracker(torch.stack(queries, 1))[-1]
        cls_logits, embeds = self._classify_video(queries)
        feats = zip(cache, shapes) if cache is not None else clips.mask_feats()
        return cls_logits[0], _with_embeds(embeds[0], feats)

    def segment(
        self, embeds: Tensor, mask_feats: Tensor, shapes: ClipShapes
    ) -> Tensor:
        """Masks of the new frames of a clip after :meth:`refine`.

        Args:
            embeds (Tensor): Mask embeddings, shape (Q, E).
            mask_feats (Tensor): Pixel embeddings, shape (1, E, T, h, w).
            shapes (:obj:`ClipShapes`): Sizes.

        Returns:
            Tensor: Mask logits with shape (Q, num_new, h, w).
        """
        new = mask_feats[:, :, : shapes.num_new]
        return self.query_heads.segment(embeds[None], new)[0]

    @abstractmethod
    def predict(self, clips: Clips) -> list:
        """Results of a whole video, one a frame."""

    @abstractmethod
    def predict_stream(self, clips: Clips) -> Iterator[list]:
        """Results clip by clip."""


def _with_embeds(
    embeds: Tensor, clips: Iterable[tuple[Tensor, ClipShapes]]
) -> Iterator[tuple[Tensor, Tensor, ClipShapes]]:
    """Put the mask embeddings (K, Q, E) before pixel embeddings and shapes."""
    clips = iter(clips)
    for k, embed in enumerate(embeds):
        clip = next(clips, None)
        if clip is None:
            raise ValueError(
                f'The video had {len(embeds)} clips when it was read first, '
                f'and {k} when it was read again. Do not change it meanwhile.'
            )
        yield (embed, *clip)
