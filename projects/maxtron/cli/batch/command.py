# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Command line of ``maxtron batch``, its progress and its summary."""

import argparse
import hashlib
import json
import os
import os.path as osp
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

import torch
from filelock import FileLock, Timeout
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ...apis import find_model
from ...engine import chosen_options
from ...errors import InputError
from ...utils import writing
from ...version import __version__
from ...weights import resolve
from ..model_options import MODEL_HELP, add_model_arguments, model_options
from ..predict import add_drawing_arguments
from .inputs import Video, find_videos
from .job import FILES, Job
from .pool import run_pool
from .ray_cluster import run_ray
from .records import (
    PARTS,
    Record,
    file_state,
    find_changes,
    read_record,
    write_manifest,
)

_DESCRIPTION = """Track and segment many videos.

The results of each video are a folder OUT/NAME with video.mp4, results.json,
masks/ and record.json. OUT/manifest.json lists all. A run that was ended at
any point goes on where it stopped when it is started again. Results are made
again if the video, the model, its weights, an option or the version has
changed, and after a failure. The exit status is 1 if some videos failed."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the parser of the sub-command."""
    parser = subparsers.add_parser(
        'batch',
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'input',
        help='folder with videos and folders of frames, or text file with a '
        'path per line',
    )
    parser.add_argument('--model', required=True, help=MODEL_HELP)
    parser.add_argument('--out', required=True, help='folder of the results')
    parser.add_argument(
        '--save',
        nargs='+',
        choices=list(FILES),
        default=list(FILES),
        help='results to write (default: all): a drawn video, the masks as '
        'JSON, and the masks as PNG; json of a panoptic model requires masks',
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        '--workers',
        type=_number,
        help='processes, each with a model of its own; 0: none besides this '
        'one (default: one for each GPU, or for every four cores)',
    )
    where.add_argument(
        '--ray',
        metavar='ADDRESS',
        help='work on this Ray cluster ("auto": the one that this machine '
        'belongs to), whose nodes share the files',
    )
    add_drawing_arguments(parser)
    add_model_arguments(parser)


def _number(text: str) -> int:
    """Parse a number of processes."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError('must be 0 or more')
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Run the batch and print its summary.

    Args:
        args (Namespace): Parsed arguments.

    Returns:
        int: 1 if videos failed or are missing, else 0.

    Raises:
        InputError: If the input, the model or an option cannot be used.
        WriteError: If the results cannot be written.
    """
    videos = find_videos(args.input, args.out)
    job = make_job(args)
    start = time.perf_counter()
    with _locked(job.out):
        todo = choose_videos(job, videos)
        counts = Counter(already=len(videos) - len(todo))
        records = (
            run_ray(job, todo, args.ray)
            if args.ray
            else run_pool(job, todo, _num_workers(args))
        )
        try:
            with closing(records), _Progress(videos, counts) as progress:
                for record in records:
                    progress.show(record)
        except KeyboardInterrupt:
            print('Interrupted. The same command goes on from here.')
        finally:
            shutil.rmtree(osp.join(job.out, PARTS), ignore_errors=True)
            write_manifest(job.out, videos, job.settings)
    seconds = time.perf_counter() - start
    missing = len(videos) - sum(
        counts[key] for key in ('already', 'done', 'failed')
    )
    print(
        f'{len(videos)} videos: {counts["done"]} done, {counts["already"]} '
        f'already there, {counts["failed"]} failed, {missing} missing; '
        f'{counts["frames"]} frames in {seconds:.1f} s '
        f'({counts["frames"] / seconds:.2f} frames/s)'
    )
    print(f'Wrote {osp.join(job.out, "manifest.json")}')
    return int(counts['failed'] + missing > 0)


def make_job(args: argparse.Namespace) -> Job:
    """Read the command line into the work on each video.

    Args:
        args (Namespace): Parsed arguments.

    Returns:
        Job: The work.

    Raises:
        InputError: If the model cannot be used.
    """
    model = model_options(args)
    for name in ('checkpoint', 'onnx'):
        if model[name] and osp.exists(model[name]):
            model[name] = osp.abspath(model[name])
    if osp.exists(model['model']):
        model['model'] = osp.abspath(model['model'])
    config, checkpoint = find_model(
        args.model, model['checkpoint'], args.cfg_options
    )
    text = json.dumps(config.to_dict(), sort_keys=True, default=str)
    weights = None
    if checkpoint is not None:
        path, entry = resolve(checkpoint)
        weights = file_state(str(path))
        if entry is not None:  # The same weights on each machine.
            weights = dict(name=entry.name, bytes=weights['bytes'])
    settings = dict(
        version=__version__,
        config=hashlib.sha256(text.encode()).hexdigest()[:16],
        checkpoint=weights,
        onnx=model['onnx'] and file_state(model['onnx']),
        mode=args.mode,
        segment_decision=args.segment_decision,
        save=sorted(args.save),
        score_thr=args.score_thr,
        fps=args.fps,
        max_frames=args.max_frames,
        **chosen_options(args),
    )
    return Job(
        osp.abspath(args.out),
        model,
        args.save,
        args.score_thr,
        args.fps,
        args.max_frames,
        settings,
    )


def choose_videos(job: Job, videos: list[Video]) -> list[Video]:
    """Choose the videos without valid results, and print why.

    Args:
        job (Job): The batch.
        videos (list[Video]): All videos.

    Returns:
        list[Video]: The videos to work on.
    """
    todo, reasons = [], Counter()
    for video in videos:
        record = read_record(job.out, video)
        changes = (
            list(find_changes(record, video, job.settings)) if record else []
        )
        if record is None or changes:
            todo.append(video)
        reasons.update(changes)
    if reasons:
        text = ', '.join(f'{key} ({n})' for key, n in sorted(reasons.items()))
        print(f'Results are made again because of: {text}')
    return todo


def _num_workers(args: argparse.Namespace) -> int:
    """Return the number of processes on this machine."""
    if args.workers is not None:
        return args.workers
    return torch.cuda.device_count() or max(1, (os.cpu_count() or 1) // 4)


@contextmanager
def _locked(out: str) -> Iterator[None]:
    """Make the folder of the results and keep other batches out of it."""
    with writing(out, any_file=True):
        os.makedirs(out, exist_ok=True)
        lock = FileLock(osp.join(out, '.lock'), timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise InputError(
                f'Another "maxtron batch" writes to {out}: wait for its end, '
                'or give another folder.'
            ) from error
    try:
        # What a killed run left.
        shutil.rmtree(osp.join(out, PARTS), ignore_errors=True)
        yield
    finally:
        lock.release()


class _Progress:
    """Progress bar of the videos, with a line for each finished one."""

    def __init__(self, videos: list[Video], counts: Counter) -> None:
        self.counts = counts
        self._bar = Progress(
            TextColumn('videos'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._task = self._bar.add_task(
            '', total=len(videos), completed=counts['already']
        )

    def __enter__(self) -> '_Progress':
        self._bar.start()
        return self

    def __exit__(self, *exc) -> None:
        self._bar.stop()

    def show(self, record: Record) -> None:
        """Count a finished video and print a line about it."""
        self.counts['done' if record.error is None else 'failed'] += 1
        self.counts['frames'] += record.frames
        text = (
            f'{record.video}: {record.frames} frames, {record.tracks}'
            if record.error is None
            else f'{record.video}: failed: {record.error}'
        )
        for line in (text, *(f'  note: {note}' for note in record.notes)):
            self._bar.console.print(
                line, markup=False, highlight=False, soft_wrap=True
            )
        self._bar.advance(self._task)
