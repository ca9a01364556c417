# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Panoptic maps in the form of predictions."""

from projects.maxtron.structures import IndexMap, PanopticMap

import numpy as np


def panoptic_map(
    ids: np.ndarray, void: int, cls: type[PanopticMap] = PanopticMap
) -> PanopticMap:
    """Make the map of panoptic ids, shape (H, W)."""
    table, indices = np.unique(ids, return_inverse=True)
    return cls(
        IndexMap.encode(indices.reshape(ids.shape)),
        table.astype(np.int32),
        void,
    )
