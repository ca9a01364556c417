# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""LV-VIS, large-vocabulary video instance segmentation."""

from mmdet.registry import DATASETS
from mmengine.logging import print_log

from ..json_file import Entry, Kind
from .clip_video_dataset import ClipVideoDataset

_GROUPS = dict(base=(0, 1), novel=(2, 3))
_PARTITION = Kind(
    '0 or 1 (a base class) or 2 or 3 (a novel class)',
    lambda v: type(v) is int and 0 <= v <= 3,
)


@DATASETS.register_module()
class LVVISDataset(ClipVideoDataset):
    """LV-VIS with its 1,196 classes as a closed set.

    The annotation file names the classes, so the metainfo has them as soon as
    it is read. Its ``partition`` of a category tells whether the class is a
    base class, which is frequent or common in LVIS, or a novel one. The groups
    become ``class_groups`` of the metainfo, and :class:`ClipYouTubeVISMetric`
    reports additional values for them. See :class:`ClipVideoDataset` for the
    arguments.

    Raises:
        InputError: If only some categories have a partition, or one has a
            partition that does not exist.
    """

    def describe_categories(self, categories: list[Entry]) -> dict:
        """Group the classes into base and novel ones.

        Args:
            categories (list[Entry]): Category of every class in the file.

        Returns:
            dict: ``class_groups``: labels by the name of the group. Empty if
            no category has a partition.
        """
        if not any('partition' in category for category in categories):
            print_log(
                f'{self.ann_file}: no category has a partition, so there are '
                'no separate values of base and novel classes',
                logger='current',
            )
            return {}
        parts = [x.require('partition', _PARTITION) for x in categories]
        return dict(
            class_groups={
                name: [k for k, part in enumerate(parts) if part in group]
                for name, group in _GROUPS.items()
            }
        )
