# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Command line of the tools: one parser and one reader of configs."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmdet.registry import DATASETS
from mmengine.config import Config, ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope

from ..errors import ConfigFileError, InputError, error_message
from .config import load_config
from .option_action import OptionAction

SPLITS = ('train', 'val', 'test')
DATASET_CONFIG_HELP = 'config file; one of configs/_base_/datasets will do'


def make_parser(
    description: str | None, config_help: str = 'config file'
) -> argparse.ArgumentParser:
    """Make a parser with the arguments of every tool that reads a config.

    Args:
        description (str, optional): Description of the tool, printed with its
            line breaks.
        config_help (str): Help of the argument ``config``.

    Returns:
        ArgumentParser: Parser with ``config`` and ``--cfg-options``.
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help=config_help)
    add_cfg_options(parser)
    return parser


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add the argument ``--cfg-options`` to a parser."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionAction,
        metavar='KEY=VALUE',
        help='override settings of the config, as in '
        'train_dataloader.batch_size=2. Lists: key="[a, b]" or key=a,b. '
        'Paths may have spaces and commas: key="/my data/a,b". A key '
        'that is not read is an error; +key=value adds it without the check',
    )


def read_config(
    parser: argparse.ArgumentParser, args: argparse.Namespace
) -> Config:
    """Load the config, apply ``--cfg-options`` and set the default scope.

    A wrong argument ends the program with the usage and one line.

    Args:
        parser (ArgumentParser): Parser of :func:`make_parser`, which reports
            errors.
        args (Namespace): Parsed arguments.

    Returns:
        Config: The merged config.

    Raises:
        ConfigFileError: If the config cannot be read or run.
    """
    try:
        cfg = load_config(args.config, args.cfg_options)
    except ConfigFileError:
        raise
    except (OSError, ValueError) as error:
        parser.error(str(error))
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    return cfg


def positive_int(text: str) -> int:
    """Parse a whole number of 1 or more; a ``type`` for ``add_argument``.

    Raises:
        ArgumentTypeError: If the text is not such a number.
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f'must be 1 or more, got {text}')
    return number


def find_datasets(cfg: Config, split: str) -> Iterator[ConfigDict]:
    """Find the datasets of a split, including wrapped datasets.

    Args:
        cfg (Config): The config.
        split (str): 'train', 'val' or 'test'.

    Yields:
        ConfigDict: Config of a dataset.

    Raises:
        InputError: If the config has no such split.
    """
    loader = cfg.get(f'{split}_dataloader')
    if loader is None:
        raise InputError(
            f'{cfg.filename or "the config"} has no {split}_dataloader.'
        )
    if loader.get('dataset') is None:
        raise InputError(
            f'{cfg.filename or "the config"}: {split}_dataloader has no '
            'dataset.'
        )
    nodes = [loader['dataset']]
    while nodes:
        node = nodes.pop(0)
        inner = node.get('datasets') or node.get('dataset')
        if inner is None:
            yield node
        else:
            nodes += inner if isinstance(inner, list) else [inner]


def build_dataset(cfg: dict) -> BaseDataset:
    """Build a dataset of a config.

    Args:
        cfg (dict): Config of the dataset.

    Returns:
        BaseDataset: The dataset.

    Raises:
        InputError: If the type is missing or unknown, or an argument is
            unknown.
    """
    if 'type' not in cfg:
        raise InputError(
            f'A dataset of the config has no "type", only {", ".join(cfg)}. '
            'Add the name of its class as type=...'
        )
    try:
        return DATASETS.build(cfg)
    except (KeyError, TypeError) as error:
        raise InputError(
            f'{cfg.get("type")} cannot be built: {error.args[0]}. Correct '
            'the dataset in the config.'
        ) from error


@contextmanager
def report_errors(
    name: str = 'error', *others: type[Exception]
) -> Iterator[None]:
    """End the program with one line if the block fails on a user's input.

    All tools and the demo use this function. Errors about the input are
    :class:`~projects.maxtron.errors.InputError`, raised in this process or in
    a worker of a data loader, and :class:`OSError` with the name of a file.
    Other errors keep their traceback.

    Args:
        name (str): Beginning of the line: the name of the tool, or 'error'.
        others (type[Exception]): Errors that are about the input, too, for
            instance ``ValueError`` in a tool that only converts files.

    Raises:
        SystemExit: With the line as message, which sets the exit status 1.
    """
    kinds: tuple[type[Exception], ...] = (InputError, OSError, *others)
    try:
        yield
    except kinds as error:
        sys.exit(f'{name}: {error_message(error)}')


def peak_memory() -> str:
    """Describe the peak memory of this process and, if used, of the GPU."""
    if sys.platform == 'win32':
        return 'unknown'
    import resource  # not available on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 2**20 if sys.platform == 'darwin' else 2**10
    text = f'{peak / unit:.0f} MiB'
    if torch.cuda.is_available():
        gpu = torch.cuda.max_memory_allocated() / 2**20
        text += f', on the GPU {gpu:.0f} MiB'
    return text
