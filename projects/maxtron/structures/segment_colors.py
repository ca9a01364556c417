# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Segment ids that are colours, as panoptic PNG files need them."""

from collections.abc import Sequence

import cv2
import numpy as np

# of panopticapi: a thing's colour is this near to that of its class
_NEAR = 30


def write_id_map(path: str, id_map: np.ndarray) -> None:
    """Write ids as an RGB PNG; see :func:`.panoptic_maps.read_id_map`.

    Args:
        path (str): File to write.
        id_map (np.ndarray): Ids, (H, W), below 2**24.

    Raises:
        OSError: If it cannot be written.
    """
    rgba = np.ascontiguousarray(id_map, '<u4').view(np.uint8)
    image = cv2.cvtColor(rgba.reshape(*id_map.shape, 4), cv2.COLOR_RGBA2BGR)
    if not cv2.imwrite(path, image, [cv2.IMWRITE_PNG_COMPRESSION, 1]):
        raise OSError(f'Could not write {path}: is the disk full?')


class SegmentColors:
    """Gives every segment of a video the colour that is its id.

    As panopticapi does: stuff has the colour of its class, and so has the
    first thing of a class, if no other has it; further things have a random
    one nearby. The same calls give the same colours.

    Args:
        categories (Sequence[dict]): ``id``, ``name``, ``isthing`` and
            ``color`` (RGB) of every category.
        seed (int | Sequence[int]): Which random colours there are.

    Raises:
        ValueError: If two stuff categories have one colour, or one is black,
            which is void.
    """

    def __init__(
        self, categories: Sequence[dict], seed: int | Sequence[int]
    ) -> None:
        self.categories = {c['id']: c for c in categories}
        self.taken: dict[tuple[int, ...], str] = {(0, 0, 0): 'void'}
        for category in categories:
            color = tuple(category['color'])
            if category['isthing']:
                continue
            if color in self.taken:
                raise ValueError(
                    f'The colour {color} of "{category["name"]}" is that of '
                    f'{self.taken[color]}, so that their ids would be equal. '
                    'Give every stuff category a colour of its own.'
                )
            self.taken[color] = f'"{category["name"]}"'
        self.rng = np.random.Generator(np.random.PCG64(seed))

    def next_id(self, category_id: int) -> int:
        """Give a segment its id.

        Args:
            category_id (int): Its category.

        Returns:
            int: R + 256 G + 65536 B; for stuff the same each time.
        """
        category = self.categories[category_id]
        color = tuple(category['color'])
        if category['isthing']:
            while color in self.taken:
                near = category['color'] + self.rng.integers(
                    -_NEAR, _NEAR + 1, size=3
                )
                color = tuple(np.clip(near, 0, 255).tolist())
            self.taken[color] = f'"{category["name"]}"'
        return color[0] + 256 * color[1] + 65536 * color[2]
