# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Sequence

from mmdet.registry import MODELS
from mmdet.structures import TrackSampleList
from mmengine.model import BaseModule
from torch import Tensor

from ....errors import InputError
from ....structures import ClipPrediction
from ..base import ClipSegmenter
from .tracker_heads import KMaXTrackerHeads


@MODELS.register_module()
class VideoKMaXHead(ClipSegmenter, BaseModule):
    """Clip-level kMaX-DeepLab of Video-kMaX: one query is one tube of a clip.

    `Video-kMaX <https://arxiv.org/abs/2304.04694>`_. A clip of one frame makes
    it the `kMaX-DeepLab <https://arxiv.org/abs/2207.04044>`_ of images. The
    head passes its numbers of classes, queries and channels on to its parts,
    so their configs need not repeat them.

    Args:
        num_classes (int): Number of classes, things and stuff.
        in_channels (Sequence[int]): Channels of the features of strides 4,
            8, 16 and 32. Defaults to (256, 512, 1024, 2048), ResNet-50.
        num_queries (int): Number of queries. Defaults to 128.
        pixel_decoder (ConfigDict or dict): Pixel decoder, such as
            :class:`KMaXPixelDecoder`.
        transformer_decoder (ConfigDict or dict): Transformer decoder,
            :class:`KMaXTransformerDecoder`.
        semantic_head (ConfigDict or dict, optional): Auxiliary
            semantic head, used only in training. Defaults to None.
        criterion (ConfigDict or dict, optional): Matching and losses,
            used only in training. Defaults to None.
        init_cfg (ConfigDict or dict or list, optional): As for
            :class:`BaseModule`.
    """

    pad_last_clip = True
    mask_activation = 'softmax'
    align_corners = True

    def __init__(
        self,
        num_classes: int,
        in_channels: Sequence[int] = (256, 512, 1024, 2048),
        num_queries: int = 128,
        pixel_decoder: dict = dict(type='KMaXPixelDecoder'),
        transformer_decoder: dict = dict(type='KMaXTransformerDecoder'),
        semantic_head: dict | None = None,
        criterion: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.num_queries = num_queries
        self.pixel_decoder = MODELS.build(
            dict(pixel_decoder, in_channels=in_channels)
        )
        self.transformer_decoder = MODELS.build(
            dict(
                transformer_decoder,
                num_classes=num_classes,
                num_queries=num_queries,
            )
        )
        self.semantic_head = self.criterion = None
        if semantic_head is not None:
            self.semantic_head = MODELS.build(
                dict(
                    semantic_head,
                    num_classes=num_classes,
                    in_channels=in_channels,
                )
            )
        if criterion is not None:
            self.criterion = MODELS.build(
                dict(criterion, num_classes=num_classes)
            )

    def forward(self, x: Sequence[Tensor], num_frames: int) -> ClipPrediction:
        """Predict tubes, see :class:`ClipSegmenter`.

        Masks have stride 4, and those of ``aux`` strides 32 to 8.
        """
        mask_feature, feats = self.pixel_decoder(x)
        return self.transformer_decoder(mask_feature, feats, num_frames)

    def mask_features(self, x: Sequence[Tensor], num_frames: int) -> Tensor:
        """Compute the pixel embeddings alone, see :class:`ClipSegmenter`."""
        mask_feature, _ = self.pixel_decoder(x)
        return self.transformer_decoder.mask_features(mask_feature, num_frames)

    def build_tracker_heads(self) -> KMaXTrackerHeads:
        """Build heads for a cross-clip tracker, of the decoder's size."""
        return KMaXTrackerHeads(**self.transformer_decoder.heads_cfg)

    def loss_by_pred(
        self,
        pred: ClipPrediction,
        data_samples: TrackSampleList,
        x: Sequence[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of a prediction.

        Args:
            pred (ClipPrediction): Prediction of clips or of videos.
            data_samples (list[TrackDataSample]): One per clip or
                video, with the ground truth that the criterion reads.
            x (Sequence[Tensor], optional): Features, as for :meth:`forward`,
                which the semantic head needs.

        Returns:
            dict[str, Tensor]: Losses of the criterion.

        Raises:
            InputError: If the head has no criterion.
        """
        if self.criterion is None:
            raise InputError(
                'VideoKMaXHead was built without a criterion and cannot be '
                'trained; set model.head.segmenter.criterion.'
            )
        semantic_logits = None
        if self.semantic_head is not None and x is not None:
            semantic_logits = self.semantic_head(x, len(data_samples[0]))
        return self.criterion(pred, semantic_logits, data_samples)
