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
        x = [
            conv(level).unflatten(0, (-1, num_frames)).transpose(1, 2)
            for conv, level in zip(self.convs, x)
        ]  # (B, D, T, h, w)
        pixels = sum(F.interpolate(level, x[0].shape[2:]) for level in x)
        queries = self.decoder(
            self.queries.weight.expand(len(pixels), -1, -1),
            x[2].flatten(2).transpose(1, 2),
        )  # (B, Q, D)
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
        tubes = mask_targets(data_samples, self.num_classes)
        losses = []
        for layer in (*pred.aux, (pred.cls_logits, pred.mask_logits)):
            losses += map(self.clip_loss, *layer, tubes)
        return dict(zip(('loss_cls', 'loss_dice'), map(sum, zip(*losses))))

    def clip_loss(self, logits, masks, tubes):
        masks = masks.flatten(1, 2)[None]  # one long image: (1, Q, T * h, w)
        masks = F.interpolate(masks, tubes.masks.shape[1:])[0]
        cost = self.dice_cost(InstanceData(masks=masks), tubes)  # (Q, M)
        query, tube = linear_sum_assignment(cost.detach().cpu())
        labels = tubes.labels.new_full(logits.shape[:1], self.num_classes)
        labels[query] = tubes.labels[tube]
        return F.cross_entropy(logits, labels), cost[query, tube].sum()
