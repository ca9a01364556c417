# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Predictions and ground truth of video panoptic segmentation on disk."""

import json
import os.path as osp
from pathlib import Path
from typing import NamedTuple

from ..structures import read_id_map
from .functional import VideoCounter, VideoCounts, count_pairs

PRED_FOLDER = 'pan_pred'


class FrameFiles(NamedTuple):
    """One frame of ground truth and prediction.

    Attributes:
        name (str): Name of the frame, without suffix.
        size (tuple): Height and width that the ground truth states, or
            nothing.
        gt_path (str): Mask of the ground truth.
        gt_segments (list[dict]): Its segments.
        pred_path (str): Predicted mask.
        pred_segments (list[dict]): Its segments.
    """

    name: str
    size: tuple[int, ...]
    gt_path: str
    gt_segments: list[dict]
    pred_path: str
    pred_segments: list[dict]


class VideoFiles(NamedTuple):
    """One video of ground truth and prediction.

    Attributes:
        video_id (str): Its name.
        labels (dict[int, int]): Label of each category id.
        frames (list[:obj:`FrameFiles`]): Its frames, in temporal order.
    """

    video_id: str
    labels: dict[int, int]
    frames: list[FrameFiles]


def list_videos(
    pred_dir: str, pred_json: str, gt_dir: str, gt_json: str
) -> tuple[list[dict], list[VideoFiles]]:
    """Match predictions with ground truth, video by video.

    Args:
        pred_dir (str): Folder of predicted masks, VIDEO/FRAME.png, or the
            one above it, if that is called pan_pred.
        pred_json (str): Predicted segments in VIPSeg's format.
        gt_dir (str): Folder of annotated masks (panomasksRGB).
        gt_json (str): Annotated segments (panoptic_gt_VIPSeg_val.json).

    Returns:
        tuple: Categories of the ground truth, and its videos
        (list[:obj:`VideoFiles`]).

    Raises:
        FileNotFoundError: If a file or a mask does not exist.
        ValueError: If a file is not in that format, or videos or frames are
            missing, unknown or double.
    """
    gt = _load(gt_json, ('videos', 'annotations', 'categories'))
    if osp.isdir(osp.join(pred_dir, PRED_FOLDER)):
        pred_dir = osp.join(pred_dir, PRED_FOLDER)
    gt_frames = _frames_by_video(gt['annotations'], gt_json)
    pred_frames = _frames_by_video(
        _load(pred_json, ('annotations',))['annotations'], pred_json
    )
    videos = _by_name(gt['videos'], 'video_id', gt_json)
    _compare(videos, gt_frames, 'video', gt_json, gt_json)
    _compare(videos, pred_frames, 'video', gt_json, pred_json)
    labels = {c['id']: label for label, c in enumerate(gt['categories'])}
    jobs = []
    for video_id, video in videos.items():
        where = f' (video {video_id})'
        images = _by_name(video['images'], 'file_name', f'{gt_json}{where}')
        sides = (
            (gt_dir, gt_json, gt_frames),
            (pred_dir, pred_json, pred_frames),
        )
        columns = []
        for folder, path, frames in sides:
            _compare(
                images,
                frames[video_id],
                'frame',
                gt_json + where,
                path + where,
            )
            columns.append(
                [
                    (
                        _mask(folder, video_id, name),
                        frames[video_id][name]['segments_info'],
                    )
                    for name in images
                ]
            )
        jobs.append(
            VideoFiles(
                video_id,
                labels,
                [
                    FrameFiles(name, _size_of(image), *gt_file, *pred_file)
                    for (name, image), gt_file, pred_file in zip(
                        images.items(), *columns
                    )
                ],
            )
        )
    if not jobs:
        raise ValueError(f'{gt_json} lists no videos: nothing to evaluate.')
    return gt['categories'], jobs


def _load(path: str, keys: tuple[str, ...]) -> dict:
    """Load a JSON file with certain keys."""
    try:
        content = json.loads(Path(path).read_text())
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{path} does not exist.') from error
    except ValueError as error:
        raise ValueError(f'{path} is not a JSON file ({error}).') from error
    missing = [key for key in keys if key not in content]
    if missing:
        raise ValueError(
            f'{path} has no "{missing[0]}": it is not in the '
            'panoptic format of VIPSeg.'
        )
    return content


def _by_name(items: list[dict], key: str, path: str) -> dict[str, dict]:
    """Order items by a key; of file names, only the stem counts."""
    named = {}
    for item in items:
        if key not in item:
            raise ValueError(f'{path}: an entry has no "{key}".')
        name = item[key]
        if key == 'file_name':
            name = osp.splitext(osp.basename(name))[0]
        if name in named:
            raise ValueError(f'{path} lists {name} twice.')
        named[name] = item
    return named


def _frames_by_video(
    annotations: list[dict], path: str
) -> dict[str, dict[str, dict]]:
    """Order annotations by video and frame."""
    return {
        video_id: _by_name(
            video['annotations'], 'file_name', f'{path} (video {video_id})'
        )
        for video_id, video in _by_name(annotations, 'video_id', path).items()
    }


def _compare(
    wanted: dict, found: dict, kind: str, wanted_path: str, found_path: str
) -> None:
    """See that two files name the same videos or frames."""
    unknown = [name for name in found if name not in wanted]
    if unknown:
        raise ValueError(
            f'{found_path} has {len(unknown)} {kind}(s) that do not exist in '
            f'{wanted_path}: {", ".join(map(str, unknown[:5]))}.'
        )
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ValueError(
            f'{found_path} lacks {len(missing)} {kind}(s) of {wanted_path}: '
            f'{", ".join(map(str, missing[:5]))}.'
        )


def _mask(folder: str, video_id: str, name: str) -> str:
    """Path of a mask that must exist."""
    path = osp.join(folder, str(video_id), f'{name}.png')
    if not osp.isfile(path):
        raise FileNotFoundError(
            f'{path} does not exist: a frame is missing, '
            f'or {folder} is not the folder of masks.'
        )
    return path


def _size_of(image: dict) -> tuple[int, ...]:
    """Height and width as stated, if they are."""
    return tuple(image[key] for key in ('height', 'width') if key in image)


def count_video(video: VideoFiles) -> VideoCounts:
    """Read the masks of a video, each once, and count their pixels.

    Args:
        video (:obj:`VideoFiles`): The video.

    Returns:
        :obj:`VideoCounts`: Its counts.

    Raises:
        ValueError: If masks and lists of segments disagree, or sizes do.
    """
    counter = VideoCounter(video.video_id, video.labels)
    for frame in video.frames:
        where = f'video {video.video_id}, frame {frame.name}'
        gt_map, pred_map = (
            read_id_map(path, where)
            for path in (frame.gt_path, frame.pred_path)
        )
        if len(frame.size) == 2 and gt_map.shape != frame.size:
            raise ValueError(
                f'{where}: {frame.gt_path} is {gt_map.shape[0]} x '
                f'{gt_map.shape[1]} (height x width), but {frame.size[0]} x '
                f'{frame.size[1]} according to the JSON file.'
            )
        counter.add(
            frame.name,
            count_pairs(gt_map, pred_map, where),
            frame.gt_segments,
            frame.pred_segments,
        )
    return counter.result()
