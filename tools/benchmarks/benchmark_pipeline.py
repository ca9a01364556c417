# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compare overlapping stages of inference with stages one after the other.

    python tools/benchmarks/benchmark_pipeline.py [--cases TEXT]

The cases 'planted' have stages that only wait: reading, network,
post-processing, drawing and writing. Overlapped, a clip should take the time
of the longest one. The cases 'demo' run the shipped models on a made-up video
and draw it. On a CPU all stages share the cores, so that only idle cores can
be used.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from projects.maxtron.apis import MaXTronInferencer
from projects.maxtron.engine.cli import positive_int, report_errors
from projects.maxtron.pipeline import map_ahead, run_ahead

import numpy as np
import torch

from tools.benchmarks import cli
from tools.benchmarks.comparison import choose_cases
from tools.benchmarks.measuring import in_new_process

STAGES = ('reading', 'network', 'post-processing', 'drawing', 'writing')


class Case(NamedTuple):
    """A case of the benchmark.

    Attributes:
        name (str): Name.
        delays (tuple[float]): Milliseconds of each stage; empty for a model.
        model (str): Name of a released model; empty for planted delays.
    """

    name: str
    delays: tuple[float, ...] = ()
    model: str = ''


CASES = (
    Case('planted equal', (40, 40, 40, 40, 40)),
    Case('planted network', (5, 40, 10, 20, 10)),
    Case('planted drawing', (5, 15, 10, 40, 10)),
    Case(
        'demo instances',
        model='maxtron-nearonline_tube-link_tiny_synthetic-vis',
    ),
    Case(
        'demo panoptic',
        model='maxtron-nearonline_video-kmax_tiny_synthetic-vps',
    ),
)
COLUMNS = (
    cli.Column('Case', 'name', 's'),
    cli.Column('In sequence s', 'sequence_s', '.2f'),
    cli.Column('CPU s', 'sequence_cpu_s', '.2f'),
    cli.Column('Overlapped s', 'overlapped_s', '.2f'),
    cli.Column('CPU s', 'overlapped_cpu_s', '.2f'),
    cli.Column('Ratio', 'ratio', '.2f'),
    cli.Column('Longest stage s', 'longest_s', '.2f'),
    cli.Column('Overlapped / longest', 'excess', '.2f'),
)


def run_planted(delays: tuple[float, ...], clips: int, overlap: bool) -> None:
    """Pass clips through stages that wait."""

    def stage(delay: float, items: Iterator[int]) -> Iterator[int]:
        for item in items:
            time.sleep(delay / 1e3)
            yield item

    *ahead, drawing, writing = delays
    items: Iterator[int] = iter(range(clips))
    for delay in ahead:
        items = stage(delay, items)
        items = run_ahead(items) if overlap else items

    def draw(item: int) -> int:
        time.sleep(drawing / 1e3)
        return item

    items = map_ahead(draw, items, 1) if overlap else map(draw, items)
    for _ in stage(writing, items):
        pass


def run_demo(
    inferencer: MaXTronInferencer, frames: np.ndarray, overlap: bool
) -> None:
    """Segment and draw a video."""
    inferencer.model.overlap_stages = overlap
    results = inferencer.stream(frames)

    def draw(result: tuple) -> np.ndarray:
        return inferencer.draw(*result, score_thr=0.0)

    for _ in map_ahead(draw, results, 4) if overlap else map(draw, results):
        pass


def moving_picture(num_frames: int, size: tuple[int, int]) -> np.ndarray:
    """Make frames of random blocks that move, (T, H, W, 3), uint8."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (size[0] // 60, size[1] // 60, 3), np.uint8)
    image = blocks.repeat(60, 0).repeat(60, 1)
    return np.stack([np.roll(image, 8 * t, 1) for t in range(num_frames)])


def measure(args: argparse.Namespace, case: Case) -> dict:
    """Measure a case; must run in a new process."""
    torch.set_num_threads(args.threads)
    run: Callable[[bool], None] = partial(run_planted, case.delays, args.clips)
    if case.model:
        inferencer = MaXTronInferencer(case.model, device=args.device)
        frames = moving_picture(args.clips, (720, 1260))
        run = partial(run_demo, inferencer, frames)
        run(False)  # warm-up
    row: dict = dict(name=case.name)
    times: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for _, overlap in itertools.product(range(3), (False, True)):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        run(overlap)
        seconds = time.perf_counter() - begin
        times[overlap].append((seconds, time.process_time() - begin_cpu))
    for key, overlap in (('sequence', False), ('overlapped', True)):
        row[f'{key}_s'], row[f'{key}_cpu_s'] = np.median(
            times[overlap], axis=0
        ).tolist()
    row['ratio'] = row['sequence_s'] / row['overlapped_s']
    if case.delays:
        row['longest_s'] = max(case.delays) * args.clips / 1e3
        row['excess'] = row['overlapped_s'] / row['longest_s']
    return row


@report_errors()
def main(args: list[str] | None = None) -> None:
    """Run and print all cases."""
    parser = cli.make_parser(__doc__, threads=1)
    parser.add_argument(
        '--cases', default='', help='only cases whose name contains this'
    )
    parser.add_argument(
        '--clips',
        type=positive_int,
        default=48,
        help='number of clips (planted) or frames (demo)',
    )
    options = parser.parse_args(args)
    table = cli.Table(COLUMNS, dict(name=16))
    rows = [
        partial(in_new_process, measure, options, case, device=options.device)
        for case in choose_cases(CASES, options.cases)
    ]
    cli.write_json(options, rows=cli.print_rows(table, rows))


if __name__ == '__main__':
    main()
