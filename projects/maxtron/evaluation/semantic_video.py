# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Labels of the pixels of a video: ground truth, predictions, and files."""

import os.path as osp
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.structures import DetDataSample

from ..errors import InputError
from ..structures import (
    INSTANCE_OFFSET,
    UNLABELLED,
    index_map,
    read_id_map,
    read_raw_segments,
)
from ..utils import write_image
from .functional import SemanticCounter, SemanticStats
from .predicted_video import PredictedVideo


def read_labels(
    frame: dict | DetDataSample,
    is_thing: Sequence[bool],
    where: str,
    backend_args: dict | None = None,
) -> np.ndarray:
    """Read the annotated labels of a frame.

    Args:
        frame (dict | DetDataSample): ``seg_map_path``, and ``segments_info``
            unless the map is a raw one.
        is_thing (Sequence[bool]): Whether a class is a thing, (C,).
        where (str): Name of the frame, for messages.
        backend_args (dict, optional): See :func:`mmengine.fileio.get`.

    Returns:
        np.ndarray: Labels, (H, W), uint8. Labels from C on are void. The two
        values of void in a map without things remain different.

    Raises:
        FileNotFoundError: If the map does not exist.
        InputError: If map, classes and list of segments are inconsistent.
    """
    segments: Any = frame.get('segments_info')
    is_raw = segments is None
    path: Any = frame.get('seg_map_path')
    ids = read_id_map(path, where, is_raw, backend_args)
    if is_raw:
        values = ids
        ids, segments = read_raw_segments(values, is_thing, where)
        if not any(is_thing):
            return (values - 1).astype(np.uint8)  # 0 becomes 255
    labels = [UNLABELLED, *(segment['category'] for segment in segments)]
    return np.array(labels, np.uint8)[index_map(ids, segments, where)]


def predicted_labels(pred_map: np.ndarray, num_classes: int) -> np.ndarray:
    """Compute the labels of a predicted panoptic map.

    Args:
        pred_map (np.ndarray): Panoptic ids, (H, W).
        num_classes (int): C, also the id of void.

    Returns:
        np.ndarray: Labels, (H, W), uint8, 255 for void.
    """
    labels = pred_map % INSTANCE_OFFSET
    return np.where(labels < num_classes, labels, UNLABELLED).astype(np.uint8)


class LabelCounter:
    """Counter of the labels of a predicted video and its ground truth.

    Args:
        video (PredictedVideo): The video.
        is_thing (Sequence[bool]): Whether a class is a thing, (C,).
        backend_args (dict, optional): Backend for reading masks, see
            :func:`mmengine.fileio.get`. Defaults to None.
        **kwargs: See :class:`SemanticCounter`.
    """

    def __init__(
        self,
        video: PredictedVideo,
        is_thing: Sequence[bool],
        backend_args: dict | None = None,
        **kwargs,
    ) -> None:
        self.is_thing = is_thing
        self.backend_args = backend_args
        self._counter = SemanticCounter(video.name, len(is_thing), **kwargs)

    def add(
        self, frame: DetDataSample, name: str, pred_map: np.ndarray
    ) -> None:
        """Read the ground truth of a frame and count.

        Args:
            frame (DetDataSample): See :func:`read_labels`.
            name (str): Name of the frame.
            pred_map (np.ndarray): Predicted panoptic ids, (H, W).
        """
        if not frame.get('seg_map_path'):
            return
        where = f'video {self._counter.name}, frame {name}'
        self._counter.add(
            name,
            read_labels(frame, self.is_thing, where, self.backend_args),
            predicted_labels(pred_map, len(self.is_thing)),
        )

    def result(self) -> SemanticStats:
        """Return the stats of the video.

        Returns:
            SemanticStats: Stats of the video.
        """
        return self._counter.result()


class LabelWriter:
    """Writer of predicted labels as FOLDER/VIDEO/FRAME.png, as for VSPW.

    Args:
        video (PredictedVideo): The video.
        folder (str): Folder of all videos.
        num_classes (int): C.
    """

    def __init__(
        self, video: PredictedVideo, folder: str, num_classes: int
    ) -> None:
        self.video = video
        self.folder = osp.join(folder, video.name)
        self.num_classes = num_classes
        self._frames: list[dict] = []

    def add(
        self, frame: DetDataSample, name: str, pred_map: np.ndarray
    ) -> None:
        """Write the labels of a frame.

        Args:
            frame (DetDataSample): The frame.
            name (str): Name of the frame; its folders are left out.
            pred_map (np.ndarray): Predicted panoptic ids, (H, W).
        """
        file_name = f'{osp.basename(name)}.png'
        labels = predicted_labels(pred_map, self.num_classes)
        write_image(osp.join(self.folder, file_name), labels)
        self._frames.append(dict(file_name=file_name))

    def result(self) -> dict:
        """List the files.

        Returns:
            dict: ``video_id`` and ``annotations``, a dict with ``file_name``
            for every frame.
        """
        return dict(video_id=self.video.video_id, annotations=self._frames)


def count_label_files(
    video: dict, folder: str, is_thing: Sequence[bool], **kwargs
) -> SemanticStats:
    """Count the labels of a video that :class:`LabelWriter` wrote.

    Args:
        video (dict): Entry of a dataset: ``video_id`` and ``images``.
        folder (str): Folder of all predicted videos.
        is_thing (Sequence[bool]): Whether a class is a thing, (C,).
        **kwargs: See :class:`SemanticCounter`.

    Returns:
        SemanticStats: Stats of the video.

    Raises:
        FileNotFoundError: If a file does not exist.
        InputError: If the video has no masks, a predicted label does not
            exist, or sizes differ.
    """
    name = video['video_id']
    counter = SemanticCounter(name, len(is_thing), **kwargs)
    for frame in video['images']:
        stem = Path(frame['img_path']).stem
        where = f'video {name}, frame {stem}'
        if 'seg_map_path' not in frame:
            raise InputError(
                f'{where} has no mask: a test set cannot be evaluated here.'
            )
        path = osp.join(folder, name, f'{stem}.png')
        if not osp.isfile(path):
            raise FileNotFoundError(
                f'{where}: the prediction {path} does not exist.'
            )
        pred = read_id_map(path, where, raw=True)
        wrong = pred[(pred >= len(is_thing)) & (pred != UNLABELLED)]
        if wrong.size:
            raise InputError(
                f'{where}: the prediction {path} has the value {wrong[0]}, '
                f'but labels are 0 to {len(is_thing) - 1}, and {UNLABELLED} '
                'means no label.'
            )
        gt = read_labels(frame, is_thing, where)
        counter.add(stem, gt, pred.astype(np.uint8))
    return counter.result()
