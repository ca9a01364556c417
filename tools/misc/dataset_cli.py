# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""What check_dataset.py and browse_dataset.py share: arguments and config."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

# Before any other folder: the checkout that this script is in.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.maxtron.engine import OptionAction, load_config  # noqa: E402

from mmengine.config import Config, ConfigDict  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402

SPLITS = ('train', 'val', 'test')


def make_parser(description: str) -> argparse.ArgumentParser:
    """Make a parser with the arguments that both tools have."""
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'config', help='config file; one of configs/_base_/datasets will do'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionAction,
        metavar='KEY=VALUE',
        help='override settings of the config, as in '
        'train_dataloader.dataset.data_root=data/mine/',
    )
    return parser


def read_config(
    parser: argparse.ArgumentParser, args: argparse.Namespace
) -> Config:
    """Load the config; ends the program with a sentence where it is wrong."""
    try:
        cfg = load_config(args.config, args.cfg_options)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    return cfg


def find_datasets(cfg: Config, split: str) -> Iterator[ConfigDict]:
    """Find the datasets of a split, inside of whatever wraps them.

    Args:
        cfg (Config): The config.
        split (str): 'train', 'val' or 'test'.

    Yields:
        ConfigDict: Config of a dataset.

    Raises:
        ValueError: If the config has no such split.
    """
    loader = cfg.get(f'{split}_dataloader')
    if loader is None:
        raise ValueError(f'the config has no {split}_dataloader')
    nodes = [loader['dataset']]
    while nodes:
        node = nodes.pop(0)
        inner = node.get('datasets') or node.get('dataset')
        if inner is None:
            yield node
        else:
            nodes += inner if isinstance(inner, list) else [inner]
