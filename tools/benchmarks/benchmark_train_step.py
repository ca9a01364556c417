# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Measure time and peak memory of one training step of a panoptic config.

    python tools/benchmarks/benchmark_train_step.py CONFIG [--batch-size N]
        [--frames T] [--device D] [--amp] [--compile] [--steps S]
        [--json FILE]

The clips are random, on the canvas of the config, with --segments tubes each,
so no dataset is needed. The output is a table. CPU seconds cover all threads.
They are more reliable than seconds if other processes run.
"""

import argparse
import time

from projects.maxtron.engine import amp_options, load_config
from projects.maxtron.engine.cli import report_errors
from projects.maxtron.models.compilation import compile_parts
from projects.maxtron.testing import make_batch

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import Tensor

from tools.benchmarks.cli import make_parser, write_json
from tools.benchmarks.measuring import highest_memory


class Stopwatch:
    """Stopwatch for the parts of a step, in seconds and CPU seconds."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.laps: dict[str, list[tuple[float, float]]] = {}
        self._last = (0.0, 0.0)

    def start(self) -> None:
        """Begin a step."""
        self._last = self._now()

    def lap(self, name: str) -> None:
        """End a part of the step."""
        now = self._now()
        self.laps.setdefault(name, []).append(
            (now[0] - self._last[0], now[1] - self._last[1])
        )
        self._last = now

    def best(self) -> dict[str, tuple[float, float]]:
        """dict[str, tuple[float, float]]: Minimum over all steps, by part."""
        return {
            name: tuple(map(min, zip(*laps)))
            for name, laps in self.laps.items()
        }

    def _now(self) -> tuple[float, float]:
        if self.device.startswith('cuda'):
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()


class Trainer:
    """Model and optimizer of a config, with a random batch.

    Args:
        cfg (Config): The config.
        args (Namespace): The command line.
    """

    def __init__(self, cfg: Config, args: argparse.Namespace) -> None:
        # MMEngine would print a line for each parameter of the optimizer.
        MMLogger.get_instance('benchmark', log_level='WARNING')
        init_default_scope(cfg.get('default_scope', 'mmdet'))
        torch.manual_seed(0)
        cfg.model.backbone.init_cfg = None  # Download nothing.
        self.model = MODELS.build(cfg.model)
        self.model.init_weights()
        self.model.to(args.device).train()
        options = {'optim_wrapper.type': 'OptimWrapper'}
        cfg.merge_from_dict(amp_options() if args.amp else options)
        self.optim = build_optim_wrapper(self.model, cfg.optim_wrapper)
        self.memory_of_model = highest_memory(args.device.startswith('cuda'))
        self.batch = make_batch(cfg, args)

    def step(self, watch: Stopwatch) -> dict[str, Tensor]:
        """Make a step and return its losses."""
        watch.start()
        data = self.model.data_preprocessor(dict(self.batch), training=True)
        with self.optim.optim_context(self.model):
            losses = self.model(**data, mode='loss')
            loss, values = self.model.parse_losses(losses)
        watch.lap('forward and losses')
        self.optim.backward(loss)
        watch.lap('backward')
        self.optim.step()
        self.optim.zero_grad()
        watch.lap('optimizer')
        return values


def run(trainer: Trainer, args: argparse.Namespace) -> dict:
    """Run the steps.

    Returns:
        dict: Seconds and CPU seconds of the parts (best of the steps), peak
        memory in MiB and the losses of the last step.
    """
    watch = Stopwatch(args.device)
    for _ in range(args.steps):
        values = trainer.step(watch)
    if not all(value.isfinite() for value in values.values()):
        raise RuntimeError(
            f'The step has losses that are not finite: {values}.'
        )
    best = watch.best()
    return dict(
        seconds={name: times[0] for name, times in best.items()},
        cpu_seconds={name: times[1] for name, times in best.items()},
        memory_of_model=trainer.memory_of_model,
        peak_memory=highest_memory(args.device.startswith('cuda')),
        losses={
            name: value.detach().item()
            for name, value in values.items()
            if isinstance(value, Tensor)
        },
    )


def report(result: dict, args: argparse.Namespace, kind: str = '') -> None:
    """Print the table."""
    print(
        f'{args.config}: {args.batch_size} clip(s) of {args.frames} frames, '
        f'{args.device}, {"AMP" if args.amp else "fp32"}{kind}, '
        f'{torch.get_num_threads()} CPU threads, best of {args.steps}'
    )
    seconds, cpu_seconds = result['seconds'], result['cpu_seconds']
    print(f'| {"Part":<22} | {"Seconds":>8} | {"CPU s":>8} |')
    print(f'| :{"-" * 21} | {"-" * 7}: | {"-" * 7}: |')
    for name in seconds:
        print(
            f'| {name:<22} | {seconds[name]:8.3f} | {cpu_seconds[name]:8.3f} |'
        )
    print(
        f'| {"whole step":<22} | {sum(seconds.values()):8.3f} | '
        f'{sum(cpu_seconds.values()):8.3f} |'
    )
    print(
        f'Peak memory {result["peak_memory"]:.0f} MiB, '
        f'{result["memory_of_model"]:.0f} MiB before the first step.'
    )
    print(
        f'Loss {result["losses"]["loss"]:.4f}, all of the '
        f'{len(result["losses"]) - 1} losses are finite.'
    )


def run_compiled(
    trainer: Trainer, eager: dict, args: argparse.Namespace
) -> dict:
    """Compile the model, run the steps again and print the ratio.

    Returns:
        dict: See :func:`run`, and ``compile_seconds``, the first step.
    """
    compile_parts(trainer.model)
    start = time.perf_counter()
    trainer.step(Stopwatch(args.device))
    seconds = time.perf_counter() - start
    result = run(trainer, args)
    report(result, args, ', compiled')
    ratio = sum(eager['seconds'].values()) / sum(result['seconds'].values())
    print(
        f'A compiled step is {ratio:.2f} times as fast. Its first step took '
        f'{seconds:.0f} s.'
    )
    return dict(result, compile_seconds=seconds)


@report_errors()
def main() -> None:
    """Run the tool."""
    parser = make_parser(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument(
        '--frames', type=int, default=2, help='frames per clip'
    )
    parser.add_argument(
        '--segments', type=int, default=30, help='tubes per clip'
    )
    parser.add_argument('--steps', type=int, default=1)
    parser.add_argument(
        '--amp', action='store_true', help='fp16 on a GPU, bf16 on a CPU'
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='run the steps a second time, compiled',
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    trainer = Trainer(load_config(args.config), args)
    result = run(trainer, args)
    report(result, args)
    if args.compile:
        result['compiled'] = run_compiled(trainer, result, args)
    write_json(args, **result)


if __name__ == '__main__':
    main()
