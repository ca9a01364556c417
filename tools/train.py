# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Train a model."""

from argparse import ArgumentParser, Namespace

from projects.maxtron.engine import (
    amp_options,
    check_start_checkpoints,
    explain_other_optimizer,
    explain_unknown_arguments,
    report_frozen_parameters,
    set_training_options,
)
from projects.maxtron.engine.cli import report_errors
from projects.maxtron.errors import InputError
from projects.maxtron.models.compilation import compile_parts

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.runner import Runner, find_latest_checkpoint
from runner_cli import build_runner, check_sections, make_parser, read_config


def parse_args(parser: ArgumentParser) -> Namespace:
    """Add the arguments of this tool and parse the command line."""
    parser.add_argument(
        '--amp', action='store_true', help='train with mixed precision'
    )
    parser.add_argument(
        '--amp-dtype',
        choices=['fp16', 'bf16'],
        help='type of --amp; default: fp16 on a GPU, bf16 on a CPU',
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='compile the network by torch.compile (docs/deployment.md)',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate to the real batch size',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='resume from a checkpoint; without a path, from the newest one '
        'of the work folder, or start anew if there is none',
    )
    args = parser.parse_args()
    if args.amp or args.amp_dtype:
        try:
            options = amp_options(args.amp_dtype)
        except InputError as error:
            parser.error(str(error))
        # Add it to the options, which may set more of the wrapper.
        args.cfg_options = {**options, **(args.cfg_options or {})}
    return args


def apply_args(parser: ArgumentParser, args: Namespace, cfg: Config) -> None:
    """Apply the arguments of this tool to the config."""
    wrapper = cfg.get('optim_wrapper', {}).get('type')
    if wrapper == 'AmpOptimWrapper' and get_device() == 'cpu':
        parser.error(
            f'{args.config} trains with mixed precision in fp16, which '
            'requires CUDA; add --amp to train in bf16, or --cfg-options '
            'optim_wrapper.type=OptimWrapper to train in fp32.'
        )
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            parser.error(
                f'--auto-scale-lr: {args.config} does not say which batch '
                'size its learning rate is for. Add to it: auto_scale_lr = '
                'dict(enable=False, base_batch_size=N)'
            )
        cfg.auto_scale_lr.enable = True
    if args.resume == 'auto':
        cfg.resume = find_latest_checkpoint(cfg.work_dir) is not None
        if cfg.resume:
            cfg.load_from = None  # MMEngine would resume from it instead.
    elif args.resume is not None:
        cfg.resume = True
        cfg.load_from = args.resume


def batch_facts(cfg: Config, processes: int) -> str:
    """Describe the batch size and the learning rate of a run.

    Args:
        cfg (Config): Config of the run.
        processes (int): Number of processes, one per GPU.

    Returns:
        str: One or two sentences.
    """
    per_process = cfg.train_dataloader.get('batch_size', 1)
    steps = cfg.optim_wrapper.get('accumulative_counts', 1)
    real = processes * per_process * steps
    text = (
        f'Batch size {real}: {processes} process(es) x {per_process} '
        f'sample(s) x {steps} accumulated step(s).'
    )
    rate = cfg.optim_wrapper.optimizer.get('lr')
    if rate is None:
        return f"{text} Learning rate: the optimizer's default."
    text += f' Learning rate {rate:g}'
    scaling = cfg.get('auto_scale_lr', {})
    base = scaling.get('base_batch_size')
    if base is None:
        return f'{text}.'
    text += f', meant for a batch size of {base}.'
    if scaling.get('enable', False):
        # MMEngine ignores accumulated steps in the ratio.
        factor = processes * per_process / base
        return f'{text} Scaled by {factor:g} to {rate * factor:g}.'
    if base == real:
        return text
    return (
        f'{text} They differ: pass --auto-scale-lr to scale it, or set '
        'optim_wrapper.accumulative_counts to keep the batch size.'
    )


@report_errors()
def main() -> None:
    """Run the tool."""
    parser = make_parser(__doc__)
    args = parse_args(parser)
    cfg = read_config(parser, args)
    check_sections(cfg, 'train')
    apply_args(parser, args, cfg)
    check_start_checkpoints(cfg)
    set_training_options(cfg)
    train(cfg, args.resume == 'auto', args.compile)


def train(cfg: Config, auto_resume: bool, compile: bool = False) -> None:
    """Build the runner and train.

    Args:
        cfg (Config): Config of the run.
        auto_resume (bool): Whether to resume if there is a checkpoint.
        compile (bool): Whether to compile the network. Defaults to False.
    """
    with explain_unknown_arguments(cfg), explain_other_optimizer(cfg):
        runner: Runner = build_runner(cfg)
        runner.logger.info(batch_facts(cfg, runner.world_size))
        report_frozen_parameters(runner.model, runner.logger)
        if auto_resume and not cfg.resume:
            runner.logger.info(
                f'Nothing to resume in {cfg.work_dir}: the run starts anew, '
                f'from {cfg.get("load_from") or "random weights"}.'
            )
        if compile:
            model = getattr(runner.model, 'module', runner.model)
            runner.logger.info(
                f'{", ".join(compile_parts(model))}: compiled when they '
                'first see a size of frames, which takes minutes.'
            )
        runner.train()


if __name__ == '__main__':
    main()
