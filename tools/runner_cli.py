# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""What train.py and test.py share: arguments, config and runner."""

import argparse
import os
import sys
from pathlib import Path

# Before any other folder: the checkout that this script is in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import projects.maxtron  # noqa: E402, F401, I001  before MMDetection
from mmdet.registry import RUNNERS  # noqa: E402
from mmdet.utils import setup_cache_size_limit_of_dynamo  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from projects.maxtron.engine import (  # noqa: E402
    OptionAction,
    load_config,
    prepare_cpu_launch,
)


def make_parser(description: str) -> argparse.ArgumentParser:
    """Make a parser with the arguments that both tools have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir',
        help='folder for logs and checkpoints; default: work_dir of the '
        'config, else ./work_dirs/CONFIG_NAME',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionAction,
        metavar='KEY=VALUE',
        help='override settings of the config, as in '
        'train_dataloader.batch_size=2. Lists: key="[a, b]" or key=a,b. '
        'Paths are kept as they are, with spaces and commas: '
        'key="/my data/a,b". A key that nothing reads is an error; '
        '+key=value adds it all the same',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes of a distributed run',
    )
    # torch.distributed.launch passes it in either form.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    return parser


def read_config(
    parser: argparse.ArgumentParser, args: argparse.Namespace
) -> Config:
    """Load the config and apply the shared arguments.

    Ends the program with a sentence, not a traceback, where an argument is
    wrong.

    Args:
        parser (ArgumentParser): Parser of the tool, for its error message.
        args (Namespace): What it parsed.

    Returns:
        Config: The config, with ``launcher`` and ``work_dir`` set.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    setup_cache_size_limit_of_dynamo()
    try:
        cfg = load_config(args.config, args.cfg_options)
        cfg.launcher = args.launcher
        prepare_cpu_launch(cfg)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', Path(args.config).stem)
    for name in ('val_evaluator', 'test_evaluator'):
        evaluators = cfg.get(name) or []
        if not isinstance(evaluators, list):
            evaluators = [evaluators]
        for evaluator in evaluators:
            if evaluator.get('type') == 'ClipYouTubeVISMetric':
                evaluator.setdefault(
                    'outfile_prefix', os.path.join(cfg.work_dir, 'results')
                )
    return cfg


def build_runner(cfg: Config) -> Runner:
    """Build the runner that the config asks for."""
    if 'runner_type' in cfg:
        return RUNNERS.build(cfg)
    return Runner.from_cfg(cfg)
