# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Base class of datasets whose training samples are clips."""

import os.path as osp

import numpy as np
from mmdet.datasets import BaseVideoDataset
from mmengine.logging import print_log

from ..errors import InputError
from ..json_file import Entry
from .frame_file import FrameFile


class ClipVideoDataset(BaseVideoDataset):
    """Videos with annotations per frame, for training on clips.

    The annotation file is the per-image JSON that
    ``tools/dataset_converters/youtube_vis_to_coco.py`` writes. The class
    differs from :class:`mmdet.datasets.BaseVideoDataset` in four points:

    * A *training* sample is a clip that starts at a key frame. Key frames have
      an annotation of a required category and a shorter side of at least
      ``filter_cfg['min_size']`` (32). Other frames are kept in the video, so
      that clips consist of neighbouring frames. Index ``(video, i)`` is the
      i-th key frame of the video, as enumerated by
      :class:`mmdet.datasets.TrackImgSampler`.
    * A *test* sample is one whole video, for any sampler.
    * The label of a category is the position of its name in ``classes``, not
      in the file. Without ``classes`` the labels are all categories of the
      file, ordered by their ids, and the metainfo has their names as soon as
      the file is read.
    * Annotations are validated on load. The visibility of an instance follows
      from its masks, not from boxes and areas.

    Args:
        clip_len (int): Number of frames of a training sample, at least 2.
            It is passed to the pipeline
            (:class:`~projects.maxtron.datasets.transforms.ClipSampler`).
            Defaults to 5.

    Attributes:
        num_annotations (int): Number of annotations in the file.
        left_out (Counter): Number of annotations that were skipped on load, by
            reason.

    Raises:
        FileNotFoundError: If the annotation file does not exist.
        InputError: If ``clip_len`` is below 2, or the annotations are
            inconsistent, or nothing is left to train on.
    """

    def __init__(self, *args, clip_len: int = 5, **kwargs) -> None:
        if not isinstance(clip_len, int) or clip_len < 2:
            raise InputError(
                f'clip_len is {clip_len!r}, but a clip needs at least 2 '
                'frames to track in. Set clip_len=2 or more in the dataset.'
            )
        self.clip_len = clip_len
        super().__init__(*args, **kwargs)

    # ------------------------------------------------------------- loading
    def full_init(self) -> None:
        """Load and check the annotations, then number the samples."""
        if self._fully_initialized:
            return
        super().full_init()
        self._number_samples()

    def load_data_list(self) -> list[dict]:
        """Read the annotation file.

        The category ids of the file become ``category_ids`` of ``metainfo``,
        by label, so that results have the ids of the file. The result of
        :meth:`describe_categories` is added to ``metainfo``, too.

        Returns:
            list[dict]: For each video ``video_id``, ``video_length`` (frames)
            and ``images``, one dict per frame in temporal order.
        """
        file = FrameFile(
            self.ann_file, self.metainfo.get('classes'), self.backend_args
        )
        self._metainfo.setdefault(
            'classes', tuple(x.values['name'] for x in file.categories)
        )
        self.cat_ids = file.category_ids
        self.cat2label = {i: k for k, i in enumerate(self.cat_ids)}
        self._metainfo['category_ids'] = tuple(self.cat_ids)
        self._metainfo.update(self.describe_categories(file.categories))
        videos = file.read()
        for video in videos:
            for image in video['images']:
                if not self.test_mode:  # only results have this order
                    image.pop('file_frame_id', None)
                image['img_path'] = osp.join(
                    self.data_prefix.get('img_path') or '', image['file_name']
                )
        self.num_annotations = file.num_annotations
        self.left_out = file.left_out
        return videos

    def describe_categories(self, categories: list[Entry]) -> dict:
        """Describe the categories for evaluation.

        Args:
            categories (list[Entry]): Category of every class in the file.

        Returns:
            dict: Additional metainfo, such as ``class_groups`` of
            :class:`ClipYouTubeVISMetric`. Nothing by default.
        """
        return {}

    # ------------------------------------------------------------- samples
    def filter_data(self) -> list[dict]:
        """Find the key frames of the training videos.

        Returns:
            list[dict]: The videos that can be sampled from, with
            ``key_frames``, the positions of their key frames.
        """
        if self.test_mode:
            return self.data_list
        filter_cfg = self.filter_cfg or dict()
        min_size = filter_cfg.get('min_size', 32)
        annotated = filter_cfg.get('filter_empty_gt', True)
        num_clips, data_list = 0, []
        for video in self.data_list:
            video['key_frames'] = [
                i
                for i, image in enumerate(video['images'])
                if (image['instances'] or not annotated)
                and min(image['height'], image['width']) >= min_size
            ]
            last_start = video['video_length'] - self.clip_len
            num_clips += sum(i <= last_start for i in video['key_frames'])
            if video['key_frames']:
                data_list.append(video)
        num_frames = sum(video['video_length'] for video in self.data_list)
        num_keys = sum(len(video['key_frames']) for video in data_list)
        name = osp.basename(self.ann_file)
        if not num_clips:
            raise InputError(
                f'{self.ann_file} has nothing to train on: of {num_frames} '
                f'frames in {len(self.data_list)} videos {num_keys} show a '
                f'required class (shorter side >= {min_size}), and none of '
                f'them starts {self.clip_len} consecutive frames. Check the '
                'classes and clip_len.'
            )
        print_log(
            f'{name}: {len(data_list)} of {len(self.data_list)} videos, '
            f'{num_keys} of {num_frames} frames are key frames',
            logger='current',
        )
        return data_list

    def _number_samples(self) -> None:
        """List all training samples, from which replacements are drawn."""
        videos = [self.get_data_info(i) for i in range(len(self))]
        counts = [len(video.get('key_frames', [0])) for video in videos]
        self._samples = np.array(
            [(i, k) for i, count in enumerate(counts) for k in range(count)]
        ).reshape(-1, 2)
        self._num_samples = counts
        self._landscape = np.array(
            [
                video['images'][0]['width'] >= video['images'][0]['height']
                for video in videos
            ]
        )
        self._last_video = 0

    def get_subset_(self, indices: list[int] | int) -> None:
        """Keep the given videos only, see the base class."""
        super().get_subset_(indices)
        self._number_samples()

    def get_subset(self, indices: list[int] | int) -> 'ClipVideoDataset':
        """Return a dataset of the given videos, see the base class."""
        subset = super().get_subset(indices)
        subset._number_samples()
        return subset

    def get_len_per_video(self, idx: int) -> int:
        """Count the samples of a video: its key frames, or 1 in test mode."""
        return self._num_samples[idx]

    def prepare_data(self, idx: int | tuple[int, int]):
        """Run the pipeline on one sample.

        Args:
            idx (int | tuple[int, int]): Index of the video, or of the video
                and its key frame. In test mode the second is ignored.

        Returns:
            dict | None: The sample; None if the pipeline rejected it.
        """
        video, key = idx if isinstance(idx, tuple) else (idx, None)
        if self.test_mode:
            return super().prepare_data(int(video))
        self._last_video = video
        data_info = self.get_data_info(video)
        data_info['clip_len'] = self.clip_len
        if key is not None:
            data_info['key_frame_id'] = data_info['key_frames'][key]
        return self.pipeline(data_info)

    def _rand_another(self) -> tuple[int, int]:
        """Draw a replacement for a rejected key frame.

        Its video has the same orientation, because the batch sampler groups
        videos by orientation.

        Returns:
            tuple[int, int]: Index of the video and of its key frame.
        """
        same = self._landscape == self._landscape[self._last_video]
        pool = np.flatnonzero(same[self._samples[:, 0]])
        video, key = self._samples[np.random.choice(pool)]
        return int(video), int(key)
