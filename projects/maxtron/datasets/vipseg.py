# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""VIPSeg, video panoptic segmentation in the wild."""

import os.path as osp
from typing import Any

from mmdet.datasets import BaseVideoDataset
from mmdet.registry import DATASETS
from mmdet.visualization.palette import get_palette

from ..errors import InputError
from ..structures import category_ids, category_metainfo, check_classes
from .mix_info import MixInfoMixin
from .vipseg_categories import VIPSEG_CATEGORIES
from .vipseg_layouts import Layout720P, LayoutRaw, read_category_ids


@DATASETS.register_module()
class VIPSegDataset(MixInfoMixin, BaseVideoDataset):
    """VIPSeg in the 720P or the raw layout, see :mod:`.vipseg_layouts`.

    A training sample is a clip of a video, drawn by the pipeline. All videos
    are equally likely. A test sample is one whole video. The label of a
    category is the position of its name in ``classes``. ``metainfo`` also has
    ``isthing`` (tuple[bool]) and ``category_ids`` (tuple[int | str]), by
    label. The ids are those of the JSON file. In the raw layout they are those
    of ``categories.json`` in the folder of the list of videos. Without such a
    file they are those of ``metainfo`` or the labels.

    Args:
        ann_file (str): ``*.json`` for the 720P layout, ``*.txt`` for the raw
            layout.
        data_prefix (dict, optional): Folders ``img_path`` of the images and
            ``seg_map_path`` of the maps. Defaults to those of the layout.
        clip_len (int): Number of frames of a training sample, at least 1. It
            is passed to the pipeline. Defaults to 2.
        img_suffix (str): Suffix of the images. Defaults to '.jpg'.
        **kwargs: See :class:`mmengine.dataset.BaseDataset`.

    Raises:
        FileNotFoundError: If files are missing.
        InputError: If an argument is wrong or the annotations are
            inconsistent. Maps are compared with the annotations when they are
            loaded.
    """

    METAINFO = category_metainfo(VIPSEG_CATEGORIES)
    PREFIXES = {
        '.json': dict(img_path='images', seg_map_path='panomasksRGB'),
        '.txt': dict(img_path='imgs', seg_map_path='panomasks'),
    }
    # whether an annotated video of the raw layout has a map for every frame
    IS_DENSE = False
    # whether frames of an annotated test video may lack annotations (720P)
    IS_SPARSE = False

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
            raise InputError(
                f'clip_len is {clip_len!r}, but a clip needs at '
                'least 1 frame. Set it in the dataset.'
            )
        self.layout = ann_file[ann_file.rfind('.') :]
        if self.layout not in self.PREFIXES:
            raise InputError(
                f'ann_file is {ann_file!r}; it must be a .json file of the '
                '720P layout, or a .txt file (list of videos) of the raw one.'
            )
        self.clip_len = clip_len
        self.img_suffix = img_suffix
        prefix = {**self.PREFIXES[self.layout], **(data_prefix or {})}
        super().__init__(ann_file=ann_file, data_prefix=prefix, **kwargs)

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        """Merge the metainfo of class and user, and complete it.

        Args:
            metainfo (dict, optional): Metainfo of the user. Classes without a
                palette get random colours.

        Returns:
            dict: The complete metainfo.

        Raises:
            InputError: If the classes are not exactly the things and the
                stuff, or their ids are not unique.
        """
        given = metainfo or {}
        metainfo = super()._load_metainfo(metainfo)
        check_classes(metainfo['classes'])
        if 'classes' in given and 'palette' not in given:
            # The default palette fits the default classes only.
            metainfo['palette'] = [
                tuple(map(int, color))
                for color in get_palette('random', len(metainfo['classes']))
            ]
        things, stuff = (
            set(metainfo[k]) for k in ('thing_classes', 'stuff_classes')
        )
        wrong = sorted((things ^ stuff) ^ set(metainfo['classes']))
        if wrong:
            raise InputError(
                'Every one of the classes in metainfo must be either in '
                'thing_classes or in stuff_classes, and no other name; this '
                f'is wrong for {", ".join(wrong[:5])}.'
            )
        metainfo['isthing'] = tuple(c in things for c in metainfo['classes'])
        metainfo['category_ids'] = tuple(category_ids(metainfo))
        return metainfo

    def load_data_list(self) -> list[dict]:
        """Read the videos.

        Returns:
            list[dict]: For each video ``video_id``, ``video_length`` (frames)
            and ``images``, one dict per frame in temporal order.
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
            ids = read_category_ids(
                osp.join(osp.dirname(self.ann_file), 'categories.json'),
                self.metainfo['classes'],
                self.backend_args,
            )
            if ids is not None:
                self._metainfo['category_ids'] = ids
            return LayoutRaw(**args, is_dense=self.IS_DENSE).read()
        layout = Layout720P(
            classes=self.metainfo['classes'],
            thing_classes=self.metainfo['thing_classes'],
            is_sparse=self.IS_SPARSE and self.test_mode,
            **args,
        )
        videos = layout.read()
        self._metainfo['category_ids'] = layout.category_ids
        return videos

    def filter_data(self) -> list[dict]:
        """Keep all videos."""
        return self.data_list

    def get_data_info(self, idx: int) -> dict:
        """Get the entry of a video.

        Args:
            idx (int): Index of the video.

        Returns:
            dict: A copy of the entry. Frames with a raw map also have
            ``label_is_thing``, which :class:`LoadPanopticMap` needs.
        """
        video = super().get_data_info(idx)
        if self.layout == '.txt':
            for image in video['images']:
                image['label_is_thing'] = self.metainfo['isthing']
        return video

    def get_cat_ids(self, index: int) -> list[int]:
        """Get the labels of all segments of a video.

        MMDetection's wrappers of datasets call this.

        Args:
            index (int): Index of the video.

        Returns:
            list[int]: Labels in all frames; empty in the raw layout.
        """
        return [
            seg['category']
            for image in self.get_data_info(index)['images']
            for seg in image.get('segments_info') or []
        ]

    def prepare_data(self, idx: int | tuple[int, int]) -> Any:
        """Run the pipeline on one video.

        Args:
            idx (int | tuple[int, int]): Index of the video. MMDetection's
                TrackImgSampler gives (video, frame) pairs; the frame index
                is ignored.

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
        """Describe a video as the pipelines for training require it."""
        return dict(self.get_data_info(idx), clip_len=self.clip_len)
