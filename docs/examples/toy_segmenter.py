# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models import ClipPrediction, ClipSegmenter
from projects.maxtron.models.segmenters import mask_targets

import torch.nn.functional as F
from mmdet.models.task_modules import DiceCost
from mmdet.registry import MODELS
from mmengine.structures import InstanceData
from scipy.optimize import linear_sum_assignment
from torch import nn


@MODELS.register_module()
class ToySegmenter(ClipSegmenter, nn.Module):
    shared_with_tracker = ('cls_embed', 'mask_embed')

    def __init__(self, num_classes, in_channels, width=64, num_queries=20):
        super().__init__()
        self.num_classes = num_classes
        self.convs = nn.ModuleList(nn.Conv2d(c, width, 1) for c in in_channels)
        self.queries = nn.Embedding(num_queries, width)
        self.decoder = nn.TransformerDecoderLayer(width, 4, batch_first=True)
        self.cls_embed = nn.Linear(width, num_classes + 1)
        self.mask_embed = nn.Linear(width, width)
        self.dice_cost = DiceCost(pred_act=True, eps=1.0)

    def forward(self, x, num_frames):
        levels = []
        for conv, feat in zip(self.convs, x):
            level = conv(feat)  # (B * T, D, h, w)
            level = level.unflatten(0, (-1, num_frames))  # (B, T, D, h, w)
            levels.append(level.transpose(1, 2))  # (B, D, T, h, w)
        size = levels[0].shape[2:]
        pixels = sum(F.interpolate(level, size) for level in levels)

        batch_size = len(pixels)
        queries = self.queries.weight.expand(batch_size, -1, -1)  # (B, Q, D)
        tokens = levels[2].flatten(2).transpose(1, 2)  # (B, T * h * w, D)
        queries = self.decoder(queries, tokens)  # (B, Q, D)
        cls_feats, embeds = self.project(queries)
        return ClipPrediction(
            self.classify(cls_feats),
            self.segment(embeds, pixels),
            queries=queries,
            embeds=queries,
            mask_feats=pixels,
        )

    def project(self, queries):
        return queries, self.mask_embed(queries) / queries.shape[-1] ** 0.5

    def classify(self, cls_feats):
        return self.cls_embed(cls_feats)

    def loss_by_pred(self, pred, data_samples, x=None):
        targets = mask_targets(data_samples, self.num_classes)
        losses = dict(loss_cls=0.0, loss_dice=0.0)
        layers = [*pred.aux, (pred.cls_logits, pred.mask_logits)]
        for cls_logits, mask_logits in layers:
            for b, tubes in enumerate(targets):
                loss_cls, loss_dice = self.clip_loss(
                    cls_logits[b], mask_logits[b], tubes
                )
                losses['loss_cls'] += loss_cls
                losses['loss_dice'] += loss_dice
        return losses

    def clip_loss(self, cls_logits, mask_logits, tubes):
        # All frames as one long image, at the size of the ground truth.
        masks = mask_logits.flatten(1, 2)  # (Q, T * h, w)
        masks = F.interpolate(masks[None], tubes.masks.shape[1:])[0]
        # One query per tube, so that the dice loss is the smallest.
        cost = self.dice_cost(InstanceData(masks=masks), tubes)  # (Q, M)
        query, tube = linear_sum_assignment(cost.detach().cpu())
        no_object = self.num_classes
        labels = tubes.labels.new_full((len(cls_logits),), no_object)
        labels[query] = tubes.labels[tube]
        return F.cross_entropy(cls_logits, labels), cost[query, tube].sum()
