# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""COCO panoptic images as clips of one frame."""

from typing import Any

from mmdet.datasets import CocoPanopticDataset
from mmdet.registry import DATASETS

from ..structures import check_num_classes
from .mix_info import MixInfoMixin


@DATASETS.register_module()
class CocoPanopticClipDataset(MixInfoMixin, CocoPanopticDataset):
    """COCO panoptic for models that work on clips.

    In training an image is a video with one frame, so that pre-training has
    the pipeline of the videos. In test mode it is MMDetection's dataset.

    Args:
        *args, **kwargs: See :class:`mmdet.datasets.CocoPanopticDataset`.

    Raises:
        ValueError: If there are more than 255 classes.
    """

    def parse_data_info(self, raw_data_info: dict) -> dict:
        """Parse an annotation, see the base class.

        Args:
            raw_data_info (dict): Image and annotations of the file.

        Returns:
            dict: The image; its segments have ``iscrowd`` and ``area``, too.
        """
        data_info = super().parse_data_info(raw_data_info)
        # The base class leaves out segments with an empty box, or no area,
        # though the map may show them.
        data_info['segments_info'] = [
            self._parse_segment(ann)
            for ann in raw_data_info['raw_ann_info']
            if ann['image_id'] == data_info['img_id']
        ]
        return data_info

    def _parse_segment(self, ann: dict) -> dict:
        """Parse a segment; a crowd is no thing, as in the base class."""
        category_id = ann['category_id']
        is_thing = self.coco.load_cats(ids=category_id)[0]['isthing']
        is_crowd = ann.get('iscrowd', 0)
        return dict(
            id=ann['id'],
            category=self.cat2label[category_id],
            is_thing=bool(is_thing and not is_crowd),
            iscrowd=int(is_crowd),
            area=ann['area'],
        )

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        """Metainfo of class and user, see the base class."""
        metainfo = super()._load_metainfo(metainfo)
        check_num_classes(metainfo['classes'])
        return metainfo

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on one image.

        Args:
            idx (int): Index of the image.

        Returns:
            dict | None: The sample; None if the pipeline rejected it.
        """
        if self.test_mode:
            return super().prepare_data(idx)
        sample = self.add_mix_results(self._as_video(idx), self._as_video)
        return self.pipeline(sample)

    def _as_video(self, idx: int) -> dict:
        """An image as a video with one frame."""
        image = self.get_data_info(idx)
        image['frame_id'] = 0
        return dict(
            video_id=image['img_id'],
            video_length=1,
            clip_len=1,
            images=[image],
        )
