# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Forms of deformable attention: results, gradients, time and memory."""

from projects.maxtron.models.layers.ms_deform_attn.custom_op import (
    ms_deform_attn,
)

import torch
from torch import Tensor

from tools.benchmarks.benchmark_deformable_attention import (
    CASES,
    Case,
    Workload,
    forms_on,
)
from tools.benchmarks.measuring import peak_memory

from .checker import Checker

# Largest relative difference (of norms) from float64 of the PyTorch form.
BOUNDS = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 3e-2}
# Odd sizes, one and four levels, few channels, one head.
SHAPES = [
    Case('1 level, 1 head of 1', 1, 1, 1, ((3, 5),)),
    Case('4 levels, 2 heads of 5', 3, 2, 5, ((1, 1), (2, 3), (7, 5), (9, 17))),
    Case('3 levels, 3 heads of 64', 1, 3, 64, ((5, 4), (9, 8), (17, 15))),
]
NAMES = ('output', 'value', 'locations', 'weights')


def run(check: Checker) -> None:
    """Check and measure each form that runs on the device."""
    cases = [*SHAPES, CASES[-1]] if check.small else [*SHAPES, *CASES]
    forms = forms_on(torch.device(check.device).type)
    check.record('forms', value=', '.join(forms))
    for case in cases:
        expected = _results(Workload(case, 'torch', True, check.device), None)
        for form in forms:
            for dtype, bound in BOUNDS.items():
                name = f'{case.name}, {form}, {str(dtype)[6:]}'
                with check.guard(name):
                    workload = Workload(case, form, True, check.device)
                    results = zip(_results(workload, dtype), expected)
                    check.compare_each(
                        name,
                        {
                            what: (x, y, bound)
                            for what, (x, y) in zip(NAMES, results)
                        },
                        bound=bound,
                    )
    for case in CASES[:1] if not check.small else CASES[-1:]:
        for form in forms:
            for with_grad in (False, True):
                _measure(check, case, form, with_grad)
    for form in set(forms) - {'torch'}:
        with check.guard(f'opcheck, {form}'):
            _check_operator(check, form)


def _results(workload: Workload, dtype: torch.dtype | None) -> list[Tensor]:
    """Compute output and gradients; None is float64 throughout.

    Locations stay in float32, as in the network.
    """
    value, locations, weights = workload.inputs
    if dtype is None:
        workload.inputs = [x.detach().double() for x in workload.inputs]
    else:
        value, weights = value.detach().to(dtype), weights.detach().to(dtype)
        workload.inputs = [value, locations.detach(), weights]
    for x in workload.inputs:
        x.requires_grad_()
    workload.grad = workload.grad.to(workload.inputs[0].dtype)
    return workload.ours()


def _measure(check: Checker, case: Case, form: str, with_grad: bool) -> None:
    """Measure time and memory of a form in float32."""
    mode = 'forward+backward' if with_grad else 'forward'
    name = f'{case.name}, {form}, {mode}, time'
    with check.guard(name):
        workload = Workload(case, form, with_grad, check.device)
        (ms,) = check.measure(workload.ours)
        mib = peak_memory(workload.ours, check.is_cuda)
        check.record(name, ms=ms, mib=mib)


def _check_operator(check: Checker, form: str) -> None:
    """Let PyTorch check the operator: schema, fake form, autograd, tracing."""
    workload = Workload(SHAPES[1], form, True, check.device)
    sizes = [side for shape in workload.shapes for side in shape]
    value, *others = workload.inputs
    result = torch.library.opcheck(
        ms_deform_attn, (value, sizes, *others, form)
    )
    check.record(
        f'opcheck, {form}',
        all(text == 'SUCCESS' for text in result.values()),
        value=str(result),
    )
