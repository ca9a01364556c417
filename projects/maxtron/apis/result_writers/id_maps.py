# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Instance ids of a video as PNG files."""

import os.path as osp
from io import BytesIO
from pathlib import Path

import numpy as np
from mmengine.structures import InstanceData
from PIL import Image

from ...structures import to_bitmap
from ...utils import atomic_path, make_empty_folder
from ...visualization import id_colors


class IdMapWriter:
    """Writer of one PNG of instance ids per frame, 0 for no instance.

    If instances overlap, the one with the higher score is on top. The PNG has
    a palette: it shows the colours of the drawn video, and
    ``np.array(PIL.Image.open(path))`` reads the ids. Frames with an id above
    255 are 16-bit grey instead.

    Args:
        folder (str): Folder of the files; it must be empty or not exist.
        score_thr (float): Minimum score of written instances. Defaults to 0.

    Raises:
        FileExistsError: If the folder has files, which would mix with the
            new ones.
    """

    def __init__(self, folder: str, score_thr: float = 0.0) -> None:
        make_empty_folder(folder)
        self.path = folder
        self.score_thr = score_thr
        self._palette = id_colors(range(256)).tobytes()

    def write(
        self, instances: InstanceData, size: tuple[int, int], name: str
    ) -> None:
        """Write a frame.

        Args:
            instances (InstanceData): ``pred_track_instances`` of the frame.
            size (tuple[int, int]): Height and width of the frame.
            name (str): Name of the file, without suffix; it may contain
                folders.

        Raises:
            WriteError: If the disk is full.
        """
        self.write_frame(self.prepare(instances, size), name)

    def prepare(self, instances: InstanceData, size: tuple[int, int]) -> bytes:
        """Encode a frame; frames may come in any order.

        Args:
            instances (InstanceData): ``pred_track_instances`` of the frame.
            size (tuple[int, int]): Height and width of the frame.

        Returns:
            bytes: Content of the file.
        """
        ids = instances.instances_id.tolist()
        scores = instances.scores.tolist()
        id_map = np.zeros(size, dtype=np.uint16)
        for i in sorted(range(len(ids)), key=scores.__getitem__):
            if scores[i] >= self.score_thr:
                id_map[to_bitmap(instances.masks[i], size)] = ids[i]
        if id_map.max() < 256:
            image = Image.fromarray(id_map.astype(np.uint8), mode='P')
            image.putpalette(self._palette)
        else:
            image = Image.fromarray(id_map)
        content = BytesIO()
        image.save(content, 'PNG', compress_level=3)  # a third of the time
        return content.getvalue()

    def write_frame(self, content: bytes, name: str) -> None:
        """Write a frame after :meth:`prepare`.

        Args:
            content (bytes): Result of :meth:`prepare`.
            name (str): Name of the file, see :meth:`write`.

        Raises:
            WriteError: If the disk is full.
        """
        with atomic_path(osp.join(self.path, f'{name}.png')) as part:
            Path(part).write_bytes(content)
