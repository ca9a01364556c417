# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""COCO panoptic images as clips of one frame."""

from typing import Any

from mmdet.datasets import CocoPanopticDataset
from mmdet.registry import DATASETS

from .mix_info import MixInfoMixin


@DATASETS.register_module()
class CocoPanopticClipDataset(MixInfoMixin, CocoPanopticDataset):
    """COCO panoptic for models that work on clips.

    In training an image is a video with one frame, so that pre-training has
    the pipeline of the videos. In test mode it is MMDetection's dataset.

    Args:
        *args, **kwargs: See :class:`mmdet.datasets.CocoPanopticDataset`.
    """

    def parse_data_info(self, raw_data_info: dict) -> dict:
        """Parse an annotation, see the base class.

        Args:
            raw_data_info (dict): Image and annotations of the file.

        Returns:
            dict: The image; its segments have ``iscrowd``, too.
        """
        data_info = super().parse_data_info(raw_data_info)
        # The base class calls a crowd of things no thing; this is all that
        # tells it from stuff.
        things = set(self.metainfo['thing_classes'])
        for seg in data_info['segments_info']:
            name = self.metainfo['classes'][seg['category']]
            seg['iscrowd'] = int(name in things and not seg['is_thing'])
        return data_info

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
            images=[image])
