# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Configs and predictions for the criterion of kMaX-DeepLab."""

from projects.maxtron.models import ClipPrediction
from projects.maxtron.models.segmenters.kmax import GumbelPixelSampler

WEIGHTS = dict(
    loss_cls=4.0,
    loss_mask=0.1,
    loss_dice=5.0,
    loss_pixel=1.0,
    loss_semantic=1.0,
)
REFERENCE_NAMES = dict(
    loss_cls='loss_ce',
    loss_mask='loss_mask',
    loss_dice='loss_dice',
    loss_pixel='loss_pixel_insdis',
    loss_semantic='loss_aux_semantic',
)


class RecordedPixelSampler(GumbelPixelSampler):
    """Takes its noise from a list that others may share."""

    def __init__(self, noise: list, **kwargs) -> None:
        super().__init__(**kwargs)
        self.noise = noise

    def uniform_noise(self, like):
        if self.noise:
            return self.noise.pop(0).clone()
        return super().uniform_noise(like)


def criterion_cfg(
    num_classes, num_points, noise=(), weights=WEIGHTS, **kwargs
):
    noise = list(noise)

    def sampler(temperature):
        return dict(
            type=RecordedPixelSampler,
            noise=noise,
            num_points=num_points,
            temperature=temperature,
        )

    cfg = dict(
        type='KMaXCriterion',
        num_classes=num_classes,
        loss_cls=dict(type='PQClassLoss'),
        loss_mask=dict(type='TubeCrossEntropyLoss'),
        loss_dice=dict(type='TubeDiceLoss'),
        loss_pixel=dict(type='PixelInstanceLoss', sampler=sampler(1.8)),
        loss_semantic=dict(type='AuxiliarySemanticLoss', sampler=sampler(2.4)),
        **kwargs,
    )
    for name in REFERENCE_NAMES:
        if name in weights:
            cfg[name]['loss_weight'] = weights[name]
        else:
            cfg[name] = None
    return cfg


def prediction(cls_logits, mask_logits, mask_feats=None, aux=()):
    return ClipPrediction(
        cls_logits,
        mask_logits,
        queries=None,
        embeds=None,
        mask_feats=mask_feats,
        aux=list(aux),
    )
