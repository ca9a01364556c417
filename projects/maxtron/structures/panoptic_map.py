# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compressed panoptic map of one frame."""

import zlib
from typing import NamedTuple

import numpy as np

# Difference of the ids of instances of a class in MMDetection
# (mmdet.evaluation.functional.INSTANCE_OFFSET).
INSTANCE_OFFSET = 1000


def thing_id(label: int, index: int) -> int:
    """Compute the panoptic id of an instance.

    Args:
        label (int): Class of the instance.
        index (int): Number of the instance within its class, from 0.

    Returns:
        int: ``label + 1000 * (index + 1)``.
    """
    return label + INSTANCE_OFFSET * (index + 1)


class IndexMap(NamedTuple):
    """An image of small integers, compressed.

    Attributes:
        shape (tuple[int, int]): Height and width.
        dtype (str): NumPy type of the integers.
        data (bytes): The integers, row by row, compressed by zlib.
    """

    shape: tuple[int, int]
    dtype: str
    data: bytes

    @classmethod
    def encode(cls, indices: np.ndarray) -> 'IndexMap':
        """Compress an array of shape (H, W) of unsigned integers."""
        dtype = np.min_scalar_type(int(indices.max(initial=0)))
        data = zlib.compress(indices.astype(dtype).tobytes(), 1)
        return cls(indices.shape, dtype.str, data)

    def decode(self) -> np.ndarray:
        """Decompress the integers, shape (H, W), read-only."""
        return np.frombuffer(zlib.decompress(self.data), self.dtype).reshape(
            self.shape
        )


class PanopticMap:
    """Compressed panoptic map of one frame, cheap to relabel.

    Ids are those of MMDetection: the label for a stuff segment,
    ``label + 1000 * k`` with k = 1, 2, ... for a thing, and the number of
    classes for pixels without a segment.

    Args:
        indices (IndexMap): An index into ``table`` for each pixel;
            each entry of ``table`` occurs at some pixel.
        table (np.ndarray): Panoptic ids, shape (n, ), int32.
        void (int): The id of pixels without a segment.
    """

    def __init__(
        self, indices: IndexMap, table: np.ndarray, void: int
    ) -> None:
        self._indices = indices
        self._table = table
        self.void = void

    @property
    def shape(self) -> tuple[int, int]:
        """tuple[int, int]: Height and width."""
        return self._indices.shape

    @property
    def segment_ids(self) -> list[int]:
        """list[int]: Ids that occur in the frame, ascending, without void."""
        ids = np.unique(self._table)
        return ids[ids != self.void].tolist()

    def decode(self) -> np.ndarray:
        """Decompress the map.

        Returns:
            np.ndarray: Panoptic ids, shape (H, W), int32.
        """
        return self._table[self._indices.decode()]

    def relabel(self, ids: dict[int, int]) -> 'PanopticMap':
        """Replace the ids of segments.

        Args:
            ids (dict[int, int]): New id of each id to replace. Other ids are
                kept.

        Returns:
            PanopticMap: A new map, which shares the compressed data.
        """
        table = [ids.get(i, i) for i in self._table.tolist()]
        return PanopticMap(self._indices, np.array(table, np.int32), self.void)
