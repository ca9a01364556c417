# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Association by the ground truth, the upper bound of all others."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ..models.association import ClipCues, QueryAssociation
from ..structures import ClipPrediction, ClipShapes


class TrueAssociation(QueryAssociation):
    """Association of queries by the true segments that they show.

    In each clip, every true segment takes the query with the greatest product
    of IoU and class probability. The query moves to the place that the segment
    took in the first clip that shows it. The other queries fill the rest by
    the embeddings.

    Args:
        mask_activation (str): See :class:`ClipSegmenter`.
        overlap (int): Frames shared by neighbouring clips.
    """

    def __init__(self, mask_activation: str, overlap: int = 0) -> None:
        super().__init__(mask_activation=mask_activation, overlap=overlap)
        self._places: dict[int, int] = {}

    def start_video(self) -> 'TrueAssociation':
        """Return this association, which is of one video."""
        return self

    def set_truth(
        self,
        id_maps: Sequence[np.ndarray],
        labels: dict[int, int],
        shapes: ClipShapes,
    ) -> None:
        """Set the ground truth of the next clip.

        Args:
            id_maps (Sequence[np.ndarray]): Ids of the segments in each frame,
                0 for none, shape (H, W).
            labels (dict[int, int]): Label of each segment.
            shapes (ClipShapes): Sizes of the frames.
        """
        self._id_maps, self._labels = id_maps, labels
        self._shapes = shapes

    def read(self, clips: ClipPrediction, num_shared: int = 0) -> ClipCues:
        """Read the embeddings, and find the query of each segment."""
        masks = clips.mask_logits
        truth = self._resize_truth(masks.shape[-2:])
        ids = sorted(set(np.unique(truth).tolist()) - {0})
        # (n, T, h, w)
        tubes = torch.from_numpy(truth == np.reshape(ids, (-1, 1, 1, 1)))
        pred = self._binarize(masks[0].float())
        probs = clips.cls_logits[0].float().softmax(-1)
        likeness = _mask_ious(tubes.to(pred.device), pred).cpu() * (
            probs[:, [self._labels[i] for i in ids]].T.cpu()
        )
        rows, queries = linear_sum_assignment(-likeness.numpy())
        self._queries = {
            ids[row]: int(query)
            for row, query in zip(rows, queries)
            if likeness[row, query] > 0
        }
        return super().read(clips, num_shared)

    def match(self, current: ClipCues) -> Tensor:
        """Match queries to places, see :class:`QueryAssociation`."""
        num_queries = len(current.embeds)
        if self._tracks is None:
            gains = torch.zeros(num_queries, num_queries)
        else:
            gains = self.similarity(self._tracks, current).cpu()
        free = set(range(num_queries)) - set(self._places.values())
        for i, query in self._queries.items():
            if i not in self._places and free:
                # The free place that the query resembles most.
                place = max(free, key=lambda p: gains[p, query])
                free.remove(place)
                self._places[i] = place
            if i in self._places:
                gains[self._places[i], query] += 100.0
        _, columns = linear_sum_assignment(-gains.numpy())
        index = torch.as_tensor(columns, device=current.embeds.device)
        self._tracks = current.select(index)
        self._num_clips += 1
        return index

    def _binarize(self, mask_logits: Tensor) -> Tensor:
        """Make binary masks of the same shape."""
        if self.mask_activation == 'softmax':
            return mask_logits >= mask_logits.amax(0)
        return mask_logits >= 0

    def _resize_truth(self, size: tuple[int, int]) -> np.ndarray:
        """Sample the ground truth at the pixels of the masks, (T, h, w)."""
        shapes, grids = self._shapes, []
        for axis in range(2):
            spots = (np.arange(size[axis]) + 0.5) / size[axis]
            spots *= shapes.input_shape[axis] / shapes.img_shape[axis]
            grids.append((spots * shapes.ori_shape[axis]).astype(int))
        rows, columns = grids
        truth = np.zeros((len(self._id_maps), *size), np.int64)
        for frame, ids in zip(truth, self._id_maps):
            height, width = ids.shape
            frame[np.ix_(rows < height, columns < width)] = ids[
                np.ix_(rows[rows < height], columns[columns < width])
            ]
        return truth


def _mask_ious(masks: Tensor, others: Tensor) -> Tensor:
    """Compute the IoU of all pairs of masks, bool, (n, ...) and (m, ...)."""
    x, y = masks.flatten(1).float(), others.flatten(1).float()
    shared = x @ y.T
    union = x.sum(1)[:, None] + y.sum(1) - shared
    return shared / union.clamp(min=1)
