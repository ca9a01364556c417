# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Submissions and ground truth of YouTube-VIS in files."""

from collections import defaultdict

from ..datasets.track_file import TrackFile, Video
from ..errors import InputError
from ..json_file import ID, LIST, NUMBER, Entry, load_json, parse_json
from ..structures import to_rle
from .oracles import InstanceVideo

_SUBMISSION = 'Give the results.json that a test or the demo wrote.'


def read_instance_videos(
    results: str, truth: str
) -> tuple[list[str], list[tuple[dict, InstanceVideo]]]:
    """Read a submission and the annotation file of its videos.

    Args:
        results (str): Submission in YouTube-VIS format (.json).
        truth (str): Annotation file.

    Returns:
        tuple: Names of the categories, and for each video its description
        (``id``, ``name``, ``height`` and ``width``) and tracks with
        ``category_id`` from 1.

    Raises:
        FileNotFoundError: If a file does not exist.
        InputError: If a field is missing or wrong, or the submission has
            videos or categories that the annotation file does not have.
    """
    tracks = TrackFile(load_json(truth), with_tracks=True)
    videos = {str(video.id): video for video in tracks.videos}
    numbers = {key: n for n, key in enumerate(tracks.categories, 1)}
    preds: dict[str, list[dict]] = defaultdict(list)
    content = parse_json(results, remedy=_SUBMISSION)
    if not isinstance(content, list):
        raise InputError(f'{results} is not a list of tracks. {_SUBMISSION}')
    for position, item in enumerate(content):
        where = f'{results}: item {position}'
        if not isinstance(item, dict):
            raise InputError(f'{where} is not an object. {_SUBMISSION}')
        entry = Entry(item, where)
        key = _find(entry, 'video_id', videos, truth)
        pred = _read_prediction(entry, videos[key])
        category = _find(entry, 'category_id', numbers, truth)
        preds[key].append(dict(pred, category_id=numbers[category]))
    pairs = []
    for key, video in videos.items():
        about = dict(
            id=video.id,
            name=str(video.id),
            height=video.height,
            width=video.width,
            order=list(range(len(video.file_names))),
        )
        gts = _list_truth(tracks, video, numbers)
        pairs.append((about, InstanceVideo(gts, preds[key])))
    if not any(video.gts for _, video in pairs):
        raise InputError(
            f'{truth} has no annotations with a mask: errors can be analysed '
            'only with ground truth. The official validation files have none.'
        )
    names = [entry.values['name'] for entry in tracks.categories.values()]
    return names, pairs


def _list_truth(
    tracks: TrackFile, video: Video, numbers: dict[str, int]
) -> list[dict]:
    """List the true tracks of a video, without those that are never seen."""
    size = video.height, video.width
    gts = []
    for track, instances in tracks.tracks(video):
        if not any(instances):
            continue
        frames = _sort(instances, video)
        gts.append(
            dict(
                video_id=video.id,
                category_id=numbers[str(track.values['category_id'])],
                iscrowd=int(track.values.get('iscrowd', 0)),
                segmentations=[
                    x and to_rle(x.segmentation, size) for x in frames
                ],
                areas=[x and x.area for x in frames],
            )
        )
    return gts


def _find(entry: Entry, field: str, known: dict, truth: str) -> str:
    """Read an id, which the annotation file must have."""
    key = str(entry.require(field, ID))
    if key not in known:
        raise entry.error(
            f'{field} is {key}, but {truth} has no such id. Both files must '
            'be of one dataset and split.'
        )
    return key


def _read_prediction(entry: Entry, video: Video) -> dict:
    """Read score and masks of a predicted track."""
    masks = entry.require('segmentations', LIST)
    if len(masks) != len(video.file_names):
        raise entry.error(
            f'it has {len(masks)} segmentations, but video {video.id} has '
            f'{len(video.file_names)} frames.'
        )
    rles = []
    for t, mask in enumerate(masks):
        try:
            rles.append(mask and to_rle(mask, (video.height, video.width)))
        except ValueError as error:
            raise entry.error(f'the mask of frame {t} {error}') from error
    return dict(
        video_id=video.id,
        score=float(entry.require('score', NUMBER)),
        segmentations=_sort(rles, video),
    )


def _sort(values: list, video: Video) -> list:
    """Bring one value per listed frame into temporal order."""
    return [values[position] for position in video.order]
