# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Base class of datasets whose training samples are clips."""

import os.path as osp
from collections import defaultdict

import numpy as np
from mmdet.datasets import BaseVideoDataset
from mmengine.fileio import load
from mmengine.logging import print_log

CONVERTER = 'tools/dataset_converters/youtube_vis_to_coco.py'


class ClipVideoDataset(BaseVideoDataset):
    """Videos annotated frame by frame, trained on clips, tested as a whole.

    The annotation file is the per-image JSON that
    ``tools/dataset_converters/youtube_vis_to_coco.py`` writes. It differs
    from :class:`mmdet.datasets.BaseVideoDataset` in four points:

    * A *training* sample is a clip that starts at a key frame. Key frames have
      an annotation of a required category and a shorter side of at least
      ``filter_cfg['min_size']`` (32); the other frames stay in the video, so
      that a clip holds neighbouring frames. Index ``(video, i)`` is the i-th
      key frame of the video, which is what
      :class:`mmdet.datasets.TrackImgSampler` enumerates.
    * A *test* sample is one whole video, whatever the sampler.
    * The label of a category is the position of its name in ``classes``, not
      in the file.
    * What is wrong with the annotations is said when they are loaded.

    Args:
        clip_len (int): Number of frames of a training sample, at least 2.
            It is handed to the pipeline
            (:class:`~projects.maxtron.datasets.transforms.ClipSampler`).
            Defaults to 5.

    Raises:
        FileNotFoundError: If the annotation file does not exist.
        ValueError: If ``clip_len`` is below 2, or the annotations are
            inconsistent, or nothing is left to train on.
    """

    IMAGE_KEYS = ('id', 'file_name', 'height', 'width', 'video_id', 'frame_id')
    ANN_KEYS = (
        'id',
        'image_id',
        'category_id',
        'instance_id',
        'bbox',
        'area',
        'segmentation',
    )

    def __init__(self, *args, clip_len: int = 5, **kwargs) -> None:
        if not isinstance(clip_len, int) or clip_len < 2:
            raise ValueError(
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

        Returns:
            list[dict]: For each video ``video_id``, ``video_length`` (frames)
            and ``images``, one dict a frame in temporal order.
        """
        content = self._read_file()
        self._match_categories(content['categories'])
        anns = self._group_annotations(content)
        videos = defaultdict(list)
        for image in content['images']:
            self._require(image, self.IMAGE_KEYS, 'image')
            videos[image['video_id']].append(
                self.parse_data_info(
                    dict(
                        raw_img_info=dict(image, img_id=image['id']),
                        raw_ann_info=anns.get(image['id'], []),
                    )
                )
            )
        for video_id, images in videos.items():
            images.sort(key=lambda image: image['frame_id'])
            self._check_frames(video_id, images)
        return [
            dict(video_id=video_id, video_length=len(images), images=images)
            for video_id, images in videos.items()
        ]

    def _read_file(self) -> dict:
        """Load the JSON and see that it is a per-image one with frames."""
        try:
            content = load(self.ann_file, backend_args=self.backend_args)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'Annotation file {self.ann_file} does not exist. Download '
                f'the dataset and convert it with {CONVERTER}, or set '
                'data_root and ann_file of the dataset.'
            ) from error
        missing = [k for k in ('images', 'categories') if k not in content]
        if missing:
            raise ValueError(
                f'{self.ann_file} has no {" and no ".join(missing)}: it is '
                f'not a per-image annotation file. Convert it with '
                f'{CONVERTER}.'
            )
        if not content['images']:
            raise ValueError(
                f'{self.ann_file} lists no frames: the dataset is empty.'
            )
        return content

    def _match_categories(self, categories: list[dict]) -> None:
        """Map the category ids of the file to labels, by name."""
        ids = {category['name']: category['id'] for category in categories}
        classes = self.metainfo['classes']
        missing = [name for name in classes if name not in ids]
        if missing:
            raise ValueError(
                f'{self.ann_file} has no category named '
                f'{", ".join(map(repr, missing))}; its categories are '
                f'{", ".join(ids)}. Check dataset_version, or list the '
                'classes of your data in metainfo=dict(classes=...).'
            )
        self.cat_ids = [ids[name] for name in classes]
        self.cat2label = {ids[name]: i for i, name in enumerate(classes)}
        self._known_cat_ids = set(ids.values())

    def _group_annotations(self, content: dict) -> dict:
        """Check all annotations against the images they belong to.

        Returns:
            dict[int, list[dict]]: Annotations by image id.
        """
        images = {image['id']: image for image in content['images']}
        seen, groups = set(), defaultdict(list)
        for ann in content.get('annotations', []):
            self._require(ann, self.ANN_KEYS, 'annotation')
            where = f'{self.ann_file}: annotation {ann["id"]}'
            if ann['id'] in seen:
                raise ValueError(
                    f'{where} exists twice. Give every annotation its own id.'
                )
            seen.add(ann['id'])
            if ann['category_id'] not in self._known_cat_ids:
                raise ValueError(
                    f'{where} has the unknown category {ann["category_id"]}; '
                    "the file's categories are "
                    f'{sorted(self._known_cat_ids)}.'
                )
            if ann['image_id'] not in images:
                raise ValueError(
                    f'{where} belongs to image '
                    f'{ann["image_id"]}, which does not exist.'
                )
            if ann['instance_id'] < 1:
                # mmdet takes 0 for "no id" and would break the track
                raise ValueError(
                    f'{where} has instance_id '
                    f'{ann["instance_id"]}; ids start at 1.'
                )
            self._check_mask(ann, images[ann['image_id']], where)
            groups[ann['image_id']].append(ann)
        return groups

    @staticmethod
    def _check_mask(ann: dict, image: dict, where: str) -> None:
        """See that a run-length encoded mask has the size of its image."""
        mask = ann['segmentation']
        if not isinstance(mask, dict):
            return  # polygons fit any image
        size = [image['height'], image['width']]
        if list(mask['size']) != size:
            raise ValueError(
                f'{where}: the mask is {mask["size"][0]} x {mask["size"][1]} '
                f'(height x width), but image {image["id"]} '
                f'({image["file_name"]}) is {size[0]} x {size[1]}. Correct '
                'the size in the annotation file.'
            )
        counts = mask['counts']
        # to sum up a compressed encoding would mean to decode it
        if isinstance(counts, list) and sum(counts) != size[0] * size[1]:
            raise ValueError(
                f'{where}: the runs of the mask sum up to {sum(counts)} '
                f'pixels, but image {image["id"]} ({image["file_name"]}) has '
                f'{size[0]} x {size[1]}. Correct the counts in the '
                'annotation file.'
            )

    def _check_frames(self, video_id: int, images: list[dict]) -> None:
        """See that the frames of a video are distinct and of one size."""
        first = images[0]
        for previous, image in zip(images, images[1:]):
            if image['frame_id'] == previous['frame_id']:
                raise ValueError(
                    f'{self.ann_file}: video {video_id} has two frames with '
                    f'frame_id {image["frame_id"]}.'
                )
            if any(image[k] != first[k] for k in ('height', 'width')):
                raise ValueError(
                    f'{self.ann_file}: the frames of video {video_id} differ '
                    f'in size: {first["file_name"]} is {first["height"]} x '
                    f'{first["width"]} (height x width), '
                    f'{image["file_name"]} is {image["height"]} x '
                    f'{image["width"]}. Resize them to one size.'
                )

    def _require(self, entry: dict, keys: tuple[str, ...], kind: str) -> None:
        """See that an entry of the file has the fields that are used."""
        missing = [key for key in keys if entry.get(key) is None]
        if missing:
            raise ValueError(
                f'{self.ann_file}: {kind} {entry.get("id")} has no '
                f'{", ".join(missing)}. {CONVERTER} writes the complete '
                'format.'
            )

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
            raise ValueError(
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
        """List all training samples, to draw from when one is rejected."""
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
        """Number of samples of a video: its key frames, or 1 in test mode."""
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
        """Draw a key frame in place of a rejected one.

        Its video has the orientation of the rejected one, because the batch
        sampler groups by it.

        Returns:
            tuple[int, int]: Index of the video and of its key frame.
        """
        same = self._landscape == self._landscape[self._last_video]
        pool = np.flatnonzero(same[self._samples[:, 0]])
        video, key = self._samples[np.random.choice(pool)]
        return int(video), int(key)
