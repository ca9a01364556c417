# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compare trajectory attention with a naive implementation of its formula.

    python tools/benchmarks/benchmark_attention.py [--json FILE]

For within-clip and cross-clip sizes, the table has the time and peak memory of
both forms, their ratios, and the largest difference of outputs and gradients.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from projects.maxtron.models.within_clip import TrajectoryAttention
from projects.maxtron.testing import naive_trajectory_attention

import torch
from torch import Tensor

from tools.benchmarks.cli import Column, Table
from tools.benchmarks.comparison import (
    choose_cases,
    compare,
    make_parser,
    measure_workload,
    run_comparison,
)
from tools.benchmarks.measuring import in_new_process


class Case(NamedTuple):
    """Size of one measurement: B sequences of T frames of P tokens."""

    name: str
    batch_size: int
    num_frames: int
    num_tokens: int
    with_pos: bool


def axial_cases(num_frames: int, height: int, width: int) -> list[Case]:
    """Make the cases of the height and the width axis of a feature map."""
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


def naive_size(case: Case, channels: int, heads: int, with_grad: bool) -> int:
    """Predict the peak memory of the naive form in bytes.

    It has the attention matrix between all tokens before and after the
    softmax, the trajectory points, and their keys and values. The gradients
    take the same memory again.
    """
    tokens = case.num_frames * case.num_tokens
    matrix = heads * tokens**2
    points = channels * tokens * case.num_frames
    size = 4 * case.batch_size * (2 * matrix + 4 * points)
    return 2 * size if with_grad else size


class Workload:
    """One case in both forms. Args:
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

    def naive(self) -> Tensor:
        """Run the naive form."""
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
        """Return the output and any gradients of input and weights."""
        results = [function()]
        if self.with_grad:
            results.append(self.query.grad)
            results.extend(p.grad for p in self.attention.parameters())
        return results

    def difference(self) -> dict[str, float]:
        """Find the largest relative difference of outputs and gradients.

        The difference of each tensor is divided by its largest value, or by 1
        if that is smaller: the softmax does not depend on some biases, so
        their gradients are rounding noise.
        """
        pairs = zip(self.results(self.naive), self.results(self.ours))
        largest = max(
            (ours - naive).abs().max() / naive.abs().max().clamp(min=1)
            for naive, ours in pairs
        )
        return dict(difference=largest.item())


def measure(
    task: str,
    args: argparse.Namespace,
    case: Case,
    with_grad: bool,
    with_naive: bool,
):
    """Measure one quantity of a case; must run in a new process."""
    torch.set_num_threads(args.threads)
    sizes = (args.embed_dims, args.num_heads, with_grad, args.device)
    # The first call allocates buffers of the libraries: do not count them.
    small = Workload(Case('', 1, 2, 8, case.with_pos), *sizes)
    small.ours(), small.naive()
    workload = Workload(case, *sizes)
    return measure_workload(
        task, workload, args.seconds, workload.query.is_cuda, with_naive
    )


def benchmark_case(
    args: argparse.Namespace, case: Case, with_grad: bool
) -> dict:
    """Measure one case."""
    size = naive_size(case, args.embed_dims, args.num_heads, with_grad)
    with_naive = size < args.max_naive_gib * 2**30

    def run(task: str):
        return in_new_process(
            measure,
            task,
            args,
            case,
            with_grad,
            with_naive,
            device=args.device,
        )

    mode = 'forward+backward' if with_grad else 'forward'
    return dict(case=case.name, mode=mode, **compare(run, 'ms', 1, with_naive))


TABLE = Table(
    [
        Column('case', 'case', 's'),
        Column('mode', 'mode', 's'),
        Column('naive ms', 'naive_ms', '.1f'),
        Column('ours ms', 'ours_ms', '.1f'),
        Column('ratio', 'time_ratio', '.2f'),
        Column('naive MiB', 'naive_mib', '.1f'),
        Column('ours MiB', 'ours_mib', '.1f'),
        Column('ratio', 'memory_ratio', '.2f'),
        Column('max diff', 'difference', '.1e'),
    ],
    dict(case=36, mode=16),
)


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('--embed-dims', type=int, default=256)
    parser.add_argument('--num-heads', type=int, default=8)
    return parser.parse_args(args)


def main(args: list[str] | None = None) -> None:
    """Run and print all measurements."""
    args = parse_args(args)
    rows = [
        partial(benchmark_case, args, case, with_grad)
        for case in choose_cases(CASES, args.cases)
        for with_grad in (False, True)
    ]
    run_comparison(args, TABLE, rows)


if __name__ == '__main__':
    main()
