# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compare trajectory attention with a literal transcription of its formula.

    python tools/benchmarks/benchmark_attention.py [--json FILE]

Prints, for within-clip and cross-clip sizes, time and peak memory of both,
their ratios and the largest difference of outputs and gradients.
"""

import argparse
import json
import os
from collections.abc import Callable
from typing import NamedTuple

from projects.maxtron.models.within_clip import TrajectoryAttention
from projects.maxtron.testing import naive_trajectory_attention

import torch
from torch import Tensor

from tools.benchmarks.measuring import (
    in_new_process,
    median_times,
    peak_memory,
)


class Case(NamedTuple):
    """Size of one measurement: B sequences of T frames of P tokens."""

    name: str
    batch_size: int
    num_frames: int
    num_tokens: int
    with_pos: bool


def axial_cases(num_frames: int, height: int, width: int) -> list[Case]:
    """Height and width axis of a feature map."""
    name = f'within-clip T={num_frames} {height}x{width}'
    return [
        Case(f'{name} height axis', width, num_frames, height, True),
        Case(f'{name} width axis', height, num_frames, width, True),
    ]


CASES = [
    *axial_cases(2, 49, 85),
    *axial_cases(2, 25, 43),
    *axial_cases(4, 45, 80),
    *(
        Case(f'cross-clip K={k} x 100 queries', 1, k, 100, False)
        for k in (12, 50, 200)
    ),
]


def literal_size(
    case: Case, channels: int, heads: int, with_grad: bool
) -> int:
    """Predict the peak memory of the literal form in bytes.

    The matrix between all tokens before and after the softmax, the points
    and the keys and values made of them; their gradients are as large again.
    """
    tokens = case.num_frames * case.num_tokens
    matrix = heads * tokens**2
    points = channels * tokens * case.num_frames
    size = 4 * case.batch_size * (2 * matrix + 4 * points)
    return 2 * size if with_grad else size


class Workload:
    """Everything to run one case in both forms.

    Args:
        case (Case): Sizes.
        channels (int): Number of channels.
        heads (int): Number of attention heads.
        with_grad (bool): Whether to run the backward pass too.
        device (str): Where to run.
    """

    def __init__(
        self,
        case: Case,
        channels: int,
        heads: int,
        with_grad: bool,
        device: str,
    ) -> None:
        torch.manual_seed(0)
        self.with_grad = with_grad
        self.attention = TrajectoryAttention(channels, heads).to(device)
        shape = (case.batch_size, case.num_frames, case.num_tokens, channels)
        self.query = torch.randn(shape, device=device)
        self.query.requires_grad_(with_grad)
        self.query_pos = (
            torch.randn(shape, device=device) if case.with_pos else None
        )
        self.grad = torch.randn(shape, device=device) if with_grad else None

    def ours(self) -> Tensor:
        """Run the project's module."""
        return self._run(self.attention)

    def literal(self) -> Tensor:
        """Run the literal transcription."""
        return self._run(
            lambda query, query_pos: naive_trajectory_attention(
                self.attention, query, query_pos
            )
        )

    def _run(self, function: Callable) -> Tensor:
        if not self.with_grad:
            with torch.no_grad():
                return function(self.query, self.query_pos)
        self.attention.zero_grad(set_to_none=True)
        self.query.grad = None
        out = function(self.query, self.query_pos)
        out.backward(self.grad)
        return out.detach()

    def results(self, function: Callable[[], Tensor]) -> list[Tensor]:
        """Output and, with gradients, the gradients of input and weights."""
        results = [function()]
        if self.with_grad:
            results.append(self.query.grad)
            results.extend(p.grad for p in self.attention.parameters())
        return results


def largest_difference(workload: Workload) -> float:
    """Largest difference of outputs and gradients, relative to their scale.

    Each tensor's difference is divided by its largest value, or by one where
    that is smaller (the gradient of a bias that the softmax does not see is
    rounding noise).
    """
    pairs = zip(
        workload.results(workload.literal), workload.results(workload.ours)
    )
    return max(
        (
            (ours - literal).abs().max() / literal.abs().max().clamp(min=1)
        ).item()
        for literal, ours in pairs
    )


def measure(
    task: str,
    args: argparse.Namespace,
    case: Case,
    with_grad: bool,
    with_literal: bool,
):
    """Measure one thing; meant to be run in a process of its own."""
    torch.set_num_threads(args.threads)
    sizes = (args.embed_dims, args.num_heads, with_grad, args.device)
    # first use allocates buffers in the libraries, which are not counted
    small = Workload(Case('', 1, 2, 8, case.with_pos), *sizes)
    small.ours(), small.literal()
    workload = Workload(case, *sizes)
    if task == 'memory of ours':
        return peak_memory(workload.ours, workload.query.is_cuda)
    if task == 'memory of literal':
        return peak_memory(workload.literal, workload.query.is_cuda)
    if task == 'difference':
        return largest_difference(workload)
    functions = [workload.ours]
    if with_literal:
        functions.append(workload.literal)
    return median_times(functions, args.seconds, workload.query.is_cuda)


def benchmark_case(
    args: argparse.Namespace, case: Case, with_grad: bool
) -> dict:
    """All measurements of one case."""
    size = literal_size(case, args.embed_dims, args.num_heads, with_grad)
    with_literal = size < args.max_literal_gib * 2**30

    def run(task: str):
        return in_new_process(
            measure,
            task,
            args,
            case,
            with_grad,
            with_literal,
            device=args.device,
        )

    row = dict(
        case=case.name, mode='forward+backward' if with_grad else 'forward'
    )
    times = run('time')
    row.update(ours_ms=times[0], ours_mib=run('memory of ours'))
    if with_literal:
        row.update(
            literal_ms=times[1],
            literal_mib=run('memory of literal'),
            difference=run('difference'),
        )
        row['time_ratio'] = row['literal_ms'] / row['ours_ms']
        row['memory_ratio'] = row['literal_mib'] / row['ours_mib']
    return row


def format_row(row: dict) -> str:
    """One line of the table."""

    def cell(key: str, form: str, width: int) -> str:
        return (format(row[key], form) if key in row else '-').rjust(width)

    return ' '.join(
        (
            row['case'].ljust(36),
            row['mode'].ljust(16),
            cell('literal_ms', '.1f', 10),
            cell('ours_ms', '.1f', 9),
            cell('time_ratio', '.2f', 7),
            cell('literal_mib', '.1f', 11),
            cell('ours_mib', '.1f', 9),
            cell('memory_ratio', '.2f', 7),
            cell('difference', '.1e', 9),
        )
    )


def header() -> tuple[str, str]:
    """The first lines of the table."""
    line = ' '.join(
        (
            'case'.ljust(36),
            'mode'.ljust(16),
            'literal ms'.rjust(10),
            'ours ms'.rjust(9),
            'ratio'.rjust(7),
            'literal MiB'.rjust(11),
            'ours MiB'.rjust(9),
            'ratio'.rjust(7),
            'max diff'.rjust(9),
        )
    )
    return line, '-' * len(line)


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('--json', help='also write the results to this file')
    parser.add_argument(
        '--cases', default='', help='only cases whose name contains this'
    )
    parser.add_argument(
        '--seconds', type=float, default=2.0, help='time per measurement'
    )
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--embed-dims', type=int, default=256)
    parser.add_argument('--num-heads', type=int, default=8)
    parser.add_argument(
        '--max-literal-gib',
        type=float,
        default=8.0,
        help='the literal form is left out where it needs more than this',
    )
    return parser.parse_args(args)


def main(args: list[str] | None = None) -> None:
    """Run and print all measurements."""
    args = parse_args(args)
    cases = [case for case in CASES if args.cases in case.name]
    if not cases:
        names = '\n  '.join(case.name for case in CASES)
        raise SystemExit(
            f'No case contains "{args.cases}". There are:\n  {names}'
        )
    print('\n'.join(header()), flush=True)
    rows = []
    for case in cases:
        for with_grad in (False, True):
            rows.append(benchmark_case(args, case, with_grad))
            print(format_row(rows[-1]), flush=True)
    if args.json is not None:
        with open(f'{args.json}.partial', 'w') as f:
            json.dump(
                dict(
                    torch=torch.__version__,
                    device=args.device,
                    threads=args.threads,
                    embed_dims=args.embed_dims,
                    num_heads=args.num_heads,
                    rows=rows,
                ),
                f,
                indent=2,
            )
        os.replace(f'{args.json}.partial', args.json)


if __name__ == '__main__':
    main()
