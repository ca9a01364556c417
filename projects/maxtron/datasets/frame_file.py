# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Annotation files of MMDetection's video datasets: one entry per frame."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from pycocotools import mask as mask_utils

from ..errors import InputError
from ..json_file import (
    COUNT,
    FLAG,
    ID,
    SIZE,
    TEXT,
    Entry,
    Kind,
    index_by_id,
    load_json,
)
from ..structures import index_categories, to_rle
from ..utils import natural_key

CONVERTER = 'tools/dataset_converters/youtube_vis_to_coco.py'
_MASK = Kind(
    'a list of polygons or run lengths', lambda v: isinstance(v, (dict, list))
)
_MAX_INSTANCE_ID = 2**31 - 1  # limit of MMDetection's 32 bits


class FrameFile:
    """Annotation file of videos with one entry per frame.

    The visibility of an instance follows from its masks. Boxes and areas of
    the file are redundant and are not read.

    Args:
        path (str): The file.
        classes (Sequence[str], optional): Names of the classes, by label.
            None: all categories of the file, ordered by their ids.
        backend_args (dict, optional): See :func:`mmengine.fileio.get`.

    Attributes:
        categories (list[Entry]): Category of every class in the file.
        category_ids (list[int | str]): Id of every class in the file.
        num_annotations (int): Number of annotations in the file.
        left_out (Counter): Number of annotations that :meth:`read` skipped, by
            reason.

    Raises:
        FileNotFoundError: If the file does not exist.
        InputError: If the file is of another kind or lacks a class.
    """

    def __init__(
        self,
        path: str,
        classes: Sequence[str] | None,
        backend_args: dict | None = None,
    ) -> None:
        self.path = path
        self.top = load_json(
            path,
            backend_args,
            f'Download the dataset and convert it with {CONVERTER}, or set '
            'data_root and ann_file of the dataset.',
        )
        missing = [k for k in ('images', 'categories') if k not in self.top]
        if missing:
            raise InputError(
                f'{path} has no {" and no ".join(missing)}: it is '
                f'not a per-image annotation file. Convert it with '
                f'{CONVERTER}.'
            )
        self._categories = index_categories(self.top)
        self.categories = self._match_classes(classes)
        self.category_ids = [x.require('id', ID) for x in self.categories]
        self._labels = {str(i): k for k, i in enumerate(self.category_ids)}
        self.num_annotations = 0
        self.left_out: Counter[str] = Counter()

    def _match_classes(self, classes: Sequence[str] | None) -> list[Entry]:
        """Look up the categories of the classes by their names."""
        if classes is None:
            return [
                self._categories[key]
                for key in sorted(self._categories, key=natural_key)
            ]
        if isinstance(classes, str):
            raise InputError(
                f'metainfo.classes of the dataset is the text {classes!r}, '
                f'but must be a tuple of names, such as ({classes!r}, ).'
            )
        repeated = [name for name, n in Counter(classes).items() if n > 1]
        if repeated:
            raise InputError(
                f'metainfo.classes of the dataset lists {repeated[0]!r} '
                'twice. Keep one of them.'
            )
        by_name = {x.values['name']: x for x in self._categories.values()}
        missing = [name for name in classes if name not in by_name]
        if missing:
            raise InputError(
                f'{self.path} has no category named '
                f'{", ".join(map(repr, missing))}; its categories are '
                f'{", ".join(by_name)}. Check dataset_version, or list the '
                'classes of your data in metainfo=dict(classes=...).'
            )
        return [by_name[name] for name in classes]

    def read(self) -> list[dict]:
        """Read all videos.

        Returns:
            list[dict]: For each video ``video_id``, ``video_length`` (frames)
            and ``images``, one dict per frame in temporal order. A frame has
            the fields of the file (``id``, ``file_name``, ``height``,
            ``width``, ``video_id``, ``frame_id`` and, if frames were listed
            in another order, ``file_frame_id``, the position in the user's
            list), ``img_id``, ``video_name`` and ``instances``, see
            :meth:`_read_instance`.

        Raises:
            InputError: If an entry is inconsistent. The message names it.
        """
        images = index_by_id(self.top.entries('images', 'image'), 'image')
        if not images:
            raise InputError(
                f'{self.path} lists no frames: the dataset is empty.'
            )
        frames = {key: self._read_image(i) for key, i in images.items()}
        self._read_annotations(frames)
        videos: dict[str, list[dict]] = defaultdict(list)
        for frame in frames.values():
            videos[str(frame['video_id'])].append(frame)
        listed: dict[str, Entry] = {}
        if 'videos' in self.top:
            listed = index_by_id(self.top.entries('videos', 'video'), 'video')
        for key, video in videos.items():
            video.sort(key=lambda frame: frame['frame_id'])
            self._check_frames(video)
            folder = video[0]['file_name'].rpartition('/')[0]
            name, video_id = folder or key, video[0]['video_id']
            if key in listed:
                name = str(listed[key].values.get('name') or name)
                video_id = listed[key].require('id', ID)
            for frame in video:
                frame.update(video_name=name, video_id=video_id)
        return [
            dict(
                video_id=video[0]['video_id'],
                video_length=len(video),
                images=video,
            )
            for video in videos.values()
        ]

    @staticmethod
    def _read_image(image: Entry) -> dict:
        """Read a frame, without its annotations."""
        fields = dict(
            id=ID,
            file_name=TEXT,
            height=SIZE,
            width=SIZE,
            video_id=ID,
            frame_id=COUNT,
        )
        frame = {
            name: image.require(name, kind) for name, kind in fields.items()
        }
        if 'file_frame_id' in image:
            frame['file_frame_id'] = image.require('file_frame_id', COUNT)
        return dict(frame, img_id=frame['id'], instances=[])

    def _read_annotations(self, frames: dict[str, dict]) -> None:
        """Read all annotations into their frames."""
        if 'annotations' not in self.top:
            return  # The published validation sets have no annotations.
        anns = index_by_id(
            self.top.entries('annotations', 'annotation'), 'annotation'
        )
        self.num_annotations = len(anns)
        seen: set[tuple[str, int]] = set()
        for ann in anns.values():
            image_id = str(ann.require('image_id', ID))
            if image_id not in frames:
                raise InputError(
                    f'{ann.where} belongs to image_id {image_id}, which does '
                    'not exist.'
                )
            frame = frames[image_id]
            instance = self._read_instance(ann, frame)
            if instance is None:
                continue
            key = image_id, instance['instance_id']
            if key in seen:
                raise InputError(
                    f'{self.path}: in {frame["file_name"]} the id '
                    f'{instance["instance_id"]} is given twice. Give every '
                    'instance an id of its own.'
                )
            seen.add(key)
            frame['instances'].append(instance)

    def _read_instance(self, ann: Entry, frame: dict) -> dict | None:
        """Read an annotation.

        Args:
            ann (Entry): The annotation.
            frame (dict): Its frame.

        Returns:
            dict | None: ``instance_id``, ``bbox_label``, ``ignore_flag``,
            ``mask`` (compressed run lengths) and ``bbox`` (x1, y1, x2, y2),
            the box of the mask. None if the annotation is skipped.

        Raises:
            InputError: If a field is missing or wrong.
        """
        instance_id = self._instance_id(ann)
        category_id = ann.require('category_id', ID)
        if str(category_id) not in self._categories:
            raise InputError(
                f'{ann.where} has the unknown category {category_id}; '
                "the file's categories are "
                f'[{", ".join(self._categories)}].'
            )
        iscrowd = ann.optional('iscrowd', FLAG, 0)
        mask = ann.require('segmentation', _MASK)
        try:
            rle = to_rle(mask, (frame['height'], frame['width']))
        except ValueError as error:
            raise InputError(
                f'{ann.where}: the mask in image {frame["id"]} '
                f'({frame["file_name"]}) {error}. Correct the annotation '
                'file.'
            ) from error
        if ann.optional('ignore', FLAG, 0):
            self._leave_out("marked by 'ignore'")
            return None
        if str(category_id) not in self._labels:
            self._leave_out('of a category that is not in classes')
            return None
        if mask_utils.area(rle) == 0:
            self._leave_out('mask without a pixel')
            return None
        x, y, w, h = mask_utils.toBbox(rle).tolist()
        return dict(
            instance_id=instance_id,
            bbox_label=self._labels[str(category_id)],
            ignore_flag=int(iscrowd),
            bbox=[x, y, x + w, y + h],
            mask=dict(rle, counts=rle['counts'].decode()),
        )

    def _leave_out(self, reason: str) -> None:
        """Count a skipped annotation."""
        self.left_out[reason] += 1

    @staticmethod
    def _instance_id(ann: Entry) -> int:
        """Read the id of the track, which must fit into a tensor."""
        value = ann.require('instance_id', ID)
        text = str(value)
        if not text.isdecimal() or int(text) > _MAX_INSTANCE_ID:
            raise InputError(
                f'{ann.where} has instance_id {value}; ids start at 1 and '
                f'are whole numbers up to {_MAX_INSTANCE_ID}. {CONVERTER} '
                'numbers the instances.'
            )
        if int(text) < 1:
            # In MMDetection 0 means "no id" and would break the track.
            raise InputError(
                f'{ann.where} has instance_id {value}; ids start at 1.'
            )
        return int(text)

    def _check_frames(self, frames: list[dict]) -> None:
        """Check that the frames of a video are distinct and have one size."""
        first = frames[0]
        where = f'video {first["video_id"]}'
        listed = [f['file_frame_id'] for f in frames if 'file_frame_id' in f]
        if listed and len(set(listed)) < len(frames):
            raise InputError(
                f'{self.path}: the frames of {where} must all have a '
                f'file_frame_id of their own, or none. {CONVERTER} writes '
                'them.'
            )
        for previous, frame in zip(frames, frames[1:]):
            if frame['frame_id'] == previous['frame_id']:
                raise InputError(
                    f'{self.path}: {where} has two frames with '
                    f'frame_id {frame["frame_id"]}.'
                )
            if any(frame[k] != first[k] for k in ('height', 'width')):
                raise InputError(
                    f'{self.path}: the frames of {where} differ '
                    f'in size: {first["file_name"]} is {first["height"]} x '
                    f'{first["width"]} (height x width), '
                    f'{frame["file_name"]} is {frame["height"]} x '
                    f'{frame["width"]}. Resize them to one size.'
                )
