# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Review of a video from the files that a test, the demo or a batch wrote."""

import os
from collections.abc import Sequence
from pathlib import Path

from ..apis import FrameSource, open_frame_source
from ..errors import InputError
from ..json_file import parse_json
from ..structures import restore_order
from .instance_results import Choose, read_annotations, read_submission
from .panoptic_results import (
    TABLE,
    PanopticFrame,
    read_panoptic_json,
    read_segment_tracks,
    read_table,
)
from .review import Review
from .tracks import Track

# Folders of masks beside a JSON file: of a test, of a batch and of the page.
_MASK_FOLDERS = ('pan_pred', 'masks', '.')
_NOT_RESULTS = ('record.json', 'manifest.json')  # of a batch
_NO_RESULTS = (
    'Give results.json of an instance model, pred.json of a panoptic model, '
    'or a folder with one of them.'
)


def open_review(
    results: str | os.PathLike,
    video: str | os.PathLike | FrameSource,
    truth: str | os.PathLike | None = None,
    masks: str | os.PathLike | None = None,
    truth_masks: str | os.PathLike | None = None,
    video_id: str | None = None,
    max_frames: int | None = None,
) -> Review:
    """Read results, and truth if it is given, of one video.

    Args:
        results (str | PathLike): Submission in YouTube-VIS format, pred.json
            in VIPSeg's format, or a folder with one of them. For the masks of
            the demo without a JSON file: their folder, with segments.json.
        video (str | PathLike | FrameSource): Video file or folder of frames.
        truth (str | PathLike, optional): Annotation file of the same format.
            Defaults to None.
        masks (str | PathLike, optional): Folder of the predicted masks of a
            panoptic model. Defaults to None: beside the JSON file.
        truth_masks (str | PathLike, optional): Folder of the annotated masks.
            Defaults to None: panomasksRGB beside the annotation file.
        video_id (str, optional): Id of the video in the files. Defaults to
            None: the only video, or the one named as the folder of frames.
        max_frames (int, optional): Read no more than this number of frames.
            Defaults to None.

    Returns:
        Review: The video with its tracks.

    Raises:
        FileNotFoundError: If a file does not exist.
        InputError: If a field is missing or wrong, or the files do not belong
            together.
    """
    source = open_frame_source(video)
    path = _find_json(Path(results))
    chooser = _chooser(video_id, source.name)
    if path.name == TABLE:
        frames = read_table(path.parent)
        return _panoptic_review(source, frames, None, max_frames)
    content = parse_json(str(path), remedy=_NO_RESULTS)
    if isinstance(content, list):
        return _instance_review(
            source, content, path, truth, chooser, max_frames
        )
    folders = [Path(masks)] if masks else _beside(path, _MASK_FOLDERS)
    frames, found = read_panoptic_json(str(path), folders, chooser)
    annotated = None
    if truth:
        folders = (
            [Path(truth_masks)]
            if truth_masks
            else _beside(Path(truth), ('panomasksRGB',))
        )
        chooser = _chooser(video_id or found, source.name)
        annotated, _ = read_panoptic_json(str(truth), folders, chooser)
    return _panoptic_review(source, frames, annotated, max_frames)


def _find_json(path: Path) -> Path:
    """Find the JSON file of results."""
    if not path.is_dir():
        return path
    files = sorted(path.glob('*.json'))
    for name in ('results.json', 'pred.json', 'masks.json', TABLE):
        if path / name in files:
            return path / name
    if len(files) != 1 or files[0].name in _NOT_RESULTS:
        found = ', '.join(file.name for file in files) or 'none'
        raise InputError(
            f'{path} has no results.json or pred.json (JSON files in it: '
            f'{found}). {_NO_RESULTS}'
        )
    return files[0]


def _beside(path: Path, names: Sequence[str]) -> list[Path]:
    return [path.parent / name for name in names]


def _chooser(wanted: str | None, source_name: str) -> Choose:
    """Make the function that chooses a video by its id or name."""

    def choose(names: dict[str, str], file: str) -> str:
        if wanted is not None:
            if wanted in names:
                return wanted
        elif len(names) == 1:
            return next(iter(names))
        wish = source_name if wanted is None else wanted
        fitting = [key for key, name in names.items() if name == wish]
        if len(fitting) == 1:
            return fitting[0]
        listed = ', '.join(list(names)[:10])
        more = ', ...' if len(names) > 10 else ''
        raise InputError(
            f'{file} has {len(names)} video(s), and none is clearly {wish!r}: '
            f'choose one by --video-id. The ids are {listed}{more}.'
        )

    return choose


def _instance_review(
    source: FrameSource,
    content: list,
    path: Path,
    truth: str | os.PathLike | None,
    choose: Choose,
    max_frames: int | None,
) -> Review:
    """Make the review of instances."""
    size = source.size
    if truth is None:
        tracks = read_submission(content, str(path), size, choose, {})
        _cut(source, tracks, max_frames)
        return Review(source, tracks, max_frames=max_frames)
    annotated, order, found, classes = read_annotations(
        str(truth), size, choose
    )
    # The results of the demo have a single video, of another id.
    chooser = _chooser(found, source.name)

    def choose_same(names: dict[str, str], file: str) -> str:
        return next(iter(names)) if len(names) == 1 else chooser(names, file)

    tracks = read_submission(content, str(path), size, choose_same, classes)
    for track in (*tracks, *annotated):
        if len(track.masks) != len(order):
            raise InputError(
                f'{path}: track {track.number} has {len(track.masks)} frames, '
                f'but the video in {truth} has {len(order)}.'
            )
        track.masks = [track.masks[i] for i in order]
        track.scores = track.scores and [track.scores[i] for i in order]
    _cut(source, [*tracks, *annotated], max_frames)
    return Review(source, tracks, annotated, max_frames=max_frames)


def _panoptic_review(
    source: FrameSource,
    frames: dict[str, PanopticFrame],
    annotated: dict[str, PanopticFrame] | None,
    max_frames: int | None,
) -> Review:
    """Make the review of panoptic segments."""
    names = list(frames)
    names = [names[i] for i in restore_order(names)][:max_frames]
    sides: list[list[PanopticFrame | None]] = [[frames[x] for x in names]]
    if annotated is not None:
        sides.append([annotated.get(name) for name in names])
        if not any(sides[1]):
            raise InputError(
                'No frame of the results is annotated: the first is named '
                f'{names[0]}, the first of the truth {next(iter(annotated))}.'
            )
    tracks = [read_segment_tracks(side, source.size) for side in sides]
    numbers = range(source.num_frames or 0)
    position = {source.frame_name(i): i for i in numbers}
    indices = [position[name] for name in names if name in position]
    known = len(indices) == len(names) and indices == sorted(indices)
    _check_length(source, len(names))
    truth = tracks[1] if len(tracks) > 1 else None
    known_indices = indices if known else None
    return Review(source, tracks[0], truth, known_indices, max_frames)


def _cut(
    source: FrameSource, tracks: Sequence[Track], max_frames: int | None
) -> None:
    """Keep the first frames of tracks, after a check of their number."""
    for track in tracks:
        _check_length(source, len(track.masks))
        track.masks = track.masks[:max_frames]
        track.scores = track.scores[:max_frames]


def _check_length(source: FrameSource, length: int) -> None:
    """Check that a video has as many frames as its results."""
    if source.num_frames is not None and length > source.num_frames:
        raise InputError(
            f'The results have {length} frames, but the video {source.name} '
            f'has {source.num_frames}: they do not belong together.'
        )
