# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Records of the results of a batch, and when they are valid."""

import json
import os
import os.path as osp
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...utils import dump_json, make_parent
from .inputs import Video

RECORD = 'record.json'
PARTS = '.parts'


@dataclass
class Record:
    """Result of one video, the content of its ``record.json``.

    Attributes:
        video (str): Name of the video.
        input (dict): State of the input, see :func:`file_state`.
        settings (dict): Everything else that the results depend on.
        error (str, optional): Reason of a failure; None: the results are
            complete.
        traceback (str, optional): Traceback, if the reason is not the input.
        notes (list[str]): Warnings about the input.
        frames (int): Number of frames.
        tracks (str): Number of tracks, in words.
        files (dict[str, int]): Size in bytes of each file, number of files of
            each folder.
    """

    video: str
    input: dict[str, Any]
    settings: dict[str, Any]
    error: str | None = None
    traceback: str | None = None
    notes: list[str] = field(default_factory=list)
    frames: int = 0
    tracks: str = ''
    files: dict[str, int] = field(default_factory=dict)


def file_state(path: str) -> dict[str, Any]:
    """Describe a file or a folder, so that a change is noticed.

    Args:
        path (str): The file or folder.

    Returns:
        dict: ``path``, number of ``files``, their ``bytes`` and the latest
        time of modification in ns; ``files`` is 0 if there is none.
    """
    paths = [path]
    if osp.isdir(path):
        walk = os.walk(path)
        paths = [
            osp.join(root, name) for root, _, names in walk for name in names
        ]
    stats = [os.stat(name) for name in paths if osp.exists(name)]
    return dict(
        path=path,
        files=len(stats),
        bytes=sum(stat.st_size for stat in stats),
        modified=max((stat.st_mtime_ns for stat in stats), default=0),
    )


def read_record(out: str, video: Video) -> Record | None:
    """Read the record of a video, None if it has no whole results."""
    folder = osp.join(out, video.name)
    try:
        content = Path(folder, RECORD).read_text('utf-8')
        record = Record(**json.loads(content))
    except (OSError, ValueError, TypeError):
        return None
    return record if record.files == list_files(folder) else None


def list_files(folder: str) -> dict[str, int]:
    """List the results in a folder, see :attr:`Record.files`."""
    return {
        entry.name: len(os.listdir(entry.path))
        if entry.is_dir()
        else entry.stat().st_size
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name)
        if entry.name != RECORD
    }


def find_changes(
    record: Record, video: Video, settings: dict[str, Any]
) -> Iterator[str]:
    """Find the reasons for which the results of a video are not valid.

    Args:
        record (Record): Its record.
        video (Video): The video.
        settings (dict): Settings of this run.

    Yields:
        str: A reason, such as ``'score_thr'``.
    """
    if record.error is not None:
        yield 'earlier failure'
    if record.input != file_state(video.path):
        yield 'input file'
    for key in sorted({*settings, *record.settings}):
        if record.settings.get(key) != settings.get(key):
            yield key


def publish(record: Record, part: str, out: str) -> None:
    """Give a folder of results its final name.

    Args:
        record (Record): Its record.
        part (str): The folder, in ``OUT/.parts``.
        out (str): Folder of the batch.
    """
    dump_json(asdict(record), osp.join(part, RECORD), indent=1)
    final = osp.join(out, record.video)
    make_parent(final)
    old = f'{part}.old'
    if osp.isdir(final):
        os.rename(final, old)
    os.rename(part, final)
    shutil.rmtree(old, ignore_errors=True)


def write_manifest(out: str, videos: list[Video], settings: dict) -> None:
    """Write ``OUT/manifest.json``: the records of all videos of a batch.

    Args:
        out (str): Folder of the batch.
        videos (list[Video]): Its videos.
        settings (dict): Settings of this run.
    """
    records = [read_record(out, video) for video in videos]
    entries = [asdict(record) for record in records if record is not None]
    for entry in entries:
        if entry['settings'] == settings:
            del entry['settings']
    missing = [v.name for v, record in zip(videos, records) if record is None]
    content = dict(settings=settings, videos=entries, missing=missing)
    dump_json(content, osp.join(out, 'manifest.json'), indent=1)
