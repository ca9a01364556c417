# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Predicted panoptic videos in the format of VIPSeg's tools."""

import os.path as osp
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ..structures import SegmentColors, write_id_map
from ..utils import dump_json


class IndexedFrame(NamedTuple):
    """Segments of a frame, independent of their ids in the files.

    Attributes:
        labels (dict[int, int]): Label of every id of the predicted map.
        positions (np.ndarray): Position of the id in ``labels``, from 1, of
            each pixel; 0 is void. Shape (H, W), int32.
        areas (np.ndarray): Pixels of void and of each segment.
        boxes (list[tuple[slice, slice]]): Rows and columns of each segment.
    """

    labels: dict[int, int]
    positions: np.ndarray
    areas: np.ndarray
    boxes: list[tuple[slice, slice]]

    @classmethod
    def read(
        cls, pred_map: np.ndarray, labels: dict[int, int]
    ) -> 'IndexedFrame':
        """Find the segments of a frame.

        Args:
            pred_map (np.ndarray): Ids that are constant over the video,
                (H, W), integers from 0.
            labels (dict[int, int]): Label of every id in the map; other ids
                are void.

        Returns:
            IndexedFrame: The segments.
        """
        lookup = np.zeros(pred_map.max() + 1, np.int32)
        lookup[list(labels)] = np.arange(1, len(labels) + 1)
        index = lookup[pred_map]
        areas = np.bincount(index.ravel(), minlength=len(labels) + 1)
        boxes = ndimage.find_objects(index, len(labels))
        return cls(labels, index, areas, boxes)


class SegmentWriter:
    """Writer of the predicted masks of a video, frame by frame.

    Args:
        folder (str): Folder for FRAME.png.
        name (str): Name of the video, the seed of the colours.
        categories (Sequence[dict]): Categories in the order of the labels,
            see :func:`metainfo_categories`.

    Attributes:
        ids (dict[int, int]): Id in the files of each id in the maps.
    """

    def __init__(
        self, folder: str, name: str, categories: Sequence[dict]
    ) -> None:
        self.folder = folder
        self.categories = list(categories)
        self.colors = SegmentColors(categories, zlib.crc32(name.encode()))
        self.ids: dict[int, int] = {}

    def add(
        self, pred_map: np.ndarray, labels: dict[int, int], file_name: str
    ) -> dict:
        """Write the mask of the next frame.

        Args:
            pred_map (np.ndarray): Ids that are constant over the video,
                (H, W), integers from 0.
            labels (dict[int, int]): Label of every id in the map; other ids
                are void.
            file_name (str): Path of the mask below the folder.

        Returns:
            dict: See :meth:`add_frame`.

        Raises:
            OSError: If the mask cannot be written.
        """
        return self.add_frame(IndexedFrame.read(pred_map, labels), file_name)

    def add_frame(self, frame: IndexedFrame, file_name: str) -> dict:
        """Write the mask of the next frame, whose segments are known.

        Args:
            frame (IndexedFrame): The segments.
            file_name (str): Path of the mask below the folder.

        Returns:
            dict: The entry of the frame in pred.json: ``file_name`` and
            ``segments_info`` with the category ids of the user's files.

        Raises:
            OSError: If the mask cannot be written.
        """
        labels, index, areas, boxes = frame
        category_ids = [self.categories[i]['id'] for i in labels.values()]
        for segment_id, category_id in zip(labels, category_ids):
            if segment_id not in self.ids:
                self.ids[segment_id] = self.colors.next_id(category_id)
        colors = np.array([0, *(self.ids[i] for i in labels)], np.uint32)
        path = osp.join(self.folder, file_name)
        write_id_map(path, colors[index])
        return dict(
            file_name=file_name,
            segments_info=[
                dict(
                    id=int(colors[i]),
                    category_id=category_id,
                    iscrowd=0,
                    bbox=_bbox(*boxes[i - 1]),
                    area=int(areas[i]),
                )
                for i, category_id in enumerate(category_ids, 1)
            ],
        )


def _bbox(rows: slice, columns: slice) -> list[int]:
    """Compute first column and row, and size minus one, of a segment."""
    return [
        columns.start,
        rows.start,
        columns.stop - columns.start - 1,
        rows.stop - rows.start - 1,
    ]


def write_pred_json(
    folder: str, annotations: list[dict], categories: Sequence[dict]
) -> str:
    """Write the list of predicted segments.

    Args:
        folder (str): Folder for pred.json.
        annotations (list[dict]): One entry per video.
        categories (Sequence[dict]): Categories, which explain the category ids
            of the file.

    Returns:
        str: Path of the file.
    """
    path = osp.join(folder, 'pred.json')
    content = dict(annotations=annotations, categories=list(categories))
    dump_json(content, path)
    return path
