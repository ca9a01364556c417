# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from inspect import signature

import torch
import torch.nn.functional as F
from mmdet.models.layers import (
    MSDeformAttnPixelDecoder,
    SinePositionalEncoding,
)
from mmdet.models.tracking_heads import Mask2FormerTrackHead
from mmdet.registry import MODELS
from mmdet.structures import TrackSampleList
from mmengine.config import ConfigDict
from torch import Tensor

from ....errors import ConfigKeyError, InputError
from ....structures import ClipPrediction
from ...layers import SizeCache, product, sine_positions
from ...within_clip import AxialTrajectoryPixelDecoder
from ..base import ClipSegmenter
from ..targets import mask_targets
from .long_image_loss import LongImageLossHead

_TRAIN_KEYS = {
    'num_points',
    'oversample_ratio',
    'importance_sample_ratio',
    'assigner',
    'sampler',
}

# MMDetection's pixel decoder in a config
_PLAIN_DECODER = (
    'MSDeformAttnPixelDecoder',
    'mmdet.MSDeformAttnPixelDecoder',
    MSDeformAttnPixelDecoder,
)


@MODELS.register_module()
class TubeLinkHead(ClipSegmenter, LongImageLossHead):
    """Clip-level Mask2Former of Tube-Link: one query is one tube of a clip.

    `Tube-Link <https://arxiv.org/abs/2303.12782>`_. This head differs from
    MMDetection's :class:`Mask2FormerTrackHead` in three points: a clip may
    have any number of frames, the prediction contains the queries for
    association, and matching and losses see the clip as one long image (see
    :class:`LongImageLossHead`).

    Args:
        num_classes (int): Number of classes: things and, for panoptic
            segmentation, stuff.
        loss_cls (ConfigDict or dict): Config of the class loss.
        point_loss (bool): See :class:`LongImageLossHead`. Defaults to True.
        no_object_weight (float): Weight of "no object" in the class loss; the
            weights of all classes are 1. It has no effect if ``loss_cls`` has
            a ``class_weight``. Defaults to 0.1.
        kwargs: As for :class:`mmdet.models.Mask2FormerTrackHead`. With an
            :class:`AxialTrajectoryPixelDecoder` the head tracks within the
            clip. MMDetection's :class:`MSDeformAttnPixelDecoder` is built as
            one without temporal layers: the same module as a single graph.

    Raises:
        ConfigKeyError: If an argument or a key of ``train_cfg`` is unknown.
        InputError: If ``loss_cls.class_weight`` does not fit the classes, or
            the positional encoding has no sines.
    """

    shared_with_tracker = ('cls_embed', 'mask_embed')

    def __init__(
        self,
        num_classes: int,
        loss_cls: dict,
        point_loss: bool = True,
        no_object_weight: float = 0.1,
        **kwargs,
    ) -> None:
        # The parent class ignores unknown keys.
        unknown = kwargs.keys() - signature(Mask2FormerTrackHead).parameters
        if unknown:
            raise ConfigKeyError(
                f'TubeLinkHead has no argument {sorted(unknown)}; '
                'check the keys of model.head.segmenter.'
            )
        unknown = (kwargs.get('train_cfg') or {}).keys() - _TRAIN_KEYS
        if unknown:
            raise ConfigKeyError(
                f'TubeLinkHead reads no {sorted(unknown)}; check the keys of '
                'model.head.segmenter.train_cfg.'
            )
        loss_cls = ConfigDict(loss_cls)
        loss_cls.setdefault(
            'class_weight', [1.0] * num_classes + [no_object_weight]
        )
        decoder = ConfigDict(kwargs.pop('pixel_decoder'))
        if decoder.get('type') in _PLAIN_DECODER:
            decoder.type = AxialTrajectoryPixelDecoder
        super().__init__(
            num_classes=num_classes,
            loss_cls=loss_cls,
            point_loss=point_loss,
            pixel_decoder=decoder,
            **kwargs,
        )
        if not isinstance(
            self.decoder_positional_encoding, SinePositionalEncoding
        ):
            raise InputError(
                'model.head.segmenter.positional_encoding must be a '
                'SinePositionalEncoding or a SinePositionalEncoding3D, not a '
                f'{type(self.decoder_positional_encoding).__name__}.'
            )
        # 4 sizes of clips, each with up to 3 levels
        self._positions = SizeCache(self._encode_positions, max_entries=12)
        if len(self.class_weight) != self.num_classes + 1:
            raise InputError(
                f'model.head.segmenter.loss_cls.class_weight has '
                f'{len(self.class_weight)} entries, but num_classes='
                f'{self.num_classes} needs {self.num_classes + 1}: one '
                'per class and the last for "no object".'
            )

    def _decoder_inputs(
        self, memories: list[Tensor], batch_size: int
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Flatten the memories over time and space, and encode positions.

        Args:
            memories (list[Tensor]): Per level, shape (B * T, C, h, w).
            batch_size (int): B.

        Returns:
            tuple[list[Tensor], list[Tensor]]: Tokens of each level, shape
            (B, T * h * w, C), frame-major, and their positional encodings,
            shape (1, T * h * w, C).
        """
        tokens, positions = [], []
        for project, memory, level in zip(
            self.decoder_input_projs, memories, self.level_embed.weight
        ):
            memory = project(memory) + level[:, None, None]
            memory = memory.unflatten(0, (batch_size, -1))  # (B, T, C, h, w)
            tokens.append(memory.flatten(3).transpose(2, 3).flatten(1, 2))
            _, num_frames, _, height, width = memory.shape
            position = self._positions(
                (num_frames, height, width), memory.device
            )  # (T, h, w, C)
            positions.append(position.flatten(0, 2)[None])
        return tokens, positions

    def _encode_positions(
        self, shape: tuple[int, int, int], device: torch.device
    ) -> Tensor:
        """Encode the positions in clips of a shape, (T, h, w, C)."""
        return sine_positions(self.decoder_positional_encoding, shape, device)

    def _predict_layer(
        self,
        query: Tensor,
        mask_feats: Tensor,
        level_feats: Tensor,
        with_masks: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Predict from the queries of one layer.

        Args:
            query (Tensor): Queries before the norm, shape (B, Q, C).
            mask_feats (Tensor): Pixel embeddings, shape (B, E, T, H, W).
            level_feats (Tensor): The same at the resolution of the memory
                that the next layer attends to, shape (B, E, T, h, w).
            with_masks (bool): Whether to compute the masks.

        Returns:
            tuple[Tensor, Tensor, Tensor]: Class logits (B, Q, C + 1), mask
            logits (B, Q, T, H, W) or None, and the boolean mask of the next
            cross-attention (B * heads, Q, T * h * w), True where blocked.
        """
        cls_feats, embed = self.project(query)
        masks = self.segment(embed, mask_feats) if with_masks else None
        with torch.no_grad():
            # Resizing is linear, so resized features give resized masks.
            blocked = product(embed, level_feats.flatten(2)) < 0
            # If the attention mask of a query is empty, let it attend
            # everywhere (as Mask2Former).
            blocked &= ~blocked.all(-1, keepdim=True)
            blocked = blocked.repeat_interleave(self.num_heads, 0)
        return self.classify(cls_feats), masks, blocked

    @property
    def tracks_within_clip(self) -> bool:
        """bool: See :class:`ClipSegmenter`."""
        return getattr(self.pixel_decoder, 'tracks_within_clip', False)

    def project(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Project queries, see :class:`ClipSegmenter`."""
        queries = self.transformer_decoder.post_norm(queries)
        return queries, self.mask_embed(queries)

    def classify(self, cls_feats: Tensor) -> Tensor:
        """Classify features, see :class:`ClipSegmenter`."""
        return self.cls_embed(cls_feats)

    def _decode_pixels(
        self, x: tuple[Tensor], num_frames: int
    ) -> tuple[Tensor, list[Tensor]]:
        """Compute mask features and memories, each (B * T, C, h, w)."""
        if isinstance(self.pixel_decoder, AxialTrajectoryPixelDecoder):
            return self.pixel_decoder(x, num_frames)
        return self.pixel_decoder(x)

    def mask_features(self, x: tuple[Tensor], num_frames: int) -> Tensor:
        """Compute the pixel embeddings alone, see :class:`ClipSegmenter`."""
        return _clip_view(self._decode_pixels(x, num_frames)[0], num_frames)

    def forward(self, x: tuple[Tensor], num_frames: int) -> ClipPrediction:
        """Predict the tubes of a batch of clips.

        Args:
            x (tuple[Tensor]): Features of strides 4 to 32, each with shape
                (B * T, C_i, H / stride, W / stride). The frames of a clip are
                consecutive.
            num_frames (int): T.

        Returns:
            ClipPrediction: As in the reference, ``queries`` and
            ``embeds`` both are the queries after the last layer, before its
            norm. ``aux`` is filled in training mode only.
        """
        mask_feats, memories = self._decode_pixels(x, num_frames)
        batch_size = len(mask_feats) // num_frames
        tokens, positions = self._decoder_inputs(memories, batch_size)

        level_feats = [
            _clip_view(_resize(mask_feats, memory.shape[-2:]), num_frames)
            for memory in memories
        ]
        mask_feats = _clip_view(mask_feats, num_frames)
        query = self.query_feat.weight.expand(batch_size, -1, -1)
        query_pos = self.query_embed.weight.expand(batch_size, -1, -1)

        preds = []
        num_layers = self.num_transformer_decoder_layers
        for i in range(num_layers + 1):
            cls_logits, mask_logits, blocked = self._predict_layer(
                query,
                mask_feats,
                level_feats[i % len(tokens)],
                with_masks=self.training or i == num_layers,
            )
            preds.append((cls_logits, mask_logits))
            if i < num_layers:
                level = i % len(tokens)
                query = self.transformer_decoder.layers[i](
                    query=query,
                    key=tokens[level],
                    value=tokens[level],
                    query_pos=query_pos,
                    key_pos=positions[level],
                    cross_attn_mask=blocked,
                )
        return ClipPrediction(
            *preds.pop(),
            queries=query,
            embeds=query,
            mask_feats=mask_feats,
            aux=preds if self.training else [],
        )

    def loss_by_pred(
        self,
        pred: ClipPrediction,
        data_samples: TrackSampleList,
        x: tuple[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of a prediction.

        Args:
            pred (ClipPrediction): Prediction of clips or of videos.
            data_samples (list[TrackDataSample]): One per clip or
                video, with the ground truth of :func:`mask_targets`.
            x (tuple[Tensor], optional): Not used.

        Returns:
            dict[str, Tensor]: ``loss_cls``, ``loss_mask`` and ``loss_dice``
            of the last layer, ``d0.loss_cls`` etc. of the earlier layers.
        """
        gts = mask_targets(data_samples, self.num_classes)
        layers = [*pred.aux, (pred.cls_logits, pred.mask_logits)]
        # Matching costs are sums over points and overflow in half precision.
        with torch.autocast(pred.cls_logits.device.type, enabled=False):
            return self.loss_by_feat(
                [cls_logits.float() for cls_logits, _ in layers],
                # The long image: (B, Q, T, h, w) -> (B, Q, T * h, w)
                [masks.float().flatten(2, 3) for _, masks in layers],
                gts,
                [{}] * len(gts),
            )


@torch.no_grad()
def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps (N, E, h, w) to another size, without gradients."""
    return F.interpolate(x, size, mode='bilinear', align_corners=False)


def _clip_view(x: Tensor, num_frames: int) -> Tensor:
    """(B * T, E, h, w) -> (B, E, T, h, w)."""
    return x.unflatten(0, (-1, num_frames)).transpose(1, 2)
