# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Interface of clip segmenters."""

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Sequence

from mmdet.structures import TrackSampleList
from torch import Tensor, nn

from ...structures import ClipPrediction
from ..layers import product


class ClipSegmenter(metaclass=ABCMeta):
    """Base class of clip segmenters.

    Near-online tracking needs :meth:`forward` and :meth:`loss_by_pred`. A
    cross-clip tracker also needs :meth:`project`, :meth:`classify` and
    :meth:`segment`, which make classes and masks of its refined queries.

    Attributes:
        num_classes (int): Number of classes without "no object".
        shared_with_tracker (tuple[str]): Sub-modules that a cross-clip
            tracker uses, too. They are trained with it although the rest of
            the segmenter is frozen.
        pad_last_clip (bool): Whether all clips of a video must be as long as
            in training. The last clip is then padded by its last frame. (Old
            name: ``fixed_clip_len``.) Defaults to False.
        mask_activation (str): 'softmax': the probabilities of a pixel are a
            softmax of its mask logits over the queries. 'sigmoid': each is
            the sigmoid of its own logit. (Old name: ``masks_compete``, True
            or False.) Defaults to 'sigmoid'.
        align_corners (bool): Whether masks are resized with aligned corners,
            see :func:`torch.nn.functional.interpolate`. Defaults to False.
    """

    __call__: Callable[..., ClipPrediction]  # of nn.Module
    num_classes: int
    shared_with_tracker: tuple[str, ...] = ()
    pad_last_clip = False
    mask_activation = 'sigmoid'
    align_corners = False

    def __init_subclass__(cls, **kwargs) -> None:
        """Accept the names that attributes had in version 0.1."""
        super().__init_subclass__(**kwargs)
        old = vars(cls)
        if 'fixed_clip_len' in old:
            cls.pad_last_clip = old['fixed_clip_len']
        if 'masks_compete' in old:
            cls.mask_activation = (
                'softmax' if old['masks_compete'] else 'sigmoid'
            )

    @property
    def tracks_within_clip(self) -> bool:
        """bool: Whether it tracks within clips, of at least 2 frames."""
        return False

    @abstractmethod
    def forward(self, x: Sequence[Tensor], num_frames: int) -> ClipPrediction:
        """Predict the tubes of a batch of clips.

        Args:
            x (Sequence[Tensor]): Features of strides 4 to 32, each with shape
                (B * T, C_i, h_i, w_i). The frames of a clip are consecutive.
            num_frames (int): T.

        Returns:
            ClipPrediction: ``aux`` is filled in training mode only.
        """

    @abstractmethod
    def loss_by_pred(
        self,
        pred: ClipPrediction,
        data_samples: TrackSampleList,
        x: Sequence[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of a prediction.

        Args:
            pred (ClipPrediction): Prediction of clips, or of videos by
                a cross-clip tracker.
            data_samples (list[TrackDataSample]): One per clip or
                video.
            x (Sequence[Tensor], optional): Features, as for :meth:`forward`.
                None for videos.

        Returns:
            dict[str, Tensor]: Losses.
        """

    def loss(
        self, x: Sequence[Tensor], data_samples: TrackSampleList
    ) -> dict[str, Tensor]:
        """Compute the losses of clips with the same number of frames.

        Args:
            x (Sequence[Tensor]): Features, as for :meth:`forward`.
            data_samples (list[TrackDataSample]): One per clip.

        Returns:
            dict[str, Tensor]: Losses.
        """
        return self.loss_by_pred(
            self(x, len(data_samples[0])), data_samples, x
        )

    def mask_features(self, x: Sequence[Tensor], num_frames: int) -> Tensor:
        """Compute the pixel embeddings alone, at test time.

        Args:
            x (Sequence[Tensor]): Features, as for :meth:`forward`.
            num_frames (int): T.

        Returns:
            Tensor: ``mask_feats`` of the prediction, shape (B, E, T, h, w).
        """
        return self(x, num_frames).mask_feats

    def build_tracker_heads(self) -> nn.Module | None:
        """Build separate heads for the queries of a cross-clip tracker.

        Returns:
            nn.Module, optional: Module with :meth:`project`,
            :meth:`classify` and :meth:`segment`, and with the attribute
            ``copied_from``: the sub-module of the segmenter whose weights of
            the same names initialise it. None: the tracker shares the heads
            of the segmenter.
        """
        return None

    def project(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Project queries to class features and mask embeddings.

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
        """Classify features (B, Q, F) to class logits (B, Q, C + 1)."""
        raise NotImplementedError

    def segment(self, embeds: Tensor, mask_feats: Tensor) -> Tensor:
        """Make masks: by default products of mask and pixel embeddings.

        Args:
            embeds (Tensor): Mask embeddings, shape (B, Q, E).
            mask_feats (Tensor): Pixel embeddings, shape (B, E, T, h, w).

        Returns:
            Tensor: Mask logits with shape (B, Q, T, h, w).
        """
        return product(embeds, mask_feats)
