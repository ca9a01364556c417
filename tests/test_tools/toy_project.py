# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A small model and dataset to run the tools on."""

import torch
from mmdet.registry import DATASETS, METRICS, MODELS
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel


@DATASETS.register_module()
class ToyDataset(torch.utils.data.Dataset):
    """Twelve numbers."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return dict(inputs=torch.full((3,), index / 12))


@MODELS.register_module()
class ToyModel(BaseModel):
    """A regression.

    Args:
        hidden_channels (int): Width.
    """

    def __init__(self, hidden_channels=4, **kwargs):
        super().__init__(**kwargs)
        self.backbone = torch.nn.Linear(3, hidden_channels)
        self.head = torch.nn.Linear(hidden_channels, 1)

    def forward(self, inputs, mode='loss'):
        output = self.head(self.backbone(torch.stack(inputs)))
        if mode == 'loss':
            return dict(loss=(output - 1).square().mean())
        return [dict(score=score) for score in output.detach()]


@METRICS.register_module()
class ToyMetric(BaseMetric):
    """The mean score."""

    default_prefix = 'toy'

    def process(self, data_batch, data_samples):
        self.results += [sample['score'].item() for sample in data_samples]

    def compute_metrics(self, results):
        return dict(mean=sum(results) / len(results), count=len(results))
