# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Measure memory and time of one step of end-to-end training on long videos.

    python tools/benchmarks/benchmark_video_training.py [CONFIG]
        [--clips K ...] [--truncate K] [--canvas H W] [--batch-size N]
        [--json FILE]

The model trains in two passes: it keeps only the queries and pixel embeddings
of a clip, and computes the clip again for its gradients. The tool compares
this with plain autograd, which keeps all clips. Each measurement runs in a new
process on random frames, with the gradients allocated before.

The table has the memory that a step adds to that of model, gradients and
input, the seconds, the CPU seconds of all threads (more reliable if other
processes run), and the ratios of the two ways. The config must be panoptic.
"""

import argparse
import time
from functools import partial
from pathlib import Path

from projects.maxtron.engine import load_config
from projects.maxtron.engine.cli import positive_int, report_errors
from projects.maxtron.errors import InputError
from projects.maxtron.models.tracker_training import segment_clip
from projects.maxtron.testing import make_batch

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope

from tools.benchmarks.cli import make_parser, write_json
from tools.benchmarks.measuring import in_new_process, peak_memory

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / 'configs/_base_/models/maxtron-e2e_video-kmax_tiny.py')
WAYS = ('two passes', 'plain autograd')


def read_config(args: argparse.Namespace) -> Config:
    """Read the config and apply the arguments.

    Args:
        args (Namespace): The arguments.

    Returns:
        Config: The config.

    Raises:
        InputError: If the config is not panoptic or does not train end to end.
    """
    cfg = load_config(args.config)
    if 'input_size' not in cfg.model.data_preprocessor:
        raise InputError(
            f'{args.config} is not panoptic: its '
            'data_preprocessor has no input_size.'
        )
    if cfg.model.head.get('tracker') is None or cfg.model.get(
        'freeze_segmenter', True
    ):
        raise InputError(
            f'{args.config} does not train end to end: take a '
            'maxtron-e2e_* config.'
        )
    cfg.model.head.tracker.truncate = args.truncate
    if args.canvas is not None:
        cfg.model.data_preprocessor.input_size = tuple(args.canvas)
    cfg.model.backbone.init_cfg = None  # Download nothing.
    return cfg


def measure(args: argparse.Namespace, num_clips: int, way: str) -> dict:
    """Run one step.

    Args:
        args (Namespace): The arguments.
        num_clips (int): Clips of a video.
        way (str): One of ``WAYS``.

    Returns:
        dict: ``added_mib``, ``seconds``, ``cpu_seconds`` and the ``loss``.
    """
    torch.set_num_threads(args.threads)
    MMLogger.get_instance('benchmark', log_level='WARNING')
    init_default_scope('mmdet')
    torch.manual_seed(0)
    cfg = read_config(args)
    model = revert_sync_batchnorm(MODELS.build(cfg.model))
    model.init_weights()
    model.to(args.device).train()
    if way == 'plain autograd':
        model._train_clip = partial(
            segment_clip, model.extract_feat, model.head
        )
    args.frames = num_clips * model.head.clip_len
    batch = model.data_preprocessor(make_batch(cfg, args), training=True)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter).zero_()
    result = {}

    def step() -> None:
        torch.manual_seed(1)
        loss, _ = model.parse_losses(model(**batch, mode='loss'))
        loss.backward()
        result['loss'] = loss.item()

    start = time.perf_counter(), time.process_time()
    result['added_mib'] = peak_memory(step, args.device.startswith('cuda'))
    result['seconds'] = time.perf_counter() - start[0]
    result['cpu_seconds'] = time.process_time() - start[1]
    return dict(clips=num_clips, way=way, **result)


def report(rows: list[dict]) -> str:
    """Format the table.

    Args:
        rows (list[dict]): Results of :func:`measure`, two per number of clips.

    Returns:
        str: Lines of the table.
    """
    lines = [
        '| Clips | Way | Added MiB | Seconds | CPU s | Loss |',
        '| --: | :-- | --: | --: | --: | --: |',
    ]
    for row in rows:
        lines.append(
            f'| {row["clips"]} | {row["way"]} | {row["added_mib"]:.0f} | '
            f'{row["seconds"]:.1f} | {row["cpu_seconds"]:.1f} | '
            f'{row["loss"]:.5f} |'
        )
    lines.append('')
    for ours, plain in zip(rows[::2], rows[1::2]):
        lines.append(
            f'{ours["clips"]} clips: plain autograd takes '
            f'{plain["added_mib"] / ours["added_mib"]:.1f} times the memory, '
            'two passes take '
            f'{ours["cpu_seconds"] / plain["cpu_seconds"]:.2f} times the CPU '
            'seconds.'
        )
    first, last = rows[0], rows[-2]
    lines.append(
        f'Two passes: {last["clips"]} clips take '
        f'{last["added_mib"] / first["added_mib"]:.2f} times the '
        f'memory of {first["clips"]}.'
    )
    return '\n'.join(lines)


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__, threads=1)
    parser.add_argument('config', nargs='?', default=CONFIG)
    parser.add_argument(
        '--clips',
        type=positive_int,
        nargs='+',
        default=[2, 6, 12],
        help='clips per video',
    )
    parser.add_argument(
        '--truncate',
        type=positive_int,
        help='clips between which gradients are cut: '
        'model.head.tracker.truncate (default: no cut)',
    )
    parser.add_argument(
        '--canvas',
        type=int,
        nargs=2,
        metavar=('H', 'W'),
        help='size of the frames (default: as in the config)',
    )
    parser.add_argument(
        '--batch-size', type=int, default=1, help='number of videos'
    )
    parser.add_argument(
        '--segments', type=int, default=15, help='tubes per video'
    )
    return parser.parse_args(args)


@report_errors()
def main(args: list[str] | None = None) -> None:
    """Run and print all measurements."""
    args = parse_args(args)
    size = read_config(args).model.data_preprocessor.input_size
    rows = [
        in_new_process(measure, args, num_clips, way, device=args.device)
        for num_clips in args.clips
        for way in WAYS
    ]
    print(
        f'{args.config}: {args.batch_size} video(s) of {size[0]}x{size[1]}, '
        f'{args.device}, {args.threads} CPU thread(s), '
        f'gradients cut every {args.truncate or "-"} clip(s)'
    )
    print(report(rows))
    write_json(args, rows=rows)


if __name__ == '__main__':
    main()
