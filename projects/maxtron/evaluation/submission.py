# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Predicted panoptic videos as VIPSeg's tools read them."""

import json
import os
import os.path as osp
import zlib
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ..structures import SegmentColors, thing_flags, write_id_map
from ..utils import atomic_path
from .panoptic_folders import PRED_FOLDER


def submission_categories(dataset_meta: dict) -> list[dict]:
    """Categories as in VIPSeg's files.

    Args:
        dataset_meta (dict): ``classes``, ``thing_classes`` and ``palette``.

    Returns:
        list[dict]: ``id``, which is the label, ``name``, ``isthing`` and
        ``color`` of every category.

    Raises:
        ValueError: If there is not a colour for every class.
    """
    names, palette = dataset_meta['classes'], dataset_meta.get('palette')
    if palette is None or len(palette) != len(names):
        raise ValueError(
            'A submission needs a colour for every class: the palette of '
            f'the dataset must have {len(names)} colours.'
        )
    return [
        dict(id=i, name=name, isthing=int(is_thing), color=list(color))
        for i, (name, is_thing, color) in enumerate(
            zip(names, thing_flags(dataset_meta), palette)
        )
    ]


class SegmentWriter:
    """Writes the predicted masks of a video while they come.

    Args:
        folder (str): Where to write FRAME.png.
        name (str): Name of the video.
        categories (Sequence[dict]): See :func:`submission_categories`.

    Attributes:
        ids (dict[int, int]): The id in the files of each id in the maps.
    """

    def __init__(
        self, folder: str, name: str, categories: Sequence[dict]
    ) -> None:
        self.folder = folder
        self.name = name
        self.colors = SegmentColors(categories, zlib.crc32(name.encode()))
        self.ids: dict[int, int] = {}

    def add(
        self, pred_map: np.ndarray, category_of: dict[int, int], img_path: str
    ) -> dict:
        """Write the mask of the next frame.

        Args:
            pred_map (np.ndarray): Ids that stay the same over the video,
                (H, W), integers from 0.
            category_of (dict[int, int]): Category of every id in the map;
                other ids are void.
            img_path (str): Path of the frame, which gives its name.

        Returns:
            dict: The entry of the frame in pred.json, ``file_name`` and
            ``segments_info``.

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
        return dict(
            file_name=img_path,
            segments_info=[
                dict(
                    id=int(colors[i]),
                    category_id=category,
                    iscrowd=0,
                    bbox=_bbox(*boxes[i - 1]),
                    area=int(areas[i]),
                )
                for i, category in enumerate(category_of.values(), 1)
            ],
        )


class VideoSubmission(SegmentWriter):
    """Writes the predicted masks of a video and keeps its segments.

    Args:
        folder (str): Where to write pan_pred/VIDEO/FRAME.png.
        name (str): Name of the video.
        categories (Sequence[dict]): See :func:`submission_categories`.
    """

    def __init__(
        self, folder: str, name: str, categories: Sequence[dict]
    ) -> None:
        super().__init__(osp.join(folder, PRED_FOLDER, name), name, categories)
        self.frames: list[dict] = []

    def add(self, *args, **kwargs) -> dict:
        """Write the mask of the next frame, see the base class."""
        self.frames.append(super().add(*args, **kwargs))
        return self.frames[-1]

    def annotation(self) -> dict:
        """The entry of the video in pred.json.

        Returns:
            dict: ``video_id`` and ``annotations``.
        """
        return dict(video_id=self.name, annotations=self.frames)


def _bbox(rows: slice, columns: slice) -> list[int]:
    """First column and row, and how many follow: one less than the size."""
    return [
        columns.start,
        rows.start,
        columns.stop - columns.start - 1,
        rows.stop - rows.start - 1,
    ]


def write_pred_json(folder: str, annotations: list[dict]) -> str:
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
