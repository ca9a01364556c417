# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Segment ids that encode colours, for panoptic PNG files."""

from collections.abc import Sequence

import numpy as np

from ..errors import InputError

# panopticapi: largest distance of a thing's colour from its class's colour
_MAX_DISTANCE = 30


class SegmentColors:
    """Choice of a colour, and thus an id, for every segment of a video.

    The rules are those of panopticapi. Stuff has the colour of its class. The
    first thing of a class has the colour of the class if it is free; further
    things have a random colour nearby. The same calls give the same colours.

    Args:
        categories (Sequence[dict]): ``id``, ``name``, ``isthing`` and
            ``color`` (RGB) of every category.
        seed (int | Sequence[int]): Seed of the random colours.

    Raises:
        InputError: If two stuff categories have the same colour, or one is
            black, the colour of void.
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
                raise InputError(
                    f'The colour {color} of "{category["name"]}" is that of '
                    f'{self.taken[color]}: their ids would be equal. Give '
                    'every stuff category a colour of its own.'
                )
            self.taken[color] = f'"{category["name"]}"'
        self.rng = np.random.Generator(np.random.PCG64(seed))

    def next_id(self, category_id: int | str) -> int:
        """Choose the id of a segment.

        Args:
            category_id (int | str): Id of the segment's category.

        Returns:
            int: R + 256 G + 65536 B. It is the same in each call for stuff.
        """
        category = self.categories[category_id]
        color = tuple(category['color'])
        if category['isthing']:
            while color in self.taken:
                near = category['color'] + self.rng.integers(
                    -_MAX_DISTANCE, _MAX_DISTANCE + 1, size=3
                )
                color = tuple(np.clip(near, 0, 255).tolist())
            self.taken[color] = f'"{category["name"]}"'
        return color[0] + 256 * color[1] + 65536 * color[2]
