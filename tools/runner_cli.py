# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Arguments, config and runner of train.py and test.py."""

import argparse
import os
from pathlib import Path

from projects.maxtron import engine
from projects.maxtron.allocator import keep_freed_memory
from projects.maxtron.engine import cli, prepare_cpu_launch

from mmdet.registry import RUNNERS
from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config
from mmengine.evaluator import DumpResults
from mmengine.runner import Runner


def make_parser(description: str) -> argparse.ArgumentParser:
    """Make a parser with the arguments of both tools."""
    parser = cli.make_parser(description)
    parser.add_argument(
        '--work-dir',
        help='folder for logs and checkpoints; default: work_dir of the '
        'config, else ./work_dirs/CONFIG_NAME',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='launcher of a distributed run',
    )
    # torch.distributed.launch passes it in either form.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    return parser


def read_config(
    parser: argparse.ArgumentParser, args: argparse.Namespace
) -> Config:
    """Load the config and apply the shared arguments.

    A wrong argument ends the program with the usage and one line.

    Args:
        parser (ArgumentParser): Parser of the tool, for its error message.
        args (Namespace): Parsed arguments.

    Returns:
        Config: The config, with ``launcher`` and ``work_dir`` set.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    setup_cache_size_limit_of_dynamo()
    cfg = cli.read_config(parser, args)
    cfg.launcher = args.launcher
    try:
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


def check_sections(cfg: Config, split: str) -> None:
    """Check that the config has the sections for a run on a split.

    Args:
        cfg (Config): The config.
        split (str): 'train' or 'test'.

    Raises:
        ConfigKeyError: If a section is missing or incomplete.
    """
    sections = {
        'model': 'type',
        f'{split}_dataloader': 'dataset',
        f'{split}_cfg': None,
    }
    if split == 'train':
        sections['optim_wrapper'] = 'optimizer'
    else:
        sections['test_evaluator'] = None
    engine.check_sections(
        cfg, sections, 'give a whole config, with model, dataset and schedule.'
    )


def run_test(
    cfg: Config, checkpoint: str, out: str | None = None, **options: bool
) -> dict[str, float]:
    """Test a checkpoint on the test split of a config.

    Args:
        cfg (Config): The config of :func:`read_config`, changed in place.
        checkpoint (str): File, URL or name of the weights.
        out (str, optional): File for the predictions (.pkl).
        **options (bool): See :func:`optimize_inference`.

    Returns:
        dict[str, float]: Results of all metrics.
    """
    cfg.load_from, cfg.resume = None, False  # loaded and checked below
    with engine.explain_unknown_arguments(cfg):
        runner = build_runner(cfg)
        engine.load_checkpoint_checked(
            runner.model, checkpoint, config=cfg.filename
        )
        runner.logger.info(f'Testing {checkpoint}')
        model = getattr(runner.model, 'module', runner.model)
        engine.optimize_inference(model, **options)
        if out:
            runner.test_evaluator.metrics.append(DumpResults(out))
        return runner.test()


def build_runner(cfg: Config) -> Runner:
    """Build the runner of the config."""
    keep_freed_memory()
    if 'runner_type' in cfg:
        return RUNNERS.build(cfg)
    return Runner.from_cfg(cfg)
