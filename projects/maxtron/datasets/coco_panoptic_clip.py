# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""COCO panoptic images as clips of one frame."""

from collections.abc import Sequence
from typing import Any

from mmdet.datasets import CocoPanopticDataset
from mmdet.datasets.api_wrappers import COCOPanoptic
from mmdet.registry import DATASETS

from ..json_file import (
    BOX,
    FLAG,
    ID,
    NUMBER,
    SIZE,
    TEXT,
    Entry,
    index_by_id,
    load_json,
)
from ..structures import check_classes
from ..structures.panoptic_json import read_categories
from .mix_info import MixInfoMixin


class _COCOPanopticByName(COCOPanoptic):
    """COCO panoptic annotations with labels in the order of ``classes``.

    MMDetection numbers the categories in the order of the file, independently
    of ``classes`` in metainfo.
    """

    def get_cat_ids(self, cat_names: Sequence[str] = (), **kwargs) -> list:
        """Get the ids of categories in the order of their names."""
        ids = {c['name']: i for i, c in self.cats.items()}
        return [ids[name] for name in cat_names if name in ids]


@DATASETS.register_module()
class CocoPanopticClipDataset(MixInfoMixin, CocoPanopticDataset):
    """COCO panoptic for models that work on clips.

    In training, an image is a video with one frame, so that pre-training
    uses the pipelines of the videos. In test mode, the dataset behaves as
    MMDetection's.

    Args:
        *args, **kwargs: See :class:`mmdet.datasets.CocoPanopticDataset`.

    Raises:
        InputError: If there are more than 255 classes, or a field of the
            annotation file is missing or wrong.
    """

    COCOAPI = _COCOPanopticByName

    def load_data_list(self) -> list[dict]:
        """Load the annotation file, see the base class.

        Returns:
            list[dict]: One entry per image.

        Raises:
            InputError: If a field of the file is missing or wrong.
        """
        try:
            return super().load_data_list()
        except (AttributeError, KeyError, TypeError, ValueError):
            # The base class does not report which entry is wrong.
            self._check_file()
            raise

    def _check_file(self) -> None:
        """Raise an error that names the first wrong entry of the file."""
        top = load_json(self.ann_file, self.backend_args)
        categories = read_categories(top)
        missing = sorted(
            set(self.metainfo['classes']) - {c['name'] for c in categories}
        )
        if missing:
            raise top.error(
                f'no category is named {missing[0]!r}, which is a class in '
                'metainfo of the dataset.'
            )
        names = {str(c['id']): c['name'] for c in categories}
        images = top.entries('images', 'image')
        index_by_id(images, 'image')
        for image in images:
            image.require('file_name', TEXT)
            image.require('height', SIZE)
            image.require('width', SIZE)
        for ann in top.entries('annotations', 'annotated image', 'image_id'):
            ann.require('image_id', ID)
            for segment in ann.entries('segments_info', 'segment'):
                self._check_segment(segment, names)

    def _check_segment(self, segment: Entry, names: dict[str, str]) -> None:
        """Check the fields of a segment.

        Args:
            segment (Entry): The segment.
            names (dict[str, str]): Name by the text of a category's id.
        """
        segment.require('id', ID)
        segment.require('area', NUMBER)
        segment.require('bbox', BOX)
        segment.optional('iscrowd', FLAG)
        category_id = segment.require('category_id', ID)
        if names.get(str(category_id)) not in self.metainfo['classes']:
            raise segment.error(
                f"the field 'category_id' is {category_id}, which is not the "
                'id of a class in metainfo of the dataset.'
            )

    def parse_data_info(self, raw_data_info: dict) -> dict:
        """Parse an annotation, see the base class.

        Args:
            raw_data_info (dict): Image and annotations of the file.

        Returns:
            dict: The image; its segments also have ``iscrowd`` and ``area``.
        """
        data_info = super().parse_data_info(raw_data_info)
        # The base class skips segments with an empty box or area 0, although
        # the map may have their pixels.
        data_info['segments_info'] = [
            self._parse_segment(ann)
            for ann in raw_data_info['raw_ann_info']
            if ann['image_id'] == data_info['img_id']
        ]
        return data_info

    def _parse_segment(self, ann: dict) -> dict:
        """Parse a segment; a crowd is not a thing, as in the base class."""
        category_id = ann['category_id']
        is_thing = self.coco.load_cats(ids=category_id)[0]['isthing']
        is_crowd = Entry(ann, self.ann_file).optional('iscrowd', FLAG, 0)
        return dict(
            id=ann['id'],
            category=self.cat2label[category_id],
            is_thing=bool(is_thing and not is_crowd),
            iscrowd=int(is_crowd),
            area=ann['area'],
        )

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        """Merge the metainfo of class and user, see the base class."""
        metainfo = super()._load_metainfo(metainfo)
        check_classes(metainfo['classes'])
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
        """Describe an image as a video with one frame."""
        image = self.get_data_info(idx)
        image['frame_id'] = 0
        return dict(
            video_id=image['img_id'],
            video_length=1,
            clip_len=1,
            images=[image],
        )
