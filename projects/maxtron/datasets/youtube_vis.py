# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""YouTube-VIS 2019, 2021 and 2022."""

from mmdet.datasets import YouTubeVISDataset
from mmdet.registry import DATASETS

from ..errors import InputError
from .clip_video_dataset import ClipVideoDataset


@DATASETS.register_module()
class YouTubeVISClipDataset(YouTubeVISDataset, ClipVideoDataset):
    """YouTube-VIS 2019, 2021 or 2022 for models that work on clips.

    2022 has the classes and the training videos of 2021; its validation
    videos are those of 2021 and additional long ones.

    Args:
        dataset_version (str): '2019', '2021' or '2022'. It selects the
            classes only. Classes of other data are set by
            ``metainfo=dict(classes=...)``.
        *args, **kwargs: See :class:`ClipVideoDataset`.
    """

    VERSIONS = {'2019': '2019', '2021': '2021', '2022': '2021'}

    @classmethod
    def set_dataset_classes(cls, dataset_version: str) -> None:
        """Set the classes of a version.

        Args:
            dataset_version (str): '2019', '2021' or '2022'.
        """
        if dataset_version not in cls.VERSIONS:
            raise InputError(
                f'dataset_version {dataset_version!r} of YouTube-VIS does '
                f'not exist; choose one of {", ".join(cls.VERSIONS)}.'
            )
        super().set_dataset_classes(cls.VERSIONS[dataset_version])
