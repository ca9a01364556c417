# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""VIPSeg, video panoptic segmentation in the wild."""

from typing import Any

from mmdet.datasets import BaseVideoDataset
from mmdet.registry import DATASETS
from mmdet.visualization.palette import get_palette

from ..structures import check_num_classes
from .mix_info import MixInfoMixin
from .vipseg_categories import VIPSEG_CATEGORIES
from .vipseg_layouts import Layout720P, LayoutRaw


def category_metainfo(categories: list[dict]) -> dict:
    """Metainfo of a dataset with a table of categories.

    Args:
        categories (list[dict]): In the order of the labels, each with
            ``name``, ``isthing`` and ``color``.

    Returns:
        dict: classes, thing_classes, stuff_classes, palette.
    """
    return dict(
        classes=tuple(c['name'] for c in categories),
        thing_classes=tuple(c['name'] for c in categories if c['isthing']),
        stuff_classes=tuple(c['name'] for c in categories if not c['isthing']),
        palette=[tuple(c['color']) for c in categories],
    )


@DATASETS.register_module()
class VIPSegDataset(MixInfoMixin, BaseVideoDataset):
    """VIPSeg in its 720P or its raw layout, see :mod:`.vipseg_layouts`.

    A training sample is a clip of a video, drawn by the pipeline; all videos
    are used, and each is as likely as the others. A test sample is one whole
    video. The label of a category is the position of its name in
    ``classes``. ``metainfo`` also has ``isthing`` (tuple[bool]), by label.

    Args:
        ann_file (str): ``*.json`` for the 720P layout, ``*.txt`` for the raw
            one.
        data_prefix (dict, optional): Folders ``img_path`` of the images and
            ``seg_map_path`` of the maps. Defaults to those of the layout.
        clip_len (int): Number of frames of a training sample, at least 1. It
            is handed to the pipeline. Defaults to 2.
        img_suffix (str): Of the images. Defaults to '.jpg'.
        **kwargs: See :class:`mmengine.dataset.BaseDataset`.

    Raises:
        FileNotFoundError: If files are missing.
        ValueError: If an argument is wrong or the annotations are
            inconsistent. Maps are compared with them when they are loaded.
    """

    METAINFO = category_metainfo(VIPSEG_CATEGORIES)
    PREFIXES = {
        '.json': dict(img_path='images', seg_map_path='panomasksRGB'),
        '.txt': dict(img_path='imgs', seg_map_path='panomasks'),
    }

    def __init__(
        self,
        ann_file: str,
        *,
        data_prefix: dict | None = None,
        clip_len: int = 2,
        img_suffix: str = '.jpg',
        **kwargs,
    ) -> None:
        if not isinstance(clip_len, int) or clip_len < 1:
            raise ValueError(
                f'clip_len is {clip_len!r}, but a clip needs at '
                'least 1 frame. Set it in the dataset.'
            )
        self.layout = ann_file[ann_file.rfind('.') :]
        if self.layout not in self.PREFIXES:
            raise ValueError(
                f'ann_file is {ann_file!r}; it must be a .json file of the '
                '720P layout, or a .txt file (list of videos) of the raw one.'
            )
        self.clip_len = clip_len
        self.img_suffix = img_suffix
        prefix = {**self.PREFIXES[self.layout], **(data_prefix or {})}
        super().__init__(ann_file=ann_file, data_prefix=prefix, **kwargs)

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        """Merge metainfo of class and user, and say which labels are things.

        Args:
            metainfo (dict, optional): That of the user. Without a palette,
                classes of theirs have random colours.

        Returns:
            dict: The complete one.
        """
        given = metainfo or {}
        metainfo = super()._load_metainfo(metainfo)
        check_num_classes(metainfo['classes'])
        if 'classes' in given and 'palette' not in given:
            # that of other classes would be of another length
            metainfo['palette'] = [
                tuple(map(int, color))
                for color in get_palette('random', len(metainfo['classes']))
            ]
        things, stuff = (
            set(metainfo[k]) for k in ('thing_classes', 'stuff_classes')
        )
        wrong = sorted((things ^ stuff) ^ set(metainfo['classes']))
        if wrong:
            raise ValueError(
                'Every one of the classes in metainfo must be either in '
                'thing_classes or in stuff_classes, and no other name; this '
                f'is wrong for {", ".join(wrong[:5])}.'
            )
        metainfo['isthing'] = tuple(c in things for c in metainfo['classes'])
        return metainfo

    def load_data_list(self) -> list[dict]:
        """Read the videos.

        Returns:
            list[dict]: For each video ``video_id``, ``video_length`` (frames)
            and ``images``, one dict a frame in temporal order.
        """
        args = dict(
            ann_file=self.ann_file,
            img_dir=self.data_prefix['img_path'],
            seg_dir=self.data_prefix['seg_map_path'],
            img_suffix=self.img_suffix,
            need_masks=not self.test_mode,
            backend_args=self.backend_args,
        )
        if self.layout == '.txt':
            return LayoutRaw(**args).read()
        return Layout720P(
            classes=self.metainfo['classes'],
            thing_classes=self.metainfo['thing_classes'],
            **args,
        ).read()

    def filter_data(self) -> list[dict]:
        """Keep all videos."""
        return self.data_list

    def get_data_info(self, idx: int) -> dict:
        """Get what is known of a video.

        Args:
            idx (int): Index of the video.

        Returns:
            dict: A copy of its entry. Frames with a raw map also have
            ``label_is_thing``, which is needed to understand the map.
        """
        video = super().get_data_info(idx)
        if self.layout == '.txt':
            for image in video['images']:
                image['label_is_thing'] = self.metainfo['isthing']
        return video

    def get_cat_ids(self, index: int) -> list[int]:
        """Labels of all segments of a video, for MMDetection's wrappers.

        Args:
            index (int): Index of the video.

        Returns:
            list[int]: Of all frames; empty in the raw layout.
        """
        return [
            seg['category']
            for image in self.get_data_info(index)['images']
            for seg in image.get('segments_info') or []
        ]

    def prepare_data(self, idx: int | tuple[int, int]) -> Any:
        """Run the pipeline on one video.

        Args:
            idx (int | tuple[int, int]): Index of the video. Of a pair, which
                MMDetection's samplers of frames give, it is the first.

        Returns:
            dict | None: The sample; None if the pipeline rejected it.
        """
        idx = int(idx[0] if isinstance(idx, tuple) else idx)
        if self.test_mode:
            return super().prepare_data(idx)
        return self.pipeline(
            self.add_mix_results(self._describe(idx), self._describe)
        )

    def _describe(self, idx: int) -> dict:
        """A video as the pipeline of training wants it."""
        return dict(self.get_data_info(idx), clip_len=self.clip_len)
