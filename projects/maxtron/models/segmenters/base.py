# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""What a clip segmenter offers to everything after it."""

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Sequence

import torch
from mmdet.structures import TrackSampleList
from torch import Tensor, nn

from ...structures import ClipPrediction


class ClipSegmenter(metaclass=ABCMeta):
    """Base of clip segmenters.

    :meth:`forward` and :meth:`loss_by_pred` are all that near-online tracking
    asks for. A cross-clip tracker also asks how its refined queries become
    classes and masks: :meth:`project`, :meth:`classify`, :meth:`segment`.

    Attributes:
        num_classes (int): Number of classes without "no object".
        shared_with_tracker (tuple[str]): Sub-modules that a cross-clip
            tracker uses, too, and that are trained with it where the rest of
            the segmenter is frozen.
        fixed_clip_len (bool): Whether all clips of a video must be as long as
            in training, the last one filled up with its last frame. Defaults
            to False.
        masks_compete (bool): Whether the probabilities of a pixel are a
            softmax of its mask logits over the queries. Otherwise each is the
            sigmoid of one logit. Defaults to False.
        align_corners (bool): Whether masks are resized with aligned corners,
            as :func:`torch.nn.functional.interpolate` has it. Defaults to
            False.
    """

    __call__: Callable[..., ClipPrediction]  # of nn.Module
    num_classes: int
    shared_with_tracker: tuple[str, ...] = ()
    fixed_clip_len = False
    masks_compete = False
    align_corners = False

    @abstractmethod
    def forward(self, x: Sequence[Tensor], num_frames: int) -> ClipPrediction:
        """Predict the tubes of a batch of clips.

        Args:
            x (Sequence[Tensor]): Features of strides 4 to 32, each with shape
                (B * T, C_i, h_i, w_i), the frames of a clip side by side.
            num_frames (int): T.

        Returns:
            :obj:`ClipPrediction`: ``aux`` is filled in training mode only.
        """

    @abstractmethod
    def loss_by_pred(
        self,
        pred: ClipPrediction,
        data_samples: TrackSampleList,
        x: Sequence[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Losses of a prediction.

        Args:
            pred (:obj:`ClipPrediction`): Of clips, or of videos by a
                cross-clip tracker.
            data_samples (list[:obj:`TrackDataSample`]): One per clip or
                video.
            x (Sequence[Tensor], optional): What the prediction was made of,
                as for :meth:`forward`.

        Returns:
            dict[str, Tensor]: Losses.
        """

    def loss(
        self, x: Sequence[Tensor], data_samples: TrackSampleList
    ) -> dict[str, Tensor]:
        """Losses of a batch of clips with the same number of frames.

        Args:
            x (Sequence[Tensor]): Features, as for :meth:`forward`.
            data_samples (list[:obj:`TrackDataSample`]): One per clip.

        Returns:
            dict[str, Tensor]: Losses.
        """
        return self.loss_by_pred(
            self(x, len(data_samples[0])), data_samples, x
        )

    def mask_features(self, x: Sequence[Tensor], num_frames: int) -> Tensor:
        """Pixel embeddings alone, at test time.

        Args:
            x (Sequence[Tensor]): Features, as for :meth:`forward`.
            num_frames (int): T.

        Returns:
            Tensor: ``mask_feats`` of the prediction, shape (B, E, T, h, w).
        """
        return self(x, num_frames).mask_feats

    def build_tracker_heads(self) -> nn.Module | None:
        """Heads for the queries of a cross-clip tracker alone.

        Returns:
            nn.Module, optional: With :meth:`project`, :meth:`classify` and
            :meth:`segment`, and ``copied_from``, the sub-module of the
            segmenter whose weights of the same names they begin with. None:
            the tracker shares those of the segmenter.
        """
        return None

    def project(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Queries to what is classified and what makes the masks.

        Args:
            queries (Tensor): Shape (B, Q, D).

        Returns:
            tuple[Tensor, Tensor]: Class features (B, Q, F) and mask
            embeddings (B, Q, E).
        """
        raise NotImplementedError(
            f'{type(self).__name__} has no `project` and `classify`, which a '
            'cross-clip tracker needs.'
        )

    def classify(self, cls_feats: Tensor) -> Tensor:
        """Class logits (B, Q, C + 1) of class features (B, Q, F)."""
        raise NotImplementedError

    def segment(self, embeds: Tensor, mask_feats: Tensor) -> Tensor:
        """Masks of embeddings, by default their products with the pixels.

        Args:
            embeds (Tensor): Mask embeddings, shape (B, Q, E).
            mask_feats (Tensor): Pixel embeddings, shape (B, E, T, h, w).

        Returns:
            Tensor: Mask logits with shape (B, Q, T, h, w).
        """
        return torch.einsum('bqe,bethw->bqthw', embeds, mask_feats)
