# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Panoptic maps of the things that a model of instances finds."""

from projects.maxtron.errors import InputError
from projects.maxtron.structures import IndexMap, PanopticMap, thing_id

import numpy as np
from mmengine.structures import InstanceData
from pycocotools import mask as coco_mask

# An instance that shows less than this share of its mask repeats another one.
_MIN_SHOWN = 0.5


class InstanceMaps:
    """Maker of panoptic maps from instances.

    A pixel belongs to the best instance that covers it. The index of a thing
    in its class is the id of the instance, so the maps keep all links.

    Args:
        classes (tuple[str]): Classes of the instances.
        panoptic_classes (tuple[str]): Classes of the maps, which include
            those.
        min_score (float): Instances below this score are left out.

    Raises:
        InputError: If the panoptic classes lack a class of the instances.

    Attributes:
        labels (dict[int, int]): Label of an instance by panoptic label.
    """

    def __init__(
        self,
        classes: tuple[str, ...],
        panoptic_classes: tuple[str, ...],
        min_score: float,
    ) -> None:
        missing = [x for x in classes if x not in panoptic_classes]
        if missing:
            raise InputError(
                'The panoptic data lack classes of the model: '
                f'{", ".join(missing)}. They have: '
                f'{", ".join(panoptic_classes)}.'
            )
        self.labels = {
            panoptic_classes.index(name): label
            for label, name in enumerate(classes)
        }
        self._panoptic_labels = {v: k for k, v in self.labels.items()}
        self._void = len(panoptic_classes)
        self._min_score = min_score

    def convert(
        self, instances: InstanceData, shape: tuple[int, int]
    ) -> PanopticMap:
        """Make the map of a frame.

        Args:
            instances (InstanceData): Instances of the frame, best first, with
                ``instances_id``, ``labels``, ``scores`` and ``masks`` (COCO
                RLE).
            shape (tuple[int, int]): Height and width of the frame.

        Returns:
            PanopticMap: The map.
        """
        indices = np.zeros(shape, np.int32)
        table = [self._void]
        for i, label, score, rle in zip(
            instances.instances_id.tolist(),
            instances.labels.tolist(),
            instances.scores.tolist(),
            instances.masks,
        ):
            if score < self._min_score:
                break
            mask = coco_mask.decode(rle).astype(bool)
            shown = mask & (indices == 0)
            if shown.sum() > _MIN_SHOWN * mask.sum():
                indices[shown] = len(table)
                table.append(thing_id(self._panoptic_labels[label], i))
        used, indices = np.unique(indices, return_inverse=True)
        return PanopticMap(
            IndexMap.encode(indices.reshape(shape)),
            np.array(table, np.int32)[used],
            self._void,
        )
