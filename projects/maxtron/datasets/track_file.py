# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Published annotations of YouTube-VIS, OVIS and LV-VIS, track by track."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as mask_utils

from ..errors import InputError
from ..json_file import FLAG, ID, LIST, SIZE, TEXT, Entry, index_by_id
from ..structures import index_categories, restore_order, to_rle

_BOX_TOLERANCE = 1  # in pixels


def read_file_names(video: Entry) -> list[str]:
    """Read the frames of a video.

    Args:
        video (Entry): The video.

    Returns:
        list[str]: Paths of its frames, at least one.

    Raises:
        InputError: If ``file_names`` is missing, empty or not a list of paths.
    """
    file_names = video.require('file_names', LIST)
    if not file_names:
        raise InputError(f'{video.where} has no frames: file_names is empty')
    for t, name in enumerate(file_names):
        if not TEXT.accepts(name):
            raise video.error(
                f'item {t} of file_names is {name!r}, but must be the path '
                'of a frame.'
            )
    return file_names


@dataclass
class Video:
    """A video of a track file.

    Attributes:
        id (int | str): Id in the file.
        height (int): Height of all frames in pixels.
        width (int): Width of all frames in pixels.
        file_names (list[str]): Paths of the frames in listed order.
        where (str): Place in the file, for messages.
    """

    id: int | str
    height: int
    width: int
    file_names: list[str]
    where: str

    @classmethod
    def read(cls, entry: Entry) -> 'Video':
        """Read a video.

        Args:
            entry (Entry): The entry of the file.

        Returns:
            Video: The video.

        Raises:
            InputError: If a field is missing or wrong.
        """
        return cls(
            id=entry.require('id', ID),
            height=entry.require('height', SIZE),
            width=entry.require('width', SIZE),
            file_names=read_file_names(entry),
            where=entry.where,
        )

    @property
    def order(self) -> list[int]:
        """list[int]: Positions of the frames in temporal order."""
        return restore_order(self.file_names)


@dataclass
class Instance:
    """Visible part of a track in a frame.

    Attributes:
        segmentation (dict | list): Mask as in the file.
        bbox (list[float]): x, y, width and height of the mask.
        area (int): Number of pixels of the mask.
    """

    segmentation: dict | list
    bbox: list[float]
    area: int


class TrackFile:
    """Videos and tracks of an annotation file.

    The visibility of a track follows from its masks. Boxes and areas of the
    file are redundant and are computed from the masks.

    Args:
        top (Entry): Top level of the file.
        with_tracks (bool): Whether to read the annotations.

    Attributes:
        categories (dict[str, Entry]): Categories by the text of their
            id.
        videos (list[Video]): Videos in the order of the file.
        notes (Counter): Numbers of skipped and replaced entries, by
            description. They grow with every call of :meth:`tracks`.

    Raises:
        InputError: If the file is inconsistent. The message names the entry
            and the field.
    """

    def __init__(self, top: Entry, with_tracks: bool) -> None:
        self.notes: Counter[str] = Counter()
        self.categories = index_categories(top)
        entries = index_by_id(top.entries('videos', 'video'), 'video')
        if not entries:
            raise top.error('videos is empty.')
        videos = {key: Video.read(entry) for key, entry in entries.items()}
        self.videos = list(videos.values())
        self._note_text_order()
        self._tracks: dict[str, list[Entry]] = defaultdict(list)
        if not with_tracks:
            return
        tracks = index_by_id(
            top.entries('annotations', 'annotation'), 'annotation'
        )
        for track in tracks.values():
            video_id = track.require('video_id', ID)
            if str(video_id) not in videos:
                raise InputError(
                    f'{track.where} belongs to video_id {video_id}, which '
                    'does not exist'
                )
            self._check_track(track, videos[str(video_id)])
            self._tracks[str(video_id)].append(track)

    def _note_text_order(self) -> None:
        """Count videos whose frames are listed in text order."""
        for video in self.videos:
            if video.order != list(range(len(video.file_names))):
                self.notes[
                    'video(s) that list 10 before 2: the frames are read in '
                    'the order of their numbers, and results are written in '
                    'the order of the list'
                ] += 1

    def _check_track(self, track: Entry, video: Video) -> None:
        """Check all fields of a track except its masks."""
        category_id = track.require('category_id', ID)
        if str(category_id) not in self.categories:
            raise InputError(
                f'{track.where} has the unknown category {category_id}; '
                f'known are {", ".join(self.categories)}'
            )
        track.optional('iscrowd', FLAG)
        track.require('segmentations', LIST)
        length = len(video.file_names)
        for field in ('segmentations', 'bboxes', 'areas'):
            values = track.values.get(field)
            if values is None or (field != 'segmentations' and values == []):
                continue
            if len(track.require(field, LIST)) != length:
                raise InputError(
                    f'{track.where} has {len(values)} {field}, but '
                    f'video {video.id} has {length} frames'
                )

    def category_id(self, track: Entry) -> int | str:
        """Return the id of a track's category as in the list of categories."""
        key = str(track.require('category_id', ID))
        return self.categories[key].require('id', ID)

    def tracks(self, video: Video) -> list[tuple[Entry, list]]:
        """Read the tracks of a video.

        Args:
            video (Video): The video.

        Returns:
            list[tuple]: For each track its entry and a list over frames of
            Instance, or None where it is not visible.

        Raises:
            InputError: If a mask is malformed or does not fit the video.
        """
        tracks = []
        for track in self._tracks[str(video.id)]:
            instances = [
                self._read_instance(track, video, t)
                for t in range(len(video.file_names))
            ]
            if not any(instances):
                self.notes['tracks without a mask in any frame'] += 1
            tracks.append((track, instances))
        return tracks

    def _read_instance(
        self, track: Entry, video: Video, t: int
    ) -> Instance | None:
        """Read the mask of a track in frame ``t``."""
        mask = track.values['segmentations'][t]
        boxes = track.values.get('bboxes')
        box = boxes[t] if boxes else None
        if mask is None:
            if box is not None:
                self.notes['boxes without a mask left out'] += 1
            return None
        try:
            rle = to_rle(mask, (video.height, video.width))
        except ValueError as error:
            raise InputError(
                f'{track.where}: the mask of frame {t} '
                f'({video.file_names[t]}) {error}'
            ) from error
        area = int(mask_utils.area(rle))
        if area == 0:
            self.notes['masks without a pixel left out'] += 1
            return None
        bbox = mask_utils.toBbox(rle).tolist()
        if box is not None and not _is_close(box, bbox):
            self.notes['boxes that differ from their mask replaced'] += 1
        return Instance(mask, bbox, area)


def _is_close(box: object, bbox: list[float]) -> bool:
    """Return whether a box of the file agrees with its mask."""
    try:
        x, y, w, h = np.asarray(box, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    corners = np.array([x, y, x + w, y + h])
    expected = np.array([*bbox[:2], bbox[0] + bbox[2], bbox[1] + bbox[3]])
    return bool((np.abs(corners - expected) <= _BOX_TOLERANCE).all())


def name_videos(
    video_ids: Sequence[int | str], first_frames: Sequence[str]
) -> list[str]:
    """Name videos by the folder of their frames.

    Args:
        video_ids (Sequence[int | str]): Ids of the videos.
        first_frames (Sequence[str]): Path of a frame of each video.

    Returns:
        list[str]: For each video the folder of its frame, or its id if another
        video has the same folder.
    """
    folders = [path.rpartition('/')[0] for path in first_frames]
    counts = Counter(folders)
    return [
        folder if folder and counts[folder] == 1 else str(video_id)
        for folder, video_id in zip(folders, video_ids)
    ]
