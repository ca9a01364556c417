# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The two layouts of VIPSeg on disk, read and checked.

720P, which the reference trains and tests on::

    images/{video}/{frame}.jpg
    panomasksRGB/{video}/{frame}.png    id = R + 256 G + 65536 B
    panoptic_gt_VIPSeg_{split}.json     category of every id

Raw, as it is released::

    imgs/{video}/{frame}.jpg
    panomasks/{video}/{frame}.png       16 bit, class and instance
    {split}.txt                         names of the videos
"""

import os.path as osp
from collections import Counter
from collections.abc import Sequence

from mmengine.fileio import (
    get_local_path,
    list_dir_or_file,
    list_from_file,
    load,
)
from PIL import Image, UnidentifiedImageError

MAX_ID = 1 << 24  # ids are colours
_ORIENTATION = 0x112  # tag of Exif; from 5 to 8 rows are columns


def _check_unique(names: Sequence, what: str, where: str) -> None:
    """See that no name is repeated."""
    for name, count in Counter(names).most_common(1):
        if count > 1:
            raise ValueError(
                f'{where}: {what} {name} is listed {count} '
                'times. Keep one of them.'
            )


class Layout720P:
    """Reads the JSON of the 720P layout.

    Args:
        ann_file (str): The JSON.
        classes (Sequence[str]): Names of the classes, by label.
        thing_classes (Sequence[str]): Those that are things.
        img_dir (str): Folder of the images.
        seg_dir (str): Folder of the maps.
        img_suffix (str): Of the images.
        need_masks (bool): Whether every frame must be annotated.
        backend_args (dict, optional): See :func:`mmengine.fileio.load`.
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
    ) -> None:
        self.ann_file = ann_file
        self.classes = tuple(classes)
        self.is_thing = [name in set(thing_classes) for name in classes]
        self.img_dir, self.seg_dir = img_dir, seg_dir
        self.img_suffix = img_suffix
        self.need_masks = need_masks
        self.backend_args = backend_args
        self.labels: dict[int, int] = {}

    def read(self) -> list[dict]:
        """Read all videos.

        Returns:
            list[dict]: video_id, video_length and images, one dict a frame.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is inconsistent.
        """
        content = self._load()
        self._match_categories(content['categories'])
        annotations = {}
        for video in content.get('annotations', []):
            name = self._field(video, 'video_id', 'an entry of annotations')
            if name in annotations:
                raise ValueError(
                    f'{self.ann_file}: video {name} is annotated '
                    'twice. Delete one of the two.'
                )
            annotations[name] = self._frames_by_name(name, video)
        names = [
            self._field(video, 'video_id', 'an entry of videos')
            for video in content['videos']
        ]
        _check_unique(names, 'video', self.ann_file)
        videos = [
            self._read_video(video, annotations.get(video['video_id']))
            for video in content['videos']
        ]
        surplus = sorted(annotations.keys() - set(names), key=str)
        if surplus:
            raise ValueError(
                f'{self.ann_file}: video {surplus[0]} has '
                'annotations, but is not listed in videos.'
            )
        return videos

    def _load(self) -> dict:
        """Load the JSON and see that it is of this kind."""
        try:
            content = load(self.ann_file, backend_args=self.backend_args)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'Annotation file {self.ann_file} does not exist. Set '
                'data_root and ann_file of the dataset.'
            ) from error
        missing = [k for k in ('videos', 'categories') if k not in content]
        if missing:
            raise ValueError(
                f'{self.ann_file} has no {" and no ".join(missing)}: it is '
                'not a panoptic annotation file of VIPSeg.'
            )
        if not content['videos']:
            raise ValueError(
                f'{self.ann_file} lists no videos: the dataset is empty.'
            )
        return content

    def _match_categories(self, categories: list[dict]) -> None:
        """Map the category ids of the file to labels, by name."""
        found = {c['name']: bool(c['isthing']) for c in categories}
        wanted = dict(zip(self.classes, self.is_thing))
        for name in [*wanted, *found]:
            if name not in found or name not in wanted:
                here, there = (
                    ('metainfo of the dataset', 'the file')
                    if name in wanted
                    else ('the file', 'metainfo of the dataset')
                )
                raise ValueError(
                    f'{self.ann_file}: {here} has a category named {name!r}, '
                    f'{there} has none. List the classes of your data in '
                    'metainfo=dict(classes=..., thing_classes=..., '
                    'stuff_classes=...).'
                )
            if found[name] != wanted[name]:
                raise ValueError(
                    f'{self.ann_file}: category {name!r} is '
                    f'{"a thing" if found[name] else "stuff"}, but not so in '
                    'thing_classes and stuff_classes in metainfo of the '
                    'dataset.'
                )
        self.labels = {
            c['id']: self.classes.index(c['name']) for c in categories
        }

    def _field(self, entry: dict, key: str, what: str):
        """Take a field of an entry that must have it."""
        if key not in entry:
            raise ValueError(
                f'{self.ann_file}: {what} has no {key}. Its '
                f'fields are {", ".join(map(str, entry))}.'
            )
        return entry[key]

    def _frames_by_name(self, name: str, video: dict) -> dict[str, dict]:
        """Annotations of a video by the name of their map."""
        where = f'{self.ann_file}: video {name}'
        frames = self._field(video, 'annotations', f'video {name}')
        keys = [
            self._field(f, 'file_name', f'a frame of video {name}')
            for f in frames
        ]
        _check_unique(keys, 'annotation of frame', where)
        return dict(zip(keys, frames))

    def _read_video(self, video: dict, annotations: dict | None) -> dict:
        """Read one video and its annotations."""
        name = video['video_id']
        where = f'{self.ann_file}: video {name}'
        images = self._field(video, 'images', f'video {name}')
        if not images:
            raise ValueError(f'{where} has no frames. Delete it.')
        if annotations is None and self.need_masks:
            raise ValueError(f'{where} has no annotations.')
        for image in images:
            for key in ('id', 'file_name', 'width', 'height'):
                self._field(image, key, f'a frame of video {name}')
        files = [image['file_name'] for image in images]
        _check_unique(files, 'frame', where)
        surplus = sorted(set(annotations or ()) - set(files))
        if surplus:
            raise ValueError(
                f'{where}: frame {surplus[0]} has annotations, '
                'but is not listed in images.'
            )
        frames = []
        for frame_id, image in enumerate(images):
            self._check_size(image, images[0], where)
            file_name = image['file_name']
            frame = dict(
                img_id=image['id'],
                img_path=osp.join(
                    self.img_dir,
                    name,
                    osp.splitext(file_name)[0] + self.img_suffix,
                ),
                height=image['height'],
                width=image['width'],
                frame_id=frame_id,
            )
            if annotations is not None:
                if file_name not in annotations:
                    raise ValueError(
                        f'{where}: frame {file_name} has no annotations, '
                        'though the video has.'
                    )
                frame['seg_map_path'] = osp.join(self.seg_dir, name, file_name)
                frame['segments_info'] = self._read_segments(
                    annotations[file_name], f'{where}, frame {file_name}'
                )
            frames.append(frame)
        return dict(video_id=name, video_length=len(frames), images=frames)

    @staticmethod
    def _check_size(image: dict, first: dict, where: str) -> None:
        """See that a frame has the size of the first."""
        if any(image[key] != first[key] for key in ('height', 'width')):
            raise ValueError(
                f'{where}: its frames differ in size; {first["file_name"]} is '
                f'{first["height"]} x {first["width"]} (height x width), '
                f'{image["file_name"]} is {image["height"]} x '
                f'{image["width"]}. Resize them to one size.'
            )

    def _read_segments(self, annotation: dict, where: str) -> list[dict]:
        """Read the segments of a frame.

        A segment may be listed in parts, whose areas are added up, as the
        reference does.
        """
        segments = {}
        for info in self._field(annotation, 'segments_info', where):
            for key in ('id', 'category_id', 'iscrowd', 'area'):
                self._field(info, key, f'{where}: a segment')
            if not 0 < info['id'] < MAX_ID:
                raise ValueError(
                    f'{where}: {info["id"]} is no id of a segment. Ids are '
                    'R + 256 G + 65536 B of a colour other than black.'
                )
            if info['category_id'] not in self.labels:
                raise ValueError(
                    f'{where}: segment {info["id"]} has the unknown category '
                    f'{info["category_id"]}; the categories of the file are '
                    f'{min(self.labels)} to {max(self.labels)}.'
                )
            label = self.labels[info['category_id']]
            segment = segments.setdefault(
                info['id'],
                dict(
                    id=info['id'],
                    category=label,
                    is_thing=self.is_thing[label],
                    iscrowd=int(info['iscrowd']),
                    area=0,
                ),
            )
            if segment['category'] != label:
                raise ValueError(
                    f'{where}: segment {info["id"]} is listed with two '
                    'categories. Keep one of them.'
                )
            segment['area'] += info['area']
        return list(segments.values())


class LayoutRaw:
    """Reads the folders of the raw layout.

    Frames without a map are left out, as in the conversion to 720P; but a
    video of a test set that has no maps at all is kept.

    Args:
        ann_file (str): The names of the videos.
        img_dir (str): Folder of the images.
        seg_dir (str): Folder of the maps.
        img_suffix (str): Of the images.
        need_masks (bool): Whether every video must be annotated.
        backend_args (dict, optional): See :func:`mmengine.fileio.get`.
    """

    def __init__(
        self,
        ann_file: str,
        img_dir: str,
        seg_dir: str,
        img_suffix: str,
        need_masks: bool,
        backend_args: dict | None,
    ) -> None:
        self.ann_file = ann_file
        self.img_dir, self.seg_dir = img_dir, seg_dir
        self.img_suffix = img_suffix
        self.need_masks = need_masks
        self.backend_args = backend_args

    def read(self) -> list[dict]:
        """Read all videos.

        Returns:
            list[dict]: As of the 720P layout, but segments_info of a frame
            with a map is None: the map itself says what its segments are.

        Raises:
            FileNotFoundError: If a file or folder does not exist.
            ValueError: If images and maps do not fit each other.
        """
        try:
            names = list_from_file(
                self.ann_file, backend_args=self.backend_args
            )
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'{self.ann_file}, the list of videos, does not exist. Set '
                'data_root and ann_file of the dataset.'
            ) from error
        names = [name.strip() for name in names if name.strip()]
        if not names:
            raise ValueError(
                f'{self.ann_file} lists no videos: the dataset is empty.'
            )
        _check_unique(names, 'video', self.ann_file)
        return [self._read_video(name) for name in names]

    def _stems(self, folder: str, suffix: str) -> list[str]:
        """Names of the files of a folder, in order; none if it is absent."""
        try:
            files = sorted(
                list_dir_or_file(
                    folder,
                    list_dir=False,
                    suffix=suffix,
                    backend_args=self.backend_args,
                )
            )
        except FileNotFoundError:
            return []
        return [osp.splitext(name)[0] for name in files]

    def _read_video(self, name: str) -> dict:
        """Read one video."""
        img_dir = osp.join(self.img_dir, name)
        seg_dir = osp.join(self.seg_dir, name)
        stems = self._stems(img_dir, self.img_suffix)
        if not stems:
            raise FileNotFoundError(
                f'{self.ann_file} lists the video {name}, but there are no '
                f'images (*{self.img_suffix}) in {img_dir}. Check data_root '
                'and data_prefix of the dataset.'
            )
        masks = set(self._stems(seg_dir, '.png'))
        surplus = sorted(masks - set(stems))
        if surplus:
            raise FileNotFoundError(
                f'Video {name}: frame {surplus[0]} has a map in {seg_dir}, '
                f'but no image in {img_dir}.'
            )
        if masks:
            stems = [stem for stem in stems if stem in masks]
        elif self.need_masks:
            raise FileNotFoundError(
                f'Video {name} has no maps in {seg_dir}. Check data_prefix of '
                'the dataset; a test set cannot be trained on.'
            )
        width, height = self._image_size(
            osp.join(img_dir, stems[0] + self.img_suffix)
        )
        images = []
        for frame_id, stem in enumerate(stems):
            frame = dict(
                img_id=stem,
                img_path=osp.join(img_dir, stem + self.img_suffix),
                height=height,
                width=width,
                frame_id=frame_id,
            )
            if masks:
                frame['seg_map_path'] = osp.join(seg_dir, f'{stem}.png')
                frame['segments_info'] = None
            images.append(frame)
        return dict(video_id=name, video_length=len(images), images=images)

    def _image_size(self, path: str) -> tuple[int, int]:
        """Width and height of an image, of which only the head is read.

        They are those of the upright image, which OpenCV loads.
        """
        with get_local_path(path, backend_args=self.backend_args) as local:
            try:
                with Image.open(local) as image:
                    width, height = image.size
                    on_side = image.getexif().get(_ORIENTATION, 1) in range(
                        5, 9
                    )
                    return (height, width) if on_side else (width, height)
            except UnidentifiedImageError as error:
                raise ValueError(
                    f'{path} cannot be read as an image. Is the file complete?'
                ) from error
