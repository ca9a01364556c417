# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Networks of a model as modules from tensors to tensors."""

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from ..models import MaXTron
from ..models.heads import BaseMaXTronHead
from ..structures import ClipPrediction


class ClipGraph(nn.Module):
    """Network of one clip, from frames to a prediction.

    Args:
        model (MaXTron): Model in evaluation mode.

    Attributes:
        input_names (tuple[str]): Names of the arguments of :meth:`forward`.
        output_names (tuple[str]): Fields of :class:`ClipPrediction` that it
            returns.
    """

    input_names = ('frames',)
    output_names = (
        'cls_logits',
        'mask_logits',
        'queries',
        'embeds',
        'mask_feats',
    )

    def __init__(self, model: MaXTron) -> None:
        super().__init__()
        self.backbone = model.backbone
        self.neck = model.neck
        self.segmenter = model.head.segmenter

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Segment a clip.

        Args:
            frames (Tensor): Preprocessed clip, shape (1, T, 3, H, W).

        Returns:
            tuple[Tensor, ...]: The fields ``output_names`` of
            :class:`ClipPrediction`.
        """
        num_frames = frames.shape[1]
        x = self.backbone(frames.flatten(0, 1))
        if self.neck is not None:
            x = self.neck(x, num_frames)
        clip: ClipPrediction = self.segmenter(x, num_frames)
        return tuple(getattr(clip, name) for name in self.output_names)


class TrackerGraph(nn.Module):
    """Cross-clip tracker and its heads, from queries to mask embeddings.

    Args:
        head (BaseMaXTronHead): Head with a tracker, in evaluation mode.

    Attributes:
        input_names (tuple[str]): Names of the arguments of :meth:`forward`.
        output_names (tuple[str]): Names of its results.
    """

    input_names = ('queries',)
    output_names = ('cls_logits', 'embeds')

    def __init__(self, head: BaseMaXTronHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Track the queries of a video.

        Args:
            queries (Tensor): Aligned queries of K clips, shape (K, Q, D).

        Returns:
            tuple[Tensor, Tensor]: See :meth:`BaseMaXTronHead.refine`.
        """
        return self.head.refine(queries)


def export_graph(
    graph: ClipGraph | TrackerGraph, *args: Tensor
) -> ExportedProgram:
    """Export a network by ``torch.export``.

    Shapes are static, except for the number of clips of a tracker.

    Args:
        graph (ClipGraph | TrackerGraph): The network.
        *args (Tensor): Examples of its arguments.

    Returns:
        ExportedProgram: The program, which ``torch.export.save`` writes.
    """
    shapes = None
    if isinstance(graph, TrackerGraph):
        shapes = ({0: Dim('clips', min=2, max=2**16)},)
    with torch.no_grad():
        return torch.export.export(
            graph.eval(), args, dynamic_shapes=shapes, strict=False
        )
