# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Writer of the panoptic maps of a video and their segments."""

import json
import os.path as osp
from typing import TextIO

from ...evaluation.submission import IndexedFrame, SegmentWriter
from ...structures import INSTANCE_OFFSET, PanopticMap, metainfo_categories
from ...utils import finishing, make_empty_folder, part_path, writing


class PanopticWriter:
    """Writer of one PNG of segment ids per frame, and a table of the ids.

    The PNG files have the format of a VIPSeg submission. A pixel of colour R,
    G, B has the id R + 256 G + 65536 B; 0 is void. A segment keeps its id over
    the video. ``segments.json`` in the same folder lists all segments: ``id``,
    ``color``, ``category_id`` (of the dataset's files), ``category`` (its
    name), ``isthing`` and, for things, ``number``: the number in the drawn
    video.

    Args:
        folder (str): Folder of the files; it must be empty or not exist.
        dataset_meta (dict): ``classes``, ``thing_classes`` and ``palette``.
        json_path (str, optional): File for the segments of every frame, in the
            format of pred.json of a VIPSeg submission. It grows frame by
            frame. Defaults to None.
        name (str): Name of the video, the ``video_id`` in the JSON file.
            Defaults to 'video'.

    Raises:
        FileExistsError: If the folder has files, which would mix with the
            new ones.
        InputError: If a class has no colour.
    """

    def __init__(
        self,
        folder: str,
        dataset_meta: dict,
        json_path: str | None = None,
        name: str = 'video',
    ) -> None:
        categories = metainfo_categories(dataset_meta)
        make_empty_folder(folder)
        self.path = folder
        self.json_path = json_path
        self._table = osp.join(folder, 'segments.json')
        self._classes = dataset_meta['classes']
        self._masks = SegmentWriter(folder, name, categories)
        self.num_frames = 0
        self._file: TextIO | None = None
        self._separator = '\n'
        if json_path is not None:
            with writing(json_path):
                self._file = open(part_path(json_path), 'w')
                self._file.write(
                    '{"annotations": [{"video_id": '
                    f'{json.dumps(name)}, "annotations": ['
                )

    def __enter__(self) -> 'PanopticWriter':
        return self

    def write(self, panoptic_map: PanopticMap, name: str) -> None:
        """Write a frame.

        Args:
            panoptic_map (PanopticMap): The segments.
            name (str): Name of the file, without suffix.
        """
        self.write_frame(self.prepare(panoptic_map), name)

    @staticmethod
    def prepare(panoptic_map: PanopticMap) -> IndexedFrame:
        """Find the segments of a frame; frames may come in any order.

        Args:
            panoptic_map (PanopticMap): The segments.

        Returns:
            IndexedFrame: Argument of :meth:`write_frame`.
        """
        labels = {i: i % INSTANCE_OFFSET for i in panoptic_map.segment_ids}
        return IndexedFrame.read(panoptic_map.decode(), labels)

    def write_frame(self, frame: IndexedFrame, name: str) -> None:
        """Write the next frame after :meth:`prepare`.

        Args:
            frame (IndexedFrame): Result of :meth:`prepare`.
            name (str): Name of the file, without suffix.
        """
        entry = self._masks.add_frame(frame, f'{name}.png')
        if self._file is not None and self.json_path is not None:
            with writing(self.json_path):
                self._file.write(self._separator + json.dumps(entry))
            self._separator = ',\n'
        self.num_frames += 1

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        try:
            self._finish_json(exc_type)
        finally:
            self._write_table(exc_type)

    def _finish_json(self, exc_type: type | None) -> None:
        """Write the end of the JSON file."""
        if self._file is None or self.json_path is None:
            return
        with (
            finishing(self.json_path, exc_type, self.num_frames == 0),
            self._file as file,
        ):
            categories = json.dumps(self._masks.categories)
            file.write(f']}}], "categories": {categories}}}\n')

    def _write_table(self, exc_type: type | None) -> None:
        """Write the table of segments."""
        with (
            finishing(self._table, exc_type, self.num_frames == 0) as part,
            open(part, 'w') as file,
        ):
            lines = ',\n'.join(map(json.dumps, self._segments()))
            file.write(f'[\n{lines}\n]\n')

    def _segments(self) -> list[dict]:
        """Make the table of segments, in the order of their appearance."""
        table = []
        for panoptic_id, color_id in self._masks.ids.items():
            number, label = divmod(panoptic_id, INSTANCE_OFFSET)
            segment = dict(
                id=color_id,
                color=[color_id >> shift & 255 for shift in (0, 8, 16)],
                category_id=self._masks.categories[label]['id'],
                category=self._classes[label],
                isthing=int(number > 0),
            )
            if number:
                segment['number'] = number
            table.append(segment)
        return table
