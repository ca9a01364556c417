# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Panoptic map of one frame, kept compressed."""

import zlib
from typing import NamedTuple

import numpy as np

# The distance between ids of instances of a class in MMDetection
# (mmdet.evaluation.functional.INSTANCE_OFFSET).
INSTANCE_OFFSET = 1000


def thing_id(label: int, index: int) -> int:
    """Panoptic id of an instance.

    Args:
        label (int): Its class.
        index (int): Its number within the class, from 0.

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
        """The integers, shape (H, W), read-only."""
        return np.frombuffer(zlib.decompress(self.data), self.dtype).reshape(
            self.shape
        )


class PanopticMap:
    """Panoptic map of one frame, kept compressed and cheap to relabel.

    The ids are those of MMDetection: a stuff segment has its label, a thing
    ``label + 1000 * k`` with k = 1, 2, ..., and pixels without a segment the
    number of classes.

    Args:
        indices (:obj:`IndexMap`): An index into ``table`` for each pixel;
            each entry of ``table`` is used by some pixel.
        table (np.ndarray): Panoptic ids, shape (n, ), int32.
        void (int): The id that means no segment.
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
        """The map itself.

        Returns:
            np.ndarray: Panoptic ids, shape (H, W), int32.
        """
        return self._table[self._indices.decode()]

    def relabel(self, ids: dict[int, int]) -> 'PanopticMap':
        """The same segments under other ids.

        Args:
            ids (dict[int, int]): New id of each id to replace; the others
                stay.

        Returns:
            :obj:`PanopticMap`: A new map, which shares the compressed data.
        """
        table = [ids.get(i, i) for i in self._table.tolist()]
        return PanopticMap(self._indices, np.array(table, np.int32), self.void)
