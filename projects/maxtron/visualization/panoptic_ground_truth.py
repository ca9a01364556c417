# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Conversion of annotated panoptic maps to :class:`PanopticMap`."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from mmdet.structures import DetDataSample

from ..structures import (
    IndexMap,
    PanopticMap,
    index_map,
    read_id_map,
    read_raw_segments,
    thing_flags,
    thing_id,
)


class PanopticGroundTruth:
    """Reader of the annotated maps of videos, frame by frame.

    As in a prediction, the things of a class are numbered in the order of
    their appearance in the frames read.

    Args:
        backend_args (dict, optional): Backend for reading maps, see
            :func:`mmengine.fileio.get`. Defaults to None.
    """

    def __init__(self, backend_args: dict | None = None) -> None:
        self.backend_args = backend_args
        self._video_id = None
        self._ids: dict[int, int] = {}
        self._num_things = Counter()

    def read(
        self, sample: DetDataSample, dataset_meta: dict
    ) -> PanopticMap | None:
        """Read the map of a frame.

        Args:
            sample (DetDataSample): A frame with ``img_path``, ``video_id``,
                ``seg_map_path`` and ``segments_info`` in its metainfo; see
                :class:`~projects.maxtron.evaluation.metrics.VPQMetric`.
            dataset_meta (dict): ``classes`` and, if there is a map,
                ``thing_classes``.

        Returns:
            PanopticMap | None: The annotation; None if there is none.

        Raises:
            FileNotFoundError: If the map does not exist.
            ValueError: If map and segments are inconsistent.
        """
        if not sample.get('seg_map_path'):
            return None
        if sample.get('video_id') != self._video_id:
            self._video_id = sample.get('video_id')
            self._ids.clear()
            self._num_things.clear()
        segments = sample.get('segments_info')
        is_raw = segments is None
        is_thing = thing_flags(dataset_meta)
        where = sample.img_path
        ids = read_id_map(
            sample.seg_map_path, where, is_raw, self.backend_args
        )
        if is_raw:
            ids, segments = read_raw_segments(ids, is_thing, where)
        void = len(is_thing)
        table = [void] + [
            self.panoptic_id(segment, is_thing) for segment in segments
        ]
        return PanopticMap(
            IndexMap.encode(index_map(ids, segments, where)),
            np.array(table, np.int32),
            void,
        )

    def panoptic_id(self, segment: dict, is_thing: Sequence[bool]) -> int:
        """Map an annotated segment to a panoptic id as in predictions.

        Args:
            segment (dict): Segment with ``id`` and ``category``.
            is_thing (Sequence[bool]): One flag per label.

        Returns:
            int: Id of the segment, constant over the video.
        """
        label = segment['category']
        if not is_thing[label]:
            return label
        if segment['id'] not in self._ids:
            self._ids[segment['id']] = thing_id(label, self._num_things[label])
            self._num_things[label] += 1
        return self._ids[segment['id']]
