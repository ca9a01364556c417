# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compare the forms of deformable attention with MMCV's PyTorch form.

    python tools/benchmarks/benchmark_deformable_attention.py [--json FILE]

For one layer of each size, the table has the time and peak memory of MMCV's
form and of each form that runs on the device, their ratios, and the largest
difference of outputs and gradients.
"""

import argparse
from functools import partial
from typing import NamedTuple

from projects.maxtron.errors import InputError
from projects.maxtron.models.layers.ms_deform_attn import (
    IMPLEMENTATIONS,
    multi_scale_deformable_attention,
)
from projects.maxtron.models.layers.ms_deform_attn.choice import (
    choose_implementation,
)

import torch
from mmcv.ops.multi_scale_deform_attn import (
    multi_scale_deformable_attn_pytorch,
)
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
    """Size of one layer: B frames, h heads of d channels."""

    name: str
    batch_size: int
    num_heads: int
    head_dims: int
    spatial_shapes: tuple[tuple[int, int], ...]


CASES = [
    Case('R50 2x769x1345', 2, 8, 32, ((25, 43), (49, 85), (97, 169))),
    Case('R50 5x384x640', 5, 8, 32, ((12, 20), (24, 40), (48, 80))),
    Case('tiny 2x97x161', 2, 4, 16, ((4, 6), (7, 11), (13, 21))),
]
NUM_POINTS = 4


class Workload:
    """One case in both forms.

    Args:
        case (Case): Sizes.
        form (str): 'torch', 'triton' or 'mmcv'.
        with_grad (bool): Whether to run the backward pass too.
        device (str): Where to run.
    """

    def __init__(
        self, case: Case, form: str, with_grad: bool, device: str
    ) -> None:
        torch.manual_seed(0)
        self.form, self.with_grad = form, with_grad
        self.shapes = case.spatial_shapes
        self.shape_tensor = torch.tensor(self.shapes, device=device)
        num_tokens = sum(h * w for h, w in self.shapes)
        points = (len(self.shapes), NUM_POINTS)
        shape = (case.batch_size, num_tokens, case.num_heads)
        value = torch.randn(*shape, case.head_dims)
        # Tokens of a map in order, and offsets of some cells, as in a model.
        centers = torch.cat(
            [
                torch.cartesian_prod(
                    (torch.arange(h) + 0.5) / h, (torch.arange(w) + 0.5) / w
                ).flip(-1)
                for h, w in self.shapes
            ]
        )
        sizes = torch.tensor(self.shapes).flip(-1)[:, None]  # (L, 1, 2)
        offsets = 3 * torch.randn(*shape, *points, 2) / sizes
        locations = centers[:, None, None, None] + offsets
        weights = torch.randn(*shape, len(self.shapes) * NUM_POINTS)
        weights = weights.softmax(-1).unflatten(-1, points)
        self.inputs = [
            x.to(device).requires_grad_(with_grad)
            for x in (value, locations, weights)
        ]
        self.grad = torch.randn(*shape[:2], value[0, 0].numel())
        self.grad = self.grad.to(device)

    def ours(self) -> list[Tensor]:
        """Run the project's form."""
        value, *others = self.inputs
        return self._results(
            multi_scale_deformable_attention(
                value, self.shapes, *others, self.form
            )
        )

    def naive(self) -> list[Tensor]:
        """Run MMCV's form."""
        value, *others = self.inputs
        return self._results(
            multi_scale_deformable_attn_pytorch(
                value, self.shape_tensor, *others
            )
        )

    def _results(self, out: Tensor) -> list[Tensor]:
        """Return the output and any gradients."""
        if not self.with_grad:
            return [out]
        return [out, *torch.autograd.grad(out, self.inputs, self.grad)]

    def difference(self) -> dict[str, float]:
        """Find the largest difference, relative to the largest value."""
        pairs = zip(self.naive(), self.ours())
        largest = max(
            (ours - naive).abs().max() / naive.abs().max()
            for naive, ours in pairs
        )
        return dict(difference=largest.item())


def measure(
    task: str, args: argparse.Namespace, case: Case, form: str, with_grad: bool
):
    """Measure one quantity of a case; must run in a new process."""
    torch.set_num_threads(args.threads)
    # The first call allocates buffers of the libraries: do not count them.
    small = Workload(CASES[-1], form, with_grad, args.device)
    small.ours(), small.naive()
    workload = Workload(case, form, with_grad, args.device)
    return measure_workload(
        task, workload, args.seconds, args.device != 'cpu', with_naive=True
    )


def benchmark_case(
    args: argparse.Namespace, case: Case, form: str, with_grad: bool
) -> dict:
    """Measure one form of a case."""

    def run(task: str):
        return in_new_process(
            measure, task, args, case, form, with_grad, device=args.device
        )

    mode = 'forward+backward' if with_grad else 'forward'
    row = compare(run, 'ms', 1, with_naive=True)
    return dict(case=case.name, form=form, mode=mode, **row)


def forms_on(device: str) -> list[str]:
    """List the forms that run on a device."""
    forms = []
    for form in IMPLEMENTATIONS:
        try:
            if choose_implementation(device, 3, form) == form:
                forms.append(form)
        except InputError:
            pass  # not installed
    return forms


TABLE = Table(
    [
        Column('case', 'case', 's'),
        Column('form', 'form', 's'),
        Column('mode', 'mode', 's'),
        Column('MMCV ms', 'naive_ms', '.1f'),
        Column('ours ms', 'ours_ms', '.1f'),
        Column('ratio', 'time_ratio', '.2f'),
        Column('MMCV MiB', 'naive_mib', '.1f'),
        Column('ours MiB', 'ours_mib', '.1f'),
        Column('ratio', 'memory_ratio', '.2f'),
        Column('max diff', 'difference', '.1e'),
    ],
    dict(case=15, mode=16),
)


def main(args: list[str] | None = None) -> None:
    """Run and print all measurements."""
    args = make_parser(__doc__).parse_args(args)
    rows = [
        partial(benchmark_case, args, case, form, with_grad)
        for case in choose_cases(CASES, args.cases)
        for form in forms_on(args.device.split(':')[0])
        for with_grad in (False, True)
    ]
    run_comparison(args, TABLE, rows)


if __name__ == '__main__':
    main()
