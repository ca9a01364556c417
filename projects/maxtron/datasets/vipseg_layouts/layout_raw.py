# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Reader of the raw layout of VIPSeg."""

import os.path as osp

from mmengine.fileio import get_local_path
from PIL import Image, UnidentifiedImageError

from ...errors import InputError
from ...structures import check_distinct_frames
from ...utils import natural_key
from .listing import list_frames, read_video_names

_ORIENTATION = 0x112  # Exif tag; values from 5 to 8 swap rows and columns


class LayoutRaw:
    """Reader of the folders of the raw layout.

    As in the conversion to 720P, frames without a map are skipped, unless
    ``is_dense``. A video without any map, as in a test set, is kept.

    Args:
        ann_file (str): List of the videos.
        img_dir (str): Folder of the images: that of all videos, or of one
            video with ``{}`` in place of its name.
        seg_dir (str): Folder of the maps, in the same way.
        img_suffix (str): Suffix of the images.
        need_masks (bool): Whether every video must be annotated.
        backend_args (dict, optional): See :func:`mmengine.fileio.get`.
        is_dense (bool): Whether every frame of an annotated video must have a
            map. Defaults to False.
    """

    def __init__(
        self,
        ann_file: str,
        img_dir: str,
        seg_dir: str,
        img_suffix: str,
        need_masks: bool,
        backend_args: dict | None,
        is_dense: bool = False,
    ) -> None:
        self.ann_file = ann_file
        self.img_dir, self.seg_dir = img_dir, seg_dir
        self.img_suffix = img_suffix
        self.need_masks = need_masks
        self.backend_args = backend_args
        self.is_dense = is_dense

    def read(self) -> list[dict]:
        """Read all videos.

        Returns:
            list[dict]: Videos as in the 720P layout, but ``segments_info`` of
            a frame with a map is None, because the map defines its segments.

        Raises:
            FileNotFoundError: If a file or folder does not exist.
            InputError: If images and maps are inconsistent.
        """
        names = read_video_names(self.ann_file, self.backend_args)
        videos = [self._read_video(name) for name in names]
        check_distinct_frames(
            (video['video_id'], [i['img_id'] for i in video['images']])
            for video in videos
        )
        return videos

    def _read_video(self, name: str) -> dict:
        """Read one video."""
        img_dir = _folder_of(self.img_dir, name)
        seg_dir = _folder_of(self.seg_dir, name)
        stems = list_frames(img_dir, self.img_suffix, self.backend_args)
        if not stems:
            raise FileNotFoundError(
                f'{self.ann_file} lists the video {name}, but there are no '
                f'images (*{self.img_suffix}) in {img_dir}. Check data_root '
                'and data_prefix of the dataset.'
            )
        masks = set(list_frames(seg_dir, '.png', self.backend_args))
        surplus = sorted(masks - set(stems), key=natural_key)
        if surplus:
            raise FileNotFoundError(
                f'Video {name}: frame {surplus[0]} has a map in {seg_dir}, '
                f'but no image in {img_dir}.'
            )
        bare = [stem for stem in stems if stem not in masks]
        if masks and bare and self.is_dense:
            raise FileNotFoundError(
                f'Video {name}: frame {bare[0]} has an image in {img_dir}, '
                f'but no map in {seg_dir}.'
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
        """Read width and height of the upright image, as OpenCV loads it.

        Only the head of the file is read.
        """
        with get_local_path(path, backend_args=self.backend_args) as local:
            try:
                with Image.open(local) as image:
                    width, height = image.size
                    orientation = image.getexif().get(_ORIENTATION, 1)
                    is_on_side = orientation in range(5, 9)
                    return (height, width) if is_on_side else (width, height)
            except UnidentifiedImageError as error:
                raise InputError(
                    f'{path} cannot be read as an image. Is the file complete?'
                ) from error


def _folder_of(folder: str, name: str) -> str:
    """Find the folder of a video: below a folder, or for ``{}`` in it."""
    if '{}' in folder:
        return folder.replace('{}', name)
    return osp.join(folder, name)
