# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""``maxtron serve``: a web page that segments uploaded videos."""

import argparse
import signal
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event

from ..engine.cli import positive_int
from ..errors import InputError
from ..web import Limits, Models, run_server
from ..weights import list_weights

DESCRIPTION = 'Open a web page that runs models on uploaded videos.'
_SUFFIXES = ('.mp4', '.mov', '.m4v', '.mkv', '.webm', '.avi')
_SHIPPED = 'tiny'  # their weights are in the checkout, so they come first


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the parser of the sub-command."""
    parser = subparsers.add_parser('serve', description=DESCRIPTION)
    add_arguments(parser)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    limits = Limits()
    parser.add_argument(
        '--model',
        nargs='+',
        metavar='MODEL',
        help='released models to offer, or one config file (default: all '
        'released models)',
    )
    parser.add_argument(
        '--checkpoint', help='file, URL or name of the weights of one --model'
    )
    parser.add_argument(
        '--device',
        help='such as cuda:0 or cpu (default: the first GPU, if any)',
    )
    parser.add_argument(
        '--videos', metavar='DIR', help='folder of videos to offer'
    )
    add_address(parser)
    group = parser.add_argument_group('limits')
    for option, value, text in (
        ('--max-megabytes', limits.megabytes, 'largest upload'),
        ('--max-frames', limits.frames, 'frames of a video that are used'),
        ('--max-waiting', limits.waiting, 'requests that may wait'),
        ('--max-storage', limits.storage, 'megabytes of all files together'),
        ('--keep-minutes', limits.minutes, 'time for which files are kept'),
    ):
        group.add_argument(
            option,
            type=positive_int,
            default=value,
            help=f'{text} (default: %(default)s)',
        )
    group.add_argument(
        '--max-megapixels',
        type=float,
        default=limits.megapixels,
        help='largest frame (default: %(default)s)',
    )


def add_address(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the server."""
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        help='address to listen at; 0.0.0.0 for all machines of the network '
        '(default: %(default)s, only this machine)',
    )
    parser.add_argument(
        '--port',
        type=positive_int,
        help='port to listen at (default: the first free one from 7860 on)',
    )


def open_server(args: argparse.Namespace) -> AbstractContextManager[str]:
    """Make the server of the page.

    Args:
        args (Namespace): See :func:`add_arguments`.

    Returns:
        AbstractContextManager[str]: Runs the server; gives its address.

    Raises:
        InputError: If the arguments do not fit together, or Gradio is not
            installed.
    """
    limits = Limits(
        args.max_megabytes,
        args.max_frames,
        args.max_megapixels,
        args.max_waiting,
        args.max_storage,
        args.keep_minutes,
    )
    models = Models(find_models(args.model, args.checkpoint), args.device)
    videos = find_videos(args.videos)

    def make_page(root: Path):
        from ..web.pages import make_serve_page

        return make_serve_page(models, videos, limits, root)

    return run_server(make_page, limits, args.host, args.port)


def find_models(
    names: list[str] | None, checkpoint: str | None
) -> dict[str, tuple[str, str | None]]:
    """List the models to offer, the shipped ones first.

    Args:
        names (list[str], optional): Released names, or one config file.
        checkpoint (str, optional): Weights of one model.

    Returns:
        dict[str, tuple[str, str | None]]: Config or released name, and
        checkpoint, by the name to show.

    Raises:
        InputError: If there is a checkpoint without exactly one model, or no
            model.
    """
    if checkpoint is not None:
        if not names or len(names) != 1:
            raise InputError(
                '--checkpoint has the weights of one model: give one --model.'
            )
        return {Path(names[0]).stem: (names[0], checkpoint)}
    chosen = names or [*list_weights('VIS'), *list_weights('VPS')]
    if not names:
        chosen.sort(key=lambda name: _SHIPPED not in name)
    if not chosen:
        raise InputError(
            'This installation has no released models: give --model CONFIG '
            '--checkpoint FILE.'
        )
    return {name: (name, None) for name in chosen}


def find_videos(folder: str | None) -> dict[str, Path]:
    """List the videos of a folder by their names.

    Raises:
        InputError: If the folder does not exist or has none.
    """
    if folder is None:
        return {}
    path = Path(folder)
    files = sorted(path.iterdir()) if path.is_dir() else []
    videos = {x.name: x for x in files if x.suffix.lower() in _SUFFIXES}
    if not videos:
        raise InputError(
            f'--videos {folder} is no folder with a video '
            f'({", ".join(_SUFFIXES)}).'
        )
    return videos


def run(args: argparse.Namespace) -> None:
    """Run the server until Ctrl-C."""
    wait(open_server(args))


def wait(server: AbstractContextManager[str]) -> None:
    """Run a server until Ctrl-C or the end of the service (SIGTERM)."""
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        with server as url:
            print(f'{url} is open; Ctrl-C closes it.', flush=True)
            Event().wait()
    except KeyboardInterrupt:
        pass
