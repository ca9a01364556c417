# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Reader of the 720P layout of VIPSeg."""

import logging
import os.path as osp
from collections.abc import Sequence

from mmengine.logging import print_log

from ...errors import InputError
from ...json_file import ID, SIZE, Entry, index_by_id, load_json
from ...structures import check_distinct_frames, restore_order, video_folder
from ...structures.panoptic_json import (
    read_categories,
    read_frames,
    read_segments,
    read_videos,
)


class Layout720P:
    """Reader of the JSON file of the 720P layout.

    Args:
        ann_file (str): The JSON file.
        classes (Sequence[str]): Names of the classes, by label.
        thing_classes (Sequence[str]): Names of the thing classes.
        img_dir (str): Folder of the images.
        seg_dir (str): Folder of the maps.
        img_suffix (str): Suffix of the images.
        need_masks (bool): Whether every frame must be annotated.
        backend_args (dict, optional): See :func:`mmengine.fileio.load`.
        is_sparse (bool): Whether frames of an annotated video may lack
            annotations. Their map and segments are None. Defaults to False.

    Attributes:
        category_ids (tuple[int | str]): Ids in the file, by label; empty
            before :meth:`read`.
    """

    def __init__(
        self,
        ann_file: str,
        classes: Sequence[str],
        thing_classes: Sequence[str],
        img_dir: str,
        seg_dir: str,
        img_suffix: str,
        need_masks: bool,
        backend_args: dict | None,
        is_sparse: bool = False,
    ) -> None:
        self.is_sparse = is_sparse
        self.ann_file = ann_file
        self.classes = tuple(classes)
        self.is_thing = [name in set(thing_classes) for name in classes]
        self.img_dir, self.seg_dir = img_dir, seg_dir
        self.img_suffix = img_suffix
        self.need_masks = need_masks
        self.backend_args = backend_args
        self.category_ids: tuple[int | str, ...] = ()
        self._labels: dict[str, int] = {}

    def read(self) -> list[dict]:
        """Read all videos.

        Returns:
            list[dict]: ``video_id``, ``video_length`` and ``images``, one
            dict per frame in temporal order.

        Raises:
            FileNotFoundError: If the file does not exist.
            InputError: If a field is missing or wrong, or entries are
                inconsistent.
        """
        top = load_json(
            self.ann_file,
            self.backend_args,
            'Set data_root and ann_file of the dataset.',
        )
        self._match_categories(read_categories(top))
        videos = read_videos(top, 'videos')
        if not videos:
            raise top.error('videos lists no videos: the dataset is empty.')
        annotations = (
            read_videos(top, 'annotations') if 'annotations' in top else {}
        )
        surplus = [name for name in annotations if name not in videos]
        if surplus:
            raise annotations[surplus[0]].error(
                'the video has annotations, but is not listed in videos.'
            )
        check_distinct_frames(
            (video_folder(name), read_frames(video, 'images', name))
            for name, video in videos.items()
        )
        return [
            self._read_video(name, video, annotations.get(name))
            for name, video in videos.items()
        ]

    def _match_categories(self, categories: list[dict]) -> None:
        """Map the category ids of the file to labels, by name."""
        found = {c['name']: bool(c['isthing']) for c in categories}
        expected = dict(zip(self.classes, self.is_thing))
        for name in [*expected, *found]:
            if name not in found or name not in expected:
                here, there = (
                    ('metainfo of the dataset', 'the file')
                    if name in expected
                    else ('the file', 'metainfo of the dataset')
                )
                raise InputError(
                    f'{self.ann_file}: {here} has a category named {name!r}, '
                    f'{there} has none. List the classes of your data in '
                    'metainfo=dict(classes=..., thing_classes=..., '
                    'stuff_classes=...).'
                )
            if found[name] != expected[name]:
                raise InputError(
                    f'{self.ann_file}: category {name!r} is '
                    f'{"a thing" if found[name] else "stuff"}, but not so in '
                    'thing_classes and stuff_classes in metainfo of the '
                    'dataset.'
                )
        ids = {c['name']: c['id'] for c in categories}
        self.category_ids = tuple(ids[name] for name in self.classes)
        self._labels = {str(i): k for k, i in enumerate(self.category_ids)}

    def _read_video(
        self, name: str, video: Entry, annotation: Entry | None
    ) -> dict:
        """Read one video and its annotations."""
        images = read_frames(video, 'images', name)
        if not images:
            raise video.error('the video has no frames. Delete it.')
        index_by_id(images.values(), 'frame of the video')
        annotations = None
        if annotation is not None:
            annotations = read_frames(annotation, 'annotations', name)
            surplus = [key for key in annotations if key not in images]
            if surplus:
                raise annotations[surplus[0]].error(
                    'the frame has annotations, but is not listed in images.'
                )
        elif self.need_masks:
            raise video.error('the video has no annotations.')
        stems = list(images)
        order = restore_order(stems)
        if order != list(range(len(order))):
            print_log(
                f'{video.where}: the frames are listed in the order of text. '
                f'They are read in the order of their numbers: '
                f'{stems[order[0]]}, {stems[order[1]]}, ...',
                logger='current',
                level=logging.WARNING,
            )
        self._check_sizes(video, list(images.values()))
        frames = [
            self._read_frame(name, stems[i], images[stems[i]], annotations)
            for i in order
        ]
        for frame_id, frame in enumerate(frames):
            frame['frame_id'] = frame_id
        return dict(
            video_id=video.require('video_id', ID),
            video_length=len(frames),
            images=frames,
        )

    def _read_frame(
        self,
        video_name: str,
        stem: str,
        image: Entry,
        annotations: dict[str, Entry] | None,
    ) -> dict:
        """Read one frame."""
        folder = video_folder(video_name)
        frame = dict(
            img_id=image.require('id', ID),
            img_path=f'{osp.join(self.img_dir, folder, stem)}'
            f'{self.img_suffix}',
            height=image.require('height', SIZE),
            width=image.require('width', SIZE),
        )
        if annotations is None:
            return frame
        if stem not in annotations and self.is_sparse:
            return dict(frame, seg_map_path=None, segments_info=None)
        if stem not in annotations:
            raise image.error(
                'the frame has no annotations, though the video has.'
            )
        frame['seg_map_path'] = osp.join(self.seg_dir, folder, f'{stem}.png')
        frame['segments_info'] = [
            dict(s, is_thing=self.is_thing[s['category']])
            for s in read_segments(annotations[stem], self._labels)
        ]
        return frame

    @staticmethod
    def _check_sizes(video: Entry, images: list[Entry]) -> None:
        """Check that all frames have the size of the first frame."""
        sizes = [
            tuple(image.require(key, SIZE) for key in ('height', 'width'))
            for image in images
        ]
        for image, size in zip(images, sizes):
            if size != sizes[0]:
                raise video.error(
                    'its frames differ in size; '
                    f'{images[0].values["file_name"]} is {sizes[0][0]} x '
                    f'{sizes[0][1]} (height x width), '
                    f'{image.values["file_name"]} is {size[0]} x {size[1]}. '
                    'Resize them to one size.'
                )
