# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The work on one video of a batch, in any process on any machine."""

import os
import os.path as osp
import shutil
import traceback
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...apis import (
    MaXTronInferencer,
    OutputOptions,
    VideoOutputs,
    open_frame_source,
    process_video,
)
from ...errors import InputError
from ...utils import WriteError, writing
from ..model_options import build_inferencer
from .inputs import Video
from .records import PARTS, Record, file_state, list_files, publish

FILES = dict(video='video.mp4', json='results.json', masks='masks')
_PACKAGE = str(Path(__file__).parents[2])
_models: dict[str, MaXTronInferencer] = {}


@dataclass
class Job:
    """What is done with each video of a batch.

    Attributes:
        out (str): Absolute path of the folder of the results.
        model (dict): Arguments of :func:`build_inferencer`.
        save (list[str]): Results to write, keys of :data:`FILES`.
        score_thr (float, optional): See :class:`OutputOptions`.
        fps (float, optional): See :class:`OutputOptions`.
        max_frames (int, optional): Stop after this number of frames.
        settings (dict): All that the results depend on, for the records.
    """

    out: str
    model: dict[str, Any]
    save: list[str]
    score_thr: float | None
    fps: float | None
    max_frames: int | None
    settings: dict[str, Any]

    def outputs(self, folder: str) -> OutputOptions:
        """Return the outputs of a video in a folder."""
        video, json, masks = (
            osp.join(folder, FILES[kind]) if kind in self.save else None
            for kind in ('video', 'json', 'masks')
        )
        return OutputOptions(video, json, masks, self.score_thr, self.fps)


def load_model(job: Job) -> MaXTronInferencer:
    """Build the model of a batch once in each process.

    Raises:
        InputError: If the model has a fault, which ends the batch.
    """
    key = repr(job.model)
    if key not in _models:
        _models.clear()
        _models[key] = build_inferencer(**job.model, outputs=job.outputs(''))
    return _models[key]


def run_video(job: Job, video: Video) -> Record:
    """Process a video and publish its results or the reason of its failure.

    Args:
        job (Job): The batch.
        video (Video): The video.

    Returns:
        Record: The record, with ``error`` if the video cannot be processed.

    Raises:
        InputError: If the model cannot be built.
        WriteError: If the results cannot be written.
    """
    inferencer = load_model(job)
    record = Record(video.name, file_state(video.path), job.settings)
    with _part_folder(job.out) as part:
        try:
            _process(job, video, inferencer, part, record)
        except WriteError:
            raise
        except Exception as error:
            record.error = str(error)
            if not isinstance(error, (InputError, OSError)):
                text = str(error).strip().split('\n')[0]
                record.error = f'{type(error).__name__}: {text}'
                record.traceback = traceback.format_exc()
            shutil.rmtree(part)
            os.makedirs(part)
        publish(record, part, job.out)
    return record


def record_failure(job: Job, video: Video, error: str) -> Record:
    """Publish the failure of a video whose process died.

    Args:
        job (Job): The batch.
        video (Video): The video.
        error (str): The reason.

    Returns:
        Record: The record.
    """
    state = file_state(video.path)
    record = Record(video.name, state, job.settings, error)
    with _part_folder(job.out) as part:
        publish(record, part, job.out)
    return record


@contextmanager
def _part_folder(out: str) -> Iterator[str]:
    """Make a folder for results that are not complete."""
    part = osp.join(out, PARTS, uuid.uuid4().hex)
    try:
        with writing(part, any_file=True):
            os.makedirs(part)
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _process(
    job: Job,
    video: Video,
    inferencer: MaXTronInferencer,
    folder: str,
    record: Record,
) -> None:
    """Write the results into a folder, and their number into the record."""
    if not osp.exists(video.path):  # A number would be a camera.
        raise InputError(f'There is no file or folder {video.path}.')
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        source = open_frame_source(video.path)
        inferencer.check_source(source, job.max_frames)
        outputs = VideoOutputs(job.outputs(folder), source, inferencer)
        process_video(outputs, job.max_frames)
    record.notes = [
        str(note.message)
        for note in caught
        if note.filename.startswith(_PACKAGE)
    ]
    record.frames = outputs.num_frames
    record.tracks = outputs.results.tracks
    record.files = list_files(folder)
