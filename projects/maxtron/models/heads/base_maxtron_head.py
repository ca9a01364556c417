# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from abc import ABCMeta, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures import TrackSampleList
from mmdet.utils import ConfigType, OptConfigType, OptMultiConfig
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...errors import ConfigKeyError, InputError
from ...structures import ClipPrediction, ClipShapes
from ..association import ClipCues, align_queries, iter_clips
from ..cross_clip import FeatureCache
from ..layers import keep_buffers
from .modes import MODES, check_choice, check_clip_len, translate_mode
from .video_state import VideoState

Clips = Iterable[tuple[ClipPrediction, ClipShapes]]


class BaseMaXTronHead(BaseModule, metaclass=ABCMeta):
    """Base class of heads that turn the clips of a video into results.

    Near-online tracking links each clip to the previous one. Offline tracking
    links all clips of the video, refines their queries by a cross-clip
    tracker, predicts one class per query for the video, and makes the masks
    clip by clip. Sub-classes turn masks and classes into results.

    Args:
        segmenter (ConfigDict or dict): :class:`ClipSegmenter`.
        test_cfg (ConfigDict or dict): Settings of inference. Each
            sub-class adds its own to these:

            - ``clip_len`` (int): Frames per clip; at least 2 if the model
              tracks within or across clips. The training of a tracker uses
              it, too.
            - ``mode`` (str): 'near_online' - any model - results come clip by
              clip; 'offline' - models with a tracker - results come after the
              last clip. Defaults to 'offline' with a tracker, else to
              'near_online'.
            - ``overlap`` (int): Frames shared by neighbouring clips in mode
              'near_online'. Defaults to 0.
            - ``feature_cache`` (str): Where the pixel embeddings of a video
              are kept in mode 'offline': 'device' (default), 'cpu', 'cpu_fp16'
              (half precision), 'disk' (a temporary file), or 'none': they are
              computed a second time, so that memory does not grow with the
              video.
        tracker (ConfigDict or dict, optional):
            :class:`CrossClipTracker`. Defaults to None.
        criterion (ConfigDict or dict, optional): Losses of the
            tracker's predictions, such as :class:`KMaXCriterion`. None: the
            losses of the segmenter. Defaults to None.
        association (ConfigDict or dict, optional): Association of the queries
            of successive clips. ``type`` may be left out. Defaults to None:
            :class:`QueryAssociation` of the paper.
        clip_loss_weight (float): Weight of the segmenter's losses on its
            clips if it is trained together with a tracker. Defaults to 0.
        init_cfg (ConfigDict or dict or list, optional): Initialization
            config. Defaults to None.

    Raises:
        InputError: If ``clip_len`` is too small, ``mode`` or ``feature_cache``
            is unknown, a setting requires a tracker but there is none, or
            offline clips overlap.
        ConfigKeyError: If ``test_cfg`` has an unknown key.
    """

    # Field of a frame's DetDataSample that holds its result.
    result_field: str
    # Keys of ``test_cfg`` and their default values; sub-classes add their own.
    test_cfg_defaults: dict = dict(
        mode=None, overlap=0, feature_cache='device'
    )

    def __init__(
        self,
        segmenter: ConfigType,
        test_cfg: ConfigType,
        tracker: OptConfigType = None,
        criterion: OptConfigType = None,
        association: OptConfigType = None,
        clip_loss_weight: float = 0.0,
        init_cfg: OptMultiConfig = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.segmenter = MODELS.build(segmenter)
        self.tracker: Any = None
        self.tracker_heads: Any = None
        self.criterion: Any = None
        if tracker is not None:
            self.tracker = MODELS.build(tracker)
            self.tracker_heads = self.segmenter.build_tracker_heads()
        elif criterion is not None or clip_loss_weight:
            raise InputError(
                'model.head.criterion and clip_loss_weight are for the '
                'training of a cross-clip tracker; set model.head.tracker, '
                'or give the criterion to model.head.segmenter.'
            )
        if criterion is not None:
            self.criterion = MODELS.build(
                dict(criterion, num_classes=self.num_classes)
            )
        self.clip_loss_weight = clip_loss_weight

        self.test_cfg = self._complete(test_cfg)
        self.clip_len = self.test_cfg['clip_len']
        self.mode = self.test_cfg['mode']
        self.overlap = self.test_cfg['overlap']
        self.feature_cache = self.test_cfg['feature_cache']
        check_clip_len(
            self.clip_len,
            self.tracker is not None
            or getattr(self.segmenter, 'tracks_within_clip', False),
        )
        check_choice('mode', self.mode, MODES)
        check_choice(
            'feature_cache', self.feature_cache, (*FeatureCache.MODES, 'none')
        )
        self._check_offline()
        self.association = TASK_UTILS.build(
            dict(
                dict(
                    type='QueryAssociation',
                    mask_activation=self.segmenter.mask_activation,
                    overlap=self.overlap,
                ),
                **(association or {}),
            )
        )

    def _check_offline(self) -> None:
        """Refuse options that contradict the mode 'offline'."""
        if self.mode == 'offline' and self.tracker is None:
            raise InputError(
                "model.head.test_cfg.mode is 'offline', but the model has no "
                'cross-clip tracker: take an offline config (maxtron-offline_'
                "*.py), or mode='near_online'."
            )
        if self.mode == 'offline' and self.overlap:
            raise InputError(
                f'model.head.test_cfg.overlap is {self.overlap}, but the '
                'clips of mode offline do not overlap; set it to 0.'
            )

    def _complete(self, test_cfg: ConfigType) -> dict:
        """Add the defaults to ``test_cfg`` and translate old names."""
        unknown = test_cfg.keys() - self.test_cfg_defaults - {'clip_len'}
        if unknown:
            raise ConfigKeyError(
                f'model.head.test_cfg has unknown keys {sorted(unknown)}; the '
                f'known ones are {sorted(self.test_cfg_defaults)}.'
            )
        cfg = {**self.test_cfg_defaults, **test_cfg}
        is_panoptic = 'segment_decision' in self.test_cfg_defaults
        cfg['mode'], decision = translate_mode(
            cfg['mode'], test_cfg.get('segment_decision'), is_panoptic
        )
        if decision is not None:
            cfg['segment_decision'] = decision
        if 'clip_len' not in cfg:
            raise ConfigKeyError('model.head.test_cfg.clip_len is missing.')
        if cfg['mode'] is None:
            cfg['mode'] = 'near_online' if self.tracker is None else 'offline'
        return cfg

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *args, **kwargs
    ) -> None:
        """Initialise missing tracker heads from the segmenter."""
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
            num_frames (int, optional): Their number, if known.

        Returns:
            Iterator[tuple[list, int]]: See :func:`iter_clips`.
        """
        return iter_clips(
            frames, self.clip_len, overlap=self.overlap, pad_last_clip=True
        )

    def num_shared(self, num_frames: int, shapes: ClipShapes) -> int:
        """Count the first frames of a clip that the clip before shows, too.

        Args:
            num_frames (int): Frames of the clip.
            shapes (ClipShapes): Sizes, and the number of new frames.

        Returns:
            int: 0 if clips do not overlap; new frames are then the first
            ones, which padding may follow.
        """
        return num_frames - shapes.num_new if self.overlap else 0

    def forward(self, x: tuple[Tensor], num_frames: int) -> ClipPrediction:
        """Segment a batch of clips.

        Args:
            x (tuple[Tensor]): Features, each of shape (B * T, C_i, h_i, w_i).
            num_frames (int): T.

        Returns:
            ClipPrediction: Prediction of the segmenter.
        """
        return self.segmenter(x, num_frames)

    def loss(
        self, x: tuple[Tensor], data_samples: TrackSampleList
    ) -> dict[str, Tensor]:
        """Compute the losses of a batch of clips.

        Args:
            x (tuple[Tensor]): Features, each of shape (B * T, C_i, h_i, w_i).
            data_samples (list[TrackDataSample]): One per clip.

        Returns:
            dict[str, Tensor]: Losses of the segmenter.
        """
        return self.segmenter.loss(x, data_samples)

    def video_loss(
        self,
        queries: Sequence[Tensor],
        cues: Sequence[ClipCues],
        mask_feats: Sequence[Tensor],
        data_samples: TrackSampleList,
    ) -> dict[str, Tensor]:
        """Compute the losses of videos after the cross-clip tracker.

        Args:
            queries (Sequence[Tensor]): Per clip, shape (B, Q, D).
            cues (Sequence[ClipCues]): Cues of association, per clip, of B
                videos.
            mask_feats (Sequence[Tensor]): Per clip, shape (B, F, T, h, w).
            data_samples (list[TrackDataSample]): One per video, with
                the frames of all clips.

        Returns:
            dict[str, Tensor]: Losses after each layer of the tracker.
        """
        # (B, K, Q, D)
        queries = align_queries(queries, cues, self.association)
        mask_feats = torch.stack(list(mask_feats), 1)  # (B, K, F, T, h, w)
        *inner, last = self.tracker(queries)
        separate = self.tracker.separate_norm_statistics
        with keep_buffers(self.query_heads) if separate else nullcontext():
            aux = [self._predict_video(x, mask_feats) for x in inner]
        cls_logits, mask_logits = self._predict_video(last, mask_feats)
        # Queries and embeddings exist per clip only, so the video-level
        # prediction has none.
        pred = ClipPrediction(
            cls_logits, mask_logits, queries=None, embeds=None, aux=aux
        )
        if self.criterion is None:
            return self.segmenter.loss_by_pred(pred, data_samples)
        return self.criterion(pred, None, data_samples)

    def _predict_video(
        self, queries: Tensor, mask_feats: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Predict classes and masks from refined queries.

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
        """Classify refined queries (B, K, Q, D), pooled over the clips.

        Returns:
            tuple[Tensor, Tensor]: Class logits (B, Q, C + 1) and mask
            embeddings (B, K, Q, E).
        """
        cls_feats, embeds = (
            x.unflatten(0, queries.shape[:2])
            for x in self.query_heads.project(queries.flatten(0, 1))
        )
        cls_logits = self.query_heads.classify(
            self.tracker.pool_over_clips(cls_feats)
        )
        return cls_logits, embeds

    @property
    def query_heads(self) -> nn.Module:
        """nn.Module: Module that classifies and segments refined queries."""
        if self.tracker_heads is not None:
            return self.tracker_heads
        return self.segmenter

    def refine(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Track the queries of a video through all its clips.

        Args:
            queries (Tensor): Aligned queries of K clips, shape (K, Q, D).

        Returns:
            tuple[Tensor, Tensor]: Class logits of the video (Q, C + 1) and
            mask embeddings of each clip (K, Q, E).
        """
        cls_logits, embeds = self._classify_video(
            self.tracker(queries[None])[-1]
        )
        return cls_logits[0], embeds[0]

    def segment(
        self, embeds: Tensor, mask_feats: Tensor, shapes: ClipShapes
    ) -> Tensor:
        """Segment the new frames of a clip after :meth:`refine`.

        Args:
            embeds (Tensor): Mask embeddings, shape (Q, E).
            mask_feats (Tensor): Pixel embeddings, shape (1, E, T, h, w).
            shapes (ClipShapes): Sizes.

        Returns:
            Tensor: Mask logits with shape (Q, num_new, h, w).
        """
        new = mask_feats[:, :, : shapes.num_new].to(embeds.dtype)
        return self.query_heads.segment(embeds[None], new)[0]

    @abstractmethod
    def start_video(self, whole_video: bool = False) -> VideoState:
        """Start a video.

        Args:
            whole_video (bool): Whether near-online results use the whole video
                and come at its end, as in the evaluation. Otherwise they come
                clip by clip. Defaults to False.

        Returns:
            VideoState: State that takes the predictions of the clips in
                order.
        """

    def predict(self, clips: Clips) -> list:
        """Compute the results of a video whose clips are already segmented.

        Args:
            clips (Iterable[tuple[ClipPrediction, ClipShapes]]):
                Clips of the video in order.

        Returns:
            list: One result per frame.
        """
        video = self.start_video(whole_video=True)
        results = [r for clip in clips for r in video.update(*clip)]
        return results + [r for part in video.finish() for r in part]
