# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Predicted panoptic videos as VIPSeg's tools read them."""

import json
import os
import os.path as osp
import zlib
from typing import Dict, List, Sequence

import numpy as np
from scipy import ndimage

from ..datasets.segment_colors import SegmentColors, write_id_map
from ..utils import atomic_path
from .panoptic_folders import PRED_FOLDER


class VideoSubmission:
    """Writes the predicted masks of a video while they come.

    Args:
        folder (str): Where to write pan_pred/VIDEO/FRAME.png.
        name (str): Name of the video.
        categories (Sequence[dict]): ``id``, ``name``, ``isthing`` and
            ``color`` of every category.
    """

    def __init__(self, folder: str, name: str,
                 categories: Sequence[dict]) -> None:
        self.name = name
        self.folder = osp.join(folder, PRED_FOLDER, name)
        self.colors = SegmentColors(categories, zlib.crc32(name.encode()))
        self.ids: Dict[int, int] = {}
        self.frames: List[dict] = []

    def add(self, pred_map: np.ndarray, category_of: Dict[int, int],
            img_path: str) -> None:
        """Write the mask of the next frame.

        Args:
            pred_map (np.ndarray): Ids that stay the same over the video,
                (H, W), integers from 0.
            category_of (dict[int, int]): Category of every id in the map;
                other ids are void.
            img_path (str): Path of the frame, which gives its name.

        Raises:
            OSError: If the mask cannot be written.
        """
        for segment_id, category in category_of.items():
            if segment_id not in self.ids:
                self.ids[segment_id] = self.colors.next_id(category)
        # a small index in place of the id, 0 for void
        lookup = np.zeros(pred_map.max() + 1, np.int32)
        lookup[list(category_of)] = np.arange(1, len(category_of) + 1)
        index = lookup[pred_map]
        colors = np.array([0, *(self.ids[i] for i in category_of)], np.uint32)
        os.makedirs(self.folder, exist_ok=True)
        stem = osp.splitext(osp.basename(img_path))[0]
        with atomic_path(osp.join(self.folder, f'{stem}.png')) as part:
            write_id_map(part, colors[index])
        areas = np.bincount(index.ravel(), minlength=len(colors))
        boxes = ndimage.find_objects(index, len(category_of))
        self.frames.append(
            dict(file_name=img_path, segments_info=[
                dict(
                    id=int(colors[i]),
                    category_id=category,
                    iscrowd=0,
                    bbox=_bbox(*boxes[i - 1]),
                    area=int(areas[i]))
                for i, category in enumerate(category_of.values(), 1)
            ]))

    def annotation(self) -> dict:
        """The entry of the video in pred.json.

        Returns:
            dict: ``video_id`` and ``annotations``.
        """
        return dict(video_id=self.name, annotations=self.frames)


def _bbox(rows: slice, columns: slice) -> List[int]:
    """First column and row, and how many follow: one less than the size."""
    return [
        columns.start, rows.start, columns.stop - columns.start - 1,
        rows.stop - rows.start - 1
    ]


def write_pred_json(folder: str, annotations: List[dict]) -> str:
    """Write the list of predicted segments.

    Args:
        folder (str): Where to write pred.json.
        annotations (list[dict]): One entry a video.

    Returns:
        str: Path of the file.
    """
    path = osp.join(folder, 'pred.json')
    os.makedirs(folder, exist_ok=True)
    with atomic_path(path) as part, open(part, 'w') as file:
        json.dump(dict(annotations=annotations), file)
    return path
