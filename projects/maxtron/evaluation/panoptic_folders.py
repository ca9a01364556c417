# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Reading of panoptic predictions and ground truth from disk."""

import os.path as osp
from collections.abc import Iterable
from typing import NamedTuple

from ..errors import InputError
from ..json_file import SIZE, Entry, load_json
from ..structures import read_id_map, restore_order, video_folder
from ..structures.panoptic_json import (
    label_by_id,
    read_categories,
    read_frames,
    read_segments,
    read_videos,
)
from .functional import FramePairs, VideoCounter, VideoCounts, count_pairs

PRED_FOLDER = 'pan_pred'


class FrameFiles(NamedTuple):
    """Frame of ground truth and prediction.

    Attributes:
        name (str): Name of the frame, without suffix.
        size (tuple): Height and width in the ground truth file; empty if they
            are not stated.
        gt_path (str): Mask of the ground truth.
        gt_segments (list[dict]): Segments of the ground truth: ``id``,
            ``category`` (the label), ``category_id`` (of the ground truth),
            ``iscrowd`` and ``area``.
        pred_path (str): Predicted mask.
        pred_segments (list[dict]): Predicted segments in the same format.
    """

    name: str
    size: tuple[int, ...]
    gt_path: str
    gt_segments: list[dict]
    pred_path: str
    pred_segments: list[dict]


class VideoFiles(NamedTuple):
    """Video of ground truth and prediction.

    Attributes:
        video_id (str): Name of the video.
        num_classes (int): Number of categories of the ground truth.
        frames (list[FrameFiles]): Frames in temporal order.
    """

    video_id: str
    num_classes: int
    frames: list[FrameFiles]


def list_videos(
    pred_dir: str,
    pred_json: str,
    gt_dir: str,
    gt_json: str,
    sparse: bool = False,
) -> tuple[list[dict], list[VideoFiles]]:
    """Match predictions with ground truth, video by video.

    Args:
        pred_dir (str): Folder of predicted masks, VIDEO/FRAME.png, or its
            parent if the folder is called pan_pred.
        pred_json (str): Predicted segments in VIPSeg's format. If the file
            has ``categories``, they are matched with the ground truth by
            name; otherwise its category ids must be ids of the ground truth.
        gt_dir (str): Folder of annotated masks (panomasksRGB).
        gt_json (str): Annotated segments (panoptic_gt_VIPSeg_val.json).
        sparse (bool): Whether predicted frames that are not in the ground
            truth are left out. Defaults to False.

    Returns:
        tuple: Categories of the ground truth, and its videos
        (list[VideoFiles]).

    Raises:
        FileNotFoundError: If a file or a mask does not exist.
        InputError: If a field is missing or wrong, or videos or frames are
            missing, unknown or listed twice.
    """
    gt = load_json(gt_json)
    categories = read_categories(gt)
    videos = read_videos(gt, 'videos')
    if not videos:
        raise gt.error('videos lists no videos: nothing to evaluate.')
    labels = label_by_id(categories)
    gt_side = _Side(gt_dir, gt, labels, videos, gt_json)
    pred = load_json(pred_json)
    if osp.isdir(osp.join(pred_dir, PRED_FOLDER)):
        pred_dir = osp.join(pred_dir, PRED_FOLDER)
    pred_labels = _match_categories(pred, categories, gt_json)
    pred_side = _Side(pred_dir, pred, pred_labels, videos, gt_json, sparse)
    ids = [c['id'] for c in categories]
    jobs = []
    for video_id, video in videos.items():
        images = read_frames(video, 'images', video_id)
        names = list(images)
        names = [names[i] for i in restore_order(names)]
        gt_files = gt_side.list_files(video, video_id, names, ids)
        pred_files = pred_side.list_files(video, video_id, names, ids)
        frames = [
            FrameFiles(name, _read_size(images[name]), *gt_file, *pred_file)
            for name, gt_file, pred_file in zip(names, gt_files, pred_files)
        ]
        jobs.append(VideoFiles(video_id, len(categories), frames))
    return categories, jobs


class _Side:
    """Masks and segments of the ground truth or of the prediction.

    Args:
        folder (str): Folder of the masks.
        top (Entry): The JSON file.
        labels (dict[str, int]): Label by the text of a category's id.
        videos (dict[str, Entry]): Videos of the ground truth.
        gt_json (str): File of the ground truth, for messages.
        sparse (bool): Whether frames that are not in the ground truth are left
            out. Defaults to False.
    """

    def __init__(
        self,
        folder: str,
        top: Entry,
        labels: dict[str, int],
        videos: dict[str, Entry],
        gt_json: str,
        sparse: bool = False,
    ) -> None:
        self.folder = folder
        self.sparse = sparse
        self.labels = labels
        self.annotations = read_videos(top, 'annotations')
        _compare(videos, self.annotations, 'video', gt_json, top.where)

    def list_files(
        self,
        video: Entry,
        video_id: str,
        names: list[str],
        category_ids: list[int | str],
    ) -> list[tuple[str, list[dict]]]:
        """List mask and segments of every frame of a video.

        Args:
            video (Entry): The video in the ground truth.
            video_id (str): Id of the video.
            names (list[str]): Names of the frames in the ground truth.
            category_ids (list[int | str]): Id of the ground truth per label.

        Returns:
            list[tuple[str, list[dict]]]: Path of the mask, and segments.
        """
        annotation = self.annotations[video_id]
        frames = read_frames(annotation, 'annotations', video_id)
        frames = _match_frames(names, frames)
        if self.sparse:
            frames = {name: frames[name] for name in names if name in frames}
        _compare(names, frames, 'frame', video.where, annotation.where)
        files = []
        for name in names:
            segments = read_segments(frames[name], self.labels)
            for segment in segments:
                segment['category_id'] = category_ids[segment['category']]
            files.append((self._find_mask(video_id, name), segments))
        return files

    def _find_mask(self, video_id: str, name: str) -> str:
        """Find the mask of a frame, which must exist."""
        paths = [
            osp.join(self.folder, video_folder(video_id), f'{stem}.png')
            for stem in (name, osp.basename(name))
        ]
        for path in paths:
            if osp.isfile(path):
                return path
        raise FileNotFoundError(
            f'{paths[0]} does not exist: a frame is missing, or '
            f'{self.folder} is not the folder of masks.'
        )


def _match_categories(
    pred: Entry, categories: list[dict], gt_json: str
) -> dict[str, int]:
    """Map the category ids of a prediction to labels of the ground truth."""
    if 'categories' not in pred:
        return label_by_id(categories)
    names = [c['name'] for c in categories]
    labels = {}
    for category in read_categories(pred):
        if category['name'] not in names:
            raise pred.error(
                f'category {category["id"]} is named {category["name"]!r}, '
                f'but no category of {gt_json} is. The names must be the '
                'same.'
            )
        labels[str(category['id'])] = names.index(category['name'])
    return labels


def _match_frames(
    names: list[str], frames: dict[str, Entry]
) -> dict[str, Entry]:
    """Map listed frames to the names in the ground truth.

    If the listed names differ, folders are ignored, provided that the names
    are unique without folders.

    Args:
        names (list[str]): Names in the ground truth.
        frames (dict[str, Entry]): Listed frames by their names.

    Returns:
        dict[str, Entry]: Listed frames by name in the ground truth.
    """
    if frames.keys() <= set(names):
        return frames
    full = {osp.basename(name): name for name in names}
    short = {osp.basename(name): frame for name, frame in frames.items()}
    if len(full) < len(names) or len(short) < len(frames):
        return frames
    return {full.get(stem, stem): frame for stem, frame in short.items()}


def _compare(
    expected: Iterable[str],
    found: Iterable[str],
    kind: str,
    expected_where: str,
    found_where: str,
) -> None:
    """Check that two files name the same videos or frames."""
    expected_names, found_names = set(expected), set(found)
    unknown = [name for name in found if name not in expected_names]
    if unknown:
        raise InputError(
            f'{found_where} has {len(unknown)} {kind}(s) that do not exist in '
            f'{expected_where}: {", ".join(unknown[:5])}.'
        )
    missing = [name for name in expected if name not in found_names]
    if missing:
        raise InputError(
            f'{found_where} lacks {len(missing)} {kind}(s) of '
            f'{expected_where}: {", ".join(missing[:5])}.'
        )


def _read_size(image: Entry) -> tuple[int, ...]:
    """Read height and width, if they are stated."""
    return tuple(
        image.require(key, SIZE) for key in ('height', 'width') if key in image
    )


def segments_to_count(segments: list[dict], pairs: FramePairs) -> list[dict]:
    """Prepare segments of the ground truth for :class:`VideoCounter`.

    Areas are counted in the mask, because the stated area is redundant and may
    be wrong. A segment with the stated area 0 may have no pixels.

    Args:
        segments (list[dict]): Segments with ``id``, ``category`` and
            optionally ``iscrowd`` and ``area``.
        pairs (FramePairs): Pixels of the frame.

    Returns:
        list[dict]: Segments with ``id``, ``category_id`` (the label) and
        ``iscrowd``.
    """
    seen = set(pairs.gt_ids.tolist())
    return [
        dict(
            id=s['id'],
            category_id=s['category'],
            iscrowd=s.get('iscrowd') or 0,
        )
        for s in segments
        if s['id'] in seen or s.get('area') != 0
    ]


def count_video(video: VideoFiles) -> VideoCounts:
    """Read each mask of a video once and count the pixels.

    Args:
        video (VideoFiles): The video.

    Returns:
        VideoCounts: Counts of the video.

    Raises:
        InputError: If masks and lists of segments, or sizes, are inconsistent.
    """
    labels = range(video.num_classes)
    counter = VideoCounter(video.video_id, dict(zip(labels, labels)))
    for frame in video.frames:
        where = f'video {video.video_id}, frame {frame.name}'
        gt_map, pred_map = (
            read_id_map(path, where)
            for path in (frame.gt_path, frame.pred_path)
        )
        if len(frame.size) == 2 and gt_map.shape != frame.size:
            raise InputError(
                f'{where}: {frame.gt_path} is {gt_map.shape[0]} x '
                f'{gt_map.shape[1]} (height x width), but {frame.size[0]} x '
                f'{frame.size[1]} according to the JSON file.'
            )
        try:
            pairs = count_pairs(gt_map, pred_map, where)
            counter.add(
                frame.name,
                pairs,
                segments_to_count(frame.gt_segments, pairs),
                [
                    dict(id=s['id'], category_id=s['category'])
                    for s in frame.pred_segments
                ],
            )
        except ValueError as error:
            raise InputError(
                f'{error} The masks are {frame.gt_path} (ground truth) and '
                f'{frame.pred_path} (prediction).'
            ) from error
    return counter.result()
